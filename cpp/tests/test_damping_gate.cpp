/// The gate's edges; the comparison with polynomial roots and time is in tests/unit/test_kinematics_damping_gate.py.
#include <podhand/damping_gate.hpp>

#include <cstdio>
#include <limits>

namespace {

int failures = 0;

void check(bool holds, const char* what) {
  if (holds) return;
  std::printf("FAILED: %s\n", what);
  ++failures;
}

constexpr double kRigid = std::numeric_limits<double>::infinity();

double ratio(double mass, double damping, double contact, double delay_s) {
  return podhand::damping_ratio(mass, damping, 0.0, contact, kRigid, delay_s, 4e-3, 1e-3);
}

}  // namespace

int main() {
  check(ratio(4.0, 300.0, 5e3, 8e-3) > podhand::kMinDampingRatio, "well damped");
  check(ratio(4.0, 20.0, 5e4, 17e-3) < 0.0, "unstable");
  check(ratio(0.0, 500.0, 5e3, 8e-3) > podhand::kMinDampingRatio, "pure damper");
  check(ratio(4.0, 100.0, 0.0, 8e-3) == 1.0, "free space");
  check(ratio(0.0, 0.0, 5e3, 8e-3) == -1.0, "no law at all");
  check(ratio(4.0, 100.0, 5e3, 0.3) == -1.0, "delay too long to judge");
  check(ratio(4.0, kRigid, 5e3, 8e-3) == -1.0, "not finite");
  return failures == 0 ? 0 : 1;
}
