#include <podhand/kernel.hpp>

#include "channel.hpp"
#include "ft_pipeline.hpp"
#include "linear.hpp"

#include <podhand/kinematics.hpp>
#include <safety/limiter.hpp>

#include <cstring>
#include <limits>
#include <type_traits>

namespace podhand {
namespace {

constexpr double kMinDt = 0.5e-3;
constexpr double kMaxDt = 2.0e-3;
constexpr double kLateShare = 1.2;  // of the nominal period: a longer tick is late
constexpr double kSpeedFilterS = 0.020;
constexpr double kLeastTravelSpeed = 1e-4;  // [m/s] below it the commanded direction is the last one
constexpr double kBlockedS = 0.050;         // limiter has braked this long: the motion cannot go on
constexpr double kBlockedScale = 0.05;
constexpr std::uint32_t kUnseededTicks = 100;  // how long a chain waits for the first valid readings
constexpr std::uint32_t kMaxDelayTicks = 64;

safety::LimiterConfig limiter_config(const KernelConfig& config) noexcept {
  safety::LimiterConfig out{};
  for (int i = 0; i < kAxes; ++i) {
    const AxisConfig& axis = config.axis[i];
    out.axis[i] = {axis.min_position,     axis.max_position, axis.max_speed,
                   axis.max_acceleration, axis.present,      static_cast<std::uint8_t>(is_belt(i))};
  }
  out.max_tool_speed_m_s = config.safety.max_tool_speed_m_s;
  out.joints = config.chain.joints;
  for (int j = 0; j < kMaxArmJoints; ++j) std::copy_n(config.chain.X_parent_joint[j], 12, out.X_parent_joint[j]);
  std::copy_n(config.chain.X_flange_tool, 12, out.X_flange_tool);
  return out;
}

void low_pass(double gain, double value, double& state) noexcept { state += gain * (value - state); }

}  // namespace

struct Kernel::Impl {
  KernelConfig config{};
  safety::Limiter limiter{};
  FtPipeline ft{};
  Channel channels[kChannels]{Channel(0), Channel(1)};
  OutcomeQueue outcomes{};
  State state{};
  Kinematics measured{}, commanded{};
  double q[kAxes]{}, qd[kAxes]{}, tau[kAxes]{}, tau_filtered[kAxes]{};  ///< last valid readings
  double slow[kSlowSignals]{};
  double command[kAxes]{}, command_speed[kAxes]{};
  double command_twist[6]{};  ///< of the tool, commanded, base
  double com_speed[3]{};      ///< of the payload's centre of mass, commanded, base
  double acceleration[3]{};   ///< the same point, as late as the sensor feels it
  double past_acceleration[kMaxDelayTicks][3]{};
  std::uint32_t delay_ticks{};
  std::uint32_t delay_cursor{};
  double travel_direction[3]{};
  double tool_speed{}, travel_speed{};
  double force_norm{}, force_rate{};
  double limiter_scale{1.0};
  double arm_scale{1.0};  ///< the same, when it was the arm that was slowed
  double blocked_s{};
  Interruption interruptions[kChannels]{};
  Interruption fault{};  ///< latched
  int bad_axis{-1};      ///< invalid in this tick
  std::uint32_t digital{};
  std::uint32_t chains{};
  std::uint32_t unseeded_ticks{};
  bool configured{false};
  bool seeded{false};
  bool emergency{false};
  bool safety_clear{true};

  [[nodiscard]] bool running() const noexcept { return channels[0].running() || channels[1].running(); }
  [[nodiscard]] int joints() const noexcept { return config.chain.joints; }

  [[nodiscard]] Verdict ready_for_chain(int channel) const noexcept;
  [[nodiscard]] Verdict ready_for_payload(int index) const noexcept;
  void read_axes(const Inputs& inputs) noexcept;
  void read_slow(const Inputs& inputs) noexcept;
  [[nodiscard]] bool keeps_grip(int axis) const noexcept;
  void seed() noexcept;
  void wait_for_axes(const Inputs& inputs, Outputs& outputs) noexcept;
  void find_faults(const Inputs& inputs) noexcept;
  void latch(Cause cause, double value) noexcept;
  [[nodiscard]] const PayloadConfig& payload() const noexcept;
  void feel(const Inputs& inputs, double dt_s) noexcept;
  void estimate_motion(double dt_s) noexcept;
  void step_channels(const Tick& tick, double* speed) noexcept;
  void command_axes(const double* speed, double dt_s) noexcept;
  void watch_limiter(double dt_s) noexcept;
  void write_state(const Inputs& inputs) noexcept;
  struct Parts;
};

// ---- readings ---------------------------------------------------------------------------------------------------

void Kernel::Impl::read_axes(const Inputs& inputs) noexcept {
  bad_axis = -1;
  for (int i = 0; i < kAxes; ++i) {
    if (!config.axis[i].present) continue;
    const bool finite = std::isfinite(inputs.q[i]) && std::isfinite(inputs.qd[i]) && std::isfinite(inputs.tau[i]);
    const bool fresh = inputs.axis_age_s[i] <= config.safety.axis_max_age_s;  // false for NaN
    // Joint positions beyond this are no positions, whatever their validity bit says.
    const bool plausible = finite && std::fabs(inputs.q[i]) < 1e4;
    if (!(inputs.axis_valid >> i & 1u) || !fresh || !plausible) {
      if (bad_axis < 0) bad_axis = i;
      continue;
    }
    q[i] = inputs.q[i];
    qd[i] = inputs.qd[i];
    tau[i] = inputs.tau[i];
  }
}

void Kernel::Impl::read_slow(const Inputs& inputs) noexcept {
  for (int i = 0; i < kSlowSignals; ++i) {
    const bool valid = (inputs.slow_valid >> i & 1u) && std::isfinite(inputs.slow[i]);
    slow[i] = valid ? inputs.slow[i] : std::numeric_limits<double>::quiet_NaN();
  }
}

/// The squeeze of a held item is the way between set-point and paddles: taking the measured opening would let go of it.
bool Kernel::Impl::keeps_grip(int axis) const noexcept {
  return axis == kSqueeze && seeded && config.axis[axis].present &&
         std::fabs(command[axis] - q[axis]) <= config.axis[axis].max_following_error;
}

void Kernel::Impl::seed() noexcept {
  for (int i = 0; i < kAxes; ++i) {
    command_speed[i] = 0.0;
    tau_filtered[i] = tau[i];
    if (keeps_grip(i)) continue;
    command[i] = is_belt(i) || !config.axis[i].present ? 0.0 : q[i];
  }
  limiter.seed(command);
  forward(config.chain, command, commanded);
  std::fill_n(command_twist, 6, 0.0);
  std::fill_n(com_speed, 3, 0.0);
  std::fill_n(acceleration, 3, 0.0);
  std::fill_n(&past_acceleration[0][0], 3 * kMaxDelayTicks, 0.0);
  limiter_scale = arm_scale = 1.0;
  blocked_s = 0.0;
  unseeded_ticks = 0;
  seeded = true;
}

/// Before the first valid readings nothing is commanded but what is there.
void Kernel::Impl::wait_for_axes(const Inputs& inputs, Outputs& outputs) noexcept {
  for (int i = 0; i < kAxes; ++i) {
    if (std::isfinite(inputs.q[i])) command[i] = is_belt(i) ? 0.0 : inputs.q[i];
    outputs.command[i] = command[i];
  }
  outputs.digital = digital;
  outputs.stop_request = 0;
  state.tick = inputs.tick;
  if (!running() || ++unseeded_ticks < kUnseededTicks) return;
  for (Channel& channel : channels) channel.abandon(inputs.tick, {Cause::kAxisInvalid, 1.0 * bad_axis}, outcomes);
  for (int c = 0; c < kChannels; ++c) state.chain[c] = channels[c].chain_number();
}

// ---- faults -----------------------------------------------------------------------------------------------------

void Kernel::Impl::latch(Cause cause, double value) noexcept {
  if (fault.cause == Cause::kNone) fault = {cause, value};
}

void Kernel::Impl::find_faults(const Inputs& inputs) noexcept {
  emergency = (inputs.safety & kEmergencyStop) != 0;
  safety_clear = inputs.safety == kSafetyOk;
  if (inputs.safety != kSafetyOk) latch(Cause::kEmergencyStop, inputs.safety);
  if (bad_axis >= 0) latch(Cause::kAxisInvalid, bad_axis);
  for (int i = 0; i < kAxes && fault.cause == Cause::kNone; ++i) {
    if (!config.axis[i].present || is_belt(i)) continue;
    if (std::fabs(command[i] - q[i]) > config.axis[i].max_following_error) latch(Cause::kFollowingError, i);
  }
  if (channels[0].running() && ft.fault() != FtFault::kNone) {
    latch(Cause::kSensorInvalid, static_cast<double>(ft.fault()));
  }
}

// ---- force and motion signals -----------------------------------------------------------------------------------

const PayloadConfig& Kernel::Impl::payload() const noexcept { return config.payload[channels[0].number_of_payload()]; }

void Kernel::Impl::feel(const Inputs& inputs, double dt_s) noexcept {
  // The set-points move first, the arm and the sensor follow by the loop delay: so must the inertial term.
  const double* com = payload().com_sensor_m;
  double arm_point[3], lever[3], turning_part[3];
  const double* X = config.chain.X_flange_sensor;
  rotate(X, com, arm_point);
  for (int i = 0; i < 3; ++i) arm_point[i] += X[9 + i] - config.chain.X_flange_tool[9 + i];
  rotate_back(config.chain.X_flange_tool, arm_point, lever);
  rotate(commanded.R, lever, arm_point);
  cross(command_twist + 3, arm_point, turning_part);
  // Half of the delay is taken as dead time, half as the lag of the drives.
  const double gain = low_pass_gain(dt_s, 0.5 * config.ft.loop_delay_s);
  double* past = past_acceleration[delay_cursor];
  for (int i = 0; i < 3; ++i) {
    const double speed = command_twist[i] + turning_part[i];
    const double now = (speed - com_speed[i]) / dt_s;
    low_pass(gain, delay_ticks > 0 ? past[i] : now, acceleration[i]);
    past[i] = now;
    com_speed[i] = speed;
  }
  if (++delay_cursor >= delay_ticks) delay_cursor = 0;
  ft.update(inputs, measured.R, payload(), acceleration, dt_s);

  const double norm = norm3(ft.filtered());
  const double filter_gain = low_pass_gain(dt_s, config.ft.filter_time_constant_s);
  // Another payload is another reading of the same force: it did not grow.
  if (!ft.payload_changed()) low_pass(filter_gain, (norm - force_norm) / dt_s, force_rate);
  force_norm = norm;
  for (int i = 0; i < kAxes; ++i) low_pass(filter_gain, tau[i], tau_filtered[i]);
}

void Kernel::Impl::estimate_motion(double dt_s) noexcept {
  double moving[3]{};
  for (int j = 0; j < joints(); ++j) {
    for (int r = 0; r < 3; ++r) moving[r] += measured.J[6 * j + r] * qd[j];
  }
  const double wanted_speed = norm3(command_twist);
  if (wanted_speed > kLeastTravelSpeed) {
    for (int i = 0; i < 3; ++i) travel_direction[i] = command_twist[i] / wanted_speed;
  }
  const double gain = low_pass_gain(dt_s, kSpeedFilterS);
  low_pass(gain, norm3(moving), tool_speed);
  low_pass(gain, dot3(moving, travel_direction), travel_speed);
}

// ---- motion -----------------------------------------------------------------------------------------------------

void Kernel::Impl::step_channels(const Tick& tick, double* speed) noexcept {
  for (int c = 0; c < kChannels; ++c) {
    Channel& channel = channels[c];
    Interruption& interruption = interruptions[c];
    if (!channel.running()) interruption = {};
    if (fault.cause != Cause::kNone && interruption.cause == Cause::kNone && channel.running()) {
      interruption = {fault.cause, fault.value};
      // Only a stop of the whole station overrules a segment that may go on alone.
      const bool own = fault.cause == Cause::kEmergencyStop || channel.owns(fault);
      if (!own && channel.continues_alone())
        interruption = {};
      else if (!own)
        interruption.cause = Cause::kOtherChannel;
    }
    channel.step(tick, interruption, speed, digital, outcomes);
    Channel& other = channels[1 - c];
    if (channel.alarmed() && other.running() && !other.continues_alone() &&
        interruptions[1 - c].cause == Cause::kNone) {
      interruptions[1 - c] = {Cause::kOtherChannel, 0.0};
    }
  }
  if (const double* mean = channels[0].tare()) {
    ft.shift_bias(mean);
    force_norm = norm3(ft.filtered());
    ++config.generation;
  }
}

void Kernel::Impl::command_axes(const double* speed, double dt_s) noexcept {
  double desired[kAxes], next[kAxes];
  for (int i = 0; i < kAxes; ++i) {
    const AxisConfig& axis = config.axis[i];
    desired[i] = is_belt(i) ? speed[i] : command[i] + speed[i] * dt_s;
    if (!axis.present) desired[i] = 0.0;
    // A single axis ends where its way ends; the arm must keep its path and leaves this to the limiter.
    const bool alone = i > kArm6 && !is_belt(i) && axis.present;
    if (alone && std::isfinite(desired[i])) desired[i] = std::clamp(desired[i], axis.min_position, axis.max_position);
  }
  limiter_scale = arm_scale = 1.0;
  if (config.safety.limiter_enabled) {
    // The result is also in scale() and limiting_axis(); what it did is in `next`.
    (void)limiter.step(desired, dt_s, next);
    limiter_scale = limiter.scale();
    const int axis = limiter.limiting_axis();
    if (axis <= kArm6 || axis == safety::kToolSpeed) arm_scale = limiter_scale;
  } else {
    for (int i = 0; i < kAxes; ++i) next[i] = std::isfinite(desired[i]) ? desired[i] : command[i];
  }
  for (int i = 0; i < kAxes; ++i) {
    command_speed[i] = is_belt(i) ? next[i] : (next[i] - command[i]) / dt_s;
    command[i] = next[i];
  }
  forward(config.chain, command, commanded);
  std::fill_n(command_twist, 6, 0.0);
  for (int j = 0; j < joints(); ++j) {
    for (int r = 0; r < 6; ++r) command_twist[r] += commanded.J[6 * j + r] * command_speed[j];
  }
}

void Kernel::Impl::watch_limiter(double dt_s) noexcept {
  const int axis = limiter.limiting_axis();
  const bool blocked = config.safety.limiter_enabled && running() && limiter_scale < kBlockedScale && axis >= 0;
  blocked_s = blocked ? blocked_s + dt_s : 0.0;
  if (blocked_s <= kBlockedS) return;
  const int c = axis >= kBandX && axis <= kBandZ ? 1 : 0;
  if (channels[c].running() && interruptions[c].cause == Cause::kNone) {
    interruptions[c] = {Cause::kJointLimit, static_cast<double>(axis)};
  }
  blocked_s = 0.0;
}

void Kernel::Impl::write_state(const Inputs& inputs) noexcept {
  const Channel& arm = channels[0];
  state.tick = inputs.tick;
  state.time_s = inputs.time_s;
  std::copy_n(measured.R, 9, state.X_base_tool);
  std::copy_n(measured.p, 3, state.X_base_tool + 9);
  std::copy_n(commanded.R, 9, state.X_base_tool_cmd);
  std::copy_n(commanded.p, 3, state.X_base_tool_cmd + 9);
  const bool fixed = arm.running() && arm.segment().frame == FrameKind::kFixed;
  const double* frame = fixed ? arm.segment().X_base_frame : commanded.R;
  rotate_back6(frame, command_twist, state.V_tool);
  std::copy_n(ft.filtered(), 6, state.F_tool);
  std::copy_n(ft.raw(), 6, state.F_tool_raw);
  if (fixed) {
    double wrench_base[6];
    rotate6(measured.R, ft.filtered(), wrench_base);
    rotate_back6(frame, wrench_base, state.F_tool);
    rotate6(measured.R, ft.raw(), wrench_base);
    rotate_back6(frame, wrench_base, state.F_tool_raw);
  }
  state.force_limit_n = arm.running() ? arm.segment().limits.force_norm_n : std::numeric_limits<double>::infinity();
  state.limiter_scale = limiter_scale;
  for (int c = 0; c < kChannels; ++c) {
    state.path_progress[c] = channels[c].progress();
    state.segment[c] = channels[c].segment_index();
    state.chain[c] = channels[c].chain_number();
  }
  state.ft_fault = static_cast<std::uint32_t>(ft.fault());
  state.latched_fault = static_cast<std::uint32_t>(fault.cause);
  state.parameter_generation = config.generation;
}

// ---- the kernel -------------------------------------------------------------------------------------------------

Verdict Kernel::Impl::ready_for_chain(int channel) const noexcept {
  if (channel < 0 || channel >= kChannels) return {"channel", -1, static_cast<double>(channel), 0, kChannels - 1};
  if (!configured) return {"the kernel is not configured"};
  if (fault.cause != Cause::kNone) {
    return {"a fault is latched; clear its cause and reset it (value is the cause)", -1,
            static_cast<double>(fault.cause)};
  }
  if (channels[channel].running()) return {"the channel runs a chain; wait for it or cancel it"};
  return {};
}

Verdict Kernel::Impl::ready_for_payload(int index) const noexcept {
  if (!configured) return {"the kernel is not configured"};
  if (channels[0].running()) return {"the arm's channel runs a chain; payloads change only while the arm stands"};
  if (index < 0 || index >= kMaxPayloads) {
    return {"payload index", -1, static_cast<double>(index), 0, kMaxPayloads - 1};
  }
  return {};
}

Kernel::Kernel() noexcept : impl_(new Impl) {}
Kernel::~Kernel() { delete impl_; }

Verdict Kernel::configure(const KernelConfig& config) noexcept {
  Impl& k = *impl_;
  if (k.running()) return {"a chain is running; cancel it before configuring"};
  if (const Verdict verdict = validate(config); !verdict.ok()) return verdict;
  if (!k.limiter.configure(limiter_config(config)))
    return {"the last-stage limiter refuses the axis limits or the chain"};
  k.config = config;
  k.ft.configure(config);
  const double dead_time_ticks = std::min(0.5 * config.ft.loop_delay_s / config.tick_s, kMaxDelayTicks - 1.0);
  k.delay_ticks = static_cast<std::uint32_t>(dead_time_ticks + 0.5);
  k.delay_cursor = 0;
  for (Channel& channel : k.channels) channel.reset();
  k.fault = {};
  k.tool_speed = k.travel_speed = k.force_norm = k.force_rate = 0.0;
  k.digital = 0;
  k.state = State{};
  k.state.parameter_generation = config.generation;
  k.configured = true;
  k.seeded = false;
  k.unseeded_ticks = 0;
  return {};
}

Verdict Kernel::submit(int channel, const Segment* chain, std::size_t count) noexcept {
  if (const Verdict verdict = impl_->ready_for_chain(channel); !verdict.ok()) return verdict;
  if (const Verdict verdict = validate(impl_->config, chain, count, channel); !verdict.ok()) return verdict;
  return take(channel, chain, count);
}

Verdict Kernel::take(int channel, const Segment* chain, std::size_t count) noexcept {
  Impl& k = *impl_;
  if (const Verdict verdict = k.ready_for_chain(channel); !verdict.ok()) return verdict;
  k.channels[channel].submit(chain, count, ++k.chains);
  k.interruptions[channel] = {};
  k.state.chain[channel] = k.chains;
  k.state.segment[channel] = 0;
  return {};
}

void Kernel::cancel(int channel, Cause cause) noexcept {
  for (int c = 0; c < kChannels; ++c) {
    if (channel == -1 || channel == c) impl_->channels[c].cancel(cause);
  }
}

Verdict Kernel::set_payload(int index, const PayloadConfig& payload) noexcept {
  if (const Verdict verdict = impl_->ready_for_payload(index); !verdict.ok()) return verdict;
  KernelConfig changed = impl_->config;
  changed.payload[index] = payload;
  if (const Verdict verdict = validate(changed); !verdict.ok()) return verdict;
  return take_payload(index, payload);
}

Verdict Kernel::take_payload(int index, const PayloadConfig& payload) noexcept {
  Impl& k = *impl_;
  if (const Verdict verdict = k.ready_for_payload(index); !verdict.ok()) return verdict;
  k.config.payload[index] = payload;
  k.state.parameter_generation = ++k.config.generation;
  return {};
}

Verdict Kernel::reset_fault() noexcept {
  Impl& k = *impl_;
  if (k.fault.cause == Cause::kNone) return {};
  if (k.running()) return {"a chain is still stopping; reset when both channels stand"};
  const bool safety = k.fault.cause == Cause::kEmergencyStop && !k.safety_clear;
  if (safety) return {"the emergency stop or the enabling device still holds the station"};
  if (k.bad_axis >= 0)
    return {"an axis reading is still invalid (value is the axis)", -1, static_cast<double>(k.bad_axis)};
  if (k.fault.cause == Cause::kSensorInvalid && k.ft.fault() != FtFault::kNone) {
    return {"the force/torque signal is still not plausible (value is the FtFault)", -1,
            static_cast<double>(k.ft.fault())};
  }
  k.fault = {};
  k.state.latched_fault = 0;
  k.seed();
  return {};
}

void Kernel::tick(const Inputs& inputs, Outputs& outputs) noexcept {
  Impl& k = *impl_;
  outputs.tick = inputs.tick;
  for (const Channel& channel : k.channels) channel.prefetch();
  k.read_axes(inputs);
  if (k.configured && !k.seeded && k.bad_axis < 0) k.seed();
  if (!k.seeded) {
    k.wait_for_axes(inputs, outputs);
    return;
  }
  const double nominal = k.config.tick_s;
  const bool late = !(inputs.dt_s <= kLateShare * nominal);  // a dt that is no number is late as well
  const double dt_s = std::isfinite(inputs.dt_s) ? std::clamp(inputs.dt_s, kMinDt, kMaxDt) : nominal;
  k.read_slow(inputs);
  forward(k.config.chain, k.q, k.measured);
  k.feel(inputs, dt_s);
  k.estimate_motion(dt_s);
  k.find_faults(inputs);

  const Tick tick{k.config,     dt_s,           inputs.tick,     k.q,         k.qd,
                  k.tau,        k.tau_filtered, k.slow,          k.command,   k.command_speed,
                  k.measured,   k.commanded,    k.ft.filtered(), k.ft.raw(),  k.ft.compensated_sensor(),
                  k.force_rate, k.tool_speed,   k.travel_speed,  k.arm_scale, late};
  double speed[kAxes]{};
  k.step_channels(tick, speed);
  k.command_axes(speed, dt_s);
  k.watch_limiter(dt_s);

  std::copy_n(k.command, kAxes, outputs.command);
  outputs.digital = k.digital;
  outputs.stop_request = k.emergency ? 1 : (k.fault.cause != Cause::kNone ? 2 : 0);
  k.write_state(inputs);
}

// ---- saved states -----------------------------------------------------------------------------------------------

/// The parts of Impl around channels and outcomes, which are saved in their own way or not at all.
struct Kernel::Impl::Parts {
  std::size_t head, tail, tail_at;
  explicit Parts(const Impl& k) noexcept {
    const auto* begin = reinterpret_cast<const unsigned char*>(&k);
    head = static_cast<std::size_t>(reinterpret_cast<const unsigned char*>(&k.channels) - begin);
    tail_at = static_cast<std::size_t>(reinterpret_cast<const unsigned char*>(&k.outcomes + 1) - begin);
    tail = sizeof(Impl) - tail_at;
  }
};

void Kernel::save(KernelState& state) const noexcept {
  static_assert(std::is_trivially_copyable_v<Impl>);
  static_assert(sizeof(Impl) - kChannels * kMaxSegments * sizeof(Segment) - sizeof(OutcomeQueue) <=
                sizeof(KernelState));
  const Impl::Parts parts(*impl_);
  auto* to = reinterpret_cast<unsigned char*>(state.words);
  const auto* from = reinterpret_cast<const unsigned char*>(impl_);
  std::memcpy(to, from, parts.head);
  to += parts.head;
  for (const Channel& channel : impl_->channels) {
    channel.save(to);
    to += Channel::state_bytes();
  }
  std::memcpy(to, from + parts.tail_at, parts.tail);
}

void Kernel::restore(const KernelState& state, const Segment* const chains[kChannels],
                     const std::size_t counts[kChannels]) noexcept {
  const Impl::Parts parts(*impl_);
  const auto* from = reinterpret_cast<const unsigned char*>(state.words);
  auto* to = reinterpret_cast<unsigned char*>(impl_);
  std::memcpy(to, from, parts.head);
  from += parts.head;
  for (int c = 0; c < kChannels; ++c) {
    impl_->channels[c].restore(from, chains[c], counts[c]);
    from += Channel::state_bytes();
  }
  impl_->outcomes = OutcomeQueue{};
  std::memcpy(to + parts.tail_at, from, parts.tail);
}

const State& Kernel::state() const noexcept { return impl_->state; }

bool Kernel::take_outcome(Outcome& outcome) noexcept { return impl_->outcomes.pop(outcome); }

}  // namespace podhand
