/// Chains, references, endings.
#include "kernel_rig.hpp"

using namespace podhand;
using namespace podhand::test;

namespace {

void hold_ends_by_until_and_does_not_move() {
  Rig rig;
  const Outputs before = rig.out;
  auto s = segment();
  s->until[2] = compare(Op::kGreater, Signal::kTime, 0, 0.1, 42);
  const Outcome o = rig.run(*s);
  CHECK(o.cause == Cause::kUntil && o.condition == 2 && o.code == 42);
  CHECK_NEAR(o.duration_s, 0.101, 1.1e-3);
  for (int i = 0; i < kAxes; ++i) CHECK(rig.out.command[i] == before.command[i]);
  CHECK(rig.kernel.state().chain[0] == 0);
}

void targets_are_reached_within_limits() {
  Rig rig;
  auto s = segment();
  s->reference[kGroupSqueeze].kind = RefKind::kTarget;
  s->reference[kGroupSqueeze].target[0] = 0.02;
  s->reference[kGroupSqueeze].target_speed = 0.1;
  s->reference[kGroupBelts].kind = RefKind::kTarget;
  s->reference[kGroupBelts].target[0] = 0.3;
  s->reference[kGroupBelts].target[1] = -0.2;
  rig.submit(*s);
  double fastest = 0.0, previous = rig.out.command[kSqueeze], belt = 0.0;
  Outcome o;
  while (!rig.kernel.take_outcome(o)) {
    rig.step();
    fastest = std::max(fastest, std::fabs(rig.out.command[kSqueeze] - previous) / 1e-3);
    previous = rig.out.command[kSqueeze];
    belt = std::max(belt, rig.out.command[kBeltLeft]);
  }
  CHECK(o.cause == Cause::kReached);
  CHECK_NEAR(o.q_end[kSqueeze], 0.02, 6e-5);
  CHECK(fastest <= 0.1 + 1e-9 && fastest > 0.095);
  CHECK_NEAR(belt, 0.3, 1e-9);
  rig.steps(200);
  CHECK(rig.out.command[kBeltLeft] == 0.0 && rig.out.command[kBeltRight] == 0.0);
}

/// Belts that hold something heavy start and stop more slowly than the axis could: the sensor feels what that takes.
void belts_change_speed_as_fast_as_asked() {
  Rig rig;
  auto s = segment();
  s->reference[kGroupBelts].kind = RefKind::kTarget;
  s->reference[kGroupBelts].target[0] = s->reference[kGroupBelts].target[1] = 0.3;
  s->reference[kGroupBelts].speed_up = 1.0;
  s->reference[kGroupBelts].slow_down = 2.0;
  s->until[0] = compare(Op::kGreater, Signal::kTime, 0, 0.6);
  rig.submit(*s);
  double before = 0.0, up = 0.0, down = 0.0, fastest = 0.0;
  for (int tick = 0; tick < 1200; ++tick) {
    rig.step();
    const double now = rig.out.command[kBeltLeft];
    up = std::max(up, (now - before) / 1e-3);
    down = std::max(down, (before - now) / 1e-3);
    fastest = std::max(fastest, now);
    before = now;
  }
  CHECK_NEAR(fastest, 0.3, 1e-9);
  CHECK_NEAR(up, 1.0, 1e-6);
  CHECK_NEAR(down, 2.0, 1e-6);
  CHECK(before == 0.0);
}

void path_ends_on_its_goal() {
  Rig rig;
  auto s = segment();
  line(*s, rig.kernel.state(), 0.08, -0.05, 0.06, 0.2);
  const Outcome o = rig.run(*s);
  CHECK(o.cause == Cause::kReached);
  for (int i = 0; i < 12; ++i) CHECK_NEAR(o.X_base_tool[i], s->reference[kGroupArm].X_base_goal[i], 1e-4);
  CHECK_NEAR(o.duration_s, s->reference[kGroupArm].duration_s, 5e-3);
}

void profile_follows_its_phases() {
  Rig rig;
  auto s = segment();
  Reference& r = s->reference[kGroupArm];
  r.kind = RefKind::kProfile;
  r.dof = 6;
  r.duration_s = 2.0;
  for (int j = 0; j < 6; ++j) {
    r.phase_count[j] = 2;
    const double q = rig.out.command[j];
    r.phases[j][0] = {0, q, 0, 0.05, 0};
    r.phases[j][1] = {1, q + 0.025, 0.05, -0.05, 0};
  }
  const Outcome o = rig.run(*s);
  CHECK(o.cause == Cause::kReached);
  CHECK_NEAR(o.duration_s, 2.0, 5e-3);
  for (int j = 0; j < 6; ++j) CHECK_NEAR(o.q_end[j], kHome[j] + 0.05, 1e-5);
}

void band_arm_runs_beside_the_arm() {
  Rig rig;
  auto arm = segment(), band = segment();
  line(*arm, rig.kernel.state(), 0.05, 0, 0, 0.1);
  band->reference[kGroupBandArm].kind = RefKind::kTarget;
  band->reference[kGroupBandArm].target[2] = -0.1;
  band->reference[kGroupBandArm].target_speed = 0.3;
  rig.submit(*arm, 0);
  rig.submit(*band, 1);
  const Outcome first = rig.finish(), second = rig.finish();
  CHECK(first.cause == Cause::kReached && second.cause == Cause::kReached);
  CHECK(first.channel + second.channel == 1);
}

void chain_changes_segment_in_one_tick() {
  Rig rig;
  auto a = segment();
  Reference& r = a->reference[kGroupArm];
  r.kind = RefKind::kTwist;
  r.twist[0] = 0.1;
  a->until[0] = compare(Op::kGreater, Signal::kTravel, 0, 0.03);
  std::vector<Segment> chain{*a, *a};
  chain[1].reference[kGroupArm] = Reference{};
  chain[1].until[0] = compare(Op::kGreater, Signal::kTime, 0, 0.2);
  CHECK(rig.kernel.submit(0, chain.data(), 2).ok());
  const Outcome first = rig.finish();
  CHECK(first.cause == Cause::kUntil && first.segment == 0 && first.stop_time_s == 0.0);
  CHECK(rig.kernel.state().segment[0] == 1);
  double v = norm3(rig.kernel.state().V_tool), previous = v;
  CHECK(v > 0.09);  // it did not stop in between
  for (int i = 0; i < 150; ++i) {
    rig.step();
    v = norm3(rig.kernel.state().V_tool);
    CHECK(v <= previous + 1e-6);  // it ramps down, smoothly
    previous = v;
  }
  CHECK(v < 1e-4);
  const Outcome second = rig.finish();
  CHECK(second.cause == Cause::kUntil && second.segment == 1);
  CHECK_NEAR(static_cast<double>(second.start_tick), static_cast<double>(first.end_tick), 0);
}

void timeout_and_cancel_stop_smoothly() {
  for (const bool cancel : {false, true}) {
    Rig rig;
    auto s = segment();
    s->reference[kGroupArm].kind = RefKind::kTwist;
    s->reference[kGroupArm].twist[2] = 0.2;
    s->timeout_s = cancel ? 5.0 : 0.4;
    rig.submit(*s);
    rig.steps(400);
    if (cancel) rig.kernel.cancel(0);
    double v = norm3(rig.kernel.state().V_tool), hardest = 0.0;
    Outcome o;
    while (!rig.kernel.take_outcome(o)) {
      rig.step();
      const double now = norm3(rig.kernel.state().V_tool);
      hardest = std::max(hardest, (v - now) / 1e-3);
      v = now;
    }
    CHECK(o.cause == (cancel ? Cause::kCancelled : Cause::kTimeout));
    CHECK(o.stop_time_s > 0.05 && o.stop_time_s < 0.25);
    CHECK(hardest < 2.5);
    CHECK(v < 1e-3);
  }
}

void wrong_start_is_a_failed_precondition() {
  Rig rig;
  auto s = segment();
  line(*s, rig.kernel.state(), 0.1, 0, 0, 0.1);
  s->reference[kGroupArm].X_base_start[10] += 0.004;
  const Outcome o = rig.run(*s);
  CHECK(o.cause == Cause::kPrecondition);
  CHECK_NEAR(o.value, 0.004, 1e-4);
  auto t = segment();
  t->require[0] = compare(Op::kGreater, Signal::kSlow, kItemInPaddles, 0.5, 9);
  const Outcome p = rig.run(*t);
  CHECK(p.cause == Cause::kPrecondition && p.code == 9);
}

void rolled_back_by_reset(Rig& rig) {
  CHECK(rig.kernel.reset_fault().ok());
  auto s = segment();
  s->until[0] = compare(Op::kGreater, Signal::kTime, 0, 0.01);
  CHECK(rig.run(*s).cause == Cause::kUntil);
}

/// What squeezes an item stays deeper than the paddles can come, also through a reset.
void reset_keeps_the_grip() {
  Rig rig;
  auto s = segment();
  s->reference[kGroupSqueeze].kind = RefKind::kTarget;
  s->reference[kGroupSqueeze].target[0] = 0.08;
  s->reference[kGroupSqueeze].target_speed = 0.05;
  CHECK(rig.run(*s).cause == Cause::kReached);
  const double set_point = rig.out.command[kSqueeze];
  const auto held_open = [&rig](double opening) {
    rig.in.q[kSqueeze] = opening;
    rig.in.safety = 1;
    rig.kernel.tick(rig.in, rig.out);
    rig.in.safety = kSafetyOk;
    rig.kernel.tick(rig.in, rig.out);
    CHECK(rig.kernel.reset_fault().ok());
    rig.kernel.tick(rig.in, rig.out);
    return rig.out.command[kSqueeze];
  };
  CHECK_NEAR(held_open(0.09), set_point, 1e-12);  // an item of 9 cm between the paddles
  CHECK_NEAR(held_open(0.50), 0.50, 1e-12);       // further than any grip: begin where they stand
}

void axis_and_emergency_faults_latch() {
  Rig rig;
  auto s = segment();
  line(*s, rig.kernel.state(), 0.1, 0, 0, 0.1);
  rig.submit(*s);
  rig.steps(300);
  rig.in.axis_valid &= ~(1u << 3);
  Outcome o = rig.finish();
  CHECK(o.cause == Cause::kAxisInvalid);
  CHECK_NEAR(o.value, 3, 0);
  CHECK(!rig.kernel.submit(0, s.get(), 1).ok());
  CHECK(!rig.kernel.reset_fault().ok());
  rig.in.axis_valid = 0x3fff;
  rig.step();
  rolled_back_by_reset(rig);

  line(*s, rig.kernel.state(), -0.05, 0, 0, 0.1);
  rig.submit(*s);
  rig.steps(300);
  rig.in.safety = kEmergencyStop;
  o = rig.finish();
  CHECK(o.cause == Cause::kEmergencyStop);
  CHECK(rig.out.stop_request == 1);
  rig.in.safety = 0;
  rig.step();
  CHECK(rig.kernel.state().latched_fault == static_cast<std::uint32_t>(Cause::kEmergencyStop));
  rolled_back_by_reset(rig);
}

void other_channel_holds_on_a_reflex() {
  for (const bool alone : {false, true}) {
    Rig rig;
    auto arm = segment(), band = segment();
    arm->reflex[0].condition = compare(Op::kGreater, Signal::kTime, 0, 0.1);
    band->reference[kGroupBandArm].kind = RefKind::kTarget;
    band->reference[kGroupBandArm].target[2] = -0.4;
    band->reference[kGroupBandArm].target_speed = 0.2;
    band->continue_other = alone;
    rig.submit(*arm, 0);
    rig.submit(*band, 1);
    const Outcome a = rig.finish(), b = rig.finish();
    CHECK(a.cause == Cause::kReflex && a.channel == 0);
    CHECK(b.cause == (alone ? Cause::kReached : Cause::kOtherChannel) && b.channel == 1);
  }
}

void digital_outputs_follow_time() {
  Rig rig;
  auto s = segment();
  s->digital[0] = {0.05, 1, 1, 1, {}};
  s->digital[1] = {0.10, 1, 0, 1, {}};
  s->until[0] = compare(Op::kGreater, Signal::kTime, 0, 0.2);
  rig.submit(*s);
  rig.steps(40);
  CHECK(rig.out.digital == 0);
  rig.steps(30);
  CHECK(rig.out.digital == 2);
  rig.steps(50);
  CHECK(rig.out.digital == 0);
}

void late_ticks_are_counted_and_following_errors_stop() {
  Rig rig;
  auto s = segment();
  s->until[0] = compare(Op::kGreater, Signal::kTime, 0, 0.05);
  rig.submit(*s);
  rig.steps(5);
  rig.in.dt_s = 5e-3;
  rig.steps(3);
  rig.in.dt_s = 1e-3;
  CHECK(rig.finish().late_ticks == 3);
  rig.in.q[2] += 0.3;
  rig.delay_ticks = 100000;  // the arm does not come back
  rig.step();
  CHECK(rig.kernel.state().latched_fault == static_cast<std::uint32_t>(Cause::kFollowingError));
}

void chain_without_readings_ends() {
  Kernel kernel;
  CHECK(kernel.configure(station()).ok());
  auto s = segment();
  CHECK(kernel.submit(0, s.get(), 1).ok());
  Inputs in{};
  Outputs out{};
  Outcome o;
  for (int i = 0; i < 99; ++i) kernel.tick(in, out);
  CHECK(!kernel.take_outcome(o));
  kernel.tick(in, out);
  CHECK(kernel.take_outcome(o) && o.cause == Cause::kAxisInvalid);
  CHECK(kernel.state().chain[0] == 0);
}

/// Outwards from a place near the end of joint 1: the limiter brakes, the outcome names the axis.
void joint_limit_ends_the_motion() {
  KernelConfig c = station();
  c.axis[0].max_position = kHome[0] + 0.05;
  Rig rig(c);
  auto s = segment();
  s->reference[kGroupArm].kind = RefKind::kTwist;
  s->frame = FrameKind::kFixed;
  constexpr double kEye[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  pose(s->X_base_frame, kEye, 0, 0, 0);
  s->reference[kGroupArm].twist[0] = 0.05;
  s->reference[kGroupArm].twist[1] = -0.15;
  s->timeout_s = 8;
  const Outcome o = rig.run(*s);
  CHECK(o.cause == Cause::kJointLimit);
  CHECK_NEAR(o.value, 0, 0);
  CHECK(o.q_end[0] <= c.axis[0].max_position && o.q_end[0] > c.axis[0].max_position - 0.01);
}

void same_inputs_give_the_same_bits() {
  std::vector<Inputs> inputs;
  std::vector<Outputs> outputs;
  auto s = segment();
  {
    Rig rig;
    line(*s, rig.kernel.state(), 0.05, 0.02, 0, 0.1);
    s->law[1] = {Law::kCompliant, {}, 4, 400, 200, 0, 0};
    inputs.push_back(rig.in);
  }
  Rig first, second;
  first.submit(*s);
  for (int i = 0; i < 800; ++i) {
    first.step();
    outputs.push_back(first.out);
  }
  second.submit(*s);
  for (int i = 0; i < 800; ++i) {
    second.step();
    CHECK(std::memcmp(&second.out, &outputs[static_cast<std::size_t>(i)], sizeof(Outputs)) == 0);
  }
}

}  // namespace

int main() {
  hold_ends_by_until_and_does_not_move();
  targets_are_reached_within_limits();
  belts_change_speed_as_fast_as_asked();
  path_ends_on_its_goal();
  profile_follows_its_phases();
  band_arm_runs_beside_the_arm();
  chain_changes_segment_in_one_tick();
  timeout_and_cancel_stop_smoothly();
  wrong_start_is_a_failed_precondition();
  reset_keeps_the_grip();
  axis_and_emergency_faults_latch();
  other_channel_holds_on_a_reflex();
  digital_outputs_follow_time();
  late_ticks_are_counted_and_following_errors_stop();
  chain_without_readings_ends();
  joint_limit_ends_the_motion();
  same_inputs_give_the_same_bits();
}
