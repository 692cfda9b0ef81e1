/// A number that changes when any field that crosses a border moves.
#include <podhand/kernel.hpp>

#include <cstddef>

namespace podhand {
namespace {

class Fnv1a {
 public:
  template <typename... Values>
  void add(Values... values) noexcept {
    (add_one(values), ...);
  }
  [[nodiscard]] std::uint64_t value() const noexcept { return hash_; }

 private:
  void add_one(std::uint64_t value) noexcept {
    for (int i = 0; i < 8; ++i) {
      hash_ ^= value >> (8 * i) & 0xffu;
      hash_ *= 0x100000001b3u;
    }
  }
  std::uint64_t hash_{0xcbf29ce484222325u};
};

}  // namespace

#define AT(type, field) offsetof(type, field), sizeof(type::field)

std::uint64_t layout_hash() noexcept {
  Fnv1a h;
  h.add(AT(Inputs, tick), AT(Inputs, time_s), AT(Inputs, dt_s), AT(Inputs, q), AT(Inputs, qd), AT(Inputs, tau),
        AT(Inputs, axis_age_s), AT(Inputs, wrench), AT(Inputs, ft_period_s), AT(Inputs, slow), AT(Inputs, slow_age_s),
        AT(Inputs, axis_valid), AT(Inputs, ft_status), AT(Inputs, ft_sequence), AT(Inputs, slow_valid),
        AT(Inputs, safety), sizeof(Inputs));
  h.add(AT(Outputs, tick), AT(Outputs, command), AT(Outputs, digital), AT(Outputs, stop_request), sizeof(Outputs));
  h.add(AT(State, tick), AT(State, time_s), AT(State, X_base_tool), AT(State, X_base_tool_cmd), AT(State, V_tool),
        AT(State, F_tool), AT(State, F_tool_raw), AT(State, force_limit_n), AT(State, limiter_scale),
        AT(State, path_progress), AT(State, segment), AT(State, chain), AT(State, ft_fault), AT(State, latched_fault),
        AT(State, parameter_generation), sizeof(State));
  h.add(AT(Node, op), AT(Node, signal), AT(Node, index), AT(Node, absolute), AT(Node, value), AT(Node, hysteresis),
        sizeof(Node), AT(Condition, nodes), AT(Condition, debounce_s), AT(Condition, node_count), AT(Condition, code),
        sizeof(Condition));
  h.add(AT(Phase, t0_s), AT(Phase, p), AT(Phase, v), AT(Phase, a), AT(Phase, j), sizeof(Phase));
  h.add(AT(Reference, kind), AT(Reference, dof), AT(Reference, target), AT(Reference, target_speed),
        AT(Reference, speed_up), AT(Reference, slow_down), AT(Reference, force_n), AT(Reference, twist),
        AT(Reference, X_base_start), AT(Reference, X_base_goal), AT(Reference, duration_s), AT(Reference, phase_count),
        AT(Reference, phases), sizeof(Reference));
  h.add(AT(AxisLaw, law), AT(AxisLaw, mass), AT(AxisLaw, damping), AT(AxisLaw, stiffness), AT(AxisLaw, force),
        AT(AxisLaw, max_speed), sizeof(AxisLaw));
  h.add(AT(Limits, force_n), AT(Limits, force_norm_n), AT(Limits, torque_norm_n_m), AT(Limits, speed_m_s),
        AT(Limits, acceleration_m_s2), AT(Limits, jerk_m_s3), AT(Limits, angular_speed_rad_s),
        AT(Limits, contact_stiffness_n_m), AT(Limits, axis_force), AT(Limits, damping_n_s_m), sizeof(Limits));
  h.add(AT(Reflex, condition), AT(Reflex, reaction), AT(Reflex, expected), AT(Reflex, retreat_m), sizeof(Reflex),
        AT(DigitalAction, at_s), AT(DigitalAction, bit), AT(DigitalAction, value), AT(DigitalAction, used),
        sizeof(DigitalAction));
  h.add(AT(Segment, reference), AT(Segment, law), AT(Segment, X_base_frame), AT(Segment, limits), AT(Segment, until),
        AT(Segment, require), AT(Segment, reflex), AT(Segment, digital), AT(Segment, timeout_s), AT(Segment, frame),
        AT(Segment, on_end), AT(Segment, tare), AT(Segment, continue_other), AT(Segment, payload), AT(Segment, tag),
        sizeof(Segment));
  h.add(AT(Outcome, start_tick), AT(Outcome, end_tick), AT(Outcome, cause), AT(Outcome, condition), AT(Outcome, code),
        AT(Outcome, channel), AT(Outcome, chain), AT(Outcome, segment), AT(Outcome, tag), AT(Outcome, late_ticks),
        AT(Outcome, value), AT(Outcome, duration_s), AT(Outcome, stop_time_s), AT(Outcome, peak_force_n),
        AT(Outcome, mean_force_n), AT(Outcome, mean_torque_n_m), AT(Outcome, peak_force_norm_n),
        AT(Outcome, peak_raw_force_norm_n), AT(Outcome, max_force_ratio), AT(Outcome, max_axis_force),
        AT(Outcome, X_base_tool), AT(Outcome, q_end), sizeof(Outcome));
  h.add(AT(ChainConfig, joints), AT(ChainConfig, X_parent_joint), AT(ChainConfig, X_flange_tool),
        AT(ChainConfig, X_flange_sensor), AT(ChainConfig, gravity_base_m_s2), sizeof(ChainConfig));
  h.add(AT(AxisConfig, min_position), AT(AxisConfig, max_position), AT(AxisConfig, max_speed),
        AT(AxisConfig, max_acceleration), AT(AxisConfig, max_jerk), AT(AxisConfig, max_force),
        AT(AxisConfig, max_following_error), AT(AxisConfig, present), sizeof(AxisConfig));
  h.add(AT(PayloadConfig, mass_kg), AT(PayloadConfig, com_sensor_m), sizeof(PayloadConfig), AT(FtConfig, bias),
        AT(FtConfig, range_force_n), AT(FtConfig, range_torque_n_m), AT(FtConfig, filter_time_constant_s),
        AT(FtConfig, max_age_periods), AT(FtConfig, frozen_periods), AT(FtConfig, loop_delay_s), sizeof(FtConfig));
  h.add(AT(SafetyConfig, max_force_norm_n), AT(SafetyConfig, max_torque_norm_n_m), AT(SafetyConfig, max_tool_speed_m_s),
        AT(SafetyConfig, axis_max_age_s), AT(SafetyConfig, limiter_enabled), AT(SafetyConfig, force_limits_enabled),
        AT(SafetyConfig, simulated), sizeof(SafetyConfig));
  h.add(AT(KernelConfig, chain), AT(KernelConfig, axis), AT(KernelConfig, payload), AT(KernelConfig, ft),
        AT(KernelConfig, safety), AT(KernelConfig, tool_stiffness_n_m), AT(KernelConfig, ik_damping),
        AT(KernelConfig, tick_s), AT(KernelConfig, generation), sizeof(KernelConfig));
  return h.value();
}

#undef AT

}  // namespace podhand
