/// Kinematics of the serial arm: pose, Jacobian, damped inverse, weight behind the sensor. Fixed size, SI units.
///
/// Everything here is real-time and bit-exact on every machine of one build: own trigonometry (libm picks its code by
/// the processor), no contraction, no dispatch. Positions of joints must be finite and within +-1e4 rad; a non-finite
/// position gives non-finite results, never a plausible pose.
#pragma once

#include <podhand/config.hpp>
#include <podhand/realtime.hpp>

namespace podhand {

/// Pose and Jacobian of the tool in one state.
struct Kinematics {
  double R[9];                  ///< R_base_tool, row-major
  double p[3];                  ///< p_base_tool [m]
  double J[6 * kMaxArmJoints];  ///< column-major 6 x joints: J[6 * joint + row], rows v (0..2) and w (3..5) of the tool
                                ///< origin, expressed in base; columns from chain.joints on are zero
};

/// Computes pose and Jacobian of the tool. Real-time.
/// @param chain  validated: `joints` is 6 or 7, rotations are orthonormal
/// @param q      chain.joints positions [rad]
void forward(const ChainConfig& chain, const double* q, Kinematics& kinematics) noexcept PODHAND_NONBLOCKING;

/// Joint speeds for a twist: qd = J' (J J' + lambda^2 I)^-1 twist, the least-norm solution for seven joints. Real-time.
///
/// With s = trace((J J')^-1)^-1/2, a lower bound of the smallest singular value (at most sqrt(6) below it), lambda is 0
/// for s >= 4 damping, where the twist is met exactly, and grows as lambda^2 = damping^2 (1 - (s / (4 damping))^2) to
/// `damping` in the singularity, so that |qd| <= |twist| / (2 damping) there. Rows count metres and radians alike.
/// @param twist_base     (v, w) of the tool origin in base [m/s, rad/s]
/// @param damping        KernelConfig::ik_damping, > 0 (0: no damping, then a singular state is refused)
/// @param qd             out: chain.joints speeds [rad/s]; zeros when refused
/// @param manipulability out: sqrt(det(J J')), 0 in a singularity
/// @return false when there is no finite answer; then nothing may move
[[nodiscard]] bool differential_ik(const ChainConfig& chain, const Kinematics& kinematics, const double twist_base[6],
                                   double damping, double* qd, double* manipulability) noexcept PODHAND_NONBLOCKING;

/// Weight of a payload as the sensor reads it: the wrench gravity exerts on the tool side. Real-time.
/// @param R_base_sensor row-major
/// @param gravity_base  [m/s^2], (0, 0, -9.81) for an upright base
/// @param wrench_sensor out: (F, T) in the sensor frame at its origin [N, N m]; subtract it from a raw reading
void gravity_wrench(const double R_base_sensor[9], const PayloadConfig& payload, const double gravity_base[3],
                    double wrench_sensor[6]) noexcept PODHAND_NONBLOCKING;

}  // namespace podhand
