#include "ft_pipeline.hpp"

#include "linear.hpp"

#include <podhand/kinematics.hpp>

#include <cstring>

namespace podhand {

void FtPipeline::configure(const KernelConfig& config) noexcept {
  *this = FtPipeline{};
  config_ = config.ft;
  std::copy_n(config.chain.gravity_base_m_s2, 3, gravity_base_);
  std::copy_n(config.ft.bias, 6, bias_);
  const double* X_flange_tool = config.chain.X_flange_tool;
  const double* X_flange_sensor = config.chain.X_flange_sensor;
  multiply_transposed(X_flange_tool, X_flange_sensor, R_tool_sensor_);
  double lever[3];
  for (int i = 0; i < 3; ++i) lever[i] = X_flange_sensor[9 + i] - X_flange_tool[9 + i];
  rotate_back(X_flange_tool, lever, p_tool_sensor_);
}

FtFault FtPipeline::judge(const Inputs& inputs) noexcept {
  // A gap of any length counts in full; a clock that gives no number counts as one long step.
  const double elapsed = inputs.dt_s >= 0.0 && inputs.dt_s < 1.0 ? inputs.dt_s : 1.0;
  const bool fresh = !seen_ || inputs.ft_sequence != sequence_;
  age_s_ = fresh ? 0.0 : age_s_ + elapsed;
  // Bits are compared, not values: a dead converter repeats them, a live one never does for long.
  const bool identical = seen_ && std::memcmp(last_wrench_, inputs.wrench, sizeof last_wrench_) == 0;
  identical_s_ = identical ? identical_s_ + elapsed : 0.0;
  std::copy_n(inputs.wrench, 6, last_wrench_);
  sequence_ = inputs.ft_sequence;
  seen_ = true;

  if (inputs.ft_status & kFtSaturated) return FtFault::kSaturated;
  if (inputs.ft_status != kFtOk) return FtFault::kStatus;
  if (!all_finite(inputs.wrench, 6)) return FtFault::kNotFinite;
  for (int i = 0; i < 3; ++i) {
    if (std::fabs(inputs.wrench[i]) > config_.range_force_n) return FtFault::kSaturated;
    if (std::fabs(inputs.wrench[3 + i]) > config_.range_torque_n_m) return FtFault::kSaturated;
  }
  // The comparisons are written so that a period that is no number is stale.
  if (!(inputs.ft_period_s > 0.0 && age_s_ <= config_.max_age_periods * inputs.ft_period_s)) return FtFault::kStale;
  if (identical_s_ > config_.frozen_periods * inputs.ft_period_s) return FtFault::kFrozen;
  return FtFault::kNone;
}

void FtPipeline::update(const Inputs& inputs, const double R_base_tool[9], const PayloadConfig& payload,
                        const double acceleration_base[3], double dt_s) noexcept {
  fault_ = judge(inputs);
  payload_changed_ = false;
  if (fault_ != FtFault::kNone) return;
  // An accelerated payload weighs what it would in a field of g - a.
  double field_base[3];
  for (int i = 0; i < 3; ++i) field_base[i] = gravity_base_[i] - acceleration_base[i];
  double R_base_sensor[9], weight[6];
  multiply(R_base_tool, R_tool_sensor_, R_base_sensor);
  gravity_wrench(R_base_sensor, payload, field_base, weight);
  payload_changed_ = primed_ && std::memcmp(&payload, &payload_, sizeof payload) != 0;
  if (payload_changed_) {
    // The filter holds the reading less the old payload's weight: it goes on as if it had known the new one all along.
    double old_weight[6];
    gravity_wrench(R_base_sensor, payload_, field_base, old_weight);
    for (int i = 0; i < 6; ++i) filtered_[i] += old_weight[i] - weight[i];
  }
  payload_ = payload;
  const double gain = primed_ ? low_pass_gain(dt_s, config_.filter_time_constant_s) : 1.0;
  for (int i = 0; i < 6; ++i) {
    compensated_[i] = inputs.wrench[i] - bias_[i] - weight[i];
    filtered_[i] += gain * (compensated_[i] - filtered_[i]);
  }
  primed_ = true;
  to_tool(compensated_, raw_tool_);
  to_tool(filtered_, filtered_tool_);
}

void FtPipeline::shift_bias(const double wrench_sensor[6]) noexcept {
  for (int i = 0; i < 6; ++i) {
    bias_[i] += wrench_sensor[i];
    compensated_[i] -= wrench_sensor[i];
    filtered_[i] -= wrench_sensor[i];
  }
  to_tool(compensated_, raw_tool_);
  to_tool(filtered_, filtered_tool_);
}

void FtPipeline::to_tool(const double wrench_sensor[6], double wrench_tool[6]) const noexcept {
  rotate6(R_tool_sensor_, wrench_sensor, wrench_tool);
  double moment[3];
  cross(p_tool_sensor_, wrench_tool, moment);
  for (int i = 0; i < 3; ++i) wrench_tool[3 + i] += moment[i];
}

}  // namespace podhand
