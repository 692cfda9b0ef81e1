#include "group_motion.hpp"

#include "arm_motion.hpp"
#include "linear.hpp"

namespace podhand {
namespace {

constexpr double kArrivedM = 5e-5;  // a target is reached this close, standing
constexpr double kArrivedMS = 1e-3;
constexpr double kApproachGain = 30.0;  // [1/s] last millimetres: speed per distance
constexpr double kBrakeShare = 0.7;     // braking is planned with this share of acceleration and jerk
constexpr double kFollowingSlow = 0.5;  // following error over its limit at which an axis slows, and stands
constexpr double kFollowingFreeze = 0.9;
constexpr double kGiveShare = 0.2;  // of its speed cap an axis gives way with at its force limit
constexpr double kReturnTimeS = 0.15;
constexpr double kReturnSpeedMS = 0.02;
constexpr double kRescalePerS = 5.0;
constexpr double kBrakePerS = 50.0;
constexpr double kFastJerkTimeS = 0.010;
constexpr double kLeastForceN = 1.0;

/// What an axis may do towards a speed; belts that hold something heavy may do less.
double acceleration(const Reference& reference, const AxisConfig& limits, int axis, double wanted,
                    double speed) noexcept {
  if (!is_belt(axis)) return limits.max_acceleration;
  const bool faster = wanted * speed >= 0.0 && std::fabs(wanted) > std::fabs(speed);
  const double own = faster ? reference.speed_up : reference.slow_down;
  return own > 0.0 ? std::min(own, limits.max_acceleration) : limits.max_acceleration;
}

}  // namespace

bool GroupMotion::start(const Segment& segment, int group, const Tick& tick, double& mismatch) noexcept {
  const Reference& reference = segment.reference[group];
  const GroupSpan span = kGroupSpan[group];
  *this = GroupMotion{};
  group_ = group;
  completes_ = reference.kind == RefKind::kProfile || (reference.kind == RefKind::kTarget && group != kGroupBelts);
  for (int i = 0; i < span.count; ++i) ramp_[i].start(tick.command_speed[span.first + i]);
  if (reference.kind != RefKind::kProfile) return true;
  for (int i = 0; i < span.count; ++i) {
    offset_[i] = tick.command[span.first + i] - reference.phases[i][0].p;
    if (std::fabs(offset_[i]) > kStartToleranceM) {
      mismatch = offset_[i];
      return false;
    }
  }
  return true;
}

/// 1 while the axis may move `towards` (sign) at full speed, 0 when it must stand: force and following error.
double GroupMotion::effort(const Segment& segment, const Tick& tick, int i, double towards) const noexcept {
  const int axis = kGroupSpan[group_].first + i;
  double share = 1.0;
  const double force = std::fabs(tick.tau_filtered[axis]), limit = segment.limits.axis_force[axis];
  if (tick.force_limits() && force > kSlowRatio * limit && towards * tick.tau_filtered[axis] > 0.0) {
    share = fade(force / limit, kSlowRatio, kFreezeRatio);
  }
  if (is_belt(axis)) return share;
  const double behind = tick.command[axis] - tick.q[axis], most = tick.config.axis[axis].max_following_error;
  if (towards * behind <= 0.0 || std::fabs(behind) <= kFollowingSlow * most) return share;
  return std::min(share, fade(std::fabs(behind) / most, kFollowingSlow, kFollowingFreeze));
}

double GroupMotion::target_speed(const Segment& segment, const Tick& tick, int i) noexcept {
  const Reference& reference = segment.reference[group_];
  const int axis = kGroupSpan[group_].first + i;
  const AxisConfig& limits = tick.config.axis[axis];
  switch (reference.kind) {
    case RefKind::kTarget: {
      if (is_belt(axis)) return reference.target[i] * effort(segment, tick, i, reference.target[i]);
      const double way = reference.target[i] - tick.command[axis];
      const double brake =
          stopping_speed(std::fabs(way), kBrakeShare * limits.max_acceleration, kBrakeShare * limits.max_jerk);
      const double speed = std::min({reference.target_speed, brake, kApproachGain * std::fabs(way)});
      return std::copysign(speed * effort(segment, tick, i, way), way);
    }
    case RefKind::kForce: {
      // The damping of this servo is force over speed: full speed without contact, none at the wanted force.
      const double missing = reference.force_n - tick.tau_filtered[axis];
      const double full = std::max(std::fabs(reference.force_n), kLeastForceN);
      const double wanted = reference.target_speed * std::clamp(missing / full, -1.0, 1.0);
      const double cap = kBrakeShare;  // room to the ends of the axis
      const double room =
          wanted > 0.0 ? limits.max_position - tick.command[axis] : tick.command[axis] - limits.min_position;
      const double brake = stopping_speed(std::max(0.0, room), cap * limits.max_acceleration, cap * limits.max_jerk);
      return std::copysign(std::min(std::fabs(wanted), brake) * effort(segment, tick, i, wanted), wanted);
    }
    default:
      return 0.0;
  }
}

void GroupMotion::give_way(const Segment& segment, const Tick& tick, int i) noexcept {
  const Reference& reference = segment.reference[group_];
  const int axis = kGroupSpan[group_].first + i;
  give_[i] = 0.0;
  if (!tick.force_limits() || is_belt(axis)) return;
  const double force = tick.tau_filtered[axis];
  const double limit = segment.limits.axis_force[axis];
  if (std::fabs(force) <= kFreezeRatio * limit) return;
  const double ratio = std::fabs(force) / limit;
  const double cap = reference.target_speed > 0.0 ? reference.target_speed : 0.1 * tick.config.axis[axis].max_speed;
  const double share = std::min(1.0, (ratio - kFreezeRatio) / (1.0 - kFreezeRatio));
  give_[i] = -std::copysign(kGiveShare * cap * share, force);
}

void GroupMotion::step_profile(const Segment& segment, const Tick& tick) noexcept {
  const Reference& reference = segment.reference[group_];
  const GroupSpan span = kGroupSpan[group_];
  double wanted = tick.limiter_scale;
  for (int i = 0; i < span.count; ++i) wanted = std::min(wanted, effort(segment, tick, i, ramp_[i].speed));
  scale_ = std::clamp(wanted, scale_ - kBrakePerS * tick.dt_s, scale_ + kRescalePerS * tick.dt_s);
  path_time_s_ += scale_ * tick.dt_s;
  for (int i = 0; i < span.count; ++i) {
    const Played now = player_[i].at(reference.phases[i], reference.phase_count[i], reference.duration_s, path_time_s_);
    if (give_[i] == 0.0)
      offset_[i] -= std::clamp(offset_[i] / kReturnTimeS, -kReturnSpeedMS, kReturnSpeedMS) * tick.dt_s;
    offset_[i] += give_[i] * tick.dt_s;
    ramp_[i].speed = (now.p + offset_[i] - tick.command[span.first + i]) / tick.dt_s - give_[i];
  }
  progress_ = std::min(1.0, path_time_s_ / reference.duration_s);
  if (path_time_s_ >= reference.duration_s) finished_ = true;
}

void GroupMotion::step(const Segment& segment, const Tick& tick) noexcept {
  const Reference& reference = segment.reference[group_];
  const GroupSpan span = kGroupSpan[group_];
  for (int i = 0; i < span.count; ++i) give_way(segment, tick, i);
  if (reference.kind == RefKind::kProfile) {
    step_profile(segment, tick);
    return;
  }
  bool arrived = reference.kind == RefKind::kTarget;
  for (int i = 0; i < span.count; ++i) {
    const int axis = span.first + i;
    const AxisConfig& limits = tick.config.axis[axis];
    const double wanted = target_speed(segment, tick, i);
    ramp_[i].step(wanted, acceleration(reference, limits, axis, wanted, ramp_[i].speed), limits.max_jerk, tick.dt_s);
    arrived = arrived && std::fabs(reference.target[i] - tick.command[axis]) < kArrivedM &&
              std::fabs(ramp_[i].speed) < kArrivedMS;
  }
  finished_ = arrived && group_ != kGroupBelts;
}

void GroupMotion::begin_stop(bool fast) noexcept {
  fast_stop_ = fast;
  for (SpeedRamp& ramp : ramp_) ramp.start(ramp.speed);
}

void GroupMotion::step_stop(const Segment& segment, const Tick& tick) noexcept {
  const GroupSpan span = kGroupSpan[group_];
  for (int i = 0; i < span.count; ++i) {
    const AxisConfig& limits = tick.config.axis[span.first + i];
    const double jerk =
        fast_stop_ ? std::max(limits.max_jerk, limits.max_acceleration / kFastJerkTimeS) : limits.max_jerk;
    const double most = acceleration(segment.reference[group_], limits, span.first + i, 0.0, ramp_[i].speed);
    ramp_[i].step(0.0, most, jerk, tick.dt_s);
    give_way(segment, tick, i);
  }
}

bool GroupMotion::standing() const noexcept {
  for (int i = 0; i < kGroupSpan[group_].count; ++i) {
    if (!ramp_[i].standing()) return false;
  }
  return true;
}

}  // namespace podhand
