#include "arm_motion.hpp"

#include "linear.hpp"
#include "rotation.hpp"

namespace podhand {
namespace {

constexpr double kDriftGain = 40.0;  // [1/s] correction of set-points towards the path
constexpr double kLostM = 0.010;     // set-points this far from the path: inverse kinematics lost it
constexpr double kLostRad = 0.10;
constexpr double kLostS = 0.020;
constexpr double kDeviationSlowM = 0.015;  // compliant offset at which the path slows down, and stands
constexpr double kDeviationFreezeM = 0.050;
constexpr double kFollowingSlow = 0.5;  // following error over its limit at which the path slows, and stands
constexpr double kFollowingFreeze = 0.9;
constexpr double kReturnTimeS = 0.15;  // rigid axes come back from a yield this slowly
constexpr double kReturnSpeedMS = 0.02;
constexpr double kReturnSpeedRadS = 0.1;
constexpr double kBrakePerS = 5.0;           // path time loses its speed at least as fast as this
constexpr double kReaccelerationPerS = 1.5;  // and gets it back this slowly: else a jam bounces against its limit
constexpr double kFastJerkTimeS = 0.010;     // a fast stop builds its deceleration up in this time
constexpr double kStandingRadS = 1e-3;
constexpr double kLeastCarryRadS = 1e-5;      // less is rounding
constexpr double kStopPatienceS = 0.5;        // a stop that still yields after this time counts as standing
constexpr double kSpeedMargin = 0.98;         // joint speeds stay this far inside the last-stage limiter's
constexpr double kForceInertia = 0.5;         // [kg m^2] with which turning force axes answer
constexpr double kRetreatAcceleration = 1.0;  // [m/s^2]
constexpr double kRetreatJerk = 50.0;         // [m/s^3]
constexpr double kRetreatDone = 0.3;          // of the force at its begin

/// Twist of joint speeds: J qd.
void twist_of(const Kinematics& kinematics, int joints, const double* qd, double twist[6]) noexcept {
  for (int r = 0; r < 6; ++r) twist[r] = 0.0;
  for (int j = 0; j < joints; ++j) {
    for (int r = 0; r < 6; ++r) twist[r] += kinematics.J[6 * j + r] * qd[j];
  }
}

double mass_of(const Segment& segment, const Tick& tick) noexcept {
  return apparent_mass(tick.config.payload[segment.payload]);
}

/// Largest common factor's rate [1/s] at which speeds may shrink or grow when each axis has its own limit.
double common_rate(const AxisConfig* axis, double AxisConfig::* limit, const double* speed, int joints) noexcept {
  double rate = 1e6;
  for (int j = 0; j < joints; ++j) {
    const double v = std::fabs(speed[j]);
    if (v * rate > axis[j].*limit) rate = axis[j].*limit / v;
  }
  return rate;
}

}  // namespace

// ---- begin ------------------------------------------------------------------------------------------------------

void ArmMotion::place_on_path(const Segment& segment, double progress) noexcept {
  const double* X = segment.reference[kGroupArm].X_base_start;
  double turn[3], R_turn[9];
  for (int i = 0; i < 3; ++i) {
    p_ref_[i] = X[9 + i] + progress * way_base_[i];
    turn[i] = progress * turn_base_[i];
  }
  rotation_from_vector(turn, R_turn);
  multiply(R_turn, X, R_ref_);
}

bool ArmMotion::start(const Segment& segment, const Tick& tick, double& mismatch) noexcept {
  const Reference& reference = segment.reference[kGroupArm];
  const int joints = tick.config.chain.joints;
  const Kinematics& now = tick.commanded;
  *this = ArmMotion{};
  standing_ = false;
  std::copy_n(now.R, 9, R_ref_);
  std::copy_n(now.p, 3, p_ref_);
  observe(segment, tick);
  completes_ = reference.kind == RefKind::kProfile || reference.kind == RefKind::kPath;

  bool agrees = true;
  if (reference.kind == RefKind::kPath) {
    const double *from = reference.X_base_start, *to = reference.X_base_goal;
    double R_turn[9], to_transposed[9];
    for (int i = 0; i < 9; ++i) to_transposed[i] = from[3 * (i % 3) + i / 3];
    multiply(to, to_transposed, R_turn);
    vector_from_rotation(R_turn, turn_base_);
    for (int i = 0; i < 3; ++i) way_base_[i] = to[9 + i] - from[9 + i];
    place_on_path(segment, in_phase(reference.phases[0][0], 0.0).p);
    double apart[6];
    for (int i = 0; i < 3; ++i) apart[i] = now.p[i] - p_ref_[i];
    small_rotation(R_ref_, now.R, apart + 3);
    // Opposite orientations have a small sine as well.
    const bool near = dot3(R_ref_, now.R) > 0.9 && dot3(R_ref_ + 3, now.R + 3) > 0.9;
    agrees = near && norm3(apart) <= kStartToleranceM && norm3(apart + 3) <= kStartToleranceRad;
    mismatch = norm3(apart) > kStartToleranceM ? norm3(apart) : norm3(apart + 3);
    rotate_back6(R_frame_, apart, offset_);
  } else if (reference.kind == RefKind::kProfile) {
    for (int j = 0; j < joints; ++j) {
      q_offset_[j] = tick.command[j] - reference.phases[j][0].p;
      if (std::fabs(q_offset_[j]) > kStartToleranceJointRad) {
        agrees = false;
        mismatch = q_offset_[j];
      }
    }
  }
  if (!agrees) return false;

  // What the reference does not continue of the present speed is carried over and ramped down.
  reference_twist(segment, tick);
  double continued[kMaxArmJoints]{};
  if (reference.kind == RefKind::kProfile) {
    std::copy_n(qd_ref_, joints, continued);
  } else if (norm3(reference_base_) > 0.0 || norm3(reference_base_ + 3) > 0.0) {
    solve(tick, reference_base_, continued);
  }
  for (int j = 0; j < joints; ++j) carry_[j] = tick.command_speed[j] - continued[j];
  double fastest = 0.0;
  for (int j = 0; j < joints; ++j) fastest = std::max(fastest, std::fabs(carry_[j]));
  carry_ramp_.start(fastest > kLeastCarryRadS ? 1.0 : 0.0);
  ramp_acceleration_ = common_rate(tick.config.axis, &AxisConfig::max_acceleration, carry_, joints);
  ramp_jerk_ = common_rate(tick.config.axis, &AxisConfig::max_jerk, carry_, joints);
  scale_ = wanted_scale(segment, tick);
  return true;
}

void ArmMotion::observe(const Segment& segment, const Tick& tick) noexcept {
  if (segment.frame == FrameKind::kTool) {
    std::copy_n(tick.commanded.R, 9, R_frame_);
    std::copy_n(tick.wrench_tool, 6, wrench_);
    return;
  }
  std::copy_n(segment.X_base_frame, 9, R_frame_);
  double wrench_base[6];
  rotate6(tick.measured.R, tick.wrench_tool, wrench_base);
  rotate_back6(R_frame_, wrench_base, wrench_);
}

// ---- reference --------------------------------------------------------------------------------------------------

void ArmMotion::play_profile(const Segment& segment, const Tick& tick) noexcept {
  const Reference& reference = segment.reference[kGroupArm];
  const int joints = tick.config.chain.joints;
  for (int j = 0; j < joints; ++j) {
    const Played now = player_[j].at(reference.phases[j], reference.phase_count[j], reference.duration_s, path_time_s_);
    q_ref_[j] = now.p;
    qd_ref_[j] = now.v;
  }
  twist_of(tick.commanded, joints, qd_ref_, reference_base_);
}

void ArmMotion::reference_twist(const Segment& segment, const Tick& tick) noexcept {
  const Reference& reference = segment.reference[kGroupArm];
  switch (reference.kind) {
    case RefKind::kProfile:
      play_profile(segment, tick);
      return;
    case RefKind::kPath: {
      const Played now =
          player_[0].at(reference.phases[0], reference.phase_count[0], reference.duration_s, path_time_s_);
      progress_ = now.p;
      path_speed_ = now.v;
      for (int i = 0; i < 3; ++i) {
        reference_base_[i] = now.v * way_base_[i];
        reference_base_[3 + i] = now.v * turn_base_[i];
      }
      return;
    }
    case RefKind::kTwist: {
      rotate6(R_frame_, reference.twist, reference_base_);
      for (double& value : reference_base_) value *= twist_ramp_.speed;
      return;
    }
    default:
      return;
  }
}

double ArmMotion::wanted_scale(const Segment& segment, const Tick& tick) const noexcept {
  const Limits& limits = segment.limits;
  double scale = std::min(guard_.path_scale(), tick.limiter_scale);
  if (deviation_m_ > kDeviationSlowM) scale = std::min(scale, fade(deviation_m_, kDeviationSlowM, kDeviationFreezeM));
  for (int j = 0; j < tick.config.chain.joints; ++j) {
    const double behind = std::fabs(tick.command[j] - tick.q[j]);
    const double most = tick.config.axis[j].max_following_error;
    if (behind <= kFollowingSlow * most) continue;
    scale = std::min(scale, fade(behind / most, kFollowingSlow, kFollowingFreeze));
  }
  const double speed = norm3(reference_base_), turning = norm3(reference_base_ + 3);
  if (speed * scale > limits.speed_m_s) scale = limits.speed_m_s / speed;
  if (turning * scale > limits.angular_speed_rad_s) scale = limits.angular_speed_rad_s / turning;
  return joint_excess_ > 1.0 ? std::min(scale, scale_ / joint_excess_) : scale;
}

void ArmMotion::update_scale(const Segment& segment, const Tick& tick) noexcept {
  const double wanted = wanted_scale(segment, tick);
  if (wanted < scale_) {
    const int joints = tick.config.chain.joints;
    double rate = common_rate(tick.config.axis, &AxisConfig::max_acceleration, qd_, joints) * scale_;
    // The approach cap counts on this deceleration; a harder one would only shake the sensor.
    const double speed = norm3(reference_base_);
    if (speed * rate > segment.limits.acceleration_m_s2) rate = segment.limits.acceleration_m_s2 / speed;
    scale_ = std::max(wanted, scale_ - std::max(rate, kBrakePerS) * tick.dt_s);
    return;
  }
  const double speed = norm3(reference_base_);
  double rate = kReaccelerationPerS;
  if (speed * rate > segment.limits.acceleration_m_s2) rate = segment.limits.acceleration_m_s2 / speed;
  scale_ = std::min(wanted, scale_ + rate * tick.dt_s);
}

void ArmMotion::advance_reference(const Segment& segment, const Tick& tick) noexcept {
  const Reference& reference = segment.reference[kGroupArm];
  const double step_s = scale_ * tick.dt_s;
  path_time_s_ += step_s;
  if (reference.kind == RefKind::kPath) {
    const Played next =
        player_[0].at(reference.phases[0], reference.phase_count[0], reference.duration_s, path_time_s_);
    progress_ = next.p;
    place_on_path(segment, next.p);
  } else if (reference.kind == RefKind::kTwist) {
    const Limits& limits = segment.limits;
    const double speed = std::max(norm3(reference.twist), 1e-6);
    const double turning = norm3(reference.twist + 3);
    // Angular motion ramps with the share of its own limit that the linear motion uses.
    const double rate =
        std::min(limits.acceleration_m_s2 / speed,
                 limits.acceleration_m_s2 / limits.speed_m_s * limits.angular_speed_rad_s / std::max(turning, 1e-6));
    twist_ramp_.step(1.0, rate, rate * limits.jerk_m_s3 / limits.acceleration_m_s2, tick.dt_s);
    double turn[3], R_turn[9], R_before[9];
    for (int i = 0; i < 3; ++i) {
      p_ref_[i] += step_s * reference_base_[i];
      turn[i] = step_s * reference_base_[3 + i];
    }
    rotation_from_vector(turn, R_turn);
    std::copy_n(R_ref_, 9, R_before);
    multiply(R_turn, R_before, R_ref_);
  } else if (reference.kind == RefKind::kProfile && reference.duration_s > 0.0) {
    progress_ = std::min(1.0, path_time_s_ / reference.duration_s);
  }
  if (completes_ && path_time_s_ >= reference.duration_s) finished_ = true;
}

// ---- one step ---------------------------------------------------------------------------------------------------

void ArmMotion::step(const Segment& segment, const Tick& tick) noexcept {
  reference_twist(segment, tick);
  double motion[6];
  rotate_back6(R_frame_, reference_base_, motion);
  guard_.step(segment.limits, wrench_, motion, tick.force_limits(), mass_of(segment, tick), tick.dt_s);
  update_scale(segment, tick);
  if (segment.reference[kGroupArm].kind == RefKind::kProfile) {
    step_profile(segment, tick);
  } else {
    step_cartesian(segment, tick);
  }
  add_carry(segment, tick);
  bound_joint_speed(tick);
}

void ArmMotion::step_profile(const Segment& segment, const Tick& tick) noexcept {
  const int joints = tick.config.chain.joints;
  double give[kMaxArmJoints]{};
  if (guard_.yielding()) {
    yield_speed(tick, give);
  } else if (guard_.force_ratio() < kSlowRatio) {
    for (int j = 0; j < joints; ++j) {
      give[j] = -std::clamp(q_offset_[j] / kReturnTimeS, -kReturnSpeedRadS, kReturnSpeedRadS);
    }
  }
  advance_reference(segment, tick);
  play_profile(segment, tick);
  for (int j = 0; j < joints; ++j) {
    q_offset_[j] += give[j] * tick.dt_s;
    qd_[j] = (q_ref_[j] + q_offset_[j] - tick.command[j]) / tick.dt_s;
  }
}

void ArmMotion::offset_speed(const Segment& segment, const Tick& tick) noexcept {
  const Limits& limits = segment.limits;
  const double dt = tick.dt_s;
  for (int i = 0; i < 6; ++i) {
    const AxisLaw& law = segment.law[i];
    double speed = 0.0;
    if (law.law == Law::kCompliant) {
      // Semi-implicit: stable for every mass, damping and step.
      speed = (law.mass * compliant_speed_[i] + dt * (wrench_[i] - law.stiffness * offset_[i])) /
              (law.mass + dt * law.damping + dt * dt * law.stiffness);
    } else if (law.law == Law::kForce) {
      const double mass = i < 3 ? mass_of(segment, tick) : kForceInertia;
      speed = (mass * compliant_speed_[i] + dt * (wrench_[i] - law.force)) / (mass + dt * law.damping);
      speed = std::clamp(speed, -law.max_speed, law.max_speed);
    } else if (guard_.force_ratio() < kSlowRatio) {
      const double cap = i < 3 ? kReturnSpeedMS : kReturnSpeedRadS;
      speed = -std::clamp(offset_[i] / kReturnTimeS, -cap, cap);
    }
    const double cap = i < 3 ? limits.speed_m_s : limits.angular_speed_rad_s;
    compliant_speed_[i] = std::clamp(speed, -cap, cap);
    const double give = i < 3 && guard_.yielding() ? guard_.yield()[i] : 0.0;
    offset_speed_[i] = std::clamp(compliant_speed_[i] + give, -cap, cap);
  }
}

bool ArmMotion::drift(const Segment& segment, const Tick& tick, double correction[6]) noexcept {
  double behind[6], from_reference[6];
  for (int i = 0; i < 3; ++i) from_reference[i] = tick.commanded.p[i] - p_ref_[i];
  small_rotation(R_ref_, tick.commanded.R, from_reference + 3);
  rotate_back6(R_frame_, from_reference, behind);
  double away = 0.0;
  for (int i = 0; i < 6; ++i) {
    if (segment.law[i].law == Law::kForce)
      offset_[i] = behind[i];
    else if (i < 3)
      away += behind[i] * behind[i];
    behind[i] = offset_[i] - behind[i];
  }
  deviation_m_ = std::sqrt(away);
  for (int i = 0; i < 6; ++i) correction[i] = kDriftGain * behind[i];
  return norm3(behind) <= kLostM && norm3(behind + 3) <= kLostRad;
}

void ArmMotion::step_cartesian(const Segment& segment, const Tick& tick) noexcept {
  const bool carrying = !carry_ramp_.standing();
  const RefKind kind = segment.reference[kGroupArm].kind;
  if (carrying && kind != RefKind::kPath) {
    // The reference is wherever the arm comes to rest: nothing pulls it back to where the segment began.
    std::copy_n(tick.commanded.R, 9, R_ref_);
    std::copy_n(tick.commanded.p, 3, p_ref_);
    std::fill_n(offset_, 6, 0.0);
  }
  double correction[6];
  const bool near = drift(segment, tick, correction);
  lost_s_ = near || tick.limiter_scale < 1.0 || carrying ? 0.0 : lost_s_ + tick.dt_s;
  if (lost_s_ > kLostS) lost_ = true;
  offset_speed(segment, tick);

  double twist[6], twist_base[6];
  rotate_back6(R_frame_, reference_base_, twist);
  for (int i = 0; i < 6; ++i) {
    const double along = segment.law[i].law == Law::kForce ? 0.0 : scale_ * twist[i];
    twist[i] = along + offset_speed_[i] + correction[i];
    offset_[i] += offset_speed_[i] * tick.dt_s;
  }
  advance_reference(segment, tick);
  rotate6(R_frame_, twist, twist_base);
  solve(tick, twist_base, qd_);
}

void ArmMotion::solve(const Tick& tick, const double twist_base[6], double* qd) noexcept {
  double largest = 0.0;
  for (int i = 0; i < 6; ++i) largest = std::max(largest, std::fabs(twist_base[i]));
  // Set-points that stand are not stirred by rounding.
  if (largest < 1e-7) {
    std::fill_n(qd, tick.config.chain.joints, 0.0);
    return;
  }
  double manipulability;
  if (!differential_ik(tick.config.chain, tick.commanded, twist_base, tick.config.ik_damping, qd, &manipulability)) {
    lost_ = true;
  }
}

void ArmMotion::add_carry(const Segment& segment, const Tick& tick) noexcept {
  if (carry_ramp_.standing()) return;
  carry_ramp_.step(0.0, ramp_acceleration_, ramp_jerk_, tick.dt_s);
  const bool profile = segment.reference[kGroupArm].kind == RefKind::kProfile;
  for (int j = 0; j < tick.config.chain.joints; ++j) {
    const double speed = carry_[j] * carry_ramp_.speed;
    qd_[j] += speed;
    // A profile is tracked to the point: it must know of the way made beside it.
    if (profile) q_offset_[j] += speed * tick.dt_s;
  }
}

void ArmMotion::bound_joint_speed(const Tick& tick) noexcept {
  double excess = 1.0;
  for (int j = 0; j < tick.config.chain.joints; ++j) {
    const double most = kSpeedMargin * tick.config.axis[j].max_speed;
    if (std::fabs(qd_[j]) > excess * most) excess = std::fabs(qd_[j]) / most;
  }
  joint_excess_ = excess;
  if (excess == 1.0) return;
  for (int j = 0; j < tick.config.chain.joints; ++j) qd_[j] /= excess;
}

void ArmMotion::yield_speed(const Tick& tick, double* qd) noexcept {
  double twist_base[6]{};
  rotate(R_frame_, guard_.yield(), twist_base);
  solve(tick, twist_base, qd);
}

// ---- stop and retreat -------------------------------------------------------------------------------------------

void ArmMotion::begin_stop(const Segment& segment, const Tick& tick, bool fast) noexcept {
  const int joints = tick.config.chain.joints;
  std::copy_n(tick.command_speed, joints, carry_);
  carry_ramp_.start(1.0);
  ramp_acceleration_ = common_rate(tick.config.axis, &AxisConfig::max_acceleration, carry_, joints);
  ramp_jerk_ = common_rate(tick.config.axis, &AxisConfig::max_jerk, carry_, joints);
  if (fast) {
    ramp_jerk_ = std::max(ramp_jerk_, ramp_acceleration_ / kFastJerkTimeS);
  } else {
    double twist[6];
    twist_of(tick.commanded, joints, carry_, twist);
    const double speed = std::max(norm3(twist), 1e-9);
    if (segment.limits.acceleration_m_s2 > 0.0) {
      ramp_acceleration_ = std::min(ramp_acceleration_, segment.limits.acceleration_m_s2 / speed);
      ramp_jerk_ = std::min(ramp_jerk_, segment.limits.jerk_m_s3 / speed);
    }
  }
  stop_time_s_ = 0.0;
  standing_ = false;
}

void ArmMotion::step_stop(const Segment& segment, const Tick& tick) noexcept {
  const int joints = tick.config.chain.joints;
  const double still[6]{};
  guard_.step(segment.limits, wrench_, still, tick.force_limits(), mass_of(segment, tick), tick.dt_s);
  carry_ramp_.step(0.0, ramp_acceleration_, ramp_jerk_, tick.dt_s);
  double give[kMaxArmJoints]{};
  if (guard_.yielding()) yield_speed(tick, give);
  double largest = 0.0;
  for (int j = 0; j < joints; ++j) {
    qd_[j] = carry_[j] * carry_ramp_.speed + give[j];
    largest = std::max(largest, std::fabs(tick.command_speed[j]));
  }
  bound_joint_speed(tick);
  stop_time_s_ += tick.dt_s;
  const bool slow = largest < kStandingRadS && !guard_.yielding();
  standing_ = carry_ramp_.standing() && (slow || stop_time_s_ > kStopPatienceS);
}

void ArmMotion::begin_retreat(double distance_m) noexcept {
  rotate(R_frame_, wrench_, retreat_direction_);
  const double force = norm3(wrench_);
  for (double& component : retreat_direction_) component = force > 0.0 ? component / force : 0.0;
  retreat_force_n_ = force;
  retreat_left_m_ = force > 0.0 ? distance_m : 0.0;
  retreat_ramp_.start(0.0);
  stop_time_s_ = 0.0;
  standing_ = false;
}

void ArmMotion::step_retreat(const Tick& tick) noexcept {
  const double force = norm3(wrench_);
  // A force that rises says that the tool is hooked: backing out would make it worse.
  const bool hooked = force > 1.1 * retreat_force_n_ + 2.0;
  if (hooked || force < kRetreatDone * retreat_force_n_) retreat_left_m_ = 0.0;
  const double target =
      retreat_left_m_ > 0.0
          ? std::min(kRetreatSpeedMS, stopping_speed(retreat_left_m_, kRetreatAcceleration, kRetreatJerk))
          : 0.0;
  retreat_ramp_.step(target, kRetreatAcceleration, kRetreatJerk, tick.dt_s);
  const double speed = std::max(0.0, std::min(retreat_ramp_.speed, retreat_left_m_ / tick.dt_s));
  retreat_left_m_ = std::max(0.0, retreat_left_m_ - speed * tick.dt_s);
  double twist_base[6]{};
  for (int i = 0; i < 3; ++i) twist_base[i] = speed * retreat_direction_[i];
  solve(tick, twist_base, qd_);
  bound_joint_speed(tick);
  stop_time_s_ += tick.dt_s;
  standing_ = (retreat_left_m_ < 1e-5 && speed < 1e-4) || stop_time_s_ > 2.0 * kStopPatienceS;
}

}  // namespace podhand
