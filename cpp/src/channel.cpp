#include "channel.hpp"

#include "linear.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

namespace podhand {
namespace {

constexpr double kTimeSlackS = 1e-9;

}  // namespace

// ---- outcomes ---------------------------------------------------------------------------------------------------

void OutcomeQueue::push(const Outcome& outcome) noexcept {
  if (count_ == kCapacity) {
    first_ = (first_ + 1) % kCapacity;
    --count_;
  }
  outcomes_[(first_ + count_) % kCapacity] = outcome;
  ++count_;
}

bool OutcomeQueue::pop(Outcome& outcome) noexcept {
  if (count_ == 0) return false;
  outcome = outcomes_[first_];
  first_ = (first_ + 1) % kCapacity;
  --count_;
  return true;
}

// ---- chain ------------------------------------------------------------------------------------------------------

void Channel::submit(const Segment* chain, std::size_t count, std::uint32_t number) noexcept {
  std::copy_n(chain, count, chain_);
  count_ = static_cast<std::uint32_t>(count);
  current_ = 0;
  number_ = number;
  cancel_ = Cause::kNone;
  progress_ = 0.0;
  phase_ = Phase::kPending;
}

void Channel::abandon(std::uint64_t tick, const Interruption& interruption, OutcomeQueue& outcomes) noexcept {
  if (!running()) return;
  outcome_ = Outcome{};
  outcome_.start_tick = outcome_.end_tick = tick;
  outcome_.cause = interruption.cause;
  outcome_.value = interruption.value;
  outcome_.channel = static_cast<std::uint32_t>(index_);
  outcome_.chain = number_;
  outcome_.tag = segment().tag;
  outcomes.push(outcome_);
  phase_ = Phase::kIdle;
}

std::size_t Channel::state_bytes() noexcept { return sizeof(Channel) - sizeof(chain_); }

void Channel::save(unsigned char* to) const noexcept {
  static_assert(std::is_trivially_copyable_v<Channel>);
  std::memcpy(to, reinterpret_cast<const unsigned char*>(this) + sizeof(chain_), state_bytes());
}

void Channel::restore(const unsigned char* from, const Segment* chain, std::size_t count) noexcept {
  std::copy_n(chain, std::min<std::size_t>(count, kMaxSegments), chain_);
  std::memcpy(reinterpret_cast<unsigned char*>(this) + sizeof(chain_), from, state_bytes());
}

bool Channel::owns(const Interruption& fault) const noexcept {
  if (fault.cause == Cause::kSensorInvalid) return has_arm();
  const int axis = static_cast<int>(fault.value);
  return (axis >= kBandX) != has_arm();
}

void Channel::reset() noexcept {
  phase_ = Phase::kIdle;
  payload_ = 0;
  cancel_ = Cause::kNone;
  alarmed_ = tared_ = false;
}

void Channel::step(const Tick& tick, const Interruption& interruption, double* speed, std::uint32_t& digital,
                   OutcomeQueue& outcomes) noexcept {
  alarmed_ = tared_ = false;
  if (phase_ == Phase::kIdle) return;
  bool begun = false;
  if (phase_ == Phase::kPending) {
    start_segment(tick);
    begun = true;
  } else if (phase_ == Phase::kRunning) {
    elapsed_s_ += tick.dt_s;
  }
  look(tick);
  gather(tick);
  if (phase_ == Phase::kRunning) {
    Ending ending = begun ? preconditions(tick) : Ending{};
    if (ending.cause == Cause::kNone) ending = judge(tick, interruption);
    if (ending.cause != Cause::kNone) end(ending, tick, outcomes);
  } else if (interruption.cause != Cause::kNone && phase_ == Phase::kRetreating) {
    begin_stop(tick, true);
  }
  if (phase_ == Phase::kStopping || phase_ == Phase::kRetreating) stop(tick, outcomes);
  if (phase_ == Phase::kRunning) run(tick, digital);
  if (phase_ != Phase::kIdle) write_speeds(tick, speed);
}

void Channel::start_segment(const Tick& tick) noexcept {
  phase_ = Phase::kRunning;
  elapsed_s_ = 0.0;
  progress_ = 0.0;
  samples_ = 0;
  ends_chain_ = false;
  retreat_m_ = 0.0;
  count_parts();
  for (ConditionState& state : until_) state.start();
  for (ConditionState& state : reflex_) state.start();
  for (OverLimitTimer& timer : axis_timer_) timer = {};
  std::fill_n(acted_, 4, false);
  std::fill_n(tare_sum_, 6, 0.0);
  std::fill_n(sum_force_, 3, 0.0);
  std::fill_n(sum_torque_, 3, 0.0);
  std::copy_n(tick.measured.p, 3, origin_m_);
  std::copy_n(tick.measured.R, 9, R_origin_);
  outcome_ = Outcome{};
  outcome_.start_tick = tick.number;
  outcome_.channel = static_cast<std::uint32_t>(index_);
  outcome_.chain = number_;
  outcome_.segment = current_;
  outcome_.tag = segment().tag;
  payload_ = segment().payload;
}

/// Unused conditions lie on cache lines of their own, which nobody should have to fetch in every tick.
void Channel::count_parts() noexcept {
  const Segment& segment = this->segment();
  until_count_ = reflex_count_ = action_count_ = 0;
  for (std::uint32_t i = 0; i < kMaxConditions; ++i) {
    if (segment.until[i].node_count > 0) until_count_ = i + 1;
    if (segment.reflex[i].condition.node_count > 0) reflex_count_ = i + 1;
  }
  for (std::uint32_t i = 0; i < 4; ++i) {
    if (segment.digital[i].used) action_count_ = i + 1;
  }
}

void Channel::prefetch() const noexcept {
  if (phase_ == Phase::kIdle) return;
  const Segment& segment = this->segment();
  fetch(segment.law, sizeof segment.law + sizeof segment.X_base_frame + sizeof segment.limits);
  fetch(&segment.timeout_s, 64);
  for (std::uint32_t i = 0; i < until_count_; ++i) fetch(&segment.until[i], 3 * sizeof(Node));
  for (std::uint32_t i = 0; i < until_count_; ++i) fetch(&segment.until[i].debounce_s, sizeof(double));
  for (std::uint32_t i = 0; i < reflex_count_; ++i) fetch(&segment.reflex[i], 2 * sizeof(Node));
  for (std::uint32_t i = 0; i < reflex_count_; ++i) fetch(&segment.reflex[i].condition.debounce_s, sizeof(double));
  for (const Reference& reference : segment.reference) fetch(&reference, 2 * sizeof(double));
}

Channel::Ending Channel::preconditions(const Tick& tick) noexcept {
  double mismatch = 0.0;
  bool fits = true;
  const Segment& segment = this->segment();
  // Every part starts, whatever the answer: a stop that follows needs them.
  if (has_arm()) {
    const int groups[3] = {kGroupSqueeze, kGroupBelts, kGroupBlade};
    group_count_ = 3;
    fits = arm_.start(segment, tick, mismatch);
    for (int i = 0; i < 3; ++i) fits = groups_[i].start(segment, groups[i], tick, mismatch) && fits;
  } else {
    group_count_ = 1;
    fits = groups_[0].start(segment, kGroupBandArm, tick, mismatch);
  }
  Ending ending{Cause::kPrecondition, 0, 0, mismatch, nullptr};
  if (!fits) {
    ending.condition = std::numeric_limits<std::uint32_t>::max();
    return ending;
  }
  look(tick);
  for (std::uint32_t i = 0; i < 2; ++i) {
    if (segment.require[i].node_count == 0) continue;
    ConditionState state;
    Condition now = segment.require[i];
    now.debounce_s = 0.0;
    if (state.step(now, signals_, tick.dt_s)) continue;
    return {Cause::kPrecondition, i, now.code, state.value(), nullptr};
  }
  return {};
}

// ---- what conditions see ----------------------------------------------------------------------------------------

void Channel::look(const Tick& tick) noexcept {
  const Segment& segment = this->segment();
  const bool fixed = segment.frame == FrameKind::kFixed;
  arm_.observe(segment, tick);
  std::copy_n(arm_.wrench(), 6, signals_.wrench);
  signals_.force_norm_n = norm3(signals_.wrench);
  signals_.torque_norm_n_m = norm3(signals_.wrench + 3);
  signals_.force_rate_n_s = tick.force_rate_n_s;
  double from_origin[3], from_start[3];
  for (int i = 0; i < 3; ++i) {
    from_start[i] = tick.measured.p[i] - origin_m_[i];
    from_origin[i] = fixed ? tick.measured.p[i] - segment.X_base_frame[9 + i] : from_start[i];
  }
  rotate_back(fixed ? segment.X_base_frame : R_origin_, from_origin, signals_.tool_position_m);
  signals_.tool_speed_m_s = tick.tool_speed_m_s;
  signals_.travel_m = norm3(from_start);
  signals_.progress = progress_;
  signals_.time_s = elapsed_s_;
  signals_.deviation_m = has_arm() ? arm_.deviation_m() : 0.0;
  signals_.travel_speed_m_s = tick.travel_speed_m_s;
  signals_.q = tick.q;
  signals_.qd = tick.qd;
  signals_.tau = tick.tau;
  signals_.slow = tick.slow;
}

// ---- how a segment ends -----------------------------------------------------------------------------------------

Channel::Ending Channel::judge(const Tick& tick, const Interruption& interruption) noexcept {
  if (interruption.cause != Cause::kNone) return {interruption.cause, 0, 0, interruption.value, nullptr};
  if (cancel_ != Cause::kNone) return {cancel_, 0, 0, elapsed_s_, nullptr};
  Ending ending = judge_reflexes(tick);
  if (ending.cause == Cause::kNone) ending = judge_limits(tick);
  if (ending.cause == Cause::kNone) ending = judge_normal_end(tick);
  return ending;
}

Channel::Ending Channel::judge_reflexes(const Tick& tick) noexcept {
  Ending ending;
  for (std::uint32_t i = 0; i < reflex_count_; ++i) {
    const Reflex& reflex = segment().reflex[i];
    if (reflex.condition.node_count == 0) continue;
    // Every condition takes its step, also after the first that fires.
    if (!reflex_[i].step(reflex.condition, signals_, tick.dt_s) || ending.cause != Cause::kNone) continue;
    ending = {Cause::kReflex, i, reflex.condition.code, reflex_[i].value(), &reflex};
  }
  return ending;
}

Channel::Ending Channel::judge_limits(const Tick& tick) noexcept {
  if (has_arm() && arm_.guard().violated()) {
    return {Cause::kForceLimit, arm_.guard().which(), 0, arm_.guard().value(), nullptr};
  }
  if (has_arm() && arm_.lost()) return {Cause::kSingular, 0, 0, arm_.deviation_m(), nullptr};
  if (!tick.force_limits()) return {};
  const int first = has_arm() ? 0 : static_cast<int>(kBandX);
  const int last = has_arm() ? static_cast<int>(kBandX) : kAxes;
  for (int axis = first; axis < last; ++axis) {
    const double force = std::fabs(tick.tau_filtered[axis]);
    const double limit = segment().limits.axis_force[axis];
    if (force <= limit) {
      axis_timer_[axis] = {};
    } else if (axis_timer_[axis].step(force / limit, tick.dt_s)) {
      const auto which = kLimitAxisForce + static_cast<std::uint32_t>(axis);
      return {Cause::kForceLimit, which, 0, tick.tau_filtered[axis], nullptr};
    }
  }
  return {};
}

Channel::Ending Channel::judge_normal_end(const Tick& tick) noexcept {
  Ending ending;
  for (std::uint32_t i = 0; i < until_count_; ++i) {
    const Condition& condition = segment().until[i];
    if (condition.node_count == 0) continue;
    if (!until_[i].step(condition, signals_, tick.dt_s) || ending.cause != Cause::kNone) continue;
    ending = {Cause::kUntil, i, condition.code, until_[i].value(), nullptr};
  }
  if (ending.cause != Cause::kNone) return ending;
  if (references_completed()) return {Cause::kReached, 0, 0, elapsed_s_, nullptr};
  if (elapsed_s_ >= segment().timeout_s - kTimeSlackS) return {Cause::kTimeout, 0, 0, elapsed_s_, nullptr};
  return {};
}

bool Channel::references_completed() const noexcept {
  bool any = false;
  if (has_arm()) {
    // A twist has no end: only an until can end such a segment.
    if (segment().reference[kGroupArm].kind == RefKind::kTwist) return false;
    if (arm_.completes() && !arm_.finished()) return false;
    any = arm_.completes();
  }
  for (int i = 0; i < group_count_; ++i) {
    if (groups_[i].completes() && !groups_[i].finished()) return false;
    any = any || groups_[i].completes();
  }
  return any;
}

void Channel::end(const Ending& ending, const Tick& tick, OutcomeQueue& outcomes) noexcept {
  const Segment& segment = this->segment();
  const bool normal = is_normal(ending.cause);
  outcome_.cause = ending.cause;
  outcome_.condition = ending.condition;
  outcome_.code = ending.code;
  outcome_.value = ending.value;
  outcome_.end_tick = tick.number;
  outcome_.duration_s = elapsed_s_;
  alarmed_ = alarms(ending.cause);
  cancel_ = Cause::kNone;
  if (normal && segment.tare && samples_ > 0) {
    for (int i = 0; i < 6; ++i) tare_mean_[i] = tare_sum_[i] / static_cast<double>(samples_);
    tared_ = true;
  }
  const bool last = current_ + 1 == count_;
  ends_chain_ = !normal || last;
  if (normal && !last && segment.on_end == OnEnd::kNext) {
    publish(tick, outcomes);
    ++current_;
    start_segment(tick);
    const Ending refused = preconditions(tick);
    if (refused.cause != Cause::kNone) end(refused, tick, outcomes);
    return;
  }
  retreat_m_ = ending.reflex != nullptr && ending.reflex->reaction == Reaction::kStopAndRetreat && has_arm()
                   ? ending.reflex->retreat_m
                   : 0.0;
  const bool gentle = ending.cause == Cause::kTimeout || ending.cause == Cause::kCancelled ||
                      ending.cause == Cause::kLeaseLost || ending.cause == Cause::kHostLate ||
                      (normal && (segment.on_end != OnEnd::kHold || last));
  begin_stop(tick, !gentle);
}

void Channel::begin_stop(const Tick& tick, bool fast) noexcept {
  phase_ = Phase::kStopping;
  if (has_arm()) arm_.begin_stop(segment(), tick, fast);
  for (int i = 0; i < group_count_; ++i) groups_[i].begin_stop(fast);
}

// ---- motion -----------------------------------------------------------------------------------------------------

void Channel::run(const Tick& tick, std::uint32_t& digital) noexcept {
  const Segment& segment = this->segment();
  act(digital);
  double progress = 1.0;
  bool any = false;
  if (has_arm()) {
    arm_.step(segment, tick);
    progress = arm_.progress();
    any = arm_.completes();
  }
  for (int i = 0; i < group_count_; ++i) {
    groups_[i].step(segment, tick);
    if (any || segment.reference[groups_[i].group()].kind != RefKind::kProfile) continue;
    progress = groups_[i].progress();
    any = true;
  }
  progress_ = any ? progress : 0.0;
}

void Channel::act(std::uint32_t& digital) noexcept {
  for (std::uint32_t i = 0; i < action_count_; ++i) {
    const DigitalAction& action = segment().digital[i];
    if (!action.used || acted_[i] || elapsed_s_ < action.at_s - kTimeSlackS) continue;
    const std::uint32_t mask = 1u << action.bit;
    digital = action.value ? digital | mask : digital & ~mask;
    acted_[i] = true;
  }
}

void Channel::stop(const Tick& tick, OutcomeQueue& outcomes) noexcept {
  bool standing = true;
  if (has_arm()) {
    if (phase_ == Phase::kRetreating)
      arm_.step_retreat(tick);
    else
      arm_.step_stop(segment(), tick);
    standing = arm_.standing();
  }
  for (int i = 0; i < group_count_; ++i) {
    groups_[i].step_stop(segment(), tick);
    standing = standing && groups_[i].standing();
  }
  if (!standing) return;
  if (phase_ == Phase::kStopping) {
    outcome_.stop_time_s = static_cast<double>(tick.number - outcome_.end_tick) * tick.config.tick_s;
    if (retreat_m_ > 0.0) {
      arm_.begin_retreat(retreat_m_);
      retreat_m_ = 0.0;
      phase_ = Phase::kRetreating;
      return;
    }
  }
  stopped(tick, outcomes);
}

void Channel::stopped(const Tick& tick, OutcomeQueue& outcomes) noexcept {
  publish(tick, outcomes);
  if (ends_chain_) {
    phase_ = Phase::kIdle;
    return;
  }
  ++current_;
  phase_ = Phase::kPending;
}

void Channel::write_speeds(const Tick& tick, double* speed) const noexcept {
  if (phase_ == Phase::kPending) return;
  if (has_arm()) std::copy_n(arm_.joint_speed(), tick.config.chain.joints, speed);
  for (int i = 0; i < group_count_; ++i) {
    const GroupSpan span = kGroupSpan[groups_[i].group()];
    for (int k = 0; k < span.count; ++k) speed[span.first + k] = groups_[i].speed(k);
  }
}

// ---- record of the segment --------------------------------------------------------------------------------------

void Channel::gather(const Tick& tick) noexcept {
  ++samples_;
  if (tick.late) ++outcome_.late_ticks;
  const int first = has_arm() ? 0 : static_cast<int>(kBandX);
  const int last = has_arm() ? static_cast<int>(kBandX) : kAxes;
  for (int axis = first; axis < last; ++axis) {
    outcome_.max_axis_force[axis] = std::max(outcome_.max_axis_force[axis], std::fabs(tick.tau[axis]));
  }
  if (!has_arm()) return;
  const Limits& limits = segment().limits;
  const double* wrench = signals_.wrench;
  double ratio = signals_.force_norm_n / limits.force_norm_n;
  for (int i = 0; i < 3; ++i) {
    ratio = std::max(ratio, std::fabs(wrench[i]) / limits.force_n[i]);
    outcome_.peak_force_n[i] = std::max(outcome_.peak_force_n[i], std::fabs(wrench[i]));
    sum_force_[i] += wrench[i];
    sum_torque_[i] += wrench[3 + i];
  }
  outcome_.max_force_ratio = std::max(outcome_.max_force_ratio, ratio);
  outcome_.peak_force_norm_n = std::max(outcome_.peak_force_norm_n, signals_.force_norm_n);
  outcome_.peak_raw_force_norm_n = std::max(outcome_.peak_raw_force_norm_n, norm3(tick.wrench_tool_raw));
  if (segment().tare) {
    for (int i = 0; i < 6; ++i) tare_sum_[i] += tick.wrench_sensor[i];
  }
}

void Channel::publish(const Tick& tick, OutcomeQueue& outcomes) noexcept {
  const double count = static_cast<double>(std::max<std::uint64_t>(1, samples_));
  for (int i = 0; i < 3; ++i) {
    outcome_.mean_force_n[i] = sum_force_[i] / count;
    outcome_.mean_torque_n_m[i] = sum_torque_[i] / count;
  }
  std::copy_n(tick.commanded.R, 9, outcome_.X_base_tool);
  std::copy_n(tick.commanded.p, 3, outcome_.X_base_tool + 9);
  std::copy_n(tick.command, kAxes, outcome_.q_end);
  outcomes.push(outcome_);
}

}  // namespace podhand
