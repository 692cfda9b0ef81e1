/// How long things take, as podhand-rt counts it: histograms of fixed size that everybody may read while it runs, the
/// worst case of each with what ran then, and late ticks by their reason. No time is taken here: the host brings it.
#pragma once

#include <rt/lock_free.hpp>

#include <podhand/segment.hpp>

#include <bit>

namespace podhand::rt {

// ---- buckets ----------------------------------------------------------------------------------------------------

inline constexpr unsigned kBucketBits = 4;  ///< 16 buckets per power of two: a value is known to 6 %
inline constexpr unsigned kValueBits = 32;  ///< up to 4.29 s; what is longer counts in the last bucket
inline constexpr std::size_t kBuckets = (kValueBits - kBucketBits + 1) << kBucketBits;

/// The bucket of a duration [ns].
[[nodiscard]] constexpr std::size_t bucket_of(std::uint64_t ns) noexcept PODHAND_NONBLOCKING {
  if (ns >> kValueBits != 0) return kBuckets - 1;
  if (ns >> kBucketBits == 0) return static_cast<std::size_t>(ns);
  const unsigned shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - kBucketBits;
  return static_cast<std::size_t>((shift << kBucketBits) + (ns >> shift));
}

/// The least duration of a bucket [ns].
[[nodiscard]] constexpr std::uint64_t bucket_floor(std::size_t bucket) noexcept {
  constexpr std::size_t kPerPower = std::size_t{1} << kBucketBits;
  if (bucket < 2 * kPerPower) return bucket;
  const std::size_t shift = bucket / kPerPower - 1;
  return static_cast<std::uint64_t>(kPerPower + bucket % kPerPower) << shift;
}

// ---- records ----------------------------------------------------------------------------------------------------

/// What runs, by the numbers that state, outcomes and recordings have too. Chain 0: the channel is idle.
struct Running {
  std::uint32_t chain[kChannels]{};
  std::uint32_t segment[kChannels]{};
  std::uint32_t tag[kChannels]{};  ///< Segment::tag: the client's own number, such as that of a primitive
};

/// The longest duration of a kind so far.
struct Worst {
  std::uint64_t ns{};
  std::uint64_t cycle{};  ///< wake-ups so far
  std::uint64_t ticks{};  ///< ticks made before
  double wall_s{};        ///< CLOCK_MONOTONIC
  Running running{};
};

class Histogram {
 public:
  /// One writer. `now` says where; its `ns` is the duration.
  void add(const Worst& now) noexcept PODHAND_NONBLOCKING;

  [[nodiscard]] std::uint64_t count_in(std::size_t bucket) const noexcept {
    return buckets_[bucket].load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t sum_ns() const noexcept { return sum_ns_.load(std::memory_order_relaxed); }
  /// False while nothing was counted.
  [[nodiscard]] bool worst(Worst& worst) const noexcept {
    std::uint64_t number = 0;
    return worst_.read(worst, number);
  }

 private:
  std::array<std::atomic<std::uint64_t>, kBuckets> buckets_{};
  std::atomic<std::uint64_t> sum_ns_{};
  std::uint64_t longest_ns_{};  ///< the writer's own
  Snapshot<Worst> worst_{};
};

/// Read by everybody at any time. A reader may see a tick in one histogram that another does not have yet.
struct Statistics {
  Histogram wake{};     ///< from the time of a cycle until its thread ran
  Histogram wait{};     ///< from then until the plant's readings were there
  Histogram compute{};  ///< one tick with its publication
  Histogram period{};   ///< from the beginning of one tick to that of the next
};

/// How the host itself is doing.
struct Health {
  std::uint64_t cycles{};  ///< wake-ups of the cycle
  std::uint64_t waits{};   ///< waits for the plant that lasted longer than a period
  std::uint64_t leases_lost{};
  std::uint64_t late_ticks{};   ///< set-points that came more than half a period after their time; by the largest part:
  std::uint64_t late_woke{};    ///< the thread ran late
  std::uint64_t late_waited{};  ///< the plant's readings came late
  std::uint64_t late_computed{};  ///< the tick itself took long
  double busy_s{};                ///< wall time inside ticks so far
};

/// Wall times of one tick.
struct TickTimes {
  std::uint64_t wake_ns{};
  std::uint64_t wait_ns{};
  std::uint64_t compute_ns{};
  std::uint64_t period_ns{};  ///< 0: the first
  bool scheduled{};           ///< it had a time to begin at; without one nothing is late
};

/// Why a tick was late: the largest part of its delay.
enum class Lateness : std::uint8_t { kInTime, kWoke, kWaited, kComputed };

/// Counts one tick and judges it. Real-time. `now.ns` is not used.
Lateness account(Statistics& statistics, Health& health, const TickTimes& times, std::uint64_t nominal_ns,
                 const Worst& now) noexcept PODHAND_NONBLOCKING;

}  // namespace podhand::rt
