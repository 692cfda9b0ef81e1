/// The last-stage limiter: nothing reaches a drive but through here. Its own target; it links nothing of the
/// controller.
///
/// Words. Set-points x[k] of step k with duration dt[k]; speed v[k] = (x[k] - x[k-1]) / dt[k]; acceleration
/// (v[k] - v[k-1]) / dt[k]; tool speed |p(x[k]) - p(x[k-1])| / dt[k] with p the tool origin by the limiter's own
/// forward kinematics. For a speed axis (belt) x is the speed itself: |x| is its speed, (x[k] - x[k-1]) / dt[k] its
/// acceleration.
///
/// Guarantee, for every input whatsoever and any sequence of dt in [kMinDt, kMaxDt], from a seed inside the limits:
///   1. every output is finite; min_position <= x <= max_position exactly;
///   2. |speed| <= max_speed, |acceleration| <= max_acceleration, tool speed <= max_tool_speed, each to 1e-9 of the
///   limit
///      and the rounding of the differences;
///   3. the state stays viable: from every state a stop that keeps 1 and 2 exists, and is what the limiter falls back
///   to.
///
/// How. Axes form groups: the arm's joints; the squeeze; each belt; the blade; the band arm's three axes. For each
/// group
///
///     out = previous + alpha (desired - previous),  one alpha in [0, 1] for all axes of the group,
///
/// so a path is slowed, never bent. alpha is the largest for which the limits hold in this step and the uniform stop
/// from the new state stays inside them. The uniform stop scales the group's speed v down along its own direction as
/// fast as every axis allows: it takes T = max_i |v_i| / a_i and, whatever the later dt >= kMinDt, at most |v_i| D(T)
/// of way with D = (T - kMinDt / 2)^2 / (2 T), or none when T < kMinDt. The tool speed on the way is bounded from its
/// first two derivatives along the motion and the lengths of the chain, so near its limit alpha may be a little less
/// than the largest. All of this is computed, in closed form or with a fixed number of bisections.
///
/// When alpha = 1 does not hold, or when desired stands still, alpha is lowered further (as far as the accelerations
/// allow) so that the stop does not pass a desired point that goes on at its present speed; otherwise a jump of the
/// target would make the axis swing about it for ever. Motion that keeps the limits by itself is never touched.
///
/// When no alpha holds (a reversal, a corner taken too fast), the group makes one step of the uniform stop along its
/// previous velocity. When any present axis of `desired` is not finite or not below kMaxMagnitude, or dt is not in
/// [kMinDt, kMaxDt], every group does; a finite dt > 0 counts as it is, another as kMinDt. Belts ramp to zero.
///
/// An axis seeded outside its position (belt: speed) limits may only move towards them; motion outwards is refused.
/// Every other limit holds meanwhile.
#pragma once

#include <podhand/exchange.hpp>
#include <podhand/realtime.hpp>

#include <cstdint>

namespace podhand::safety {

inline constexpr double kMinDt = 0.5e-3;  ///< [s]
inline constexpr double kMaxDt = 2.0e-3;  ///< [s]
/// Set-points, limits and lengths of this size or more are refused: no machine has them, and products stay finite.
inline constexpr double kMaxMagnitude = 1e6;
inline constexpr int kToolSpeed = kAxes;  ///< Limiter::limiting_axis(): the tool speed, not a single axis

struct AxisLimits {
  double min_position{}, max_position{};  ///< [rad or m]; speed axes: ignored
  double max_speed{};                     ///< [rad/s or m/s]
  double max_acceleration{};              ///< [rad/s^2 or m/s^2]
  std::uint8_t present{};                 ///< 0: no such axis; its output is 0
  std::uint8_t is_speed{};                ///< 1: the set-point is a speed (belts)
};

struct LimiterConfig {
  AxisLimits axis[kAxes]{};
  double max_tool_speed_m_s{};                 ///< of the tool origin; judged when joints > 0
  std::int32_t joints{};                       ///< axes kArm0 .. kArm0 + joints - 1, all present; 0: no arm
  double X_parent_joint[kMaxArmJoints][12]{};  ///< as ChainConfig: rotation row-major (9), position [m] (3)
  double X_flange_tool[12]{};
};

enum class Result : std::int32_t {
  kPassed = 0,    ///< out is desired
  kScaled = 1,    ///< some group was slowed
  kBraked = 2,    ///< some group had no feasible alpha and brakes
  kInvalid = 3,   ///< desired is no set-point or dt out of range: everything brakes
  kNotReady = 4,  ///< not configured or not seeded: out holds the last set-points (0 if there are none); do not send it
};

class Limiter {
 public:
  /// Not real-time. Takes limits and forgets the seed. False, and not ready, unless every present axis has finite
  /// limits with min < max, speed > 0, acceleration > 0, and the chain is a chain of rotations (to 1e-9).
  [[nodiscard]] bool configure(const LimiterConfig& config) noexcept;
  /// Real-time. Starts from standing set-points: kAxes values, positions [rad or m]; for a speed axis the speed in
  /// force [m/s] (not the distance travelled). Not ready when a present axis is not finite.
  void seed(const double* positions) noexcept PODHAND_NONBLOCKING;
  /// Real-time: no heap, lock, exception, system call; bounded work. One step.
  /// @param desired kAxes set-points; entries of absent axes are ignored
  /// @param out     kAxes set-points to send, may be `desired` itself
  [[nodiscard]] Result step(const double* desired, double dt_s, double* out) noexcept PODHAND_NONBLOCKING;
  /// Smallest alpha of the last step, 1 when idle, 0 when a group brakes.
  [[nodiscard]] double scale() const noexcept { return scale_; }
  /// Axis behind scale(), kToolSpeed, or -1 when idle.
  [[nodiscard]] int limiting_axis() const noexcept { return limiting_axis_; }

 private:
  struct Group;
  struct Range;
  [[nodiscard]] bool stands(const Group& group, const double* desired) const noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] bool scale_group(const Group& group, const double* desired, double dt_s,
                                 double* out) noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] bool scale_belt(int axis, double desired, double dt_s, double* out) noexcept PODHAND_NONBLOCKING;
  void brake_group(const Group& group, double dt_s, double* out) noexcept PODHAND_NONBLOCKING;
  void brake_belt(int axis, double dt_s, double* out) noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] double stop_time(const Group& group, const double* speed) const noexcept PODHAND_NONBLOCKING;
  void limit_axis(int axis, double speed, double stop_time_s, double dt_s,
                  Range& range) const noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] double tool_speed_factor(const double* speed, double stop_time_s,
                                         double dt_s) const noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] double pursuit_factor(const Group& group, const double* desired, const double* speed, double cap,
                                      double stop_time_s, double dt_s) const noexcept PODHAND_NONBLOCKING;
  void note(double scale, int axis) noexcept PODHAND_NONBLOCKING;

  LimiterConfig config_{};
  double reach_m_[kMaxArmJoints]{};  ///< length of the chain from joint i to the tool
  double previous_[kAxes]{};         ///< set-points of the last step
  double speed_[kAxes]{};            ///< speeds of the last step; speed axes: unused
  double last_desired_[kAxes]{};
  double scale_{1.0};
  int limiting_axis_{-1};
  bool configured_{false};
  bool seeded_{false};
};

}  // namespace podhand::safety
