/// Kinematics by hand-made cases; the comparison with an independent library is in tests/unit/test_kinematics.py.
#include <podhand/kinematics.hpp>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <numbers>

namespace {

int failures = 0;

void check(bool holds, const char* what) {
  if (holds) return;
  std::printf("FAILED: %s\n", what);
  ++failures;
}

bool near(double a, double b) { return std::abs(a - b) < 1e-12; }

/// Links of 0.1 m along x, all joints about z; the tool 0.1 m further.
podhand::ChainConfig planar(int joints) {
  podhand::ChainConfig chain{};
  chain.joints = joints;
  const double link[12] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 0.1, 0, 0};
  for (auto& X : chain.X_parent_joint) std::memcpy(X, link, sizeof link);
  std::memcpy(chain.X_flange_tool, link, sizeof link);
  return chain;
}

void planar_arm(int joints) {
  const podhand::ChainConfig chain = planar(joints);
  podhand::Kinematics k;
  double q[podhand::kMaxArmJoints]{};
  podhand::forward(chain, q, k);
  check(near(k.p[0], 0.1 * (joints + 1)) && near(k.p[1], 0.0), "stretched");
  q[0] = std::numbers::pi / 2;
  podhand::forward(chain, q, k);
  check(near(k.p[0], 0.1) && near(k.p[1], 0.1 * joints), "turned by a quarter");
  check(near(k.R[1], -1.0) && near(k.R[3], 1.0) && near(k.R[8], 1.0), "rotation is row-major");
  check(near(k.J[0], -0.1 * joints) && near(k.J[1], 0.0) && near(k.J[5], 1.0), "first column");
  const double* last = k.J + 6 * (joints - 1);
  check(near(last[0], -0.1) && near(last[5], 1.0), "last column");
  for (int i = 6 * joints; i < 6 * podhand::kMaxArmJoints; ++i) check(k.J[i] == 0.0, "unused columns are zero");
}

void refusals() {
  const podhand::ChainConfig chain = planar(6);
  podhand::Kinematics k;
  const double q[6]{};
  podhand::forward(chain, q, k);
  double qd[6] = {1, 1, 1, 1, 1, 1}, manipulability = -1.0;
  const double twist[6] = {0.1, 0, 0, 0, 0, 0};
  check(!podhand::differential_ik(chain, k, twist, 0.0, qd, &manipulability), "singular without damping");
  check(manipulability == 0.0 && qd[0] == 0.0 && qd[5] == 0.0, "zeros when refused");
  check(podhand::differential_ik(chain, k, twist, 0.02, qd, &manipulability), "singular with damping");
  const double broken[6] = {std::numeric_limits<double>::quiet_NaN(), 0, 0, 0, 0, 0};
  check(!podhand::differential_ik(chain, k, broken, 0.02, qd, &manipulability), "not finite");
  check(qd[0] == 0.0 && qd[5] == 0.0, "zeros when not finite");
}

/// Reported, not judged: times depend on the machine.
void report_time() {
  const podhand::ChainConfig chain = planar(6);
  podhand::Kinematics k;
  double q[6] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6}, sum = 0.0, best = 1e9;
  for (int round = 0; round < 50; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (int n = 0; n < 2000; ++n) {
      q[n % 6] += 1e-4;
      podhand::forward(chain, q, k);
      sum += k.p[0];
    }
    const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - start;
    best = std::fmin(best, taken.count() / 2000);
  }
  std::printf("forward, 6 joints: %.0f ns (%g)\n", best, sum);
}

}  // namespace

int main() {
  planar_arm(6);
  planar_arm(7);
  refusals();
  report_time();
  return failures == 0 ? 0 : 1;
}
