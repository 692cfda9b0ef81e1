#include "conditions.hpp"

#include "linear.hpp"

#include <limits>

namespace podhand {

double read_signal(const Signals& signals, Signal signal, int index) noexcept {
  switch (signal) {
    case Signal::kForce:
      return signals.wrench[index];
    case Signal::kForceNorm:
      return signals.force_norm_n;
    case Signal::kTorqueNorm:
      return signals.torque_norm_n_m;
    case Signal::kForceRate:
      return signals.force_rate_n_s;
    case Signal::kToolPosition:
      return signals.tool_position_m[index];
    case Signal::kToolSpeed:
      return signals.tool_speed_m_s;
    case Signal::kTravel:
      return signals.travel_m;
    case Signal::kProgress:
      return signals.progress;
    case Signal::kTime:
      return signals.time_s;
    case Signal::kAxisPosition:
      return signals.q[index];
    case Signal::kAxisSpeed:
      return signals.qd[index];
    case Signal::kAxisForce:
      return signals.tau[index];
    case Signal::kSlow:
      return signals.slow[index];
    case Signal::kDeviation:
      return signals.deviation_m;
    case Signal::kTravelSpeed:
      return signals.travel_speed_m_s;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

ConditionState::Truth ConditionState::compare(const Node& node, const Signals& signals, std::uint32_t index) noexcept {
  double value = read_signal(signals, node.signal, node.index);
  if (node.absolute) value = std::fabs(value);
  if (first_comparison_) {
    value_ = value;
    first_comparison_ = false;
  }
  if (std::isnan(value)) return last_[index] = kUnknown;
  const double slack = last_[index] == kTrue ? node.hysteresis : 0.0;
  const bool holds = node.op == Op::kGreater ? value > node.value - slack : value < node.value + slack;
  return last_[index] = holds ? kTrue : kFalse;
}

bool ConditionState::step(const Condition& condition, const Signals& signals, double dt_s) noexcept {
  Truth stack[kMaxNodes + 1];
  int depth = 0;
  first_comparison_ = true;
  for (std::uint32_t i = 0; i < condition.node_count; ++i) {
    const Node& node = condition.nodes[i];
    switch (node.op) {
      case Op::kGreater:
      case Op::kLess:
        stack[depth++] = compare(node, signals, i);
        break;
      case Op::kAnd:
      case Op::kOr: {
        const Truth b = stack[--depth], a = stack[depth - 1];
        const Truth decisive = node.op == Op::kAnd ? kFalse : kTrue;
        if (a == decisive || b == decisive) {
          stack[depth - 1] = decisive;
        } else {
          stack[depth - 1] = a == kUnknown || b == kUnknown ? kUnknown : a;
        }
        break;
      }
      case Op::kNot:
        if (stack[depth - 1] != kUnknown) stack[depth - 1] = stack[depth - 1] == kTrue ? kFalse : kTrue;
        break;
      case Op::kRising: {
        const Truth now = stack[depth - 1];
        stack[depth - 1] = primed_ && now == kTrue && last_[i] == kFalse ? kTrue : kFalse;
        if (now != kUnknown || !primed_) last_[i] = now;
        break;
      }
    }
  }
  primed_ = true;
  if (depth != 1 || stack[0] != kTrue) {
    held_s_ = 0.0;
    return false;
  }
  const bool fired = held_s_ >= condition.debounce_s - 1e-9;
  held_s_ += dt_s;
  return fired;
}

}  // namespace podhand
