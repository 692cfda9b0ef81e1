/// Motion of the arm in one segment: reference, laws, yield, stop, retreat. Gives joint speeds.
#pragma once

#include <podhand/realtime.hpp>

#include "force_guard.hpp"
#include "ramps.hpp"
#include "tick.hpp"

namespace podhand {

/// Largest disagreement between the set-points and the start of a path or profile.
inline constexpr double kStartToleranceM = 2e-3;
inline constexpr double kStartToleranceRad = 0.0174533;  ///< 1 degree, orientation of a path
inline constexpr double kStartToleranceJointRad = 5e-3;
inline constexpr double kRetreatSpeedMS = 0.02;

class ArmMotion {
 public:
  /// Begins a segment from the set-points in force. Real-time.
  /// @param mismatch out: distance of the start [m or rad], when false
  /// @return false when path or profile do not start where the arm is
  [[nodiscard]] bool start(const Segment& segment, const Tick& tick, double& mismatch) noexcept PODHAND_NONBLOCKING;
  /// One step of the running segment, after observe() in the same tick. Real-time.
  void step(const Segment& segment, const Tick& tick) noexcept PODHAND_NONBLOCKING;

  /// Begins a jerk-limited stop along the present direction of all joints; `fast` uses all the axes can.
  void begin_stop(const Segment& segment, const Tick& tick, bool fast) noexcept PODHAND_NONBLOCKING;
  /// One step of the stop, after observe(); keeps yielding to force above the limits. Real-time.
  void step_stop(const Segment& segment, const Tick& tick) noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] bool standing() const noexcept { return standing_; }
  /// Begins a retreat of at most `distance_m` along the force that the world exerts now.
  void begin_retreat(double distance_m) noexcept PODHAND_NONBLOCKING;
  void step_retreat(const Tick& tick) noexcept PODHAND_NONBLOCKING;

  [[nodiscard]] const double* joint_speed() const noexcept { return qd_; }  ///< wanted, chain.joints [rad/s]
  [[nodiscard]] bool completes() const noexcept { return completes_; }      ///< the reference has an end
  [[nodiscard]] bool finished() const noexcept { return finished_; }
  [[nodiscard]] bool lost() const noexcept { return lost_; }  ///< inverse kinematics lost the path
  [[nodiscard]] double progress() const noexcept { return progress_; }
  [[nodiscard]] double deviation_m() const noexcept { return deviation_m_; }
  [[nodiscard]] const ForceGuard& guard() const noexcept { return guard_; }
  [[nodiscard]] const double* wrench() const noexcept { return wrench_; }  ///< filtered, segment frame
  /// R_base_segment of this tick.
  [[nodiscard]] const double* frame() const noexcept { return R_frame_; }
  /// Brings wrench() and frame() up to date; nothing moves. Real-time.
  void observe(const Segment& segment, const Tick& tick) noexcept PODHAND_NONBLOCKING;

 private:
  void reference_twist(const Segment& segment, const Tick& tick) noexcept PODHAND_NONBLOCKING;
  void play_profile(const Segment& segment, const Tick& tick) noexcept PODHAND_NONBLOCKING;
  void place_on_path(const Segment& segment, double progress) noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] double wanted_scale(const Segment& segment, const Tick& tick) const noexcept PODHAND_NONBLOCKING;
  void update_scale(const Segment& segment, const Tick& tick) noexcept PODHAND_NONBLOCKING;
  void advance_reference(const Segment& segment, const Tick& tick) noexcept PODHAND_NONBLOCKING;
  void step_profile(const Segment& segment, const Tick& tick) noexcept PODHAND_NONBLOCKING;
  void step_cartesian(const Segment& segment, const Tick& tick) noexcept PODHAND_NONBLOCKING;
  void offset_speed(const Segment& segment, const Tick& tick) noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] bool drift(const Segment& segment, const Tick& tick, double correction[6]) noexcept PODHAND_NONBLOCKING;
  void solve(const Tick& tick, const double twist_base[6], double* qd) noexcept PODHAND_NONBLOCKING;
  void add_carry(const Segment& segment, const Tick& tick) noexcept PODHAND_NONBLOCKING;
  void bound_joint_speed(const Tick& tick) noexcept PODHAND_NONBLOCKING;
  void yield_speed(const Tick& tick, double* qd) noexcept PODHAND_NONBLOCKING;

  // Reference.
  PhasePlayer player_[kMaxArmJoints]{};
  double path_time_s_{};
  double scale_{1.0};         ///< speed of path time
  double joint_excess_{1.0};  ///< by how much the last joint speeds were over their limits
  double R_ref_[9]{};         ///< reference pose, base
  double p_ref_[3]{};
  double turn_base_[3]{};           ///< kPath: whole rotation vector, base
  double way_base_[3]{};            ///< kPath: whole translation, base
  double path_speed_{};             ///< kPath: d progress / d path time
  double reference_base_[6]{};      ///< twist of the reference at scale 1, base
  double qd_ref_[kMaxArmJoints]{};  ///< kProfile, at scale 1
  double q_ref_[kMaxArmJoints]{};
  SpeedRamp twist_ramp_{};  ///< kTwist: 0..1
  // Offset from the reference.
  double R_frame_[9]{};
  double wrench_[6]{};
  double offset_[6]{};  ///< segment frame, (m, rad)
  double offset_speed_[6]{};
  double compliant_speed_[6]{};       ///< the part with a mass
  double q_offset_[kMaxArmJoints]{};  ///< kProfile
  // Speed carried over from the segment before, and stops.
  double carry_[kMaxArmJoints]{};
  SpeedRamp carry_ramp_{};
  double ramp_acceleration_{}, ramp_jerk_{};
  double retreat_direction_[3]{};  ///< base
  double retreat_left_m_{};
  double retreat_force_n_{};
  SpeedRamp retreat_ramp_{};
  double stop_time_s_{};
  // Answers.
  double qd_[kMaxArmJoints]{};
  ForceGuard guard_{};
  double progress_{};
  double deviation_m_{};
  double lost_s_{};
  bool lost_{false};
  bool completes_{false};
  bool finished_{false};
  bool standing_{true};
};

}  // namespace podhand
