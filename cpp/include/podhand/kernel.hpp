/// The kernel: one deterministic step of the whole cell.
#pragma once

#include <podhand/config.hpp>
#include <podhand/exchange.hpp>
#include <podhand/segment.hpp>
#include <podhand/realtime.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace podhand {

/// First finding of a validation. `ok()` or: which rule, in which segment, which value, allowed range.
struct Verdict {
  const char* rule{nullptr};  ///< static text, nullptr when accepted
  int segment{-1};            ///< index in the chain, -1: not about a segment
  double value{}, low{}, high{};
  const char* where{nullptr};  ///< static text: which axis; nullptr: not about an axis
  [[nodiscard]] bool ok() const noexcept { return rule == nullptr; }
};

/// Not real-time. `segment 2: rule (got x, allowed a .. b)`.
[[nodiscard]] std::string in_words(const Verdict& verdict);

/// Not real-time. Checks every value of a configuration.
[[nodiscard]] Verdict validate(const KernelConfig& config) noexcept;
/// Not real-time. Checks a chain against the configuration, limits and the damping gate included.
[[nodiscard]] Verdict validate(const KernelConfig& config, const Segment* chain, std::size_t count,
                               int channel) noexcept;

/// FNV-1a over the offsets of every field that crosses a border; compared when Python attaches.
[[nodiscard]] std::uint64_t layout_hash() noexcept;

/// Everything that the next tick depends on but the segments of running chains and untaken outcomes. Opaque, and of use
/// to the very build that saved it alone.
struct KernelState {
  static constexpr std::size_t kWords = 2048;
  std::uint64_t words[kWords]{};
};

class Kernel {
 public:
  Kernel() noexcept;
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  /// Not real-time. Takes a configuration; only while no chain runs.
  [[nodiscard]] Verdict configure(const KernelConfig& config) noexcept;
  /// Not real-time. Takes a chain for a channel; it starts in the next tick. Refused while the channel runs or a fault
  /// is latched.
  [[nodiscard]] Verdict submit(int channel, const Segment* chain, std::size_t count) noexcept;
  /// Real-time. As submit, for a chain that validate() has accepted with the parameters in force.
  [[nodiscard]] Verdict take(int channel, const Segment* chain, std::size_t count) noexcept PODHAND_NONBLOCKING;
  /// Real-time. Ends the running segment of a channel (-1: of all) with a jerk-limited stop and this cause.
  void cancel(int channel, Cause cause = Cause::kCancelled) noexcept PODHAND_NONBLOCKING;
  /// Not real-time. Replaces one payload model, while the arm's channel is idle. State reports the new generation.
  [[nodiscard]] Verdict set_payload(int index, const PayloadConfig& payload) noexcept;
  /// Real-time. As set_payload, for a payload that validate() has accepted as part of the parameters in force.
  [[nodiscard]] Verdict take_payload(int index, const PayloadConfig& payload) noexcept PODHAND_NONBLOCKING;
  /// Real-time. Clears a latched fault after its cause is gone. Nothing moves on reset: set-points are re-seeded from
  /// measurement.
  [[nodiscard]] Verdict reset_fault() noexcept PODHAND_NONBLOCKING;

  /// One step. Real-time: no heap, lock, exception, system call, clock or string. A function of the inputs, the
  /// commands accepted before this tick, the parameters and the state alone.
  void tick(const Inputs& inputs, Outputs& outputs) noexcept PODHAND_NONBLOCKING;

  [[nodiscard]] const State& state() const noexcept PODHAND_NONBLOCKING;
  /// Takes the oldest outcome not yet taken. False when there is none.
  [[nodiscard]] bool take_outcome(Outcome& outcome) noexcept PODHAND_NONBLOCKING;

  /// Real-time. Saves the state between two ticks; a kernel that restores it goes on bit for bit.
  void save(KernelState& state) const noexcept PODHAND_NONBLOCKING;
  /// Not real-time. Goes on from a state that the same build saved. Trusts it: check where it comes from.
  /// @param chains per channel the segments of the chain that ran, as they were submitted; counts 0: none ran
  void restore(const KernelState& state, const Segment* const chains[kChannels],
               const std::size_t counts[kChannels]) noexcept;

 private:
  struct Impl;
  Impl* impl_;  ///< one allocation at construction, none later
};

}  // namespace podhand
