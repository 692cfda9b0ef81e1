/// Judges configurations and chains before they are taken. Not real-time.
#include <podhand/damping_gate.hpp>
#include <podhand/kernel.hpp>

#include "group_motion.hpp"
#include "linear.hpp"

#include <limits>

namespace podhand {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLargest = 1e9;  // no quantity of a workcell is larger
constexpr double kMaxTimeoutS = 600.0;
constexpr double kMaxRetreatM = 0.005;
constexpr double kMinMassKg = 0.5;
constexpr double kMinInertiaKgM2 = 1e-3;
constexpr double kJointM = 1e-6;  // two phases of a profile must meet this closely [rad or m]
constexpr double kSpeedSlack = 1.001;
constexpr double kAnyForce = 1e5;

constexpr const char* kAxisName[kAxes] = {"arm_0",   "arm_1",     "arm_2",      "arm_3", "arm_4",  "arm_5",  "arm_6",
                                          "squeeze", "belt_left", "belt_right", "blade", "band_x", "band_y", "band_z"};
constexpr const char* kLawAxisName[6] = {"along x", "along y", "along z", "about x", "about y", "about z"};

/// Collects the first finding: each rule is one line where it is used.
class Judge {
 public:
  explicit Judge(int segment = -1) noexcept : segment_(segment) {}
  [[nodiscard]] bool ok() const noexcept { return verdict_.ok(); }
  [[nodiscard]] const Verdict& verdict() const noexcept { return verdict_; }
  void segment(int index) noexcept { segment_ = index; }
  /// What the next findings are about; nullptr: no axis.
  void about(const char* where) noexcept { where_ = where; }

  void within(const char* rule, double value, double low, double high) noexcept {
    if (ok() && !(value >= low && value <= high)) verdict_ = {rule, segment_, value, low, high, where_};
  }
  /// Above zero, at most `high`.
  void positive(const char* rule, double value, double high = kLargest) noexcept {
    within(rule, value, std::numeric_limits<double>::min(), high);
  }
  /// Infinity says that there is no such limit.
  void limit(const char* rule, double value, double high) noexcept {
    if (value != kInfinity) positive(rule, value, high);
  }
  void must(const char* rule, bool holds, double value = 0.0) noexcept {
    if (ok() && !holds) verdict_ = {rule, segment_, value, 0.0, 0.0, where_};
  }

 private:
  Verdict verdict_{};
  int segment_;
  const char* where_{nullptr};
};

void judge_pose(Judge& judge, const char* rule, const double X[12]) noexcept {
  for (int i = 0; i < 12; ++i) judge.within(rule, X[i], -100.0, 100.0);
  double gram[9];
  multiply_transposed(X, X, gram);
  for (int i = 0; i < 9; ++i) judge.within(rule, gram[i], (i % 4 == 0) - 1e-6, (i % 4 == 0) + 1e-6);
  double normal[3];
  cross(X, X + 3, normal);
  judge.within(rule, dot3(normal, X + 6), 0.5, 1.5);
}

// ---- configuration ----------------------------------------------------------------------------------------------

void judge_axis(Judge& judge, const AxisConfig& axis, int index) noexcept {
  judge.positive("axis: max_speed must be finite and > 0", axis.max_speed, 100.0);
  judge.positive("axis: max_acceleration must be finite and > 0", axis.max_acceleration, 1e5);
  judge.positive("axis: max_jerk must be finite and > 0", axis.max_jerk, 1e7);
  judge.positive("axis: max_force must be finite and > 0", axis.max_force, kAnyForce);
  if (is_belt(index)) return;
  judge.within("axis: min_position", axis.min_position, -100.0, 100.0);
  judge.within("axis: max_position must be above min_position", axis.max_position, axis.min_position + 1e-6, 100.0);
  judge.positive("axis: max_following_error must be finite and > 0", axis.max_following_error, 10.0);
}

void judge_ft(Judge& judge, const FtConfig& ft) noexcept {
  for (double bias : ft.bias) judge.within("ft: bias", bias, -kAnyForce, kAnyForce);
  judge.positive("ft: range_force_n must be finite and > 0", ft.range_force_n, kAnyForce);
  judge.positive("ft: range_torque_n_m must be finite and > 0", ft.range_torque_n_m, kAnyForce);
  judge.within("ft: filter_time_constant_s", ft.filter_time_constant_s, 0.0, 0.1);
  judge.within("ft: max_age_periods", ft.max_age_periods, 1.0, 1000.0);
  judge.within("ft: frozen_periods", ft.frozen_periods, 2.0, 1e6);
  judge.within("ft: loop_delay_s (measure it)", ft.loop_delay_s, 0.0, 0.1);
}

void judge_safety(Judge& judge, const SafetyConfig& safety) noexcept {
  judge.positive("safety: max_force_norm_n must be finite and > 0", safety.max_force_norm_n, kAnyForce);
  judge.positive("safety: max_torque_norm_n_m must be finite and > 0", safety.max_torque_norm_n_m, kAnyForce);
  judge.positive("safety: max_tool_speed_m_s must be finite and > 0", safety.max_tool_speed_m_s, 10.0);
  judge.positive("safety: axis_max_age_s must be finite and > 0", safety.axis_max_age_s, 1.0);
  judge.must("safety: only a simulated station may switch the limiter off", safety.limiter_enabled || safety.simulated);
  judge.must("safety: only a simulated station may switch the force limits off",
             safety.force_limits_enabled || safety.simulated);
}

void judge_payload(Judge& judge, const PayloadConfig& payload) noexcept {
  judge.within("payload: mass_kg", payload.mass_kg, 0.0, 100.0);
  for (double component : payload.com_sensor_m) judge.within("payload: com_sensor_m", component, -2.0, 2.0);
}

// ---- conditions -------------------------------------------------------------------------------------------------

/// Number of values of a signal, so that `index` stays inside.
int signal_size(Signal signal) noexcept {
  switch (signal) {
    case Signal::kForce:
      return 6;
    case Signal::kToolPosition:
      return 3;
    case Signal::kAxisPosition:
    case Signal::kAxisSpeed:
    case Signal::kAxisForce:
      return kAxes;
    case Signal::kSlow:
      return kSlowSignals;
    default:
      return 1;
  }
}

void judge_condition(Judge& judge, const Condition& condition) noexcept {
  judge.within("condition: node_count", condition.node_count, 0, kMaxNodes);
  if (!judge.ok() || condition.node_count == 0) return;
  judge.within("condition: debounce_s", condition.debounce_s, 0.0, 60.0);
  int depth = 0;
  for (std::uint32_t i = 0; i < condition.node_count && judge.ok(); ++i) {
    const Node& node = condition.nodes[i];
    judge.within("condition: unknown operation", static_cast<double>(node.op), 0, static_cast<double>(Op::kRising));
    if (node.op == Op::kGreater || node.op == Op::kLess) {
      const double last = static_cast<double>(Signal::kTravelSpeed);
      judge.within("condition: unknown signal", static_cast<double>(node.signal), 0, last);
      judge.within("condition: index of the signal", node.index, 0, signal_size(node.signal) - 1);
      judge.within("condition: threshold", node.value, -kLargest, kLargest);
      judge.within("condition: hysteresis", node.hysteresis, 0.0, kLargest);
      ++depth;
    } else {
      const int operands = node.op == Op::kAnd || node.op == Op::kOr ? 2 : 1;
      judge.within("condition: operands on the stack", depth, operands, kMaxNodes);
      depth -= operands - 1;
    }
  }
  judge.within("condition: must leave exactly one value", depth, 1, 1);
}

// ---- references -------------------------------------------------------------------------------------------------

/// Checks one row of phases: finite, in order, without jumps, inside `low..high`, not faster than `max_speed`.
void judge_phases(Judge& judge, const Reference& reference, int row, double low, double high,
                  double max_speed) noexcept {
  const std::uint32_t count = reference.phase_count[row];
  const Phase* phases = reference.phases[row];
  judge.within("profile: phase_count", count, 1, kMaxPhases);
  for (std::uint32_t i = 0; i < count && judge.ok(); ++i) {
    const double end = i + 1 < count ? phases[i + 1].t0_s : reference.duration_s;
    judge.within("profile: phases must follow each other in time", phases[i].t0_s, 0.0, end + 1e-9);
    for (double value : {phases[i].p, phases[i].v, phases[i].a, phases[i].j}) {
      judge.within("profile: phase values must be finite", value, -kLargest, kLargest);
    }
    constexpr int kSamples = 8;
    for (int k = 0; k <= kSamples && judge.ok(); ++k) {
      const Played now = in_phase(phases[i], (end - phases[i].t0_s) * k / kSamples);
      judge.within("profile: position leaves the limits", now.p, low, high);
      judge.within("profile: speed over the limit", std::fabs(now.v), 0.0, kSpeedSlack * max_speed);
    }
    if (i + 1 < count) {
      const double jump = phases[i + 1].p - in_phase(phases[i], end - phases[i].t0_s).p;
      judge.within("profile: phases do not meet", jump, -kJointM, kJointM);
    }
  }
  judge.must("profile: the first phase must begin at 0", phases[0].t0_s == 0.0, phases[0].t0_s);
}

void judge_profile(Judge& judge, const KernelConfig& config, const Reference& reference, GroupSpan span) noexcept {
  judge.within("profile: dof must be the axes of the group", reference.dof, span.count, span.count);
  judge.positive("profile: duration_s must be > 0", reference.duration_s, kMaxTimeoutS);
  for (int i = 0; i < span.count; ++i) {
    const AxisConfig& axis = config.axis[span.first + i];
    judge_phases(judge, reference, i, axis.min_position, axis.max_position, axis.max_speed);
  }
}

void judge_path(Judge& judge, const Reference& reference) noexcept {
  judge_pose(judge, "path: X_base_start is not a pose", reference.X_base_start);
  judge_pose(judge, "path: X_base_goal is not a pose", reference.X_base_goal);
  judge.positive("path: duration_s must be > 0", reference.duration_s, kMaxTimeoutS);
  judge_phases(judge, reference, 0, -1e-6, 1.0 + 1e-6, kLargest);
}

void judge_arm_reference(Judge& judge, const KernelConfig& config, const Segment& segment) noexcept {
  const Reference& reference = segment.reference[kGroupArm];
  bool rigid = true;
  for (const AxisLaw& law : segment.law) rigid = rigid && law.law == Law::kRigid;
  switch (reference.kind) {
    case RefKind::kHold:
      return;
    case RefKind::kProfile:
      judge.must("arm: a joint profile needs RIGID laws; use a Cartesian path", rigid);
      judge_profile(judge, config, reference, {kArm0, config.chain.joints});
      return;
    case RefKind::kPath:
      judge_path(judge, reference);
      return;
    case RefKind::kTwist:
      judge.within("arm: |v| of the twist over the segment's speed", norm3(reference.twist), 0.0,
                   kSpeedSlack * segment.limits.speed_m_s);
      judge.within("arm: |w| of the twist over the segment's angular speed", norm3(reference.twist + 3), 0.0,
                   kSpeedSlack * segment.limits.angular_speed_rad_s);
      return;
    default:
      judge.must("arm: the reference must be hold, profile, path or twist", false, static_cast<double>(reference.kind));
  }
}

void judge_group_reference(Judge& judge, const KernelConfig& config, const Segment& segment, int group) noexcept {
  const Reference& reference = segment.reference[group];
  const GroupSpan span = kGroupSpan[group];
  if (reference.kind == RefKind::kHold) return;
  for (int i = 0; i < span.count && judge.ok(); ++i) {
    const AxisConfig& axis = config.axis[span.first + i];
    judge.must("axis group: the station has no such axis (value is the axis)", axis.present, span.first + i);
    if (reference.kind == RefKind::kTarget && group == kGroupBelts) {
      judge.within("belts: speed", reference.target[i], -axis.max_speed, axis.max_speed);
      judge.within("belts: speed_up", reference.speed_up, 0.0, axis.max_acceleration);
      judge.within("belts: slow_down", reference.slow_down, 0.0, axis.max_acceleration);
    } else if (reference.kind == RefKind::kTarget || reference.kind == RefKind::kForce) {
      judge.positive("axis group: target_speed", reference.target_speed, axis.max_speed);
    }
    if (reference.kind == RefKind::kTarget && group != kGroupBelts) {
      judge.within("axis group: target", reference.target[i], axis.min_position, axis.max_position);
    }
    if (reference.kind == RefKind::kForce) {
      judge.must("axis group: a force reference is for squeeze and blade",
                 group == kGroupSqueeze || group == kGroupBlade);
      const double most = kFreezeRatio * std::min(axis.max_force, segment.limits.axis_force[span.first + i]);
      judge.within("axis group: |force_n| must stay below 80 % of the axis' force limit", reference.force_n, -most,
                   most);
    }
  }
  if (reference.kind == RefKind::kProfile && judge.ok()) {
    judge.must("axis group: a profile is for the arm and the band arm", group == kGroupBandArm);
    judge_profile(judge, config, reference, span);
  }
  judge.must("axis group: the reference must be hold, profile, target or force",
             reference.kind != RefKind::kPath && reference.kind != RefKind::kTwist,
             static_cast<double>(reference.kind));
  judge.within("axis group: unknown reference", static_cast<double>(reference.kind), 0,
               static_cast<double>(RefKind::kForce));
}

// ---- laws and limits --------------------------------------------------------------------------------------------

double gate(const KernelConfig& config, const Segment& segment, double mass, double damping,
            double stiffness) noexcept {
  return damping_ratio(mass, damping, stiffness, segment.limits.contact_stiffness_n_m, config.tool_stiffness_n_m,
                       config.ft.loop_delay_s, config.ft.filter_time_constant_s, config.tick_s);
}

void judge_law(Judge& judge, const KernelConfig& config, const Segment& segment, int i) noexcept {
  const AxisLaw& law = segment.law[i];
  const bool linear = i < 3;
  judge.within("law: unknown law", static_cast<double>(law.law), 0, static_cast<double>(Law::kForce));
  if (!judge.ok() || law.law == Law::kRigid) return;
  judge.positive("law: damping D must be given, > 0", law.damping);
  double mass = apparent_mass(config.payload[segment.payload]), stiffness = 0.0;
  if (law.law == Law::kCompliant) {
    judge.within(linear ? "law: mass M below 0.5 kg" : "law: inertia M below 0.001 kg m^2", law.mass,
                 linear ? kMinMassKg : kMinInertiaKgM2, 1e4);
    if (linear) {
      judge.within("law: mass M below that of the payload, whose own inertia would be taken for force", law.mass,
                   config.payload[segment.payload].mass_kg, 1e4);
    }
    judge.within("law: stiffness K", law.stiffness, 0.0, kLargest);
    mass = law.mass;
    stiffness = law.stiffness;
  } else {
    judge.positive("law: max_speed of a force axis must be > 0", law.max_speed,
                   linear ? segment.limits.speed_m_s : segment.limits.angular_speed_rad_s);
    const double cap = linear ? segment.limits.force_norm_n : segment.limits.torque_norm_n_m;
    judge.within("law: force sought must stay below 80 % of the segment's limit", std::fabs(law.force), 0.0,
                 kFreezeRatio * cap);
  }
  // The declared stiffness is that of a linear contact.
  if (!judge.ok() || !linear) return;
  judge.within("law: damping ratio against the declared contact; raise D, or declare a softer contact",
               gate(config, segment, mass, law.damping, stiffness), kMinDampingRatio, 1.0);
}

/// Largest approach speed whose way until standstill, v t + v^2 / (2 a), presses a contact up from half the limit
/// (where the path begins to slow down) to no more than the limit.
double approach_cap(const KernelConfig& config, const Limits& limits) noexcept {
  const double k = 1.0 / (1.0 / limits.contact_stiffness_n_m + 1.0 / config.tool_stiffness_n_m);
  double force = limits.force_norm_n;
  for (double component : limits.force_n) force = std::min(force, component);
  const double reaction = config.ft.loop_delay_s + config.ft.filter_time_constant_s + config.tick_s;
  const double a = limits.acceleration_m_s2;
  const double way = (1.0 - kSlowRatio) * force / k;
  return a * (std::sqrt(reaction * reaction + 2.0 * way / a) - reaction);
}

void judge_arm_limits(Judge& judge, const KernelConfig& config, const Segment& segment) noexcept {
  const Limits& limits = segment.limits;
  const SafetyConfig& safety = config.safety;
  judge.positive("limits: force_norm_n must be > 0 and not above the station's", limits.force_norm_n,
                 safety.max_force_norm_n);
  judge.positive("limits: torque_norm_n_m must be > 0 and not above the station's", limits.torque_norm_n_m,
                 safety.max_torque_norm_n_m);
  for (double component : limits.force_n)
    judge.limit("limits: force_n of an axis (infinity: none)", component, kAnyForce);
  judge.positive("limits: speed_m_s must be > 0 and not above the station's", limits.speed_m_s,
                 safety.max_tool_speed_m_s);
  judge.positive("limits: acceleration_m_s2 must be > 0", limits.acceleration_m_s2, 100.0);
  judge.positive("limits: jerk_m_s3 must be > 0", limits.jerk_m_s3, 1e5);
  judge.positive("limits: angular_speed_rad_s must be > 0", limits.angular_speed_rad_s, 20.0);
  judge.within("limits: contact_stiffness_n_m", limits.contact_stiffness_n_m, 0.0, kLargest);
  judge.positive("limits: damping_n_s_m of the yield must be > 0", limits.damping_n_s_m);
  if (!judge.ok() || limits.contact_stiffness_n_m == 0.0) return;
  judge.within("limits: damping ratio of the yield against the declared contact; raise damping_n_s_m",
               gate(config, segment, apparent_mass(config.payload[segment.payload]), limits.damping_n_s_m, 0.0),
               kMinDampingRatio, 1.0);
  judge.within(
      "limits: speed_m_s over the approach cap from force limit, contact stiffness, loop delay and "
      "deceleration; go slower, or declare a softer contact",
      limits.speed_m_s, 0.0, approach_cap(config, limits));
}

void judge_endings(Judge& judge, const Segment& segment) noexcept {
  judge.positive("timeout_s is required", segment.timeout_s, kMaxTimeoutS);
  for (const Condition& condition : segment.until) judge_condition(judge, condition);
  for (const Condition& condition : segment.require) judge_condition(judge, condition);
  for (const Reflex& reflex : segment.reflex) {
    judge_condition(judge, reflex.condition);
    judge.within("reflex: unknown reaction", static_cast<double>(reflex.reaction), 0, 1);
    judge.within("reflex: expected must be 0 or 1", static_cast<double>(reflex.expected), 0, 1);
    if (reflex.condition.node_count > 0 && reflex.reaction == Reaction::kStopAndRetreat) {
      judge.positive("reflex: retreat_m must be > 0 and at most 5 mm", reflex.retreat_m, kMaxRetreatM);
    }
  }
  for (const DigitalAction& action : segment.digital) {
    if (!action.used) continue;
    judge.within("digital: bit", action.bit, 0, 31);
    judge.within("digital: value", action.value, 0, 1);
    judge.within("digital: at_s", action.at_s, 0.0, segment.timeout_s);
  }
  judge.within("on_end", static_cast<double>(segment.on_end), 0, static_cast<double>(OnEnd::kNext));
}

void judge_arm_segment(Judge& judge, const KernelConfig& config, const Segment& segment) noexcept {
  judge.within("frame", static_cast<double>(segment.frame), 0, 1);
  if (segment.frame == FrameKind::kFixed) judge_pose(judge, "X_base_frame is not a pose", segment.X_base_frame);
  judge.within("payload", segment.payload, 0, kMaxPayloads - 1);
  judge_arm_limits(judge, config, segment);
  judge_arm_reference(judge, config, segment);
  for (int i = 0; i < 6; ++i) {
    judge.about(kLawAxisName[i]);
    judge_law(judge, config, segment, i);
  }
  judge.about(nullptr);
  for (int group : {kGroupSqueeze, kGroupBelts, kGroupBlade}) judge_group_reference(judge, config, segment, group);
  if (!segment.tare) return;
  judge.must("tare: the arm must hold", segment.reference[kGroupArm].kind == RefKind::kHold);
  for (const AxisLaw& law : segment.law) judge.must("tare: laws must be RIGID", law.law == Law::kRigid);
}

void judge_segment(Judge& judge, const KernelConfig& config, const Segment& segment, int channel) noexcept {
  judge_endings(judge, segment);
  const int first = channel == 0 ? 0 : static_cast<int>(kBandX);
  const int last = channel == 0 ? static_cast<int>(kBandX) : kAxes;
  for (int i = first; i < last; ++i) {
    if (!config.axis[i].present) continue;
    judge.limit("limits: axis_force must be > 0 and not above the axis' max_force (infinity: none)",
                segment.limits.axis_force[i], config.axis[i].max_force);
  }
  if (channel == 0)
    judge_arm_segment(judge, config, segment);
  else
    judge_group_reference(judge, config, segment, kGroupBandArm);
}

}  // namespace

Verdict validate(const KernelConfig& config) noexcept {
  Judge judge;
  const ChainConfig& chain = config.chain;
  judge.within("chain: joints", chain.joints, 6, kMaxArmJoints);
  for (int j = 0; j < chain.joints && judge.ok(); ++j) {
    judge_pose(judge, "chain: X_parent_joint is not a pose", chain.X_parent_joint[j]);
    judge.must("chain: an arm joint is not present in the axis table (value is the axis)", config.axis[j].present, j);
  }
  judge_pose(judge, "chain: X_flange_tool is not a pose", chain.X_flange_tool);
  judge_pose(judge, "chain: X_flange_sensor is not a pose", chain.X_flange_sensor);
  for (double component : chain.gravity_base_m_s2) judge.within("chain: gravity_base_m_s2", component, -20.0, 20.0);
  for (int i = 0; i < kAxes; ++i) {
    judge.about(kAxisName[i]);
    if (config.axis[i].present) judge_axis(judge, config.axis[i], i);
  }
  judge.about(nullptr);
  for (const PayloadConfig& payload : config.payload) judge_payload(judge, payload);
  judge_ft(judge, config.ft);
  judge_safety(judge, config.safety);
  if (config.tool_stiffness_n_m != kInfinity)
    judge.positive("tool_stiffness_n_m must be > 0", config.tool_stiffness_n_m);
  judge.within("ik_damping", config.ik_damping, 1e-6, 1.0);
  judge.within("tick_s", config.tick_s, 0.5e-3, 2e-3);
  return judge.verdict();
}

Verdict validate(const KernelConfig& config, const Segment* chain, std::size_t count, int channel) noexcept {
  Judge judge;
  judge.within("chain: number of segments", static_cast<double>(count), 1, kMaxSegments);
  for (std::size_t i = 0; i < count && judge.ok(); ++i) {
    judge.segment(static_cast<int>(i));
    judge_segment(judge, config, chain[i], channel);
  }
  return judge.verdict();
}

}  // namespace podhand
