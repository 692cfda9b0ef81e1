/// Ticks of one course, over and over: a compliant line there and back, watched by conditions, while the band arm
/// moves. `tick_course 1000000` says what they cost in page faults and context switches; the instruction budget counts
/// them under callgrind.
#include "kernel_rig.hpp"

#include <sys/resource.h>

using namespace podhand;
using namespace podhand::test;

namespace {

struct Course {
  Rig rig;
  std::unique_ptr<Segment> arm = segment(), band = segment();
  bool there = true;

  Course() {
    arm->timeout_s = band->timeout_s = 100.0;
    for (int i = 0; i < 3; ++i) arm->law[i] = {Law::kCompliant, {}, 5, 500, 300, 0, 0};
    for (int i = 0; i < 3; ++i) arm->until[i] = compare(Op::kGreater, Signal::kForceNorm, 0, 50);
    arm->reflex[0].condition = compare(Op::kGreater, Signal::kForceNorm, 0, 55);
    band->reference[kGroupBandArm].kind = RefKind::kTarget;
    band->reference[kGroupBandArm].target_speed = 0.1;
  }

  void submit() {
    line(*arm, rig.kernel.state(), there ? 0.1 : -0.1, 0, 0, 0.1);
    band->reference[kGroupBandArm].target[2] = there ? 0.1 : 0.0;
    rig.submit(*arm, 0);
    if (rig.kernel.state().chain[1] == 0) rig.submit(*band, 1);
    there = !there;
  }

  void tick() {
    if (rig.kernel.state().chain[0] == 0) submit();
    ++rig.in.tick;
    rig.in.time_s += 1e-3;
    ++rig.in.ft_sequence;
    rig.in.wrench[0] += rig.in.tick % 2 == 0 ? 1e-3 : -1e-3;
    rig.kernel.tick(rig.in, rig.out);
    std::copy_n(rig.out.command, kAxes, rig.in.q);
    Outcome outcome;
    while (rig.kernel.take_outcome(outcome)) CHECK(outcome.cause == Cause::kReached);
  }
};

}  // namespace

int main(int argc, char** argv) {
  const long ticks = argc > 1 ? std::atol(argv[1]) : 0;
  if (ticks < 1) {
    std::fprintf(stderr, "usage: tick_course TICKS\n");
    return 2;
  }
  Course course;
  for (int i = 0; i < 3000; ++i) course.tick();
  rusage before{}, after{};
  getrusage(RUSAGE_THREAD, &before);
  for (long i = 0; i < ticks; ++i) course.tick();
  getrusage(RUSAGE_THREAD, &after);
  const long faults = after.ru_minflt - before.ru_minflt + after.ru_majflt - before.ru_majflt;
  const long waits = after.ru_nvcsw - before.ru_nvcsw;
  std::printf("%ld ticks: %ld page faults, %ld voluntary context switches\n", ticks, faults, waits);
  return faults == 0 && waits == 0 ? 0 : 1;
}
