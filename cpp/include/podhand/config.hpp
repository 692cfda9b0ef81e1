/// The station as the kernel sees it: a complete, validated, immutable set of parameters. SI units.
///
/// Python freezes a validated station file into this struct; `validate()` checks everything again before it is taken.
/// Limits have no defaults: a zero where a limit belongs is refused.
#pragma once

#include <podhand/exchange.hpp>

namespace podhand {

inline constexpr int kMaxPayloads = 8;

/// Serial chain of revolute joints, each turning about the z axis of its own frame (URDF convention).
struct ChainConfig {
  std::int32_t joints{};  ///< 6 or 7
  std::int32_t reserved{};
  double X_parent_joint[kMaxArmJoints][12]{};  ///< rotation row-major (9), position [m] (3), at q = 0
  double X_flange_tool[12]{};                  ///< flange is the last joint's frame
  double X_flange_sensor[12]{};
  double gravity_base_m_s2[3]{};
};

struct AxisConfig {
  double min_position{}, max_position{};  ///< [rad or m]; belts: ignored
  double max_speed{};                     ///< [rad/s or m/s]
  double max_acceleration{};
  double max_jerk{};
  double max_force{};            ///< |tau| [N m or N]
  double max_following_error{};  ///< [rad or m]; belts: ignored
  std::uint8_t present{};        ///< 0: the station has no such axis
  std::uint8_t reserved[7]{};
};

/// A named load behind the sensor. Index 0 is the empty tool.
struct PayloadConfig {
  double mass_kg{};
  double com_sensor_m[3]{};
};

struct FtConfig {
  double bias[6]{};                            ///< raw reading without load [N, N m], sensor frame
  double range_force_n{}, range_torque_n_m{};  ///< a larger |component| counts as saturated
  double filter_time_constant_s{};             ///< first order, 4 ms in the shipped stations
  double max_age_periods{};  ///< sensor periods without a new sequence number before the signal is stale
  double frozen_periods{};   ///< periods of bit-identical samples before the signal is frozen
  double loop_delay_s{};     ///< measured: sensor to set-point to motion, feeds the damping gate
};

struct SafetyConfig {
  double max_force_norm_n{};  ///< no segment may allow more
  double max_torque_norm_n_m{};
  double max_tool_speed_m_s{};
  double axis_max_age_s{};
  std::uint32_t limiter_enabled{};       ///< 0 only in a simulated station
  std::uint32_t force_limits_enabled{};  ///< 0 only in a simulated station: limits are reported, not acted upon
  std::uint32_t simulated{};
  std::uint32_t reserved{};
};

struct KernelConfig {
  ChainConfig chain{};
  AxisConfig axis[kAxes]{};
  PayloadConfig payload[kMaxPayloads]{};
  FtConfig ft{};
  SafetyConfig safety{};
  double tool_stiffness_n_m{};  ///< of the tool itself (blade bending), in series with the contact in the damping gate
  double ik_damping{};          ///< lambda of damped least squares
  double tick_s{};              ///< nominal period, 1 ms
  std::uint32_t generation{};
  std::uint32_t reserved{};
};

}  // namespace podhand
