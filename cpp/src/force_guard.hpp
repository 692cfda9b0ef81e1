/// Force limits of a segment: slow down, freeze, give way, and finally say that the motion must stop.
#pragma once

#include <podhand/config.hpp>
#include <podhand/segment.hpp>
#include <podhand/realtime.hpp>

namespace podhand {

inline constexpr double kSlowRatio = 0.5;     ///< force over limit from which the path slows down
inline constexpr double kFreezeRatio = 0.8;   ///< at which it stands; above, the tool gives way
inline constexpr double kHardRatio = 1.3;     ///< above which the motion stops at once
inline constexpr double kOverLimitS = 0.030;  ///< how long a force may stay above its limit in spite of yielding

/// Mass with which force axes and the yield answer [kg]. It is larger than the mass behind the sensor: a lighter answer
/// would shake that mass, and its inertia, felt a delay after it was compensated, would be taken for force again.
[[nodiscard]] inline double apparent_mass(const PayloadConfig& payload) noexcept {
  return payload.mass_kg > 2.0 / 3.0 ? 1.5 * payload.mass_kg : 1.0;
}

/// Which limit a violation is about; Outcome::condition of Cause::kForceLimit.
enum LimitIndex : std::uint32_t { kLimitForceNorm = 3, kLimitTorqueNorm = 4, kLimitAxisForce = 8 };

/// Counts how long a ratio has been over one.
struct OverLimitTimer {
  double over_s{};
  /// True when the motion must stop.
  [[nodiscard]] bool step(double ratio, double dt_s) noexcept {
    over_s = ratio > 1.0 ? over_s + dt_s : 0.0;
    return ratio > kHardRatio || over_s > kOverLimitS;
  }
};

class ForceGuard {
 public:
  void start() noexcept { *this = ForceGuard{}; }
  /// One step. Real-time.
  /// @param wrench  filtered F_tool in the segment's frame
  /// @param motion  twist the reference asks for at full speed, same frame
  /// @param mass    apparent_mass() of the segment
  void step(const Limits& limits, const double wrench[6], const double motion[6], bool enabled, double mass,
            double dt_s) noexcept PODHAND_NONBLOCKING;

  [[nodiscard]] double force_ratio() const noexcept { return force_ratio_; }  ///< largest force over its limit
  [[nodiscard]] double path_scale() const noexcept { return path_scale_; }    ///< 0..1 for the speed of path time
  [[nodiscard]] const double* yield() const noexcept { return yield_; }       ///< speed away from the contact [m/s]
  [[nodiscard]] bool yielding() const noexcept { return yielding_; }
  [[nodiscard]] bool violated() const noexcept { return violated_; }
  [[nodiscard]] std::uint32_t which() const noexcept { return which_; }  ///< 0..2 axis, else LimitIndex
  [[nodiscard]] double value() const noexcept { return value_; }

 private:
  OverLimitTimer timer_{};
  double force_ratio_{};
  double path_scale_{1.0};
  double yield_[3]{};
  double value_{};
  std::uint32_t which_{};
  bool yielding_{false};
  bool violated_{false};
};

}  // namespace podhand
