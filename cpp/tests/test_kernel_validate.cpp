/// What the kernel refuses, and in which words.
#include "kernel_rig.hpp"

#include <cstring>

using namespace podhand;
using namespace podhand::test;

namespace {

template <typename Change>
void refuses_config(const char* words, Change change) {
  KernelConfig c = station();
  change(c);
  const Verdict v = validate(c);
  CHECK(!v.ok());
  if (std::strstr(v.rule, words) == nullptr) std::fprintf(stderr, "got: %s\n", v.rule);
  CHECK(std::strstr(v.rule, words) != nullptr);
  Kernel kernel;
  CHECK(!kernel.configure(c).ok());
}

void names_the_axis() {
  KernelConfig c = station();
  c.axis[kBlade].max_speed = 0;
  const Verdict v = validate(c);
  CHECK(v.where != nullptr && std::strcmp(v.where, "blade") == 0);
  c = station();
  c.tick_s = 1.0;
  CHECK(!validate(c).ok() && validate(c).where == nullptr);
}

template <typename Change>
void refuses(const char* words, Change change, int channel = 0) {
  const KernelConfig c = station();
  auto s = segment();
  CHECK(validate(c, s.get(), 1, channel).ok());
  change(*s);
  const Verdict v = validate(c, s.get(), 1, channel);
  if (v.ok()) std::fprintf(stderr, "accepted: %s\n", words);
  CHECK(!v.ok() && v.segment == 0);
  if (std::strstr(v.rule, words) == nullptr) std::fprintf(stderr, "got: %s\n", v.rule);
  CHECK(std::strstr(v.rule, words) != nullptr);
}

void configurations() {
  CHECK(validate(station()).ok());
  refuses_config("max_force_norm_n", [](KernelConfig& c) { c.safety.max_force_norm_n = 0; });
  refuses_config("max_force_norm_n", [](KernelConfig& c) { c.safety.max_force_norm_n = kNan; });
  refuses_config("max_speed", [](KernelConfig& c) { c.axis[kBlade].max_speed = 0; });
  refuses_config("max_position", [](KernelConfig& c) { c.axis[0].max_position = -7; });
  refuses_config("simulated", [](KernelConfig& c) {
    c.safety.simulated = 0;
    c.safety.limiter_enabled = 0;
  });
  refuses_config("simulated", [](KernelConfig& c) {
    c.safety.simulated = 0;
    c.safety.force_limits_enabled = 0;
  });
  refuses_config("X_flange_tool", [](KernelConfig& c) { c.chain.X_flange_tool[0] = 1; });
  refuses_config("joints", [](KernelConfig& c) { c.chain.joints = 5; });
  refuses_config("tick_s", [](KernelConfig& c) { c.tick_s = 0.01; });
  refuses_config("payload", [](KernelConfig& c) { c.payload[3].mass_kg = -1; });
}

void limits() {
  refuses("force_norm_n", [](Segment& s) { s.limits.force_norm_n = 101; });
  refuses("force_norm_n", [](Segment& s) { s.limits.force_norm_n = kInf; });
  refuses("torque_norm_n_m", [](Segment& s) { s.limits.torque_norm_n_m = 0; });
  refuses("force_n of an axis", [](Segment& s) { s.limits.force_n[1] = 0; });
  refuses("speed_m_s", [](Segment& s) { s.limits.speed_m_s = 2; });
  refuses("timeout_s", [](Segment& s) { s.timeout_s = 0; });
  refuses("axis_force", [](Segment& s) { s.limits.axis_force[kBlade] = 61; });
  refuses("damping_n_s_m", [](Segment& s) { s.limits.damping_n_s_m = 0; });
  refuses("payload", [](Segment& s) { s.payload = 8; });
}

void gates() {
  refuses("damping D must be given", [](Segment& s) { s.law[0] = {Law::kCompliant, {}, 5, 0, 100, 0, 0}; });
  refuses("below 0.5 kg", [](Segment& s) { s.law[0] = {Law::kCompliant, {}, 0.1, 300, 100, 0, 0}; });
  refuses("payload", [](Segment& s) { s.law[0] = {Law::kCompliant, {}, 1.0, 300, 100, 0, 0}; });
  refuses("damping ratio against", [](Segment& s) {
    s.law[0] = {Law::kCompliant, {}, 5, 60, 100, 0, 0};
    s.limits.contact_stiffness_n_m = 20e3;
    s.limits.speed_m_s = 0.02;
  });
  refuses("damping ratio of the yield", [](Segment& s) {
    s.limits.damping_n_s_m = 60;
    s.limits.contact_stiffness_n_m = 20e3;
    s.limits.speed_m_s = 0.02;
  });
  const auto soft = segment();
  soft->law[1] = {Law::kCompliant, {}, 5, 60, 100, 0, 0};
  soft->limits.contact_stiffness_n_m = 20e3;
  soft->limits.speed_m_s = 0.02;
  const Verdict v = validate(station(), soft.get(), 1, 0);
  CHECK(v.where != nullptr && std::strcmp(v.where, "along y") == 0);
  CHECK(v.value < 0.3 && v.low == 0.3);
  refuses("approach cap", [](Segment& s) { s.limits.contact_stiffness_n_m = 10e3; });
  refuses("80 %", [](Segment& s) { s.law[2] = {Law::kForce, {}, 0, 300, 0, 55, 0.05}; });
}

void references() {
  refuses("twist", [](Segment& s) {
    s.reference[kGroupArm].kind = RefKind::kTwist;
    s.reference[kGroupArm].twist[0] = 0.3;
  });
  refuses("not a pose", [](Segment& s) { s.reference[kGroupArm].kind = RefKind::kPath; });
  refuses("target", [](Segment& s) {
    s.reference[kGroupBlade].kind = RefKind::kTarget;
    s.reference[kGroupBlade].target[0] = 5;
    s.reference[kGroupBlade].target_speed = 0.1;
  });
  refuses("target_speed", [](Segment& s) { s.reference[kGroupBlade].kind = RefKind::kTarget; });
  refuses("force_n", [](Segment& s) {
    s.reference[kGroupSqueeze] = {};
    s.reference[kGroupSqueeze].kind = RefKind::kForce;
    s.reference[kGroupSqueeze].target_speed = 0.1;
    s.reference[kGroupSqueeze].force_n = 59;
  });
  refuses("belts", [](Segment& s) {
    s.reference[kGroupBelts].kind = RefKind::kTarget;
    s.reference[kGroupBelts].target[1] = 3;
  });
  refuses("slow_down", [](Segment& s) {
    s.reference[kGroupBelts].kind = RefKind::kTarget;
    s.reference[kGroupBelts].slow_down = -1;
  });
  refuses(
      "do not meet",
      [](Segment& s) {
        Reference& r = s.reference[kGroupBandArm];
        r.kind = RefKind::kProfile;
        r.dof = 3;
        r.duration_s = 1;
        for (int i = 0; i < 3; ++i) {
          r.phase_count[i] = 2;
          r.phases[i][1] = {0.5, 0.1, 0, 0, 0};
        }
      },
      1);
  refuses(
      "force reference",
      [](Segment& s) {
        s.reference[kGroupBandArm].kind = RefKind::kForce;
        s.reference[kGroupBandArm].target_speed = 0.1;
      },
      1);
  refuses("tare", [](Segment& s) {
    s.tare = 1;
    s.law[0] = {Law::kCompliant, {}, 5, 500, 0, 0, 0};
  });
}

void conditions() {
  refuses("operands", [](Segment& s) {
    s.until[0] = compare(Op::kGreater, Signal::kForce, 0, 1);
    s.until[0].nodes[1].op = Op::kAnd;
    s.until[0].node_count = 2;
  });
  refuses("exactly one", [](Segment& s) {
    s.until[0] = compare(Op::kGreater, Signal::kForce, 0, 1);
    s.until[0].nodes[1] = s.until[0].nodes[0];
    s.until[0].node_count = 2;
  });
  refuses("index", [](Segment& s) { s.until[0] = compare(Op::kGreater, Signal::kForce, 6, 1); });
  refuses("threshold", [](Segment& s) { s.until[0] = compare(Op::kGreater, Signal::kForce, 0, kNan); });
  refuses("node_count", [](Segment& s) { s.until[0].node_count = 13; });
  refuses("retreat_m", [](Segment& s) {
    s.reflex[0].condition = compare(Op::kGreater, Signal::kForce, 0, 1);
    s.reflex[0].reaction = Reaction::kStopAndRetreat;
    s.reflex[0].retreat_m = 0.006;
  });
}

void chains() {
  const KernelConfig c = station();
  std::vector<Segment> chain(kMaxSegments + 1, *segment());
  CHECK(!validate(c, chain.data(), chain.size(), 0).ok());
  CHECK(!validate(c, chain.data(), 0, 0).ok());
  CHECK(validate(c, chain.data(), kMaxSegments, 0).ok());
  chain[3].timeout_s = kNan;
  CHECK(validate(c, chain.data(), kMaxSegments, 0).segment == 3);
}

}  // namespace

int main() {
  configurations();
  limits();
  names_the_axis();
  gates();
  references();
  conditions();
  chains();
}
