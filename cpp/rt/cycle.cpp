#include <rt/cycle.hpp>

#include <algorithm>

namespace podhand::rt {
namespace {

/// What the host itself slept too long is not held against its client.
constexpr double kMostSilencePerWakeS = 0.020;

}  // namespace

Cycle::Cycle(Exchange& exchange, Flight& flight, Kernel& kernel, double lease_s, std::uint32_t most_late) noexcept
    : exchange_(&exchange), flight_(&flight), kernel_(&kernel), lease_s_(lease_s), most_late_(most_late) {
  keep_state();
}

bool Cycle::offer(Request& request) noexcept {
  Request* none = nullptr;
  return pending_.compare_exchange_strong(none, &request, std::memory_order_release, std::memory_order_relaxed);
}

std::uint32_t Cycle::moving() const noexcept {
  const State& state = kernel_->state();
  return (state.chain[0] != 0 ? 1u : 0u) | (state.chain[1] != 0 ? 2u : 0u);
}

Running Cycle::running() const noexcept {
  Running out{};
  const State& state = kernel_->state();
  for (int c = 0; c < kChannels; ++c) {
    if (state.chain[c] == 0) continue;
    out.chain[c] = state.chain[c];
    out.segment[c] = state.segment[c];
    out.tag[c] = tags_[c][state.segment[c] % kMaxSegments];
  }
  return out;
}

void Cycle::note(EventKind kind, double value, double now_s) noexcept {
  const Event event{cell_.ticks, now_s, value, kind, moving()};
  exchange_->events.write(event);
  if (rt::is_fault(event)) fault(FaultKind::kEvent, static_cast<std::uint32_t>(kind));
}

void Cycle::keep_time(Lateness lateness, double now_s) noexcept {
  const bool own_fault = lateness == Lateness::kWoke || lateness == Lateness::kComputed;
  late_in_a_row_ = own_fault ? late_in_a_row_ + 1 : 0;
  if (most_late_ == 0 || late_in_a_row_ < most_late_ || moving() == 0) return;
  note(EventKind::kLateTrip, late_in_a_row_, now_s);
  stop(Cause::kHostLate);
  late_in_a_row_ = 0;
}

void Cycle::stop(Cause cause) noexcept {
  Taken kind = Taken::kCancel;
  if (cause == Cause::kLeaseLost) kind = Taken::kLoseLease;
  if (cause == Cause::kHostLate) kind = Taken::kLateTrip;
  keep(kind, -1, {});
  kernel_->cancel(-1, cause);
  arming_.disarm();
  tell_arming();
}

bool Cycle::supervise(double elapsed_s, double now_s) noexcept {
  now_s_ = now_s;
  exchange_->beat.fetch_add(1, std::memory_order_relaxed);
  judge_lease(elapsed_s, now_s);
  Request* request = pending_.load(std::memory_order_acquire);
  if (request == nullptr) return false;
  answer(*request);
  pending_.store(nullptr, std::memory_order_release);
  return true;
}

void Cycle::judge_lease(double elapsed_s, double now_s) noexcept {
  const Lease& lease = exchange_->lease;
  const std::uint64_t owner = lease.owner.load(std::memory_order_acquire);
  const std::uint64_t beats = lease.beats.load(std::memory_order_relaxed);
  if (owner != owner_) {
    // A client that goes away, or is replaced, leaves nothing in motion.
    if (owner_ != 0) {
      note(owner == 0 ? EventKind::kLeaseReleased : EventKind::kTakenOver, pid_of(owner_), now_s);
      stop(Cause::kLeaseLost);
    }
    owner_ = owner;
    if (owner_ != 0) note(EventKind::kLeaseTaken, pid_of(owner_), now_s);
    silence_s_ = 0.0;
    beats_ = beats;
  }
  if (owner_ == 0) return;
  if (beats != beats_) {
    beats_ = beats;
    silence_s_ = 0.0;
  } else {
    silence_s_ += std::min(elapsed_s, kMostSilencePerWakeS);
  }
  if (gone_.load(std::memory_order_acquire) == owner_) {
    lose_lease(EventKind::kClientGone, pid_of(owner_), now_s);
  } else if (silence_s_ > lease_s_) {
    lose_lease(EventKind::kLeaseLost, silence_s_, now_s);
  }
}

void Cycle::lose_lease(EventKind why, double value, double now_s) noexcept {
  note(why, value, now_s);
  stop(Cause::kLeaseLost);
  ++leases_lost_;
  std::uint64_t owner = owner_;
  exchange_->lease.owner.compare_exchange_strong(owner, 0, std::memory_order_acq_rel, std::memory_order_relaxed);
  owner_ = 0;
}

void Cycle::answer(Request& request) noexcept {
  request.ticks = cell_.ticks;
  request.number = 0;
  if (request.token != owner_ || owner_ == 0) {
    request.answer = Answer::kNotOwner;
    return;
  }
  request.verdict = carry_out(request);
  request.answer = request.verdict.ok() ? Answer::kAccepted : Answer::kRefused;
  const bool of_the_kernel = request.kind <= CommandKind::kResetFault;
  if (request.verdict.ok() && of_the_kernel) keep(static_cast<Taken>(request.kind), request.channel, request.kept);
  tell_arming();
  // A client that commands and looks sees its own command, also while no tick is made.
  if (request.answer == Answer::kAccepted && exchange_->cell.count() > 0) {
    cell_.state = kernel_->state();
    exchange_->cell.write(cell_);
  }
}

Verdict Cycle::carry_out(Request& request) noexcept {
  Verdict verdict{};
  switch (request.kind) {
    case CommandKind::kSubmit:
      return take_chain(request);
    case CommandKind::kCancel:
      kernel_->cancel(request.channel);
      break;
    case CommandKind::kSetPayload:
      return kernel_->take_payload(request.channel, request.payload);
    case CommandKind::kResetFault:
      verdict = arming_.may_reset();
      if (verdict.ok()) verdict = kernel_->reset_fault();
      if (verdict.ok()) arming_.reset();
      break;
    case CommandKind::kArm:
      return arming_.arm();
    case CommandKind::kDisarm:
      if (moving() != 0) stop(Cause::kCancelled);
      arming_.disarm();
      break;
    case CommandKind::kAcknowledge:
      arming_.acknowledge();
      break;
  }
  return verdict;
}

void Cycle::tell_arming() noexcept {
  if (arming_.state() == cell_.arming) return;
  cell_.arming = arming_.state();
  note(EventKind::kArming, static_cast<double>(cell_.arming), now_s_);
}

Verdict Cycle::take_chain(Request& request) noexcept {
  if (arming_.state() == ArmingState::kDisarmed) return {"the cell is disarmed; arm it before it is to move"};
  const Verdict verdict = kernel_->take(request.channel, request.chain, request.count);
  if (!verdict.ok()) return verdict;
  request.number = kernel_->state().chain[request.channel];
  chain_[request.channel] = request.kept;
  for (std::size_t i = 0; i < request.count; ++i) {
    const Segment& segment = request.chain[i];
    tags_[request.channel][i] = segment.tag;
    std::uint32_t& expected = expected_[request.channel][i] = 0;
    for (std::uint32_t r = 0; r < kMaxConditions; ++r)
      expected |= static_cast<std::uint32_t>(segment.reflex[r].expected) << r;
  }
  return verdict;
}

bool Cycle::readings_wait() const noexcept { return exchange_->readings.count() != readings_seen_; }

void Cycle::tick(const Health& health) noexcept {
  std::uint64_t number = 0;
  if (!exchange_->readings.read(cell_.inputs, number)) return;
  readings_seen_ = number + 1;
  kernel_->tick(cell_.inputs, cell_.outputs);
  ++cell_.ticks;
  cell_.state = kernel_->state();
  cell_.health = health;
  record_.inputs = cell_.inputs;
  record_.outputs = cell_.outputs;
  flight_->ticks.write(record_);
  publish_outcomes();
  if (cell_.state.latched_fault != latched_) {
    latched_ = cell_.state.latched_fault;
    if (latched_ != 0) {
      fault(FaultKind::kLatched, latched_);
      arming_.fault();
      tell_arming();
    }
  }
  exchange_->cell.write(cell_);
  exchange_->set_points.write(cell_.outputs);
  // After the set-points are out: nobody waits for it.
  if (cell_.ticks % kStateEveryTicks == 0) keep_state();
}

void Cycle::publish_outcomes() noexcept {
  outcome_.ticks = cell_.ticks;
  while (kernel_->take_outcome(outcome_.outcome)) {
    exchange_->outcomes.write(outcome_.outcome);
    flight_->outcomes.write(outcome_);
    if (is_fault(outcome_.outcome)) {
      fault(FaultKind::kOutcome, static_cast<std::uint32_t>(outcome_.outcome.cause));
    }
  }
}

/// A channel takes a chain only when it stands: an outcome is always of the chain that was taken last.
bool Cycle::is_fault(const Outcome& outcome) const noexcept {
  if (outcome.cause == Cause::kLeaseLost || outcome.cause == Cause::kHostLate) return true;
  if (!alarms(outcome.cause)) return false;
  const std::uint32_t expected = expected_[outcome.channel % kChannels][outcome.segment % kMaxSegments];
  return outcome.cause != Cause::kReflex || (expected >> outcome.condition & 1u) == 0;
}

void Cycle::keep(Taken kind, int channel, const Stored& payload) noexcept {
  flight_->commands.write({cell_.ticks, kind, channel, payload});
}

void Cycle::keep_state() noexcept {
  saved_.ticks = cell_.ticks;
  for (int c = 0; c < kChannels; ++c) saved_.chain[c] = kernel_->state().chain[c] != 0 ? chain_[c] : Stored{};
  kernel_->save(saved_.state);
  flight_->states.write(saved_);
}

void Cycle::fault(FaultKind kind, std::uint32_t code) noexcept {
  flight_->faults.write({cell_.ticks, now_s_, kind, code});
}

}  // namespace podhand::rt
