#include <rt/statistics.hpp>

#include <algorithm>

namespace podhand::rt {
namespace {

Worst lasting(const Worst& now, std::uint64_t ns) noexcept {
  Worst out = now;
  out.ns = ns;
  return out;
}

Lateness judged(const TickTimes& times, std::uint64_t nominal_ns) noexcept {
  const std::uint64_t delay_ns = times.wake_ns + times.wait_ns + times.compute_ns;
  if (!times.scheduled || 2 * delay_ns <= nominal_ns) return Lateness::kInTime;
  const std::uint64_t most = std::max({times.wake_ns, times.wait_ns, times.compute_ns});
  if (most == times.wake_ns) return Lateness::kWoke;
  return most == times.wait_ns ? Lateness::kWaited : Lateness::kComputed;
}

}  // namespace

void Histogram::add(const Worst& now) noexcept {
  std::atomic<std::uint64_t>& bucket = buckets_[bucket_of(now.ns)];
  // One writer: to load and to store is enough, and cheaper than a locked addition.
  bucket.store(bucket.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  sum_ns_.store(sum_ns_.load(std::memory_order_relaxed) + now.ns, std::memory_order_relaxed);
  if (now.ns < longest_ns_) return;
  longest_ns_ = now.ns + 1;
  worst_.write(now);
}

Lateness account(Statistics& statistics, Health& health, const TickTimes& times, std::uint64_t nominal_ns,
                 const Worst& now) noexcept {
  if (times.scheduled) statistics.wake.add(lasting(now, times.wake_ns));
  statistics.wait.add(lasting(now, times.wait_ns));
  statistics.compute.add(lasting(now, times.compute_ns));
  if (times.period_ns != 0) statistics.period.add(lasting(now, times.period_ns));
  health.busy_s += 1e-9 * static_cast<double>(times.compute_ns);
  const Lateness lateness = judged(times, nominal_ns);
  if (lateness != Lateness::kInTime) ++health.late_ticks;
  if (lateness == Lateness::kWoke) ++health.late_woke;
  if (lateness == Lateness::kWaited) ++health.late_waited;
  if (lateness == Lateness::kComputed) ++health.late_computed;
  return lateness;
}

}  // namespace podhand::rt
