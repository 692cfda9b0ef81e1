/// The kernel: one deterministic step of the whole cell.
#pragma once

#include <podhand/config.hpp>
#include <podhand/exchange.hpp>
#include <podhand/segment.hpp>
#include <podhand/realtime.hpp>

#include <cstddef>
#include <cstdint>

namespace podhand {

/// First finding of a validation. `ok()` or: which rule, in which segment, which value, allowed range.
struct Verdict {
  const char* rule{nullptr};  ///< static text, nullptr when accepted
  int segment{-1};            ///< index in the chain, -1: not about a segment
  double value{}, low{}, high{};
  const char* where{nullptr};  ///< static text: which axis; nullptr: not about an axis
  [[nodiscard]] bool ok() const noexcept { return rule == nullptr; }
};

/// Not real-time. Checks every value of a configuration.
[[nodiscard]] Verdict validate(const KernelConfig& config) noexcept;
/// Not real-time. Checks a chain against the configuration, limits and the damping gate included.
[[nodiscard]] Verdict validate(const KernelConfig& config, const Segment* chain, std::size_t count,
                               int channel) noexcept;

/// FNV-1a over the offsets of every field that crosses a border; compared when Python attaches.
[[nodiscard]] std::uint64_t layout_hash() noexcept;

class Kernel {
 public:
  Kernel() noexcept;
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  /// Not real-time. Takes a configuration; only while no chain runs.
  [[nodiscard]] Verdict configure(const KernelConfig& config) noexcept;
  /// Takes a chain for a channel; it starts in the next tick. Refused while the channel runs or a fault is latched.
  [[nodiscard]] Verdict submit(int channel, const Segment* chain, std::size_t count) noexcept;
  /// Ends the running segment of a channel (-1: of all) with Cause::kCancelled and a jerk-limited stop.
  void cancel(int channel) noexcept;
  /// Replaces one payload model, while the arm's channel is idle. The new generation is reported in State.
  [[nodiscard]] Verdict set_payload(int index, const PayloadConfig& payload) noexcept;
  /// Clears a latched fault after its cause is gone. Nothing moves on reset: set-points are re-seeded from measurement.
  [[nodiscard]] Verdict reset_fault() noexcept;

  /// One step. Real-time: no heap, lock, exception, system call, clock or string. A function of the inputs, the
  /// commands accepted before this tick, the parameters and the state alone.
  void tick(const Inputs& inputs, Outputs& outputs) noexcept PODHAND_NONBLOCKING;

  [[nodiscard]] const State& state() const noexcept;
  /// Takes the oldest outcome not yet taken. False when there is none.
  [[nodiscard]] bool take_outcome(Outcome& outcome) noexcept;

 private:
  struct Impl;
  Impl* impl_;  ///< one allocation at construction, none later
};

}  // namespace podhand
