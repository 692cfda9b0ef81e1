/// The work of one cycle: lease, commands, tick, publication. No time, no threads, no system calls: podhand-rt adds
/// these, tests do without.
#pragma once

#include <rt/flight.hpp>

namespace podhand::rt {

/// A command after validation, on its way into the cycle. Memory is the command thread's, until `done`.
struct Request {
  CommandKind kind{};
  int channel{};
  std::size_t count{};
  std::uint64_t token{};
  const Segment* chain{};
  PayloadConfig payload{};
  Stored kept{};           ///< what it brings along, in the flight recorder
  Verdict verdict{};       ///< answer
  std::uint64_t ticks{};   ///< answer
  std::uint32_t number{};  ///< answer: of the chain
  Answer answer{};
};

class Cycle {
 public:
  /// The kernel is configured.
  /// @param most_late this many late ticks in a row end all motion; 0: they are only counted
  Cycle(Exchange& exchange, Flight& flight, Kernel& kernel, double lease_s, std::uint32_t most_late = 0) noexcept;

  /// Other thread: hands a request over; false while the last one is not answered.
  [[nodiscard]] bool offer(Request& request) noexcept;
  /// Other thread: whether the cycle has answered.
  [[nodiscard]] bool answered() const noexcept { return pending_.load(std::memory_order_acquire) == nullptr; }
  /// Other thread: the process that holds the lease has ended.
  void client_gone(std::uint64_t token) noexcept { gone_.store(token, std::memory_order_release); }

  /// At every wake-up: judges the lease, takes the request. Real-time.
  /// @param elapsed_s since the last call
  /// @param now_s     CLOCK_MONOTONIC
  /// @return whether a request was answered
  bool supervise(double elapsed_s, double now_s) noexcept PODHAND_NONBLOCKING;
  /// Whether the plant has written readings that no tick has seen. Real-time.
  [[nodiscard]] bool readings_wait() const noexcept PODHAND_NONBLOCKING;
  /// One tick on the newest readings; everything is published before the set-points. Real-time.
  void tick(const Health& health) noexcept PODHAND_NONBLOCKING;
  /// Judges the tick that was made: one that woke or computed late is the host's own fault; one that waited for its
  /// plant is not, since nothing moves meanwhile. Real-time.
  void keep_time(Lateness lateness, double now_s) noexcept PODHAND_NONBLOCKING;
  /// Cancels everything. Real-time.
  void stop(Cause cause) noexcept PODHAND_NONBLOCKING;
  void note(EventKind kind, double value, double now_s) noexcept PODHAND_NONBLOCKING;

  [[nodiscard]] std::uint32_t moving() const noexcept PODHAND_NONBLOCKING;
  /// What runs as the next tick begins. Real-time.
  [[nodiscard]] Running running() const noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] std::uint64_t ticks() const noexcept { return cell_.ticks; }
  [[nodiscard]] std::uint64_t leases_lost() const noexcept { return leases_lost_; }

 private:
  void judge_lease(double elapsed_s, double now_s) noexcept PODHAND_NONBLOCKING;
  void lose_lease(EventKind why, double value, double now_s) noexcept PODHAND_NONBLOCKING;
  void answer(Request& request) noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] Verdict carry_out(Request& request) noexcept PODHAND_NONBLOCKING;
  void tell_arming() noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] Verdict take_chain(Request& request) noexcept PODHAND_NONBLOCKING;
  void keep(Taken kind, int channel, const Stored& payload) noexcept PODHAND_NONBLOCKING;
  void keep_state() noexcept PODHAND_NONBLOCKING;
  void publish_outcomes() noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] bool is_fault(const Outcome& outcome) const noexcept PODHAND_NONBLOCKING;
  void fault(FaultKind kind, std::uint32_t code) noexcept PODHAND_NONBLOCKING;

  Exchange* exchange_;
  Flight* flight_;
  Kernel* kernel_;
  double lease_s_;
  Arming arming_{};
  std::atomic<Request*> pending_{};
  std::atomic<std::uint64_t> gone_{};
  CellRecord cell_{};
  TickRecord record_{};
  FlightOutcome outcome_{};
  StateRecord saved_{};
  Stored chain_[kChannels]{};  ///< segments of the chains taken last
  double now_s_{};             ///< of the last supervise()
  std::uint32_t latched_{};    ///< fault in force
  std::uint64_t owner_{}, beats_{};
  double silence_s_{};
  std::uint64_t readings_seen_{};
  std::uint32_t tags_[kChannels][kMaxSegments]{};      ///< of the chains taken last
  std::uint32_t expected_[kChannels][kMaxSegments]{};  ///< bit i: reflex i is part of the plan; of the same
  std::uint32_t most_late_, late_in_a_row_{};
  std::uint64_t leases_lost_{};
};

}  // namespace podhand::rt
