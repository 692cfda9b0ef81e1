/// Force limits, laws, reflexes against a simulated contact.
#include "kernel_rig.hpp"

using namespace podhand;
using namespace podhand::test;

namespace {

double tool_x(const Rig& rig) { return rig.kernel.state().X_base_tool[9]; }

/// 0.1 m/s into a wall of 10 kN/m, 4 ms behind: the filtered force stays under the limit, path time stands.
void wall_is_met_within_the_limit() {
  for (const bool rigid : {true, false}) {
    Rig rig;
    rig.wall_x = tool_x(rig) + 0.03;
    auto s = segment();
    s->limits.force_norm_n = 50;
    s->limits.speed_m_s = 0.1;
    s->limits.acceleration_m_s2 = 4;
    s->limits.contact_stiffness_n_m = 10e3;
    s->limits.damping_n_s_m = 300;
    s->timeout_s = 2.5;
    s->frame = FrameKind::kFixed;
    constexpr double kEye[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    pose(s->X_base_frame, kEye, 0, 0, 0);
    if (!rigid) s->law[0] = {Law::kCompliant, {}, 5, 400, 500, 0, 0};
    line(*s, rig.kernel.state(), 0.10, 0, 0, 0.1);
    const Outcome o = rig.run(*s);
    std::printf("wall %s: ratio %.3f raw peak %.1f N cause %u progress %.2f\n", rigid ? "rigid" : "compliant",
                o.max_force_ratio, o.peak_raw_force_norm_n, static_cast<unsigned>(o.cause),
                rig.kernel.state().path_progress[0]);
    CHECK(o.cause == Cause::kTimeout);
    CHECK(o.max_force_ratio <= 1.0 && o.max_force_ratio > 0.5);
    CHECK(rig.peak_filtered <= 50.0);
    CHECK(rig.kernel.state().path_progress[0] < (rigid ? 0.5 : 0.9));
  }
}

void contact_until_stops_gently() {
  Rig rig;
  rig.wall_x = tool_x(rig) + 0.02;
  auto s = segment();
  s->reference[kGroupArm].kind = RefKind::kTwist;
  s->frame = FrameKind::kFixed;
  constexpr double kEye[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  pose(s->X_base_frame, kEye, 0, 0, 0);
  s->reference[kGroupArm].twist[0] = 0.04;
  s->until[0] = compare(Op::kLess, Signal::kForce, 0, -5.0);
  const Outcome o = rig.run(*s);
  CHECK(o.cause == Cause::kUntil && o.value < -5.0);
  CHECK(o.max_force_ratio < 1.0);
}

/// The world hits the tool: the kernel says so and stands.
void sudden_force_over_130_percent_stops() {
  Rig rig;
  auto s = segment();
  rig.submit(*s);
  rig.steps(50);
  rig.push[0] = -90;
  const Outcome o = rig.finish();
  CHECK(o.cause == Cause::kForceLimit && o.condition == 3);
  CHECK(o.value > 1.3 * 60 && o.max_force_ratio > 1.3);
}

void lasting_force_over_the_limit_stops_after_30_ms() {
  Rig rig;
  auto s = segment();
  rig.submit(*s);
  rig.steps(50);
  rig.push[2] = 66;
  rig.steps(40);
  const Outcome o = rig.finish();
  CHECK(o.cause == Cause::kForceLimit);
  CHECK(o.duration_s > 0.075 && o.duration_s < 0.12);
}

void yields_above_80_percent() {
  Rig rig;
  auto s = segment();
  const double before = rig.kernel.state().X_base_tool[11];
  rig.submit(*s);
  rig.steps(20);
  rig.push[2] = 54;  // 90 % of 60 N: (54 - 48) / 500 = 12 mm/s
  rig.steps(1000);
  CHECK_NEAR(rig.kernel.state().X_base_tool[11] - before, 0.012, 0.002);
  rig.push[2] = 0;
  rig.steps(3000);
  CHECK_NEAR(rig.kernel.state().X_base_tool[11], before, 1e-3);  // rigid axes come back
}

void reflex_retreats_and_no_further() {
  Rig rig;
  rig.wall_x = tool_x(rig) + 0.02;
  rig.wall_stiffness = 5e3;
  auto s = segment();
  s->reference[kGroupArm].kind = RefKind::kTwist;
  s->frame = FrameKind::kFixed;
  constexpr double kEye[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  pose(s->X_base_frame, kEye, 0, 0, 0);
  s->reference[kGroupArm].twist[0] = 0.05;
  s->reflex[1].condition = compare(Op::kGreater, Signal::kForceNorm, 0, 12.0, 5);
  s->reflex[1].reaction = Reaction::kStopAndRetreat;
  s->reflex[1].retreat_m = 0.004;
  rig.submit(*s);
  double deepest = -1.0;
  Outcome o;
  while (!rig.kernel.take_outcome(o)) {
    rig.step();
    deepest = std::max(deepest, tool_x(rig));
  }
  CHECK(o.cause == Cause::kReflex && o.condition == 1 && o.code == 5);
  rig.steps(20);
  const double back = deepest - tool_x(rig);
  CHECK(back > 5e-4 && back <= 0.0042);
  CHECK(norm3(rig.kernel.state().F_tool) < 8.0);
  CHECK(rig.kernel.submit(0, s.get(), 1).ok());  // a reflex is no fault
}

void hooked_tool_is_not_torn_back() {
  Rig rig;
  auto s = segment();
  s->reflex[0].condition = compare(Op::kGreater, Signal::kForceNorm, 0, 15.0);
  s->reflex[0].reaction = Reaction::kStopAndRetreat;
  s->reflex[0].retreat_m = 0.005;
  rig.submit(*s);
  rig.steps(20);
  rig.push[0] = -20;
  const double before = tool_x(rig);
  Outcome o;
  for (int i = 0; !rig.kernel.take_outcome(o); ++i) {
    rig.step();
    rig.push[0] -= 0.5;  // rises while the tool retreats
    CHECK(i < 2000);
  }
  CHECK(o.cause == Cause::kReflex);
  CHECK(std::fabs(tool_x(rig) - before) < 0.002);
}

void compliant_axis_settles_where_the_spring_says() {
  Rig rig;
  auto s = segment();
  const double before = rig.kernel.state().X_base_tool[11];
  s->frame = FrameKind::kFixed;
  constexpr double kEye[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  pose(s->X_base_frame, kEye, 0, 0, 0);
  s->law[2] = {Law::kCompliant, {}, 4, 300, 1000, 0, 0};
  rig.submit(*s);
  rig.steps(20);
  rig.push[2] = -10;
  rig.steps(2500);
  CHECK_NEAR(rig.kernel.state().X_base_tool[11] - before, -0.010, 5e-4);
}

void force_law_seeks_its_force() {
  Rig rig;
  rig.wall_x = tool_x(rig) + 0.01;
  rig.wall_stiffness = 5e3;
  auto s = segment();
  s->frame = FrameKind::kFixed;
  constexpr double kEye[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  pose(s->X_base_frame, kEye, 0, 0, 0);
  s->law[0] = {Law::kForce, {}, 0, 300, 0, -10.0, 0.05};
  s->limits.contact_stiffness_n_m = 5e3;
  s->limits.speed_m_s = 0.1;
  rig.submit(*s);
  rig.steps(2000);
  CHECK_NEAR(rig.kernel.state().F_tool[0], -10.0, 0.5);
}

void squeeze_servo_exerts_its_force() {
  Rig rig;
  auto s = segment();
  Reference& r = s->reference[kGroupSqueeze];
  r.kind = RefKind::kForce;
  r.force_n = -20;
  r.target_speed = 0.05;
  rig.submit(*s);
  for (int i = 0; i < 4000; ++i) {
    rig.in.tau[kSqueeze] = std::min(0.0, (rig.in.q[kSqueeze] - 0.06) * 8000);  // an item 60 mm wide
    rig.step();
  }
  CHECK_NEAR(rig.in.tau[kSqueeze], -20, 0.5);
}

void limits_off_are_reported_not_acted_upon() {
  KernelConfig c = station();
  c.safety.force_limits_enabled = 0;
  Rig rig(c);
  auto s = segment();
  s->timeout_s = 0.3;
  rig.submit(*s);
  rig.steps(50);
  rig.push[0] = -90;
  const Outcome o = rig.finish();
  CHECK(o.cause == Cause::kTimeout && o.max_force_ratio > 1.4);
}

void blade_is_stopped_by_its_own_force() {
  Rig rig;
  auto s = segment();
  Reference& r = s->reference[kGroupBlade];
  r.kind = RefKind::kTarget;
  r.target[0] = 0.3;
  r.target_speed = 0.1;
  s->limits.axis_force[kBlade] = 20;
  s->timeout_s = 3;
  rig.submit(*s);
  Outcome o;
  while (!rig.kernel.take_outcome(o)) {
    rig.in.tau[kBlade] = std::max(0.0, (rig.in.q[kBlade] - 0.1) * 3000);
    rig.step();
  }
  CHECK(o.cause == Cause::kTimeout);
  CHECK(o.max_axis_force[kBlade] <= 20.0 && o.max_axis_force[kBlade] > 12.0);
}

}  // namespace

int main() {
  wall_is_met_within_the_limit();
  contact_until_stops_gently();
  sudden_force_over_130_percent_stops();
  lasting_force_over_the_limit_stops_after_30_ms();
  yields_above_80_percent();
  reflex_retreats_and_no_further();
  hooked_tool_is_not_torn_back();
  compliant_axis_settles_where_the_spring_says();
  force_law_seeks_its_force();
  squeeze_servo_exerts_its_force();
  limits_off_are_reported_not_acted_upon();
  blade_is_stopped_by_its_own_force();
}
