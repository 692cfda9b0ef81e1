/// numpy twins of every struct that crosses the border; pybind11 takes the offsets from the compiler.
#include "bindings.hpp"

// Enumerations are seen as their numbers; the names live in podhand.controllers.
namespace podhand::bindings {

void bind_dtypes(py::module_& module) {
  PYBIND11_NUMPY_DTYPE(Inputs, tick, time_s, dt_s, q, qd, tau, axis_age_s, wrench, ft_period_s, slow, slow_age_s,
                       axis_valid, ft_status, ft_sequence, slow_valid, safety, reserved);
  PYBIND11_NUMPY_DTYPE(Outputs, tick, command, digital, stop_request);
  PYBIND11_NUMPY_DTYPE(State, tick, time_s, X_base_tool, X_base_tool_cmd, V_tool, F_tool, F_tool_raw, force_limit_n,
                       limiter_scale, path_progress, segment, chain, ft_fault, latched_fault, parameter_generation,
                       reserved);
  PYBIND11_NUMPY_DTYPE(Node, op, signal, index, absolute, reserved, value, hysteresis);
  PYBIND11_NUMPY_DTYPE(Condition, nodes, debounce_s, node_count, code);
  PYBIND11_NUMPY_DTYPE(Phase, t0_s, p, v, a, j);
  PYBIND11_NUMPY_DTYPE(Reference, kind, dof, target, target_speed, speed_up, slow_down, force_n, twist, X_base_start,
                       X_base_goal, duration_s, phase_count, phases);
  PYBIND11_NUMPY_DTYPE(AxisLaw, law, mass, damping, stiffness, force, max_speed);
  PYBIND11_NUMPY_DTYPE(Limits, force_n, force_norm_n, torque_norm_n_m, speed_m_s, acceleration_m_s2, jerk_m_s3,
                       angular_speed_rad_s, contact_stiffness_n_m, axis_force, damping_n_s_m);
  PYBIND11_NUMPY_DTYPE(Reflex, condition, reaction, expected, retreat_m);
  PYBIND11_NUMPY_DTYPE(DigitalAction, at_s, bit, value, used);
  PYBIND11_NUMPY_DTYPE(Segment, reference, law, X_base_frame, limits, until, require, reflex, digital, timeout_s, frame,
                       on_end, tare, continue_other, payload, tag);
  PYBIND11_NUMPY_DTYPE(Outcome, start_tick, end_tick, cause, condition, code, channel, chain, segment, tag, late_ticks,
                       value, duration_s, stop_time_s, peak_force_n, mean_force_n, mean_torque_n_m, peak_force_norm_n,
                       peak_raw_force_norm_n, max_force_ratio, max_axis_force, X_base_tool, q_end);
  PYBIND11_NUMPY_DTYPE(ChainConfig, joints, X_parent_joint, X_flange_tool, X_flange_sensor, gravity_base_m_s2);
  PYBIND11_NUMPY_DTYPE(AxisConfig, min_position, max_position, max_speed, max_acceleration, max_jerk, max_force,
                       max_following_error, present);
  PYBIND11_NUMPY_DTYPE(PayloadConfig, mass_kg, com_sensor_m);
  PYBIND11_NUMPY_DTYPE(FtConfig, bias, range_force_n, range_torque_n_m, filter_time_constant_s, max_age_periods,
                       frozen_periods, loop_delay_s);
  PYBIND11_NUMPY_DTYPE(SafetyConfig, max_force_norm_n, max_torque_norm_n_m, max_tool_speed_m_s, axis_max_age_s,
                       limiter_enabled, force_limits_enabled, simulated);
  PYBIND11_NUMPY_DTYPE(KernelConfig, chain, axis, payload, ft, safety, tool_stiffness_n_m, ik_damping, tick_s,
                       generation);

  module.attr("INPUTS_DTYPE") = py::dtype::of<Inputs>();
  module.attr("OUTPUTS_DTYPE") = py::dtype::of<Outputs>();
  module.attr("STATE_DTYPE") = py::dtype::of<State>();
  module.attr("NODE_DTYPE") = py::dtype::of<Node>();
  module.attr("CONDITION_DTYPE") = py::dtype::of<Condition>();
  module.attr("PHASE_DTYPE") = py::dtype::of<Phase>();
  module.attr("REFERENCE_DTYPE") = py::dtype::of<Reference>();
  module.attr("AXIS_LAW_DTYPE") = py::dtype::of<AxisLaw>();
  module.attr("LIMITS_DTYPE") = py::dtype::of<Limits>();
  module.attr("REFLEX_DTYPE") = py::dtype::of<Reflex>();
  module.attr("DIGITAL_ACTION_DTYPE") = py::dtype::of<DigitalAction>();
  module.attr("SEGMENT_DTYPE") = py::dtype::of<Segment>();
  module.attr("OUTCOME_DTYPE") = py::dtype::of<Outcome>();
  module.attr("CHAIN_CONFIG_DTYPE") = py::dtype::of<ChainConfig>();
  module.attr("AXIS_CONFIG_DTYPE") = py::dtype::of<AxisConfig>();
  module.attr("PAYLOAD_DTYPE") = py::dtype::of<PayloadConfig>();
  module.attr("FT_CONFIG_DTYPE") = py::dtype::of<FtConfig>();
  module.attr("SAFETY_CONFIG_DTYPE") = py::dtype::of<SafetyConfig>();
  module.attr("KERNEL_CONFIG_DTYPE") = py::dtype::of<KernelConfig>();
  module.def("layout_hash", &layout_hash, "Number that changes when any field that crosses the border moves.");
}

}  // namespace podhand::bindings
