#include "ramps.hpp"

#include "linear.hpp"

namespace podhand {

void SpeedRamp::step(double target, double max_acceleration, double max_jerk, double dt_s) noexcept {
  const double missing = target - speed;
  if (missing == 0.0 && acceleration == 0.0) return;
  // The largest acceleration that a constant jerk still brings to zero on the target, in whole steps.
  const double step_jerk = max_jerk * dt_s;
  // Written as a quotient: the difference of root and step would cancel to nothing just before the target.
  const double half_step = 0.5 * step_jerk, product = 2.0 * max_jerk * std::fabs(missing);
  const double unwinding = product / (std::sqrt(product + half_step * half_step) + half_step);
  const double wanted = std::copysign(std::min({max_acceleration, unwinding, std::fabs(missing) / dt_s}), missing);
  acceleration = std::clamp(wanted, acceleration - step_jerk, acceleration + step_jerk);
  const double next = speed + acceleration * dt_s;
  // The last step is cut to land on the target; what is left of the acceleration is under one step of jerk.
  if (std::fabs(missing) <= (1.0 + 1e-9) * std::fabs(acceleration) * dt_s && missing * acceleration >= 0.0 &&
      std::fabs(acceleration) <= 2.0 * step_jerk) {
    speed = target;
    acceleration = 0.0;
    return;
  }
  if (missing == 0.0 && std::fabs(acceleration) <= step_jerk) {
    acceleration = 0.0;
    return;
  }
  speed = next;
}

double stopping_speed(double distance, double max_acceleration, double max_jerk) noexcept {
  // With the acceleration limit reached: d = v/2 (v/a + a/j). The same formula is a safe bound below, where only the
  // jerk limits: it then asks for less speed than possible.
  const double a = max_acceleration;
  const double ramp = a * a / max_jerk;
  return std::max(0.0, 0.5 * (std::sqrt(ramp * ramp + 8.0 * a * distance) - ramp));
}

Played PhasePlayer::at(const Phase* phases, std::uint32_t count, double duration_s, double time_s) noexcept {
  if (count == 0) return {};
  while (cursor_ + 1 < count && time_s >= phases[cursor_ + 1].t0_s) ++cursor_;
  const Phase& phase = phases[cursor_];
  Played now = in_phase(phase, std::min(time_s, duration_s) - phase.t0_s);
  if (time_s >= duration_s) now.v = now.a = 0.0;
  return now;
}

}  // namespace podhand
