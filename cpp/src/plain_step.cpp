#include "plain_step.hpp"

#include "linear.hpp"
#include "rotation.hpp"

#include <algorithm>
#include <cmath>

namespace podhand {

void PlainStep::step(const double* q, const double* wrench, double* q_out) noexcept {
  const PlainConfig& c = config_;
  Kinematics k;
  forward(c.chain, q, k);
  double R_tool_flange[9], R_base_flange[9], lever[3];
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) R_tool_flange[3 * i + j] = c.chain.X_flange_tool[3 * j + i];
  }
  multiply(k.R, R_tool_flange, R_base_flange);
  rotate(R_base_flange, c.chain.X_flange_tool + 9, lever);

  double weight[6], F[6];
  gravity_wrench(R_base_flange, c.payload, c.chain.gravity_base_m_s2, weight);
  for (int i = 0; i < 6; ++i) filtered_[i] += c.gain * (wrench[i] - c.bias[i] - weight[i] - filtered_[i]);
  rotate6(R_base_flange, filtered_, F);
  double moment[3];
  cross(lever, F, moment);
  for (int i = 0; i < 3; ++i) F[3 + i] -= moment[i];

  double error[6];
  small_rotation(c.X_base_goal, k.R, error + 3);
  for (int i = 0; i < 3; ++i) error[i] = k.p[i] - c.X_base_goal[9 + i];
  for (int i = 0; i < 6; ++i) {
    const double inertia = c.mass[i] + c.dt_s * c.damping[i] + c.dt_s * c.dt_s * c.stiffness[i];
    const double a = (F[i] - c.damping[i] * v_[i] - c.stiffness[i] * (error[i] + c.dt_s * v_[i])) / inertia;
    const double v = v_[i] + c.dt_s * std::clamp(a, -c.max_acceleration[i], c.max_acceleration[i]);
    v_[i] = std::clamp(v, -c.max_speed[i], c.max_speed[i]);
  }

  double wanted[kMaxArmJoints]{}, manipulability = 0.0, largest = 1e-12;
  if (!differential_ik(c.chain, k, v_, c.ik_damping, wanted, &manipulability)) std::fill_n(wanted, 6, 0.0);
  for (int i = 0; i < c.chain.joints; ++i) largest = std::max(largest, std::abs(wanted[i]));
  const double scale = std::min(1.0, c.max_joint_speed_rad_s / largest);
  const double change = c.max_joint_acceleration_rad_s2 * c.dt_s;
  for (int i = 0; i < c.chain.joints; ++i) {
    qd_[i] = std::clamp(scale * wanted[i], qd_[i] - change, qd_[i] + change);
    q_out[i] = q[i] + c.dt_s * qd_[i];
  }
}

}  // namespace podhand
