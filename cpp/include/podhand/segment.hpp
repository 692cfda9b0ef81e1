/// Commands to the kernel as plain data: conditions, segments, chains, outcomes. SI units throughout.
///
/// Python builds these through podhand.controllers (numpy twins of these structs come from the bindings), the kernel
/// validates a whole chain before it accepts it. Four words are never mixed: a *limit* caps, an *until* ends a segment
/// normally, a *reflex* aborts it, the *hard stop* belongs to the drive.
#pragma once

#include <podhand/exchange.hpp>

namespace podhand {

inline constexpr int kMaxNodes = 12;      ///< nodes of one condition
inline constexpr int kMaxConditions = 6;  ///< untils, and reflexes, per segment
inline constexpr int kMaxPhases = 16;     ///< constant-jerk phases per degree of freedom
inline constexpr int kMaxSegments = 12;   ///< segments per chain
inline constexpr int kChannels = 2;       ///< 0: arm and tool, 1: band arm

// ---- conditions -------------------------------------------------------------------------------------------------

/// What a condition can look at. `index` of the node selects the component, axis or slow signal where one is needed.
enum class Signal : std::uint8_t {
  kForce = 0,         ///< F_tool in the segment's frame; index 0..2 force [N], 3..5 torque [N m]
  kForceNorm = 1,     ///< |F| [N]
  kTorqueNorm = 2,    ///< |T| [N m]
  kForceRate = 3,     ///< d|F|/dt of the filtered force [N/s]
  kToolPosition = 4,  ///< measured tool origin in the segment's frame, index 0..2 [m]; kTool: the frame at its start
  kToolSpeed = 5,     ///< |v| of the measured tool origin, low-passed with 20 ms [m/s]
  kTravel = 6,        ///< distance of the measured tool origin from its place at the segment's start [m]
  kProgress = 7,      ///< path progress of the channel, 0..1
  kTime = 8,          ///< time in this segment [s]
  kAxisPosition = 9,  ///< index: Axis [rad or m]
  kAxisSpeed = 10,    ///< index: Axis, measured [rad/s or m/s]
  kAxisForce = 11,    ///< index: Axis, measured [N m or N]
  kSlow = 12,         ///< index: SlowSignal
  kDeviation = 13,    ///< |commanded tool origin - reference| [m]
  kTravelSpeed = 14,  ///< measured speed along the commanded direction, low-passed with 20 ms [m/s]
};

/// Postfix program over booleans: comparisons push, logic pops.
/// kRising is true in the tick in which its operand became true. Logic has three values: what compares an unknown
/// signal (a slow signal that is not valid) is neither true nor false, and only certain truth fires.
enum class Op : std::uint8_t { kGreater = 0, kLess = 1, kAnd = 2, kOr = 3, kNot = 4, kRising = 5 };

struct Node {
  Op op{};
  Signal signal{};
  std::uint8_t index{};
  std::uint8_t absolute{};  ///< 1: compare |signal|
  std::uint32_t reserved{};
  double value{};       ///< threshold of a comparison
  double hysteresis{};  ///< once true, a comparison stays true until the signal is back by this much
};

struct Condition {
  Node nodes[kMaxNodes]{};
  double debounce_s{};         ///< must hold this long without a break
  std::uint32_t node_count{};  ///< 0: unused
  std::uint32_t code{};        ///< chosen by the client (an outcome name in Python), returned in the Outcome
};

// ---- references -------------------------------------------------------------------------------------------------

enum class RefKind : std::uint8_t {
  kHold = 0,     ///< stay at the present set-point (belts: keep standing)
  kProfile = 1,  ///< arm, band arm: joint positions played from constant-jerk phases
  kPath = 2,     ///< arm: straight line and shortest rotation from X_start to X_goal, progress from `phases[0]`
  kTwist = 3,    ///< arm: constant twist in the segment's frame, ramped within the segment's limits
  kTarget = 4,   ///< single axes: go to `target` with the axis limits; belts: run at speed `target`
  kForce = 5,    ///< single axes: hold `force_n` at the drive, moving at most `target_speed`
};

/// One phase: from t0_s on, p(t) = p0 + v0 t + a0 t^2/2 + j t^3/6 with t counted from t0_s.
struct Phase {
  double t0_s{};
  double p{}, v{}, a{}, j{};
};

struct Reference {
  RefKind kind{};
  std::uint8_t dof{};  ///< degrees of freedom in use of a kProfile
  std::uint8_t reserved[6]{};
  double target[3]{};         ///< kTarget: per axis of the group [m or m/s]
  double target_speed{};      ///< kTarget, kForce: speed cap [m/s], > 0; belts: unused
  double speed_up{};          ///< belts: acceleration while they get faster [m/s^2]; 0: that of the axis
  double slow_down{};         ///< belts: the same while they get slower, stops included
  double force_n{};           ///< kForce: force of the drive, positive in the axis' direction [N]; the speed is
                              ///< target_speed x (force_n - drive force) / |force_n|, at most target_speed
  double twist[6]{};          ///< kTwist [m/s, rad/s]
  double X_base_start[12]{};  ///< kPath: must agree with the commanded pose to 2 mm and 1 deg
  double X_base_goal[12]{};   ///< kPath
  double duration_s{};        ///< kProfile, kPath: end of the last phase
  std::uint32_t phase_count[kMaxArmJoints]{};
  std::uint32_t reserved2{};
  Phase phases[kMaxArmJoints][kMaxPhases]{};  ///< kPath uses row 0: progress 0..1
};

// ---- laws, limits, endings --------------------------------------------------------------------------------------

enum class Law : std::uint8_t { kRigid = 0, kCompliant = 1, kForce = 2 };

/// Law of one Cartesian axis of the segment's frame. D is given, never derived from K.
struct AxisLaw {
  Law law{};
  std::uint8_t reserved[7]{};
  double mass{};       ///< kCompliant: M [kg or kg m^2], linear: at least 0.5 kg and the payload's mass
  double damping{};    ///< kCompliant, kForce: D [N s/m or N m s/rad]
  double stiffness{};  ///< kCompliant: K [N/m or N m/rad], 0 allowed
  double force{};      ///< kForce: F_d, the component of F_tool sought (negative presses forward) [N or N m]
  double max_speed{};  ///< kForce: v_max [m/s or rad/s]
};

enum class FrameKind : std::uint8_t { kTool = 0, kFixed = 1 };  ///< kFixed: X_base_frame of the segment

struct Limits {
  double force_n[3]{};       ///< per axis of the segment's frame, filtered; infinity: none
  double force_norm_n{};     ///< |F|, filtered; required, finite for every segment of the arm
  double torque_norm_n_m{};  ///< |T|, filtered
  double speed_m_s{};        ///< tool origin
  double acceleration_m_s2{};
  double jerk_m_s3{};
  double angular_speed_rad_s{};
  double contact_stiffness_n_m{};  ///< declared stiffness of what may be touched, for the damping gate
  double axis_force[kAxes]{};      ///< |tau| of each axis; infinity: none
  double
      damping_n_s_m{};  ///< D of the yield, > 0: above 80 % of a force limit the tool gives way at (F - 0.8 limit) / D
};

/// What follows the normal end of a segment. kHold: stop as fast as the axes can, then the next segment; kRampStop:
/// stop within the segment's acceleration and jerk, then the next; kNext: the next begins in the same tick, speed is
/// carried over. The last segment of a chain always ends with a ramp stop; so do timeouts and cancels, which end the
/// chain.
enum class OnEnd : std::uint8_t { kHold = 0, kRampStop = 1, kNext = 2 };
enum class Reaction : std::uint8_t { kStop = 0, kStopAndRetreat = 1 };

struct Reflex {
  Condition condition{};
  Reaction reaction{};
  std::uint8_t expected{};  ///< 1: part of the plan; it stops all the same, but nobody will ask what happened
  std::uint8_t reserved[6]{};
  double retreat_m{};  ///< kStopAndRetreat: at most 5 mm, against the contact force
};

struct DigitalAction {
  double at_s{};  ///< time in the segment
  std::uint8_t bit{};
  std::uint8_t value{};
  std::uint8_t used{};
  std::uint8_t reserved[5]{};
};

struct Segment {
  Reference reference[kGroups]{};
  AxisLaw law[6]{};
  double X_base_frame[12]{};  ///< kFixed frame
  Limits limits{};
  Condition until[kMaxConditions]{};
  Condition require[2]{};  ///< preconditions, judged in the segment's first tick
  Reflex reflex[kMaxConditions]{};
  DigitalAction digital[4]{};
  double timeout_s{};  ///< required, > 0
  FrameKind frame{};
  OnEnd on_end{};
  std::uint8_t tare{};            ///< 1: at the normal end the mean compensated wrench becomes the bias (arm must hold)
  std::uint8_t continue_other{};  ///< 1: keep running when the other channel ends by reflex or fault
  std::uint32_t payload{};        ///< index of the payload model in force
  std::uint32_t tag{};            ///< chosen by the client (primitive number), recorded
  std::uint32_t reserved{};
};

/// Why a segment ended. Exactly one is latched per segment.
enum class Cause : std::uint32_t {
  kNone = 0,
  kReached = 1,  ///< paths, profiles and targets completed (hold, force, belts do not count; a twist never ends)
  kUntil = 2,    ///< an until condition; see condition and code
  kReflex = 3,   ///< a reflex; see condition and code
  kTimeout = 4,
  kForceLimit = 5,     ///< filtered force stayed above a limit for 30 ms in spite of yielding, or passed 130 % of it;
                       ///< condition: 0..2 axis, 3 |F|, 4 |T|, 8 + axis for the force of a single axis
  kSensorInvalid = 6,  ///< F/T not plausible; value is the FtFault
  kAxisInvalid = 7,    ///< axis reading invalid or too old; value is the axis
  kJointLimit = 8,     ///< the last-stage limiter had to stop the motion; value is the axis
  kSingular = 9,       ///< inverse kinematics lost the path
  kPrecondition = 10,  ///< a require condition was false, or a kPath start was not where the tool is
  kCancelled = 11,     ///< by the client
  kEmergencyStop = 12,
  kOtherChannel = 13,    ///< the other channel reflexed or faulted
  kFollowingError = 14,  ///< set-point and measurement apart; value is the axis
  kLeaseLost = 15,       ///< the client fell silent; its motion was cancelled
  kHostLate = 16,        ///< podhand-rt could not keep its time; the motion was cancelled
};

/// Ends by reflex, limit or fault: the other channel must stop as well.
[[nodiscard]] constexpr bool alarms(Cause cause) noexcept {
  switch (cause) {
    case Cause::kReflex:
    case Cause::kForceLimit:
    case Cause::kSensorInvalid:
    case Cause::kAxisInvalid:
    case Cause::kJointLimit:
    case Cause::kSingular:
    case Cause::kEmergencyStop:
    case Cause::kFollowingError:
      return true;
    default:
      return false;
  }
}

/// Why the F/T signal is not plausible.
enum class FtFault : std::uint32_t { kNone = 0, kNotFinite = 1, kStale = 2, kFrozen = 3, kSaturated = 4, kStatus = 5 };

struct Outcome {
  std::uint64_t start_tick{}, end_tick{};
  Cause cause{};
  std::uint32_t condition{};  ///< index of the until, reflex or precondition (max: the start of path or profile)
  std::uint32_t code{};       ///< its code
  std::uint32_t channel{}, chain{}, segment{};
  std::uint32_t tag{};
  std::uint32_t late_ticks{};
  double value{};  ///< value of the deciding signal (first comparison of the condition)
  double duration_s{};
  double stop_time_s{};      ///< from the cause to standstill
  double peak_force_n[3]{};  ///< filtered |component| in the segment's frame
  double mean_force_n[3]{};  ///< filtered component
  double mean_torque_n_m[3]{};
  double peak_force_norm_n{};  ///< filtered |F|
  double peak_raw_force_norm_n{};
  double max_force_ratio{};        ///< largest filtered force over its limit
  double max_axis_force[kAxes]{};  ///< |tau|
  double X_base_tool[12]{};        ///< commanded tool pose at the end
  double q_end[kAxes]{};           ///< set-points at the end
};

}  // namespace podhand
