#include "force_guard.hpp"

#include "linear.hpp"

namespace podhand {
namespace {

constexpr double kStandingYield = 1e-5;  // [m/s]

/// The reference moves with the wrench, so it relieves the contact: it must not be frozen, or nothing could retract.
bool relieves(const double wrench[6], const double motion[6]) noexcept {
  const double power = dot3(wrench, motion) + dot3(wrench + 3, motion + 3);
  const double scale = norm3(wrench) * norm3(motion) + norm3(wrench + 3) * norm3(motion + 3);
  return power > 0.1 * scale;
}

}  // namespace

void ForceGuard::step(const Limits& limits, const double wrench[6], const double motion[6], bool enabled, double mass,
                      double dt_s) noexcept {
  const double force = norm3(wrench);
  const double torque = norm3(wrench + 3);
  double worst = force / limits.force_norm_n;
  which_ = kLimitForceNorm;
  value_ = force;
  for (std::uint32_t i = 0; i < 3; ++i) {
    const double ratio = std::fabs(wrench[i]) / limits.force_n[i];
    if (ratio > worst) {
      worst = ratio;
      which_ = i;
      value_ = wrench[i];
    }
  }
  force_ratio_ = worst;
  const double torque_ratio = torque / limits.torque_norm_n_m;
  if (torque_ratio > worst) {
    worst = torque_ratio;
    which_ = kLimitTorqueNorm;
    value_ = torque;
  }
  if (!enabled) return;

  path_scale_ = worst <= kSlowRatio || relieves(wrench, motion) ? 1.0 : fade(worst, kSlowRatio, kFreezeRatio);
  const double norm_excess = std::max(0.0, force - kFreezeRatio * limits.force_norm_n);
  const double share = force > 0.0 ? norm_excess / force : 0.0;
  for (int i = 0; i < 3; ++i) {
    const double excess = std::max(0.0, std::fabs(wrench[i]) - kFreezeRatio * limits.force_n[i]);
    const double driving = std::copysign(std::max(excess, share * std::fabs(wrench[i])), wrench[i]);
    const double speed = (mass * yield_[i] + dt_s * driving) / (mass + dt_s * limits.damping_n_s_m);
    yield_[i] = std::clamp(speed, -limits.speed_m_s, limits.speed_m_s);
  }
  yielding_ = force_ratio_ > kFreezeRatio || norm3(yield_) > kStandingYield;
  violated_ = timer_.step(worst, dt_s);
}

}  // namespace podhand
