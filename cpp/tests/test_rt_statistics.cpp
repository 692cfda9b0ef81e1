/// What is counted, without time: durations are made up here.
#include "check.hpp"

#include <rt/stall.hpp>
#include <rt/statistics.hpp>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

using namespace podhand;
using namespace podhand::rt;

namespace {

constexpr std::uint64_t kMs = 1'000'000;

void buckets_tile_all_durations() {
  CHECK(bucket_floor(0) == 0 && bucket_of(0) == 0);
  for (std::size_t i = 0; i < kBuckets; ++i) {
    const std::uint64_t floor = bucket_floor(i);
    CHECK(bucket_of(floor) == i);
    const std::uint64_t next = i + 1 < kBuckets ? bucket_floor(i + 1) : std::uint64_t{1} << kValueBits;
    CHECK(next > floor && bucket_of(next - 1) == i);
    // A value is known to a sixteenth of itself.
    CHECK(next - floor <= std::max<std::uint64_t>(1, floor / 16));
  }
  CHECK(bucket_of(~std::uint64_t{0}) == kBuckets - 1);
}

void a_histogram_counts_like_a_sorted_list() {
  const auto histogram = std::make_unique<Histogram>();
  std::vector<std::uint64_t> all;
  std::uint64_t state = 7, sum = 0;
  for (int i = 0; i < 20000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const std::uint64_t ns = (state >> 32) >> (state % 32);  // all sizes
    all.push_back(ns);
    sum += ns;
    histogram->add({ns, static_cast<std::uint64_t>(i), 0, 0.0, {}});
  }
  const std::uint64_t longest = *std::max_element(all.begin(), all.end());
  const auto first = static_cast<std::uint64_t>(std::find(all.begin(), all.end(), longest) - all.begin());
  Worst worst;
  CHECK(histogram->worst(worst) && worst.ns == longest && worst.cycle == first);
  CHECK(histogram->sum_ns() == sum);
  std::sort(all.begin(), all.end());
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    const auto expected =
        static_cast<std::uint64_t>(std::lower_bound(all.begin(), all.end(), bucket_floor(i)) - all.begin());
    CHECK(below == expected);
    below += histogram->count_in(i);
  }
  CHECK(below == all.size());
}

Health after(std::uint64_t wake_ns, std::uint64_t wait_ns, std::uint64_t compute_ns, bool scheduled = true) {
  const auto statistics = std::make_unique<Statistics>();
  Health health{};
  const Lateness judged = account(*statistics, health, {wake_ns, wait_ns, compute_ns, kMs, scheduled}, kMs, {});
  CHECK((judged == Lateness::kWoke) == (health.late_woke == 1));
  CHECK((judged == Lateness::kWaited) == (health.late_waited == 1));
  CHECK((judged == Lateness::kComputed) == (health.late_computed == 1));
  CHECK(health.late_ticks == health.late_woke + health.late_waited + health.late_computed);
  return health;
}

void a_late_tick_has_one_reason() {
  CHECK(after(50'000, 400'000, 50'000).late_ticks == 0);  // half a period exactly
  CHECK(after(50'000, 400'001, 50'000).late_waited == 1);
  CHECK(after(600'000, 400'000, 50'000).late_woke == 1);
  CHECK(after(10'000, 20'000, 3 * kMs).late_computed == 1);
  CHECK(after(200'000, 200'000, 200'000).late_ticks == 1);  // no part alone is long
  CHECK(after(0, 5 * kMs, 0, false).late_ticks == 0);       // nothing was due
}

/// Looks every 5 ms; told of what stands for longer than 50 ms.
void a_count_that_stands_is_told_once_and_timed() {
  Stall stall(50 * kMs);
  std::uint64_t now = kMs, told = 0, stood = 0;
  const auto look = [&](std::uint64_t count, std::uint64_t after_ns = 5 * kMs) {
    const Stall::Found found = stall.look(count, now += after_ns);
    if (found.stands_ns != 0) ++told;
    if (found.stood_ns != 0) stood = found.stood_ns;
    return found;
  };
  for (int i = 0; i < 100; ++i) (void)look(0);  // not begun
  for (std::uint64_t i = 1; i < 100; ++i) (void)look(i);
  for (int i = 0; i < 10; ++i) (void)look(99);  // 50 ms exactly
  CHECK(told == 0);
  CHECK(look(99).stands_ns == 55 * kMs);
  for (int i = 0; i < 9; ++i) (void)look(99);
  CHECK(told == 1 && stood == 0);
  CHECK(look(100).stood_ns == 100 * kMs);
  (void)look(101);
  stood = 0;
  (void)look(102, 400 * kMs);  // who looks late has seen nothing stand
  (void)look(102);
  (void)look(103);
  CHECK(told == 1 && stood == 0);
  for (int i = 0; i < 20; ++i) (void)look(103);
  (void)look(104);
  CHECK(told == 2 && stood == 100 * kMs);
}

void what_ran_is_kept_with_the_worst() {
  const auto statistics = std::make_unique<Statistics>();
  Health health{};
  Running running{};
  running.chain[0] = 4;
  running.segment[0] = 2;
  running.tag[0] = 99;
  const auto tick = [&](std::uint64_t number, std::uint64_t compute_ns, const Running& what) {
    (void)account(*statistics, health, {1000 * number, 0, compute_ns, number == 1 ? 0 : kMs, true}, kMs,
                  {0, number, number - 1, 12.5, what});
  };
  tick(1, 1500, {});
  tick(2, 90'000, running);
  tick(3, 1500, {});
  Worst worst;
  CHECK(statistics->compute.worst(worst));
  CHECK(worst.ns == 90'000 && worst.cycle == 2 && worst.ticks == 1 && worst.wall_s == 12.5);
  CHECK(worst.running.chain[0] == 4 && worst.running.segment[0] == 2 && worst.running.tag[0] == 99);
  CHECK(worst.running.chain[1] == 0);
  CHECK(statistics->wake.worst(worst) && worst.cycle == 3);
  std::uint64_t periods = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) periods += statistics->period.count_in(i);
  CHECK(periods == 2);  // the first tick has none
  CHECK(health.busy_s > 92.9e-6 && health.busy_s < 93.1e-6);
}

void a_reader_beside_the_writer_sees_no_torn_worst() {
  const auto histogram = std::make_unique<Histogram>();
  std::atomic<bool> over{false};
  std::thread reader([&] {
    std::uint64_t seen = 0;
    while (!over.load()) {
      Worst worst;
      if (!histogram->worst(worst)) continue;
      CHECK(worst.cycle == 3 * worst.ns && worst.ticks == 5 * worst.ns && worst.running.tag[1] == worst.ns);
      CHECK(worst.ns >= seen);
      seen = worst.ns;
    }
  });
  for (std::uint64_t ns = 1; ns < 200'000; ++ns) {
    Worst now{ns, 3 * ns, 5 * ns, 0.0, {}};
    now.running.tag[1] = static_cast<std::uint32_t>(ns);
    histogram->add(now);
  }
  over.store(true);
  reader.join();
}

}  // namespace

int main() {
  buckets_tile_all_durations();
  a_histogram_counts_like_a_sorted_list();
  a_late_tick_has_one_reason();
  a_count_that_stands_is_told_once_and_timed();
  what_ran_is_kept_with_the_worst();
  a_reader_beside_the_writer_sees_no_torn_worst();
}
