/// The limiter's mechanics: readiness, aliasing, determinism, no heap. Its limits are judged from Python, tests/safety.
#include <safety/limiter.hpp>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

namespace {

int allocations = 0;
int failures = 0;

void check(bool holds, const char* what) {
  if (holds) return;
  std::printf("FAILED: %s\n", what);
  ++failures;
}

using podhand::kAxes;
using podhand::safety::Limiter;
using podhand::safety::LimiterConfig;
using podhand::safety::Result;

/// A planar arm of six joints, every single axis, all limits one.
LimiterConfig config() {
  LimiterConfig out{};
  out.joints = 6;
  for (int i = 0; i < kAxes; ++i) {
    const bool belt = i == podhand::kBeltLeft || i == podhand::kBeltRight;
    out.axis[i] = {-1.0, 1.0, 1.0, 1.0, static_cast<std::uint8_t>(i != podhand::kArm6), belt};
  }
  for (auto& X : out.X_parent_joint) {
    const double link[12] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 0.2, 0, 0};
    std::memcpy(X, link, sizeof link);
  }
  std::memcpy(out.X_flange_tool, out.X_parent_joint[0], sizeof out.X_flange_tool);
  out.max_tool_speed_m_s = 1.0;
  return out;
}

struct Random {
  std::uint64_t state = 1;
  double operator()(double low, double high) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * static_cast<double>(state >> 11) * 0x1p-53;
  }
};

void readiness() {
  Limiter limiter;
  double out[kAxes];
  const double zero[kAxes]{};
  check(limiter.step(zero, 1e-3, out) == Result::kNotReady, "not ready before configure");
  check(limiter.configure(config()), "configured");
  check(limiter.step(zero, 1e-3, out) == Result::kNotReady, "not ready before seed");
  limiter.seed(zero);
  check(limiter.step(zero, 1e-3, out) == Result::kPassed, "ready");
  LimiterConfig bad = config();
  bad.axis[3].max_speed = 0.0;
  check(!limiter.configure(bad), "zero is no limit");
  check(limiter.step(zero, 1e-3, out) == Result::kNotReady, "a refused configuration leaves nothing in force");
}

void aliasing_and_determinism() {
  Limiter one, other;
  check(one.configure(config()) && other.configure(config()), "configured");
  const double zero[kAxes]{};
  one.seed(zero);
  other.seed(zero);
  Random random;
  bool same = true;
  double desired[kAxes], in_place[kAxes], out[kAxes];
  const int before = allocations;
  for (int n = 0; n < 20000; ++n) {
    if (n % 50 == 0) {
      for (double& value : desired) value = random(-2.0, 2.0);
    }
    if (n % 501 == 0) desired[n % kAxes] = std::numeric_limits<double>::quiet_NaN();
    std::memcpy(in_place, desired, sizeof desired);
    const double dt = random(0.4e-3, 2.1e-3);
    const Result a = one.step(in_place, dt, in_place);
    const Result b = other.step(desired, dt, out);
    same = same && a == b && std::memcmp(in_place, out, sizeof out) == 0 && one.scale() == other.scale();
  }
  check(same, "out may be desired; the same steps give the same bits");
  check(allocations == before, "no heap in a step");
}

/// Standing axes are passed through, also where they stand outside their limits; leaving is a motion like any other.
void standing() {
  Limiter limiter;
  double start[kAxes]{}, desired[kAxes], out[kAxes];
  start[podhand::kBlade] = 1.5;
  check(limiter.configure(config()), "configure");
  limiter.seed(start);
  for (int n = 0; n < 3; ++n) {
    check(limiter.step(start, 1e-3, out) == Result::kPassed && limiter.scale() == 1.0, "standing passes");
    check(std::memcmp(out, start, sizeof out) == 0, "standing stays where it is");
  }
  std::memcpy(desired, start, sizeof start);
  desired[podhand::kSqueeze] = 1.0;
  desired[podhand::kBlade] = 1.6;
  check(limiter.step(desired, 1e-3, out) != Result::kPassed, "a jump from standing is limited");
  check(out[podhand::kSqueeze] > 0.0 && out[podhand::kSqueeze] <= 1e-6 * (1.0 + 1e-6), "one step of acceleration");
  check(out[podhand::kBlade] <= start[podhand::kBlade], "nothing goes further out");
}

}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

int main() {
  readiness();
  aliasing_and_determinism();
  standing();
  return failures == 0 ? 0 : 1;
}
