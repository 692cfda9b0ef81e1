#include <rt/sides.hpp>

#include <algorithm>

#include <sys/random.h>
#include <unistd.h>

namespace podhand::rt {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000u;
constexpr std::uint64_t kLookNs = 20 * kMillisecond;  ///< how often a sleeper looks whether the other still lives
constexpr std::uint64_t kCommandNs = 1000 * kMillisecond;
constexpr std::uint64_t kAnswerNs = 2000 * kMillisecond;

std::uint64_t nanoseconds(double seconds) noexcept { return static_cast<std::uint64_t>(std::max(0.0, seconds) * 1e9); }

std::uint64_t new_token() noexcept {
  std::uint32_t chance = 0;
  if (getrandom(&chance, sizeof chance, 0) != sizeof chance) chance = static_cast<std::uint32_t>(monotonic_ns());
  return make_token(static_cast<std::uint32_t>(getpid()), chance);
}

}  // namespace

// ---- client -----------------------------------------------------------------------------------------------------

Client::Client(const std::string& name, const std::string& build_id)
    : memory_(SharedMemory::attach(name, build_id)),
      flight_(flight_name(name), build_id),
      name_(name),
      host_(memory_->header.pid),
      answers_(memory_->answers),
      events_(memory_->events),
      outcomes_(memory_->outcomes),
      ticks_(flight_->ticks) {
  refresh();
}

Client::~Client() { release_lease(); }

bool Client::take_lease() noexcept {
  const std::uint64_t token = new_token();
  std::uint64_t none = 0;
  if (!memory_->lease.owner.compare_exchange_strong(none, token, std::memory_order_acq_rel)) return false;
  token_ = token;
  ring(memory_->bells.commands);
  return true;
}

void Client::take_over() noexcept {
  token_ = new_token();
  memory_->lease.owner.store(token_, std::memory_order_release);
  ring(memory_->bells.commands);
}

void Client::release_lease() noexcept {
  if (token_ == 0) return;
  std::uint64_t mine = token_;
  memory_->lease.owner.compare_exchange_strong(mine, 0, std::memory_order_acq_rel);
  token_ = 0;
}

bool Client::holds_lease() const noexcept {
  const std::uint64_t token = token_.load(std::memory_order_relaxed);
  return token != 0 && memory_->lease.owner.load(std::memory_order_acquire) == token;
}

void Client::beat() noexcept {
  // Of whoever lost the lease nothing may be heard: it would keep a dead owner alive.
  if (holds_lease()) memory_->lease.beats.fetch_add(1, std::memory_order_relaxed);
}

int Client::owner_pid() const noexcept { return pid_of(memory_->lease.owner.load(std::memory_order_acquire)); }

bool Client::host_gone() const noexcept {
  return memory_->header.leaving.load(std::memory_order_acquire) != 0 || host_.ended();
}

void Client::fail_gone() const {
  const bool orderly = memory_->header.leaving.load(std::memory_order_acquire) != 0;
  throw ExchangeError("podhand-rt " + name_ + " (process " + std::to_string(host_pid()) +
                      (orderly ? ") has ended" : ") has died") +
                      ": the set-points stand where they were; start it again and bring the cell to rest");
}

Acknowledgement Client::send(Command& command) {
  if (host_gone()) fail_gone();
  const std::uint64_t now = monotonic_ns();
  command.sequence = ++sequence_;
  command.token = token_;
  command.deadline_ns = now + kCommandNs;
  if (!memory_->commands.push(command)) {
    throw ExchangeError("podhand-rt " + name_ + " does not take commands up: its queue is full; nothing was sent");
  }
  ring(memory_->bells.commands);
  while (monotonic_ns() < now + kAnswerNs) {
    const std::uint32_t seen = memory_->bells.clients.load(std::memory_order_acquire);
    Acknowledgement answer;
    while (answers_.take(answer)) {
      if (answer.sequence != command.sequence || answer.token != token_) continue;
      refresh();
      return answer;
    }
    if (host_gone()) fail_gone();
    wait_for_bell(memory_->bells.clients, seen, kLookNs);
  }
  throw ExchangeError("podhand-rt " + name_ + " has not answered a command for 2 s; the command has run out of time " +
                      "and will not be carried out");
}

bool Client::refresh() noexcept {
  std::uint64_t number = 0;
  return memory_->cell.read(cell, number);
}

bool Client::wait_beyond(std::uint64_t ticks, double timeout_s) {
  const std::uint64_t end = monotonic_ns() + nanoseconds(timeout_s);
  while (true) {
    const std::uint32_t seen = memory_->bells.clients.load(std::memory_order_acquire);
    if (refresh() && cell.ticks > ticks) return true;
    if (host_gone()) fail_gone();
    const std::uint64_t now = monotonic_ns();
    if (now >= end) return false;
    wait_for_bell(memory_->bells.clients, seen, std::min(end - now, kLookNs));
  }
}

// ---- watcher ----------------------------------------------------------------------------------------------------

Watcher::Watcher(const std::string& name, const std::string& build_id)
    : memory_(name, build_id), host_(memory_->header.pid) {
  refresh();
}

bool Watcher::refresh() noexcept {
  std::uint64_t number = 0;
  return memory_->cell.read(cell, number);
}

int Watcher::owner_pid() const noexcept { return pid_of(memory_->lease.owner.load(std::memory_order_acquire)); }

bool Watcher::host_gone() const noexcept {
  return memory_->header.leaving.load(std::memory_order_acquire) != 0 || host_.ended();
}

// ---- plant ------------------------------------------------------------------------------------------------------

PlantSide::PlantSide(const std::string& name, const std::string& build_id)
    : memory_(SharedMemory::attach(name, build_id)),
      host_(memory_->header.pid),
      answered_(memory_->set_points.count()) {}

PlantSide::Turn PlantSide::exchange(double timeout_s) noexcept {
  if (!published_) {
    memory_->readings.write(inputs);
    ring(memory_->bells.cycle);
    published_ = true;
  }
  const std::uint64_t end = monotonic_ns() + nanoseconds(timeout_s);
  while (true) {
    const std::uint32_t seen = memory_->bells.plant.load(std::memory_order_acquire);
    if (memory_->set_points.count() != answered_) {
      std::uint64_t number = 0;
      if (!memory_->set_points.read(outputs, number)) return Turn::kWaiting;
      answered_ = number + 1;
      published_ = false;
      return Turn::kAnswered;
    }
    if (memory_->header.leaving.load(std::memory_order_acquire) != 0 || host_.ended()) return Turn::kGone;
    const std::uint64_t now = monotonic_ns();
    if (now >= end) return Turn::kWaiting;
    wait_for_bell(memory_->bells.plant, seen, std::min(end - now, kLookNs));
  }
}

}  // namespace podhand::rt
