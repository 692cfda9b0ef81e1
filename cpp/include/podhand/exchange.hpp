/// What crosses the border of the kernel in every tick: plain fixed-size structs, one layout in C++ and numpy.
///
/// The numpy twin is podhand.core.exchange; `layout_hash()` covers every offset, and both sides compare it on attach.
/// Units are SI. Frames: `base` is the arm's base, `sensor` the F/T sensor, `tool` the paddle mouth (x out of the
/// mouth).
#pragma once

#include <cstdint>

namespace podhand {

inline constexpr int kMaxArmJoints = 7;
inline constexpr int kAxes = 14;        ///< all axes of the station, see Axis
inline constexpr int kSlowSignals = 8;  ///< see SlowSignal

/// Index of an axis in every per-axis array. Arms with six joints leave kArm6 unused.
enum Axis : int {
  kArm0 = 0,
  kArm6 = 6,
  kSqueeze = 7,   ///< opening between the belt faces [m]
  kBeltLeft = 8,  ///< surface speed, positive moves the item out of the mouth [m/s]
  kBeltRight = 9,
  kBlade = 10,  ///< extension [m], 0 is retracted
  kBandX = 11,  ///< band arm, world-parallel axes [m]
  kBandY = 12,
  kBandZ = 13,
};

/// Axis groups; a segment holds one reference for each group of its channel.
enum Group : int { kGroupArm = 0, kGroupSqueeze = 1, kGroupBelts = 2, kGroupBlade = 3, kGroupBandArm = 4 };
inline constexpr int kGroups = 5;

/// Signals that change slowly; each carries its own age.
enum SlowSignal : int {
  kVacuumPressure = 0,  ///< [Pa], negative is suction
  kItemAtInfeed = 1,    ///< 1 when an item waits at the infeed
  kItemInPaddles = 2,   ///< 1 when the palm's light barrier is broken
  kMouthBlocked = 3,    ///< 1 when the light barrier across the paddle mouth is broken
};

/// Bits of Inputs::ft_status.
enum FtStatus : std::uint32_t { kFtOk = 0, kFtInvalid = 1, kFtSaturated = 2 };
/// Bits of Inputs::safety.
enum Safety : std::uint32_t { kSafetyOk = 0, kEmergencyStop = 1, kEnableReleased = 2 };

/// Written by the plant before each tick.
struct Inputs {
  std::uint64_t tick{};         ///< counts from 0
  double time_s{};              ///< plant time at sampling
  double dt_s{};                ///< measured time since the previous tick
  double q[kAxes]{};            ///< measured position [rad or m]; belts: distance travelled [m]
  double qd[kAxes]{};           ///< measured speed [rad/s or m/s]
  double tau[kAxes]{};          ///< measured torque or force of the drive [N m or N]
  double axis_age_s[kAxes]{};   ///< age of the reading
  double wrench[6]{};           ///< raw F/T: the wrench the world exerts on the tool side, sensor frame [N, N m]
  double ft_period_s{};         ///< the sensor's own period; freshness is judged against it
  double slow[kSlowSignals]{};  ///< see SlowSignal
  double slow_age_s[kSlowSignals]{};
  std::uint32_t axis_valid{};   ///< bit i: reading of axis i is valid
  std::uint32_t ft_status{};    ///< FtStatus bits
  std::uint32_t ft_sequence{};  ///< increments with every new sample
  std::uint32_t slow_valid{};   ///< bit i: slow signal i is valid
  std::uint32_t safety{};       ///< Safety bits
  std::uint32_t reserved{};
};

/// Written by the kernel in each tick, after the last-stage limiter.
struct Outputs {
  std::uint64_t tick{};          ///< the tick of the inputs that it answers
  double command[kAxes]{};       ///< set-point: position [rad or m]; belts: surface speed [m/s]
  std::uint32_t digital{};       ///< bit 0 suction valve, bit 1 lamp
  std::uint32_t stop_request{};  ///< 0 none, 1 controlled stop then power off, 2 controlled stop, power stays
};

/// What a client may read after each tick. Wrenches are F_tool: exerted by the world on the tool, at the tool origin.
struct State {
  std::uint64_t tick{};
  double time_s{};
  double X_base_tool[12]{};       ///< measured tool pose: rotation row-major (9), then position [m] (3)
  double X_base_tool_cmd[12]{};   ///< commanded tool pose, same layout
  double V_tool[6]{};             ///< commanded tool twist in the segment's frame [m/s, rad/s]
  double F_tool[6]{};             ///< filtered, compensated wrench in the segment's frame [N, N m]
  double F_tool_raw[6]{};         ///< the same, compensated but not filtered
  double force_limit_n{};         ///< |F| limit in force (infinity when the segment sets none)
  double limiter_scale{};         ///< 1: last-stage limiter idle; less: it scaled the step
  double path_progress[2]{};      ///< 0..1 along the running segment's path, per channel
  std::uint32_t segment[2]{};     ///< index of the running segment, per channel
  std::uint32_t chain[2]{};       ///< number of the running chain (0 idle), per channel
  std::uint32_t ft_fault{};       ///< FtFault, 0 while the signal is good
  std::uint32_t latched_fault{};  ///< Cause of a latched fault, 0 none
  std::uint32_t parameter_generation{};
  std::uint32_t reserved{};
};

}  // namespace podhand
