/// A kernel with a small deterministic plant: six joints that follow after a delay, a sensor, and a spring wall.
#pragma once

#include "check.hpp"

#include "linear.hpp"

#include <podhand/kernel.hpp>
#include <podhand/kinematics.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

namespace podhand::test {

inline constexpr double kInf = std::numeric_limits<double>::infinity();
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kHome[6] = {0.3, -1.6, 2.2, -0.6, 1.2, 0.2};
inline constexpr double kMassKg = 3.2;

inline void pose(double* X, const double (&R)[9], double x, double y, double z) {
  std::copy_n(R, 9, X);
  X[9] = x;
  X[10] = y;
  X[11] = z;
}

inline KernelConfig station() {
  constexpr double kEye[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  constexpr double kRollUp[9] = {1, 0, 0, 0, 0, -1, 0, 1, 0};
  constexpr double kRollDown[9] = {1, 0, 0, 0, 0, 1, 0, -1, 0};
  constexpr double kTool[9] = {0, 0, -1, 0, 1, 0, 1, 0, 0};
  KernelConfig c{};
  c.chain.joints = 6;
  pose(c.chain.X_parent_joint[0], kEye, 0, 0, 0.1807);
  pose(c.chain.X_parent_joint[1], kRollUp, 0, 0, 0);
  pose(c.chain.X_parent_joint[2], kEye, -0.6127, 0, 0);
  pose(c.chain.X_parent_joint[3], kEye, -0.57155, 0, 0.17415);
  pose(c.chain.X_parent_joint[4], kRollUp, 0, -0.11985, 0);
  pose(c.chain.X_parent_joint[5], kRollDown, 0, 0.11655, 0);
  pose(c.chain.X_flange_tool, kTool, 0, 0, 0.40);
  pose(c.chain.X_flange_sensor, kEye, 0, 0, 0);
  c.chain.gravity_base_m_s2[2] = -9.81;
  for (int i = 0; i < kAxes; ++i) {
    if (i == kArm6) continue;
    const bool arm = i < kArm6;
    c.axis[i] = {arm ? -6.2 : -2.0,
                 arm ? 6.2 : 2.0,
                 arm ? 2.0 : 0.5,
                 arm ? 12.0 : 4.0,
                 arm ? 300.0 : 120.0,
                 60.0,
                 arm ? 0.2 : 0.05,
                 1,
                 {}};
  }
  for (int i = 0; i < kArm6; ++i) c.axis[i].max_force = 330.0;
  c.payload[0] = {kMassKg, {0, 0, 0.16}};
  c.payload[1] = {kMassKg + 1.0, {0, 0, 0.2}};
  c.ft.range_force_n = 330;
  c.ft.range_torque_n_m = 50;
  c.ft.filter_time_constant_s = 0.004;
  c.ft.max_age_periods = 8;
  c.ft.frozen_periods = 20;
  c.ft.loop_delay_s = 0.004;
  c.safety = {100, 40, 1.0, 0.01, 1, 1, 1, 0};
  c.tool_stiffness_n_m = kInf;
  c.ik_damping = 0.02;
  c.tick_s = 1e-3;
  c.generation = 7;
  return c;
}

/// A segment that holds everything, with limits that allow motion.
inline std::unique_ptr<Segment> segment() {
  auto s = std::make_unique<Segment>();
  s->timeout_s = 10.0;
  s->on_end = OnEnd::kNext;
  Limits& l = s->limits;
  std::fill_n(l.force_n, 3, kInf);
  std::fill_n(l.axis_force, kAxes, kInf);
  l.force_norm_n = 60;
  l.torque_norm_n_m = 40;
  l.speed_m_s = 0.25;
  l.acceleration_m_s2 = 2;
  l.jerk_m_s3 = 40;
  l.angular_speed_rad_s = 1.0;
  l.damping_n_s_m = 500;
  return s;
}

inline Condition compare(Op op, Signal signal, int index, double value, std::uint32_t code = 1) {
  Condition c{};
  c.node_count = 1;
  c.code = code;
  c.nodes[0].op = op;
  c.nodes[0].signal = signal;
  c.nodes[0].index = static_cast<std::uint8_t>(index);
  c.nodes[0].value = value;
  return c;
}

class Rig {
 public:
  explicit Rig(const KernelConfig& config = station()) : config_(config) {
    CHECK(kernel.configure(config).ok());
    in.dt_s = 1e-3;
    in.ft_period_s = 1e-3;
    in.axis_valid = 0x3fff;
    std::copy_n(kHome, 6, in.q);
    in.q[kSqueeze] = 0.1;
    std::copy_n(in.q, kAxes, out.command);
    step();
  }

  /// Lets one tick pass: readings, kernel, plant.
  void step() {
    sense();
    kernel.tick(in, out);
    for (double value : out.command) CHECK(std::isfinite(value));
    move();
  }

  void steps(int count) {
    for (int i = 0; i < count; ++i) step();
  }

  void submit(const Segment& s, int channel = 0) { CHECK(kernel.submit(channel, &s, 1).ok()); }

  /// Runs to the next outcome.
  Outcome finish(int limit = 20000) {
    Outcome outcome;
    for (int i = 0; i < limit; ++i) {
      step();
      peak_filtered = std::max(peak_filtered, norm3(kernel.state().F_tool));
      if (kernel.take_outcome(outcome)) return outcome;
    }
    CHECK(!"an outcome in time");
    return outcome;
  }

  Outcome run(const Segment& s, int channel = 0) {
    submit(s, channel);
    return finish();
  }

  Kernel kernel;
  Inputs in{};
  Outputs out{};
  double wall_x = kInf;  ///< base x of a wall that pushes the tool back
  double wall_stiffness = 10e3;
  double push[3]{};  ///< outside force on the tool, base [N]
  double noise_n = 0.05;
  int delay_ticks = 1;  ///< set-point to motion, beside the tick itself; the sensor adds two more: 4 ms
  bool inertia = true;  ///< the sensor feels the tool's own mass
  double peak_filtered = 0.0;

 private:
  void sense() {
    Kinematics now;
    forward(config_.chain, in.q, now);
    double force[3] = {push[0], push[1], push[2]};
    if (now.p[0] > wall_x) force[0] -= wall_stiffness * (now.p[0] - wall_x);
    forces_.push_back({force[0], force[1], force[2]});
    const auto& seen = forces_[forces_.size() > 2 ? forces_.size() - 3 : 0];
    double R_base_sensor[9], R_tool_sensor[9], weight[6], contact[6]{}, arm[3], field[3];
    multiply_transposed(config_.chain.X_flange_tool, config_.chain.X_flange_sensor, R_tool_sensor);
    multiply(now.R, R_tool_sensor, R_base_sensor);
    // The centre of mass is 0.24 m behind the mouth; what accelerates it is felt as late as the contact.
    std::array<double, 3> com;
    for (int i = 0; i < 3; ++i) com[static_cast<std::size_t>(i)] = now.p[i] - 0.24 * now.R[3 * i];
    coms_.push_back(com);
    const std::size_t n = coms_.size();
    for (std::size_t i = 0; i < 3; ++i) {
      const double a = n < 4 || !inertia ? 0.0 : (coms_[n - 2][i] - 2 * coms_[n - 3][i] + coms_[n - 4][i]) / 1e-6;
      field[i] = config_.chain.gravity_base_m_s2[i] - a;
    }
    gravity_wrench(R_base_sensor, {kMassKg, {0, 0, 0.16}}, field, weight);
    rotate_back(R_base_sensor, seen.data(), contact);
    const double lever[3] = {0, 0, 0.40};
    cross(lever, contact, arm);
    for (int i = 0; i < 6; ++i) {
      in.wrench[i] = weight[i] + contact[i] + (i < 3 ? 0.0 : arm[i - 3]) + noise_n * noise();
    }
    ++in.ft_sequence;
  }

  void move() {
    std::array<double, kAxes> command;
    std::copy_n(out.command, kAxes, command.begin());
    commands_.push_back(command);
    const std::size_t back = static_cast<std::size_t>(delay_ticks) + 1;
    const auto& target = commands_[commands_.size() >= back ? commands_.size() - back : 0];
    for (int i = 0; i < kAxes; ++i) {
      const bool belt = i == kBeltLeft || i == kBeltRight;
      const double next = belt ? in.q[i] + target[i] * 1e-3 : target[i];
      in.qd[i] = (next - in.q[i]) / 1e-3;
      in.q[i] = next;
    }
    ++in.tick;
    in.time_s += 1e-3;
  }

  double noise() {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(random_ >> 11) / 4503599627370496.0 - 1.0;
  }

  KernelConfig config_;
  std::vector<std::array<double, 3>> forces_{}, coms_{};
  std::vector<std::array<double, kAxes>> commands_{};
  std::uint64_t random_ = 1;
};

/// A straight path over `dx, dy, dz` from the commanded pose with constant speed between two ramps of 0.1 s.
inline void line(Segment& s, const State& state, double dx, double dy, double dz, double speed_m_s) {
  constexpr double kRamp = 0.1;
  Reference& r = s.reference[kGroupArm];
  r.kind = RefKind::kPath;
  std::copy_n(state.X_base_tool_cmd, 12, r.X_base_start);
  std::copy_n(state.X_base_tool_cmd, 12, r.X_base_goal);
  r.X_base_goal[9] += dx;
  r.X_base_goal[10] += dy;
  r.X_base_goal[11] += dz;
  const double length = std::sqrt(dx * dx + dy * dy + dz * dz);
  const double v = speed_m_s / length, a = v / kRamp;
  const double cruise = (1.0 - v * kRamp) / v;
  CHECK(cruise > 0.0);
  r.phase_count[0] = 3;
  r.phases[0][0] = {0, 0, 0, a, 0};
  r.phases[0][1] = {kRamp, 0.5 * v * kRamp, v, 0, 0};
  r.phases[0][2] = {kRamp + cruise, 0.5 * v * kRamp + v * cruise, v, -a, 0};
  r.duration_s = 2 * kRamp + cruise;
}

}  // namespace podhand::test
