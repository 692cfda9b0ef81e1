#include <podhand/damping_gate.hpp>

#include <Eigen/Eigenvalues>

#include <cmath>
#include <complex>
#include <exception>
#include <numbers>

namespace podhand {
namespace {

constexpr int kMaxDelayTicks = 256;
/// Eigenvalues on the unit circle are computed to about the root of the rounding error when they are double.
constexpr double kUnitCircle = 1.0 + 1e-7;
/// A pair closer to the real axis than this is a real double eigenvalue split by rounding.
constexpr double kRealAngle = 1e-7;

struct Loop {
  double mass, damping, stiffness, spring, delay_s, time_constant_s, tick_s;
  int delay_ticks;
};

/// Transition matrix of (v, y, x[n-1], ..., x[n-N]).
Eigen::MatrixXd transition(const Loop& loop) {
  const int n = loop.delay_ticks + 2;
  const double gain = loop.tick_s / (loop.tick_s + loop.time_constant_s);
  const double inertia = loop.mass + loop.tick_s * (loop.damping + loop.tick_s * loop.stiffness);
  Eigen::RowVectorXd filter = Eigen::RowVectorXd::Zero(n), speed = Eigen::RowVectorXd::Zero(n);
  filter(1) = 1.0 - gain;
  filter(n - 1) = -gain * loop.spring;
  speed = (loop.tick_s / inertia) * filter;
  speed(0) += loop.mass / inertia;
  speed(2) -= loop.tick_s * loop.stiffness / inertia;
  Eigen::MatrixXd A = Eigen::MatrixXd::Zero(n, n);
  A.row(0) = speed;
  A.row(1) = filter;
  A.row(2) = loop.tick_s * speed;
  A(2, 2) += 1.0;
  for (int i = 3; i < n; ++i) A(i, i - 1) = 1.0;
  return A;
}

double smallest_ratio(const Loop& loop) {
  // Without balancing the scales of speed, force and distance would cost digits; with forces in metres of spring none
  // does.
  Eigen::MatrixXd A = transition(loop);
  const double force = loop.spring > 0.0 ? loop.spring : 1.0;
  A.row(1) /= force;
  A.col(1) *= force;
  A.row(0) *= loop.tick_s;
  A.col(0) /= loop.tick_s;
  const Eigen::EigenSolver<Eigen::MatrixXd> solver(A, false);
  if (solver.info() != Eigen::Success) return -1.0;
  const double highest =
      (1.0 + 1e-9) * std::numbers::pi * loop.tick_s / (loop.delay_ticks * loop.tick_s + loop.time_constant_s);
  double smallest = 1.0;
  for (const std::complex<double>& z : solver.eigenvalues()) {
    const double angle = std::abs(std::arg(z));
    const double size = std::abs(z);
    const bool unstable = size > kUnitCircle;
    if (size == 0.0 || (!unstable && (angle < kRealAngle || angle > highest))) continue;
    const double decay = -std::log(size);
    smallest = std::min(smallest, decay / std::hypot(decay, angle));
  }
  return smallest;
}

bool usable(double value) { return std::isfinite(value) && value >= 0.0; }

}  // namespace

double damping_ratio(double mass, double damping, double stiffness, double contact_stiffness, double tool_stiffness,
                     double loop_delay_s, double filter_time_constant_s, double tick_s) noexcept {
  const bool known = usable(mass) && usable(damping) && usable(stiffness) && usable(contact_stiffness) &&
                     tool_stiffness > 0.0 && usable(loop_delay_s) && usable(filter_time_constant_s) && usable(tick_s);
  if (!known || tick_s == 0.0 || mass + damping == 0.0 || loop_delay_s > kMaxDelayTicks * tick_s) return -1.0;
  Loop loop{mass, damping, stiffness, 0.0, loop_delay_s, filter_time_constant_s, tick_s, 1};
  if (contact_stiffness > 0.0) loop.spring = 1.0 / (1.0 / contact_stiffness + 1.0 / tool_stiffness);
  // A delay of whole ticks must not become one more by rounding.
  const double ticks = std::ceil(loop_delay_s / tick_s - 1e-9);
  if (ticks > 1.0) loop.delay_ticks = static_cast<int>(ticks);
  try {
    return smallest_ratio(loop);
  } catch (const std::exception&) {  // no memory for the matrices
    return -1.0;
  }
}

}  // namespace podhand
