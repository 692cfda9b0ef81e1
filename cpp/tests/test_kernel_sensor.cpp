/// Plausibility of the force/torque signal, compensation, tare.
#include "kernel_rig.hpp"

using namespace podhand;
using namespace podhand::test;

namespace {

/// Breaks the sensor 50 ticks into a segment; `spoil` runs before each tick.
template <typename Spoil>
Outcome with(Rig& rig, Spoil spoil) {
  rig.inertia = false;  // the plant below does not run the rig's sensor
  auto s = segment();
  line(*s, rig.kernel.state(), 0.1, 0, 0, 0.1);
  rig.submit(*s);
  rig.steps(300);
  Outcome o;
  for (int i = 0; i < 500; ++i) {
    Inputs broken = rig.in;
    spoil(broken, i);
    rig.kernel.tick(broken, rig.out);
    for (double value : rig.out.command) CHECK(std::isfinite(value));
    std::copy_n(rig.out.command, kAxes, rig.in.q);
    ++rig.in.tick;
    ++rig.in.ft_sequence;
    rig.in.wrench[0] += 1e-6;
    if (rig.kernel.take_outcome(o)) return o;
  }
  return Outcome{};
}

void expect(FtFault fault, void (*spoil)(Inputs&, int)) {
  Rig rig;
  const Outcome o = with(rig, spoil);
  CHECK(o.cause == Cause::kSensorInvalid);
  CHECK_NEAR(o.value, static_cast<double>(fault), 0);
  CHECK(rig.kernel.state().latched_fault == static_cast<std::uint32_t>(Cause::kSensorInvalid));
  rig.steps(5);
  CHECK_NEAR(rig.kernel.state().ft_fault, 0, 0);
  CHECK(rig.kernel.reset_fault().ok());
}

void faults_stop_motion() {
  expect(FtFault::kNotFinite, [](Inputs& in, int i) {
    if (i == 10) in.wrench[4] = kNan;
  });
  expect(FtFault::kSaturated, [](Inputs& in, int i) {
    if (i == 10) in.wrench[1] = 400;
  });
  expect(FtFault::kSaturated, [](Inputs& in, int i) {
    if (i == 10) in.ft_status = kFtSaturated;
  });
  expect(FtFault::kStatus, [](Inputs& in, int i) {
    if (i == 10) in.ft_status = kFtInvalid;
  });
  expect(FtFault::kStale, [](Inputs& in, int) { in.ft_sequence = 7; });
  expect(FtFault::kStale, [](Inputs& in, int i) {
    if (i == 10) in.ft_period_s = kNan;
  });
  expect(FtFault::kFrozen, [](Inputs& in, int) { std::fill_n(in.wrench, 6, 1.0); });
}

void slow_sensor_is_not_stale() {
  Rig rig;
  rig.in.ft_period_s = 8e-3;
  const Outcome o = with(rig, [](Inputs& in, int i) { in.ft_sequence = 1000u + static_cast<unsigned>(i) / 8; });
  CHECK(o.cause == Cause::kNone || o.cause == Cause::kReached);
}

void bad_reading_keeps_the_last_wrench() {
  Rig rig;
  rig.push[0] = -15;
  rig.steps(100);
  const double before = norm3(rig.kernel.state().F_tool);
  Inputs broken = rig.in;
  broken.wrench[0] = kInf;
  rig.kernel.tick(broken, rig.out);
  CHECK_NEAR(norm3(rig.kernel.state().F_tool), before, 0.0);
  CHECK(rig.kernel.state().ft_fault == static_cast<std::uint32_t>(FtFault::kNotFinite));
  CHECK(rig.kernel.state().latched_fault == 0);  // nothing moves, so nothing is latched
}

void weight_is_taken_out_in_every_pose() {
  Rig rig;
  rig.noise_n = 1e-9;
  rig.steps(100);
  CHECK(norm3(rig.kernel.state().F_tool) < 1e-6);
  auto s = segment();
  Reference& r = s->reference[kGroupArm];
  r.kind = RefKind::kTwist;
  r.twist[4] = 0.5;
  s->until[0] = compare(Op::kGreater, Signal::kTime, 0, 1.0);
  CHECK(rig.run(*s).cause == Cause::kUntil);
  rig.steps(100);
  CHECK(norm3(rig.kernel.state().F_tool) < 1e-3);
}

void force_at_the_mouth_is_a_force_without_torque() {
  Rig rig;
  rig.push[1] = 12;
  rig.steps(100);
  CHECK_NEAR(norm3(rig.kernel.state().F_tool), 12, 0.2);
  CHECK(norm3(rig.kernel.state().F_tool + 3) < 0.2);
}

void tare_takes_the_mean_out() {
  KernelConfig c = station();
  c.ft.bias[0] = 1.5;  // wrong on purpose
  c.ft.bias[5] = -0.3;
  Rig rig(c);
  rig.steps(50);
  CHECK(norm3(rig.kernel.state().F_tool) > 1.0);
  auto s = segment();
  s->tare = 1;
  s->until[0] = compare(Op::kGreater, Signal::kTime, 0, 0.3);
  CHECK(rig.run(*s).cause == Cause::kUntil);
  CHECK(norm3(rig.kernel.state().F_tool) < 0.1);
  CHECK(rig.kernel.state().parameter_generation == 8);
  rig.steps(200);
  CHECK(norm3(rig.kernel.state().F_tool) < 0.1);
}

void payload_changes_at_rest_only() {
  Rig rig;
  CHECK(rig.kernel.set_payload(2, {1.0, {0, 0, 0.1}}).ok());
  CHECK(rig.kernel.state().parameter_generation == 8);
  CHECK(!rig.kernel.set_payload(8, {1.0, {}}).ok());
  CHECK(!rig.kernel.set_payload(1, {kNan, {}}).ok());
  auto s = segment();
  rig.submit(*s, 1);
  rig.step();
  CHECK(rig.kernel.set_payload(2, {1.0, {}}).ok());  // the band arm feels none
  rig.submit(*s, 0);
  rig.step();
  CHECK(!rig.kernel.set_payload(2, {1.0, {}}).ok());
}

/// An item hangs in the paddles, and the segment that takes it as payload begins: no tick still feels the old payload.
void another_payload_leaves_no_transient() {
  constexpr double kItemKg = 1.0;
  Rig rig;
  rig.noise_n = 1e-9;
  CHECK(rig.kernel.set_payload(1, {kMassKg + kItemKg, {0, 0, 0.16}}).ok());
  rig.push[2] = -9.81 * kItemKg;
  rig.steps(100);
  CHECK_NEAR(norm3(rig.kernel.state().F_tool), 9.81 * kItemKg, 1e-6);
  auto s = segment();
  s->payload = 1;
  s->until[0] = compare(Op::kGreater, Signal::kForceRate, 0, 1.0);
  s->until[1] = compare(Op::kLess, Signal::kForceRate, 0, -1.0, 2);
  s->until[2] = compare(Op::kGreater, Signal::kTime, 0, 0.05, 3);
  const Outcome o = rig.run(*s);
  CHECK(o.cause == Cause::kUntil && o.code == 3);  // nor does a force seem to have come or gone
  CHECK(o.peak_force_norm_n < 1e-6);
  CHECK(o.peak_raw_force_norm_n < 1e-6);
}

}  // namespace

int main() {
  faults_stop_motion();
  slow_sensor_is_not_stale();
  bad_reading_keeps_the_last_wrench();
  weight_is_taken_out_in_every_pose();
  force_at_the_mouth_is_a_force_without_torque();
  tare_takes_the_mean_out();
  payload_changes_at_rest_only();
  another_payload_leaves_no_transient();
}
