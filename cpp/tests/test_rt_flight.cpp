/// What the flight recorder keeps: payloads whole or not at all, states that a kernel goes on from, files of them.
#include "kernel_rig.hpp"

#include <rt/cycle.hpp>
#include <rt/flight_file.hpp>
#include <rt/mcap.hpp>
#include <rt/shared_memory.hpp>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

using namespace podhand;
using namespace podhand::test;
using namespace podhand::rt;

namespace {

using Bytes = std::vector<unsigned char>;

class Random {
 public:
  std::uint64_t below(std::uint64_t n) noexcept {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return (state_ >> 33) % n;
  }

 private:
  std::uint64_t state_{11};
};

/// Bytes that say which they are, with holes of zeros as segments have them.
Bytes made(std::uint64_t number, std::size_t size) {
  Bytes data(size);
  for (std::size_t i = 0; i < size; ++i) {
    if ((i / 40 + number) % 3 == 0) data[i] = static_cast<unsigned char>(number + i);
  }
  return data;
}

void payloads_come_back_whole_or_not_at_all() {
  const auto ring = std::make_unique<PayloadRing>();
  Random random;
  std::vector<Stored> stored;
  std::vector<std::size_t> sizes;
  std::size_t lost = 0;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    sizes.push_back(random.below(20) == 0 ? 0 : random.below(30000));
    stored.push_back(ring->put(made(i, sizes.back()).data(), sizes.back()));
    const std::uint64_t which = i - random.below(std::min<std::uint64_t>(i + 1, 1500));
    Bytes back;
    if (ring->get(stored[which], back))
      CHECK(back == made(which, sizes[which]));
    else
      ++lost;
    CHECK(ring->get(stored[i], back) && back == made(i, sizes[i]));
  }
  CHECK(lost > 100 && lost < 2900);
  Bytes back;
  CHECK(!ring->get({~std::uint64_t{0}, 5, 40}, back) && !ring->get({0, ~std::uint64_t{0}, 40}, back));
  CHECK(!ring->get({stored.back().at, stored.back().words, ~std::uint64_t{0}}, back));
  const Bytes zeros(100000), ones(100000, 1);
  CHECK(ring->put(zeros.data(), zeros.size()).words == 1);
  CHECK(ring->put(ones.data(), ones.size()).words == 12501);
}

void a_reader_beside_the_writer_gets_no_torn_payload() {
  const auto ring = std::make_unique<PayloadRing>();
  Slot<Stored> newest;
  std::atomic<std::uint64_t> count{0};
  std::atomic<bool> over{false};
  std::thread reader([&] {
    int whole = 0;
    while (!over.load() || whole == 0) {
      const std::uint64_t number = count.load(std::memory_order_acquire);
      Stored stored;
      Bytes back;
      if (number == 0 || newest.read(number - 1, stored) != Slot<Stored>::Found::kWhole) continue;
      if (!ring->get(stored, back)) continue;
      CHECK(back == made(number - 1, 9000));
      ++whole;
    }
  });
  for (std::uint64_t i = 0; i < 3000; ++i) {
    newest.write(i, ring->put(made(i, 9000).data(), 9000));
    count.store(i + 1, std::memory_order_release);
  }
  over.store(true);
  reader.join();
}

/// A compliant line against changing forces while the band arm moves: much of the state is in use.
struct Course {
  Rig rig;
  std::unique_ptr<Segment> arm = segment(), band = segment();

  Course() {
    for (int i = 0; i < 3; ++i) arm->law[i] = {Law::kCompliant, {}, 5, 500, 300, 0, 0};
    arm->until[0] = compare(Op::kGreater, Signal::kForceNorm, 0, 50);
    arm->timeout_s = band->timeout_s = 100.0;
    line(*arm, rig.kernel.state(), 0.1, 0, 0, 0.1);
    band->reference[kGroupBandArm].kind = RefKind::kTarget;
    band->reference[kGroupBandArm].target[2] = 0.1;
    band->reference[kGroupBandArm].target_speed = 0.1;
    rig.submit(*arm, 0);
    rig.submit(*band, 1);
  }

  Inputs next(const Outputs& out) {
    ++rig.in.tick;
    rig.in.time_s += 1e-3;
    ++rig.in.ft_sequence;
    rig.in.wrench[0] = 2.0 * std::sin(0.02 * static_cast<double>(rig.in.tick));
    std::copy_n(out.command, kAxes, rig.in.q);
    return rig.in;
  }
};

void a_kernel_goes_on_from_a_saved_state_bit_for_bit() {
  Course course;
  const auto state = std::make_unique<KernelState>();
  Outputs out = course.rig.out;
  for (int from = 0; from < 20; ++from) {
    for (int i = 0; i < 97; ++i) course.rig.kernel.tick(course.next(out), out);
    course.rig.kernel.save(*state);
    Kernel other;
    CHECK(other.configure(station()).ok());
    const Segment* chains[kChannels] = {course.arm.get(), course.band.get()};
    const std::size_t counts[kChannels] = {1, 1};
    other.restore(*state, chains, counts);
    CHECK(std::memcmp(&other.state(), &course.rig.kernel.state(), sizeof(State)) == 0);
    Outputs again{};
    for (int i = 0; i < 200; ++i) {
      const Inputs inputs = course.next(out);
      course.rig.kernel.tick(inputs, out);
      other.tick(inputs, again);
      CHECK(std::memcmp(out.command, again.command, sizeof out.command) == 0);
      CHECK(out.digital == again.digital && out.stop_request == again.stop_request);
    }
    Outcome one, two;
    while (course.rig.kernel.take_outcome(one))
      CHECK(other.take_outcome(two) && std::memcmp(&one, &two, sizeof one) == 0);
    CHECK(!other.take_outcome(two));
  }
}

/// A cycle on a plant that follows its set-points.
struct Cell {
  Rig rig;
  std::unique_ptr<Exchange> exchange = std::make_unique<Exchange>();
  std::unique_ptr<Flight> flight = std::make_unique<Flight>();
  Kernel kernel;
  std::unique_ptr<Cycle> cycle;

  Cell() {
    CHECK(kernel.configure(station()).ok());
    flight->config = station();
    flight->header.tick_s = 1e-3;
    cycle = std::make_unique<Cycle>(*exchange, *flight, kernel, kLeaseS);
    exchange->lease.owner = 0x100000001;
    Request arm{};
    arm.kind = CommandKind::kArm;
    arm.token = 0x100000001;
    CHECK(cycle->offer(arm));
    CHECK(cycle->supervise(1e-3, 0.0) && arm.answer == Answer::kAccepted);
  }

  void ticks(int count) {
    for (int i = 0; i < count; ++i) {
      rig.step();
      Outputs set_points{};
      std::uint64_t number = 0;
      if (exchange->set_points.read(set_points, number)) std::copy_n(set_points.command, kAxes, rig.in.q);
      exchange->readings.write(rig.in);
      cycle->tick(Health{});
    }
  }

  void move(double z) {
    const auto chain = segment();
    chain->reference[kGroupBandArm].kind = RefKind::kTarget;
    chain->reference[kGroupBandArm].target[2] = z;
    chain->reference[kGroupBandArm].target_speed = 0.05;
    Request request{};
    request.token = 0x100000001;
    request.channel = 1;
    request.chain = chain.get();
    request.count = 1;
    request.kept = flight->payloads.put(chain.get(), sizeof(Segment));
    ++exchange->lease.beats;
    cycle->supervise(1e-3, 0.0);
    CHECK(cycle->offer(request));
    cycle->supervise(1e-3, 0.0);
    CHECK(request.answer == Answer::kAccepted);
  }
};

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void what_happened_is_in_the_block() {
  Cell cell;
  cell.ticks(10);
  cell.move(0.1);
  cell.ticks(1200);
  CHECK(cell.flight->ticks.count() == 1210 && cell.flight->states.count() == 2);
  auto state = std::make_unique<StateRecord>();
  CHECK(cell.flight->states.read(0, *state) && state->ticks == 0 && state->chain[1].bytes == 0);
  CHECK(cell.flight->states.read(1, *state) && state->ticks == 1000);
  Bytes back;
  CHECK(cell.flight->payloads.get(state->chain[1], back) && back.size() == sizeof(Segment));
  TakenCommand command;
  CHECK(cell.flight->commands.count() == 1 && cell.flight->commands.read(0, command));
  CHECK(command.ticks == 10 && command.kind == Taken::kSubmit && command.channel == 1);
  CHECK(cell.flight->faults.count() == 0);
  cell.cycle->client_gone(0x100000001);
  cell.cycle->supervise(1e-3, 5.0);
  cell.ticks(500);
  Fault fault;
  CHECK(cell.flight->faults.read(0, fault) && fault.kind == FaultKind::kEvent && fault.wall_s == 5.0);
  CHECK(in_words(fault) == "the client ended after 1210 ticks");
  CHECK(cell.flight->faults.read(1, fault) && in_words(fault).find("lease lost in motion") == 0);
  CHECK(cell.flight->commands.count() == 2 && cell.flight->commands.read(1, command));
  CHECK(command.kind == Taken::kLoseLease && command.ticks == 1210);
  CHECK(cell.flight->outcomes.count() == 1);
}

std::uint64_t begins(const Flight& flight, std::uint64_t from, bool in_flight) {
  const std::string path = "/tmp/podhand-flight-" + std::to_string(getpid()) + ".mcap";
  const FlightSaved saved = save_flight(flight, {from, ~std::uint64_t{0}, in_flight, "test"}, path);
  CHECK(saved.to_ticks == flight.ticks.count());
  const std::string text = text_of(path);
  CHECK(text.size() > 808 * (saved.to_ticks - saved.from_ticks));
  CHECK(text.compare(0, 8, text, text.size() - 8, 8) == 0);  // the magic at both ends
  CHECK(text.find("podhand-recording") != std::string::npos);
  std::remove(path.c_str());
  return saved.from_ticks;
}

void a_file_begins_at_the_last_state_before_the_wish() {
  Cell cell;
  try {
    (void)save_flight(*cell.flight, {0, 5, false, "test"}, "/tmp/podhand-none.mcap");
    CHECK(!"an empty recorder is refused");
  } catch (const ExchangeError& error) {
    CHECK(std::string(error.what()).find("is empty") != std::string::npos);
  }
  cell.ticks(3500);
  CHECK(begins(*cell.flight, 0, true) == 0);
  CHECK(begins(*cell.flight, 999, true) == 0);
  CHECK(begins(*cell.flight, 2999, true) == 2000);
  CHECK(begins(*cell.flight, 999999, true) == 3000);
  cell.ticks(66500 - 3500);  // the ring has gone round
  CHECK(begins(*cell.flight, 0, false) == 1000);
  CHECK(begins(*cell.flight, 0, true) == 3000);  // a margin, while it is written
  try {
    (void)save_flight(*cell.flight, {0, 66500, false, "test"}, "/no/such/folder/file.mcap");
    CHECK(!"a file that cannot be made is refused");
  } catch (const ExchangeError& error) {
    CHECK(std::string(error.what()).find("/no/such/folder/file.mcap.part cannot be written") != std::string::npos);
  }
}

void a_beginning_whose_chain_is_gone_is_not_taken() {
  Cell cell;
  cell.ticks(10);
  cell.move(0.1);
  cell.ticks(1500);  // the state at 1000 needs the chain
  const Bytes noise(1 << 20, 7);
  for (int i = 0; i < 8; ++i) (void)cell.flight->payloads.put(noise.data(), noise.size());
  cell.ticks(8000);  // the motion ends
  const std::uint64_t from = begins(*cell.flight, 0, true);
  CHECK(from > 1000 && from < 9000);
}

void the_checksum_is_the_usual_one() {
  CHECK(crc32("123456789", 9) == 0xcbf43926u);
  CHECK(crc32("56789", 5, crc32("1234", 4)) == 0xcbf43926u);
}

}  // namespace

int main() {
  payloads_come_back_whole_or_not_at_all();
  a_reader_beside_the_writer_gets_no_torn_payload();
  a_kernel_goes_on_from_a_saved_state_bit_for_bit();
  what_happened_is_in_the_block();
  a_file_begins_at_the_last_state_before_the_wish();
  a_beginning_whose_chain_is_gone_is_not_taken();
  the_checksum_is_the_usual_one();
}
