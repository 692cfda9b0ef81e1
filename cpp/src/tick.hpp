/// What every part of the kernel may read within one tick.
#pragma once

#include <podhand/config.hpp>
#include <podhand/kinematics.hpp>

namespace podhand {

/// A view of one tick. Readings that are not valid hold their last valid value.
struct Tick {
  const KernelConfig& config;
  double dt_s;  ///< measured, clamped to 0.5..2 ms
  std::uint64_t number;
  const double* q;  ///< measured, kAxes each
  const double* qd;
  const double* tau;
  const double* tau_filtered;   ///< low-passed with the F/T filter's time constant
  const double* slow;           ///< kSlowSignals, NaN where not valid
  const double* command;        ///< set-points in force: positions, belts speeds
  const double* command_speed;  ///< speeds of the set-points; belts: the speeds themselves
  const Kinematics& measured;
  const Kinematics& commanded;
  const double* wrench_tool;  ///< filtered F_tool, tool frame
  const double* wrench_tool_raw;
  const double* wrench_sensor;  ///< compensated, not filtered, sensor frame
  double force_rate_n_s;
  double tool_speed_m_s;  ///< measured, low-passed
  double travel_speed_m_s;
  double limiter_scale;  ///< of the arm, in the previous tick
  bool late;

  [[nodiscard]] bool force_limits() const noexcept { return config.safety.force_limits_enabled != 0; }
};

}  // namespace podhand
