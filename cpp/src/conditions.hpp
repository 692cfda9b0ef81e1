/// Evaluation of conditions, tick by tick.
#pragma once

#include <podhand/segment.hpp>
#include <podhand/realtime.hpp>

namespace podhand {

/// What conditions can look at in one tick. A value that is not known is NaN.
struct Signals {
  double wrench[6]{};  ///< filtered F_tool in the segment's frame
  double force_norm_n{};
  double torque_norm_n_m{};
  double force_rate_n_s{};
  double tool_position_m[3]{};
  double tool_speed_m_s{};
  double travel_m{};
  double progress{};
  double time_s{};
  double deviation_m{};
  double travel_speed_m_s{};
  const double* q{};  ///< kAxes each
  const double* qd{};
  const double* tau{};
  const double* slow{};  ///< kSlowSignals
};

[[nodiscard]] double read_signal(const Signals& signals, Signal signal, int index) noexcept PODHAND_NONBLOCKING;

/// Memory of one condition: hysteresis, edges, debounce. Logic has three values: a comparison with a signal that is not
/// known is neither true nor false, and a condition fires only when it is certainly true.
class ConditionState {
 public:
  void start() noexcept { *this = ConditionState{}; }
  /// One tick. Real-time. `condition` must have passed validation.
  [[nodiscard]] bool step(const Condition& condition, const Signals& signals, double dt_s) noexcept PODHAND_NONBLOCKING;
  /// Of the first comparison, in the last step.
  [[nodiscard]] double value() const noexcept { return value_; }

 private:
  enum Truth : std::uint8_t { kFalse = 0, kTrue = 1, kUnknown = 2 };
  [[nodiscard]] Truth compare(const Node& node, const Signals& signals,
                              std::uint32_t index) noexcept PODHAND_NONBLOCKING;

  Truth last_[kMaxNodes]{};  ///< comparisons: held by hysteresis; kRising: operand of the previous tick
  bool primed_{false};
  bool first_comparison_{true};
  double held_s_{};
  double value_{};
};

}  // namespace podhand
