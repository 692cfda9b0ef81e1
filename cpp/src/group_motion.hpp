/// Motion of the single axes: squeeze, belts, blade, band arm. Gives the speed of each set-point.
#pragma once

#include <podhand/realtime.hpp>

#include "force_guard.hpp"
#include "ramps.hpp"
#include "tick.hpp"

namespace podhand {

inline constexpr int kGroupAxes = 3;  ///< most axes of a group of single axes

/// First axis and number of axes of a group; the arm's number is that of its chain.
struct GroupSpan {
  int first, count;
};
inline constexpr GroupSpan kGroupSpan[kGroups] = {
    {kArm0, kMaxArmJoints}, {kSqueeze, 1}, {kBeltLeft, 2}, {kBlade, 1}, {kBandX, 3}};

[[nodiscard]] inline constexpr bool is_belt(int axis) noexcept { return axis == kBeltLeft || axis == kBeltRight; }

class GroupMotion {
 public:
  /// Begins a segment from the set-points in force. Real-time.
  /// @return false when a profile does not start where the axes are; `mismatch` [m]
  [[nodiscard]] bool start(const Segment& segment, int group, const Tick& tick,
                           double& mismatch) noexcept PODHAND_NONBLOCKING;
  /// One step of the running segment. Real-time.
  void step(const Segment& segment, const Tick& tick) noexcept PODHAND_NONBLOCKING;
  void begin_stop(bool fast) noexcept PODHAND_NONBLOCKING;
  void step_stop(const Segment& segment, const Tick& tick) noexcept PODHAND_NONBLOCKING;

  [[nodiscard]] bool standing() const noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] bool completes() const noexcept { return completes_; }
  [[nodiscard]] bool finished() const noexcept { return finished_; }
  [[nodiscard]] double progress() const noexcept { return progress_; }
  [[nodiscard]] int group() const noexcept { return group_; }
  /// Speed of the set-point of axis `i` of the group; belts: the set-point itself [m/s].
  [[nodiscard]] double speed(int i) const noexcept { return ramp_[i].speed + give_[i]; }

 private:
  [[nodiscard]] double effort(const Segment& segment, const Tick& tick, int i,
                              double towards) const noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] double target_speed(const Segment& segment, const Tick& tick, int i) noexcept PODHAND_NONBLOCKING;
  void step_profile(const Segment& segment, const Tick& tick) noexcept PODHAND_NONBLOCKING;
  void give_way(const Segment& segment, const Tick& tick, int i) noexcept PODHAND_NONBLOCKING;

  PhasePlayer player_[kGroupAxes]{};
  SpeedRamp ramp_[kGroupAxes]{};
  double give_[kGroupAxes]{};    ///< speed away from too much force
  double offset_[kGroupAxes]{};  ///< kProfile: set-point minus profile
  double path_time_s_{};
  double scale_{1.0};
  double progress_{};
  int group_{};
  bool fast_stop_{false};
  bool completes_{false};
  bool finished_{false};
};

}  // namespace podhand
