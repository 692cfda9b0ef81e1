#include <safety/limiter.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>

namespace podhand::safety {
namespace {

/// Limits are judged with this much room, so that a controller that goes exactly to a limit is not slowed by rounding.
constexpr double kRoom = 1.0 + 1e-9;
constexpr double kRotationTolerance = 1e-9;
constexpr int kBisections = 24;  // leaves 1e-7 of the speed unused

/// Kept free at the end of a stop [rad or m], for what rounding adds on the way there.
constexpr double kStopRoom = 1e-11;

bool positive(double value) { return value > 0.0 && value < kMaxMagnitude; }
bool moderate(double value) { return std::abs(value) < kMaxMagnitude; }  // false for a NaN

double dot(const double* a, const double* b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
double length(const double* v) { return std::sqrt(dot(v, v)); }

bool is_pose(const double X[12]) {
  for (int i = 0; i < 12; ++i) {
    if (!moderate(X[i])) return false;
  }
  for (int a = 0; a < 3; ++a) {
    for (int b = 0; b < 3; ++b) {
      const double product = dot(X + 3 * a, X + 3 * b);
      if (std::abs(product - (a == b ? 1.0 : 0.0)) > kRotationTolerance) return false;
    }
  }
  const double determinant =
      X[0] * (X[4] * X[8] - X[5] * X[7]) - X[1] * (X[3] * X[8] - X[5] * X[6]) + X[2] * (X[3] * X[7] - X[4] * X[6]);
  return determinant > 0.0;
}

/// Ratios of successive terms of the two series.
constexpr double kSineSteps[8] = {1.0 / 6, 1.0 / 20, 1.0 / 42, 1.0 / 72, 1.0 / 110, 1.0 / 156, 1.0 / 210, 1.0 / 272};
constexpr double kCosineSteps[8] = {1.0 / 2, 1.0 / 12, 1.0 / 30, 1.0 / 56, 1.0 / 90, 1.0 / 132, 1.0 / 182, 1.0 / 240};

/// Sine and cosine by Taylor's series on +-pi/4, for |angle| < kMaxMagnitude, to 1e-14. Own code: the steps are
/// replayed bit for bit on other machines, and nothing is shared with the controller's kinematics.
void sine_cosine(double angle, double& sine, double& cosine) {
  constexpr double kHalfPiHigh = 1.57079632673412561417;  // 33 bits: products with a small integer are exact
  constexpr double kHalfPiLow = 6.07710050650619224932e-11;
  const double quarter_turns = std::floor(angle / (kHalfPiHigh + kHalfPiLow) + 0.5);
  const double r = (angle - quarter_turns * kHalfPiHigh) - quarter_turns * kHalfPiLow;
  const double z = r * r;
  double s = 1.0, c = 1.0;
  for (int n = 7; n >= 0; --n) {
    s = 1.0 - z * kSineSteps[n] * s;
    c = 1.0 - z * kCosineSteps[n] * c;
  }
  s *= r;
  switch (static_cast<std::int64_t>(quarter_turns) & 3) {
    case 0:
      sine = s, cosine = c;
      break;
    case 1:
      sine = c, cosine = -s;
      break;
    case 2:
      sine = -s, cosine = -c;
      break;
    default:
      sine = -c, cosine = s;
      break;
  }
}

/// The tool origin, and what it does while the joints turn at constant speeds.
struct ToolMotion {
  double point[3]{}, velocity[3]{}, acceleration[3]{};
};

void rotate(const double X[12], double v[3]) {
  const double x = v[0], y = v[1], z = v[2];
  for (int r = 0; r < 3; ++r) v[r] = X[3 * r] * x + X[3 * r + 1] * y + X[3 * r + 2] * z;
}

void to_parent(const double X[12], ToolMotion& tool) {
  rotate(X, tool.point);
  rotate(X, tool.velocity);
  rotate(X, tool.acceleration);
  for (int r = 0; r < 3; ++r) tool.point[r] += X[9 + r];
}

/// Adds a turning about z, then turns.
void turn(double angle, double rate, ToolMotion& tool) {
  double s, c;
  sine_cosine(angle, s, c);
  double* p = tool.point;
  double* v = tool.velocity;
  double* a = tool.acceleration;
  a[0] -= 2.0 * rate * v[1] + rate * rate * p[0];
  a[1] += 2.0 * rate * v[0] - rate * rate * p[1];
  v[0] -= rate * p[1];
  v[1] += rate * p[0];
  for (double* vector : {p, v, a}) {
    const double x = vector[0], y = vector[1];
    vector[0] = c * x - s * y;
    vector[1] = s * x + c * y;
  }
}

/// From the tool back to the base.
ToolMotion tool_motion(const LimiterConfig& config, const double* q, const double* qd) {
  ToolMotion tool;
  to_parent(config.X_flange_tool, tool);
  for (int j = config.joints - 1; j >= 0; --j) {
    turn(q[j], qd[j], tool);
    to_parent(config.X_parent_joint[j], tool);
  }
  return tool;
}

/// Largest tool speed on a uniform stop that begins with tool speed w and takes T; `growth` bounds d|J v|/dt at full
/// speed. It is the largest value of (1 - u)(w + c (u - u^2/2)), c = growth T, over u = t/T in 0..1.
double stop_peak(double w, double growth, double stop_time_s) {
  const double c = growth * stop_time_s;
  if (c <= w) return w;
  const double y = std::sqrt((1.0 + 2.0 * w / c) / 3.0);  // 1 - u at the peak
  return y * (w + 0.5 * c * (1.0 - y * y));
}

/// Largest f >= 0 with linear f + T f^2 / 2 <= rest, 0 when there is none.
double closing_factor(double rest, double linear, double stop_time_s) {
  if (!(rest > 0.0)) return 0.0;
  return 2.0 * rest / (linear + std::sqrt(linear * linear + 2.0 * stop_time_s * rest));
}

}  // namespace

struct Limiter::Group {
  int first, count;
};

/// Feasible factors of a group's speed, and the axes behind both ends.
struct Limiter::Range {
  double low{0.0}, high{1.0};
  int low_axis{-1}, high_axis{-1};
  void raise(double value, int axis) noexcept {
    if (value > low) low = value, low_axis = axis;
  }
  void cap(double value, int axis) noexcept {
    if (value < high) high = value, high_axis = axis;
  }
};

bool Limiter::configure(const LimiterConfig& config) noexcept {
  configured_ = seeded_ = false;
  if (config.joints < 0 || config.joints > kMaxArmJoints) return false;
  for (int i = 0; i < kAxes; ++i) {
    const AxisLimits& axis = config.axis[i];
    const bool in_arm = i - kArm0 < config.joints;
    if (i <= kArm6 && in_arm != (axis.present != 0)) return false;
    if (!axis.present) continue;
    if (!positive(axis.max_speed) || !positive(axis.max_acceleration)) return false;
    const bool belt = i == kBeltLeft || i == kBeltRight;
    if (belt != (axis.is_speed != 0)) return false;
    if (belt) continue;
    if (!moderate(axis.min_position) || !moderate(axis.max_position)) return false;
    if (!(axis.min_position < axis.max_position)) return false;
  }
  if (config.joints > 0) {
    if (!positive(config.max_tool_speed_m_s) || !is_pose(config.X_flange_tool)) return false;
    double reach = length(config.X_flange_tool + 9);
    for (int j = config.joints - 1; j >= 0; --j) {
      if (!is_pose(config.X_parent_joint[j])) return false;
      reach_m_[j] = reach;
      reach += length(config.X_parent_joint[j] + 9);
    }
  }
  config_ = config;
  std::fill_n(previous_, kAxes, 0.0);
  std::fill_n(speed_, kAxes, 0.0);
  configured_ = true;
  return true;
}

void Limiter::seed(const double* positions) noexcept {
  seeded_ = false;
  if (!configured_) return;
  for (int i = 0; i < kAxes; ++i) {
    if (config_.axis[i].present && !moderate(positions[i])) return;
  }
  for (int i = 0; i < kAxes; ++i) {
    previous_[i] = last_desired_[i] = config_.axis[i].present ? positions[i] : 0.0;
    speed_[i] = 0.0;
  }
  scale_ = 1.0;
  limiting_axis_ = -1;
  seeded_ = true;
}

Result Limiter::step(const double* desired, double dt_s, double* out) noexcept {
  scale_ = 1.0;
  limiting_axis_ = -1;
  if (!configured_ || !seeded_) {
    std::copy(previous_, previous_ + kAxes, out);
    scale_ = 0.0;
    return Result::kNotReady;
  }
  double wanted[kAxes];  // `out` may be `desired`
  bool valid = dt_s >= kMinDt && dt_s <= kMaxDt;
  for (int i = 0; i < kAxes; ++i) {
    wanted[i] = config_.axis[i].present ? desired[i] : 0.0;
    valid = valid && moderate(wanted[i]);
    out[i] = 0.0;
  }
  // The uniform stop is safe at any positive dt: a long one stops at once.
  const double dt = std::isfinite(dt_s) && dt_s > 0.0 ? dt_s : kMinDt;
  Result result = Result::kPassed;
  const Group groups[] = {{kArm0, config_.joints}, {kSqueeze, 1}, {kBeltLeft, 1},
                          {kBeltRight, 1},         {kBlade, 1},   {kBandX, 3}};
  for (const Group& group : groups) {
    const bool belt = group.first == kBeltLeft || group.first == kBeltRight;
    bool moved = false;
    if (valid)
      moved = belt ? scale_belt(group.first, wanted[group.first], dt, out) : scale_group(group, wanted, dt, out);
    if (moved) continue;
    if (belt) {
      brake_belt(group.first, dt, out);
    } else {
      brake_group(group, dt, out);
    }
    result = Result::kBraked;
  }
  std::copy(out, out + kAxes, previous_);
  if (!valid) return Result::kInvalid;
  std::copy(wanted, wanted + kAxes, last_desired_);
  return result == Result::kPassed && scale_ < 1.0 ? Result::kScaled : result;
}

/// Nothing moves and nothing shall: every limit holds by itself.
bool Limiter::stands(const Group& group, const double* desired) const noexcept {
  for (int i = group.first; i < group.first + group.count; ++i) {
    if (config_.axis[i].present && (desired[i] != previous_[i] || speed_[i] != 0.0)) return false;
  }
  return true;
}

bool Limiter::scale_group(const Group& group, const double* desired, double dt_s, double* out) noexcept {
  if (stands(group, desired)) {
    for (int i = group.first; i < group.first + group.count; ++i) {
      if (config_.axis[i].present) out[i] = previous_[i];
    }
    return true;
  }
  // First bring the step within the speed limits, so that later products stay small whatever was desired.
  Range whole;
  double speed[kAxes]{};
  bool standing = true;  // a desired point that has stood still is arrived at without passing it
  for (int i = group.first; i < group.first + group.count; ++i) {
    if (!config_.axis[i].present) continue;
    const double way = desired[i] - previous_[i];
    standing = standing && desired[i] == last_desired_[i];
    const double most = kRoom * config_.axis[i].max_speed * dt_s;
    if (std::abs(way) > most) whole.cap(most / std::abs(way), i);
  }
  for (int i = group.first; i < group.first + group.count; ++i) {
    if (config_.axis[i].present) speed[i] = whole.high * ((desired[i] - previous_[i]) / dt_s);
  }
  const double stop = stop_time(group, speed);
  Range range;
  range.high_axis = whole.high_axis;
  for (int i = group.first; i < group.first + group.count; ++i) {
    if (config_.axis[i].present) limit_axis(i, speed[i], stop, dt_s, range);
  }
  if (group.first == kArm0 && range.high > 0.0) range.cap(tool_speed_factor(speed, stop, dt_s), kToolSpeed);
  if (range.low > range.high) {
    note(0.0, range.high_axis >= 0 ? range.high_axis : range.low_axis);
    return false;
  }
  double factor = range.high;
  if (factor * whole.high < 1.0 || standing) {
    factor = std::max(range.low, std::min(factor, pursuit_factor(group, desired, speed, whole.high, stop, dt_s)));
  }
  const double alpha = factor * whole.high;
  if (alpha < 1.0) note(alpha, range.high_axis);
  for (int i = group.first; i < group.first + group.count; ++i) {
    const AxisLimits& axis = config_.axis[i];
    if (!axis.present) continue;
    double to = alpha < 1.0 ? previous_[i] + alpha * (desired[i] - previous_[i]) : desired[i];
    // Takes away what rounding may have added; a start outside is brought in by motion, not by this.
    if (previous_[i] <= axis.max_position) to = std::min(to, axis.max_position);
    if (previous_[i] >= axis.min_position) to = std::max(to, axis.min_position);
    speed_[i] = (to - previous_[i]) / dt_s;
    out[i] = to;
  }
  return true;
}

double Limiter::stop_time(const Group& group, const double* speed) const noexcept {
  double stop = 0.0;
  for (int i = group.first; i < group.first + group.count; ++i) {
    if (config_.axis[i].present) stop = std::max(stop, std::abs(speed[i]) / config_.axis[i].max_acceleration);
  }
  return stop;
}

/// Narrows the factors f for which the speed f * speed keeps one axis' acceleration in this step and leaves way to
/// stop.
void Limiter::limit_axis(int i, double speed, double stop_time_s, double dt_s, Range& range) const noexcept {
  const AxisLimits& axis = config_.axis[i];
  const double change = kRoom * axis.max_acceleration * dt_s;
  const double size = std::abs(speed);
  const double before = speed < 0.0 ? -speed_[i] : speed_[i];  // speed so far, along the new direction
  if (size == 0.0) {
    if (std::abs(before) > change) range.raise(2.0, i);
    return;
  }
  range.raise((before - change) / size, i);
  range.cap((before + change) / size, i);
  const double way = speed > 0.0 ? axis.max_position - previous_[i] : previous_[i] - axis.min_position;
  if (way <= 0.0) {
    range.cap(0.0, i);
    return;
  }
  // Either the new speed can be given up in one shortest tick, or f dt |v| + f |v| D(f T) <= way: a quadratic in f.
  const double in_one_tick = std::min(kMinDt / stop_time_s, way / (size * dt_s));
  const double rest = (way - kStopRoom) / size - kMinDt * kMinDt / (8.0 * stop_time_s);
  const double by_stopping = closing_factor(rest, dt_s - 0.5 * kMinDt, stop_time_s);
  range.cap(std::max(in_one_tick, by_stopping), i);
}

/// Largest factor f in 0..1 for which neither this step nor the stop after it passes the tool speed.
double Limiter::tool_speed_factor(const double* speed, double stop_time_s, double dt_s) const noexcept {
  const double limit = kRoom * config_.max_tool_speed_m_s;
  const double* v = speed + kArm0;
  // A derivative of the tool's position by any joints is at most the reach of the last of them.
  double bound = 0.0, growth = 0.0, bend = 0.0, sum = 0.0;
  for (int j = 0; j < config_.joints; ++j) {
    const double before = sum;
    sum += std::abs(v[j]);
    bound += reach_m_[j] * (sum - before);
    growth += reach_m_[j] * (sum * sum - before * before);
    bend += reach_m_[j] * (sum * sum * sum - before * before * before);
  }
  if (bound <= limit) return 1.0;  // no pose is long enough
  const ToolMotion tool = tool_motion(config_, previous_ + kArm0, v);
  const double now = length(tool.velocity);
  const double square = dot(tool.acceleration, tool.acceleration);
  // |J v| along q + s v is |w + s a| and at most s^2 / 2 bend more; beyond s0 = f dt it is at most
  // w0 + (s - s0) G with G = (w a)+ / w0 + s0 bend + (way / 2) (a^2 / w0 + bend), and never more than w0 + (s - s0)
  // growth.
  const auto peak = [&](double f) {
    const double s0 = f * dt_s;
    double w[3];
    for (int r = 0; r < 3; ++r) w[r] = tool.velocity[r] + s0 * tool.acceleration[r];
    const double size = length(w);
    const double most = std::max(now, size) + 0.5 * s0 * s0 * bend;  // |w + s a| is convex: largest at an end
    const double way = 0.5 * f * f * stop_time_s;
    double rise = growth;
    if (size > 0.0) {
      const double start = std::max(0.0, dot(w, tool.acceleration)) / size + s0 * bend;
      rise = std::min(rise, start + 0.5 * way * (square / size + bend));
    }
    return stop_peak(f * most, f * f * rise, f * stop_time_s);
  };
  if (peak(1.0) <= limit) return 1.0;
  double low = 0.0, high = 1.0;
  for (int n = 0; n < kBisections; ++n) {
    const double middle = 0.5 * (low + high);
    (peak(middle) <= limit ? low : high) = middle;
  }
  return low;
}

/// Factor from which the group, stopping uniformly, just does not pass a desired point that keeps its present speed.
double Limiter::pursuit_factor(const Group& group, const double* desired, const double* speed, double cap,
                               double stop_time_s, double dt_s) const noexcept {
  double along = 0.0, norm = 0.0;
  for (int i = group.first; i < group.first + group.count; ++i) {
    if (!config_.axis[i].present) continue;
    const double weight = 1.0 / (config_.axis[i].max_speed * config_.axis[i].max_speed);
    along += weight * speed[i] * ((desired[i] - last_desired_[i]) / dt_s);
    norm += weight * speed[i] * speed[i];
  }
  const double target = norm > 0.0 ? std::max(0.0, along / norm) : 0.0;  // its speed, in units of `speed`
  const double rest = (1.0 / cap - target) * dt_s;
  if (!(rest > 0.0)) return 1.0;
  // As in limit_axis, for the speed beyond the target's and with later steps as long as this one.
  const double in_one_tick = std::min(dt_s / stop_time_s, rest / dt_s);
  const double by_stopping = closing_factor(rest - dt_s * dt_s / (8.0 * stop_time_s), 0.5 * dt_s, stop_time_s);
  return target + std::max(in_one_tick, by_stopping);
}

void Limiter::brake_group(const Group& group, double dt_s, double* out) noexcept {
  const double stop = stop_time(group, speed_);
  const double factor = stop > dt_s ? 1.0 - dt_s / stop : 0.0;
  for (int i = group.first; i < group.first + group.count; ++i) {
    const AxisLimits& axis = config_.axis[i];
    if (!axis.present) continue;
    double to = previous_[i] + factor * speed_[i] * dt_s;
    if (previous_[i] <= axis.max_position) to = std::min(to, axis.max_position);
    if (previous_[i] >= axis.min_position) to = std::max(to, axis.min_position);
    speed_[i] *= factor;
    out[i] = to;
  }
  note(0.0, -1);
}

bool Limiter::scale_belt(int i, double desired, double dt_s, double* out) noexcept {
  const AxisLimits& axis = config_.axis[i];
  if (!axis.present) return true;
  const double before = previous_[i];
  const double most = kRoom * axis.max_speed;
  const double low = std::min(before, -most), high = std::max(before, most);
  const double change = kRoom * axis.max_acceleration * dt_s;
  const double to = std::clamp(std::clamp(desired, low, high), before - change, before + change);
  if (to != desired) note((to - before) / (desired - before), i);
  out[i] = to;
  return true;
}

void Limiter::brake_belt(int i, double dt_s, double* out) noexcept {
  const AxisLimits& axis = config_.axis[i];
  if (!axis.present) return;
  const double change = axis.max_acceleration * dt_s;
  out[i] = previous_[i] > 0.0 ? std::max(0.0, previous_[i] - change) : std::min(0.0, previous_[i] + change);
  note(0.0, i);
}

void Limiter::note(double scale, int axis) noexcept {
  if (scale < scale_) scale_ = scale, limiting_axis_ = axis;
}

}  // namespace podhand::safety
