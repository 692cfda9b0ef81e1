/// Real-time rules: no allocation in a tick, finite outputs whatever comes in, and what a tick costs.
#include "kernel_rig.hpp"

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {
std::size_t allocations = 0;
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

using namespace podhand;
using namespace podhand::test;

namespace {

void ticks_do_not_allocate() {
  Rig rig;
  auto s = segment();
  line(*s, rig.kernel.state(), 0.05, 0, 0, 0.1);
  s->law[1] = {Law::kCompliant, {}, 5, 500, 100, 0, 0};
  s->until[0] = compare(Op::kGreater, Signal::kForceNorm, 0, 50);
  s->reflex[0].condition = compare(Op::kGreater, Signal::kForceNorm, 0, 55);
  auto band = segment();
  band->reference[kGroupBandArm].kind = RefKind::kTarget;
  band->reference[kGroupBandArm].target_speed = 0.1;
  rig.submit(*s, 0);
  rig.submit(*band, 1);
  const std::size_t before = allocations;
  Outcome o;
  for (int i = 0; i < 3000; ++i) {
    rig.in.tick = static_cast<std::uint64_t>(i);
    ++rig.in.ft_sequence;
    rig.in.wrench[0] += 1e-9;
    if (i == 1500) rig.in.axis_valid = 0;
    if (i == 1600) rig.kernel.cancel(-1);
    rig.kernel.tick(rig.in, rig.out);
    std::copy_n(rig.out.command, kAxes, rig.in.q);
    (void)rig.kernel.take_outcome(o);
  }
  CHECK(allocations == before);
}

/// Any bits at all as inputs, with chains running: outputs stay finite, inside position and speed limits.
void any_input_gives_limited_outputs() {
  const KernelConfig c = station();
  std::uint64_t random = 7;
  const auto next = [&random] {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return random;
  };
  for (int round = 0; round < 40; ++round) {
    Rig rig;
    auto s = segment();
    line(*s, rig.kernel.state(), 0.1, 0, 0, 0.2);
    s->law[2] = {Law::kForce, {}, 0, 500, 0, 5, 0.1};
    rig.submit(*s);
    rig.steps(100);
    double previous[kAxes];
    std::copy_n(rig.out.command, kAxes, previous);
    for (int i = 0; i < 300; ++i) {
      Inputs wild = rig.in;
      if (next() % 3 == 0) {
        auto* words = reinterpret_cast<unsigned char*>(&wild);
        for (int k = 0; k < 8; ++k) {
          const std::uint64_t bits = next() % 4 == 0 ? 0x7ff8000000000000u : next();
          std::memcpy(words + 8 * (next() % (sizeof(Inputs) / 8)), &bits, 8);
        }
      }
      rig.kernel.tick(wild, rig.out);
      for (int axis = 0; axis < kAxes; ++axis) {
        const double now = rig.out.command[axis];
        CHECK(std::isfinite(now));
        const bool belt = axis == kBeltLeft || axis == kBeltRight;
        if (belt) CHECK(std::fabs(now) <= c.axis[axis].max_speed * (1 + 1e-9));
        if (belt || !c.axis[axis].present) continue;
        CHECK(now >= c.axis[axis].min_position && now <= c.axis[axis].max_position);
        CHECK(std::fabs(now - previous[axis]) <= c.axis[axis].max_speed * 2e-3 * (1 + 1e-6));
      }
      for (const double* value : {rig.kernel.state().F_tool, rig.kernel.state().V_tool}) {
        for (int k = 0; k < 6; ++k) CHECK(std::isfinite(value[k]));
      }
      std::copy_n(rig.out.command, kAxes, previous);
      std::copy_n(rig.out.command, kAxes, rig.in.q);
      ++rig.in.ft_sequence;
      Outcome o;
      (void)rig.kernel.take_outcome(o);
      if (next() % 50 != 0) continue;
      // A reset takes the set-points from the last readings, so these must be sound ones.
      rig.kernel.tick(rig.in, rig.out);
      std::copy_n(rig.out.command, kAxes, rig.in.q);
      if (rig.kernel.reset_fault().ok()) (void)rig.kernel.submit(0, s.get(), 1);
      std::copy_n(rig.in.q, kAxes, previous);
    }
  }
}

/// Reported, not judged: the machine may be busy.
void report_cost() {
  Rig rig;
  auto s = segment();
  line(*s, rig.kernel.state(), 0.2, 0, 0, 0.05);
  s->limits.speed_m_s = 0.2;
  for (int i = 0; i < 3; ++i) s->law[i] = {Law::kCompliant, {}, 5, 500, 300, 0, 0};
  for (int i = 0; i < 3; ++i) s->until[i] = compare(Op::kGreater, Signal::kForceNorm, 0, 50);
  rig.submit(*s);
  double best = 1e9, sum = 0.0;
  constexpr int kTicks = 3500;
  for (int i = 0; i < kTicks; ++i) {
    ++rig.in.ft_sequence;
    rig.in.wrench[0] += 1e-7;
    const auto begin = std::chrono::steady_clock::now();
    rig.kernel.tick(rig.in, rig.out);
    const double took = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
    best = std::min(best, took);
    sum += took;
    std::copy_n(rig.out.command, kAxes, rig.in.q);
  }
  std::printf("tick on a compliant path: mean %.2f us, best %.2f us (clock included), chain %u\n", sum / kTicks, best,
              rig.kernel.state().chain[0]);
}

}  // namespace

int main() {
  ticks_do_not_allocate();
  any_input_gives_limited_outputs();
  report_cost();
}
