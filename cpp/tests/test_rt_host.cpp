/// The whole host with its threads, a plant and clients, in one process: for ThreadSanitizer too.
#include "kernel_rig.hpp"

#include <rt/host.hpp>
#include <rt/sides.hpp>

#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

#include <unistd.h>

using namespace podhand;
using namespace podhand::test;
using namespace podhand::rt;

namespace {

constexpr const char* kBuild = "test";

std::string refusal(const std::string& name, const char* build) {
  try {
    Client client(name, build);
  } catch (const ExchangeError& error) {
    return error.what();
  }
  return "";
}

void run_plant(const std::string& name) {
  Rig rig;
  PlantSide side(name, kBuild);
  while (true) {
    rig.step();
    std::copy_n(side.outputs.tick > 0 ? side.outputs.command : rig.in.q, kAxes, rig.in.q);
    side.inputs = rig.in;
    PlantSide::Turn turn = side.exchange(1.0);
    while (turn == PlantSide::Turn::kWaiting) turn = side.exchange(1.0);
    if (turn == PlantSide::Turn::kGone) return;
  }
}

std::unique_ptr<Command> submit(double z) {
  auto command = std::make_unique<Command>();
  command->kind = CommandKind::kSubmit;
  command->channel = 1;
  command->count = 1;
  command->chain[0] = *segment();
  command->chain[0].reference[kGroupBandArm].kind = RefKind::kTarget;
  command->chain[0].reference[kGroupBandArm].target[2] = z;
  command->chain[0].reference[kGroupBandArm].target_speed = 0.05;
  return command;
}

/// Beats for a client until told to be silent.
class Beater {
 public:
  explicit Beater(Client& client)
      : thread_([this, &client] {
          for (; !over_.load(); std::this_thread::sleep_for(std::chrono::milliseconds(5))) client.beat();
        }) {}
  ~Beater() { silence(); }
  void silence() {
    over_.store(true);
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::atomic<bool> over_{false};
  std::thread thread_;
};

Answer arm(Client& client) {
  Command command{};
  command.kind = CommandKind::kArm;
  return client.send(command).answer;
}

Outcome await_outcome(Client& client) {
  Outcome outcome;
  for (int i = 0; i < 20000; ++i) {
    if (client.take_outcome(outcome)) return outcome;
    (void)client.wait_beyond(client.cell.ticks, 1.0);
  }
  CHECK(!"an outcome in time");
  return outcome;
}

void clients(const std::string& name) {
  Client client(name, kBuild), other(name, kBuild);
  Beater beater(client);
  CHECK(client.take_lease() && client.holds_lease() && client.owner_pid() == getpid());
  CHECK(!other.take_lease() && !other.holds_lease());
  CHECK(other.send(*submit(0.01)).answer == Answer::kNotOwner);

  const Acknowledgement disarmed = client.send(*submit(0.01));
  CHECK(disarmed.answer == Answer::kRefused && std::strstr(disarmed.words, "disarmed") != nullptr);
  CHECK(arm(client) == Answer::kAccepted);
  CHECK(client.send(*submit(0.01)).answer == Answer::kAccepted);
  CHECK(await_outcome(client).cause == Cause::kReached);
  CHECK(client.cell.ticks > 100 && client.cell.state.chain[1] == 0);
  auto wrong = submit(99.0);
  const Acknowledgement refused = client.send(*wrong);
  CHECK(refused.answer == Answer::kRefused && refused.words[0] != '\0');
  wrong->kind = static_cast<CommandKind>(77);
  CHECK(client.send(*wrong).answer == Answer::kMalformed);

  // Silence: within the lease, and a little more, the motion is cancelled.
  CHECK(client.send(*submit(0.5)).answer == Answer::kAccepted);
  beater.silence();
  CHECK(await_outcome(client).cause == Cause::kLeaseLost);
  CHECK(!client.holds_lease());
  Beater again(other);
  CHECK(other.take_lease() && arm(other) == Answer::kAccepted);
  CHECK(other.send(*submit(0.02)).answer == Answer::kAccepted);
  Outcome outcome;
  while (other.take_outcome(outcome)) {
  }
  CHECK(await_outcome(other).cause == Cause::kReached);
  CHECK(other.lost_ticks() == 0 || other.cell.ticks > kFlightTicks);
}

class Random {
 public:
  std::uint64_t operator()() noexcept { return state_ = state_ * 6364136223846793005u + 1442695040888963407u; }
  std::uint64_t below(std::uint64_t n) noexcept { return ((*this)() >> 33) % n; }

 private:
  std::uint64_t state_{5};
};

/// Commands made of any bits are answered, and what comes out of the kernel stays finite and inside its limits.
void a_lying_client_is_answered(const std::string& name) {
  Client client(name, kBuild);
  Beater beater(client);
  CHECK(client.take_lease());
  Random random;
  const KernelConfig config = station();
  int accepted = 0;
  for (int round = 0; round < 300; ++round) {
    auto command = submit(0.01);
    CHECK(arm(client) == Answer::kAccepted);
    command->kind = static_cast<CommandKind>(random.below(9));
    command->channel = random.below(4) == 0 ? static_cast<std::int32_t>(random()) : static_cast<int>(random.below(2));
    command->count = random.below(3) == 0 ? random() : random.below(kMaxSegments + 2);
    auto* words = reinterpret_cast<unsigned char*>(command->chain);
    for (std::uint64_t i = 0; i < random.below(20); ++i) {
      const std::uint64_t bits = random();
      std::memcpy(words + 8 * random.below(sizeof(Segment) / 8), &bits, 8);
    }
    accepted += client.send(*command).answer == Answer::kAccepted ? 1 : 0;
    for (int axis = 0; axis < kAxes; ++axis) {
      const double now = client.cell.outputs.command[axis];
      CHECK(std::isfinite(now));
      if (axis == kBeltLeft || axis == kBeltRight || !config.axis[axis].present) continue;
      CHECK(now >= config.axis[axis].min_position && now <= config.axis[axis].max_position);
    }
  }
  CHECK(accepted > 0 && accepted < 300);
}

/// Whatever is written over the commands, the cycle goes on, and an honest client is served afterwards.
void scribbled_memory_is_survived(const std::string& name) {
  SharedMemory memory = SharedMemory::attach(name, kBuild);
  auto* words = reinterpret_cast<unsigned char*>(&memory->commands);
  Random random;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 200; ++i) {
      const std::uint64_t bits = random();
      const std::uint64_t at = i < 40 ? random.below(32) : random.below(sizeof(memory->commands) / 8);
      std::memcpy(words + 8 * at, &bits, 8);
    }
    ring(memory->bells.commands);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  Client client(name, kBuild);
  Beater beater(client);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(client.take_lease());
  CHECK(client.wait_beyond(client.cell.ticks, 5.0));
  auto cancel = std::make_unique<Command>();
  cancel->kind = CommandKind::kCancel;
  cancel->channel = -1;
  CHECK(client.send(*cancel).answer == Answer::kAccepted);
}

void fill(Header& header, const BlockKind& kind) {
  header.magic = kind.magic;
  header.version = kind.version;
  header.pid = getpid();
  header.size = kind.size;
  header.layout_hash = kind.layout_hash;
  std::snprintf(header.build_id, sizeof header.build_id, "%s", kBuild);
}

}  // namespace

int main() {
  const std::string name = "/podhand-test-" + std::to_string(getpid());
  CHECK(refusal(name, kBuild).find("does not exist") != std::string::npos);
  CHECK(refusal("no-slash", kBuild).find("names no shared memory") != std::string::npos);
  {
    SharedMemory memory = SharedMemory::create(name);
    CHECK(refusal(name, kBuild).find("not ready yet") != std::string::npos);
    Shared<Flight> flight = Shared<Flight>::create(flight_name(name));
    Header& header = memory->header;
    fill(header, Exchange::kind());
    fill(flight->header, Flight::kind());

    HostOptions options;
    options.wanted.priority = 0;
    Host host(*memory, *flight, station(), options);
    std::thread hosting([&host] { CHECK(host.run() == 0); });
    while (header.ready.load() == 0) std::this_thread::yield();

    CHECK(refusal(name, "another").find("is of build test") != std::string::npos);
    header.layout_hash += 1;
    CHECK(refusal(name, kBuild).find("another record layout") != std::string::npos);
    header.layout_hash -= 1;
    header.version += 1;
    CHECK(refusal(name, kBuild).find("has version 3, this build speaks 2") != std::string::npos);
    header.version -= 1;
    try {
      (void)SharedMemory::create(name);
      CHECK(!"a name in use is refused");
    } catch (const ExchangeError& error) {
      CHECK(std::string(error.what()).find("is in use by podhand-rt") != std::string::npos);
    }

    std::thread plant([&name] { run_plant(name); });
    clients(name);
    a_lying_client_is_answered(name);
    scribbled_memory_is_survived(name);
    Host::ask_to_stop(SIGTERM);
    hosting.join();
    header.leaving.store(1);
    plant.join();
  }
  CHECK(refusal(name, kBuild).find("does not exist") != std::string::npos);

  KernelConfig wrong = station();
  wrong.safety.max_force_norm_n = 0.0;
  auto exchange = std::make_unique<Exchange>();
  auto flight = std::make_unique<Flight>();
  try {
    Host host(*exchange, *flight, wrong, {});
    CHECK(!"a wrong configuration is refused");
  } catch (const ExchangeError& error) {
    CHECK(std::string(error.what()).find("the kernel refuses the configuration") != std::string::npos);
  }
}
