/// Scalar motion made on line: jerk-limited speed ramps, approach to a target, phases played from a trajectory.
#pragma once

#include <podhand/segment.hpp>
#include <podhand/realtime.hpp>

namespace podhand {

/// A speed that follows a target within acceleration and jerk.
struct SpeedRamp {
  double speed{};
  double acceleration{};

  void start(double initial_speed) noexcept {
    speed = initial_speed;
    acceleration = 0.0;
  }
  /// One step towards `target`; lands on it exactly. Real-time.
  void step(double target, double max_acceleration, double max_jerk, double dt_s) noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] bool standing() const noexcept { return speed == 0.0 && acceleration == 0.0; }
};

/// Speed from which a jerk-limited stop needs at most `distance`.
[[nodiscard]] double stopping_speed(double distance, double max_acceleration,
                                    double max_jerk) noexcept PODHAND_NONBLOCKING;

/// Position, speed and acceleration of a played profile.
struct Played {
  double p{}, v{}, a{};
};

/// Plays the phases of one degree of freedom. Path time only grows, so the cursor only advances.
class PhasePlayer {
 public:
  void start() noexcept { cursor_ = 0; }
  /// Real-time. Beyond `duration_s` the end position is held.
  [[nodiscard]] Played at(const Phase* phases, std::uint32_t count, double duration_s,
                          double time_s) noexcept PODHAND_NONBLOCKING;

 private:
  std::uint32_t cursor_{};
};

/// p, v and a of a phase, `t` seconds after its start.
[[nodiscard]] inline Played in_phase(const Phase& phase, double t) noexcept {
  return {phase.p + t * (phase.v + t * (0.5 * phase.a + t * phase.j / 6.0)),
          phase.v + t * (phase.a + t * 0.5 * phase.j), phase.a + t * phase.j};
}

}  // namespace podhand
