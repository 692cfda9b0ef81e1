/// One admittance step without segments, plausibility or limiter: the yardstick of `podhand bench loop`.
///
/// The same law as bench/plain_step.py in numpy and numba; its cost beside Kernel::tick shows what safety costs.
#pragma once

#include <podhand/kinematics.hpp>
#include <podhand/realtime.hpp>

namespace podhand {

struct PlainConfig {
  ChainConfig chain{};
  PayloadConfig payload{};
  double X_base_goal[12]{};  ///< pose that is held compliantly
  double mass[6]{}, damping[6]{}, stiffness[6]{};
  double bias[6]{};
  double max_speed[6]{}, max_acceleration[6]{};
  double gain{};  ///< of the low-pass
  double ik_damping{};
  double max_joint_speed_rad_s{}, max_joint_acceleration_rad_s2{};
  double dt_s{};
};

class PlainStep {
 public:
  explicit PlainStep(const PlainConfig& config) noexcept : config_(config) {}

  /// Real-time. The sensor frame is the flange's.
  /// @param q      joint positions [rad], (6)
  /// @param wrench raw reading in the sensor frame [N, N m], (6)
  /// @param q_out  out: joint set-points [rad], (6)
  void step(const double* q, const double* wrench, double* q_out) noexcept PODHAND_NONBLOCKING;

 private:
  PlainConfig config_;
  double filtered_[6]{}, v_[6]{}, qd_[kMaxArmJoints]{};
};

}  // namespace podhand
