/// One channel: runs a chain of segments, decides how each ends, and latches one outcome per segment.
#pragma once

#include <podhand/realtime.hpp>

#include "arm_motion.hpp"
#include "conditions.hpp"
#include "group_motion.hpp"
#include "tick.hpp"

#include <cstddef>

namespace podhand {

/// Why a segment must end that its own channel cannot see.
struct Interruption {
  Cause cause{Cause::kNone};
  double value{};
};

/// Takes outcomes in order; the oldest is dropped when nobody takes them.
class OutcomeQueue {
 public:
  void push(const Outcome& outcome) noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] bool pop(Outcome& outcome) noexcept PODHAND_NONBLOCKING;

 private:
  static constexpr std::uint32_t kCapacity = 64;
  Outcome outcomes_[kCapacity]{};
  std::uint32_t first_{}, count_{};
};

class Channel {
 public:
  explicit Channel(int index) noexcept : index_(index) {}
  /// Copies a validated chain; it starts in the next step.
  void submit(const Segment* chain, std::size_t count, std::uint32_t number) noexcept PODHAND_NONBLOCKING;
  void cancel(Cause cause) noexcept {
    if (running()) cancel_ = cause;
  }
  void reset() noexcept;

  /// Ends a chain that could not begin. Real-time.
  void abandon(std::uint64_t tick, const Interruption& interruption,
               OutcomeQueue& outcomes) noexcept PODHAND_NONBLOCKING;

  /// One step. Real-time. Sets `speed` of the channel's own axes (belts: the set-point) and `digital`.
  void step(const Tick& tick, const Interruption& interruption, double* speed, std::uint32_t& digital,
            OutcomeQueue& outcomes) noexcept PODHAND_NONBLOCKING;

  /// Asks for the memory that step() will read. Between two ticks others use the caches: asked for together and early,
  /// the lines arrive while the force pipeline works instead of one after the other.
  void prefetch() const noexcept PODHAND_NONBLOCKING;

  /// All but the segments, as bytes: at most `state_bytes()`, for restore() of the same build. Real-time.
  [[nodiscard]] static std::size_t state_bytes() noexcept PODHAND_NONBLOCKING;
  void save(unsigned char* to) const noexcept PODHAND_NONBLOCKING;
  void restore(const unsigned char* from, const Segment* chain, std::size_t count) noexcept;

  [[nodiscard]] bool running() const noexcept { return phase_ != Phase::kIdle; }
  /// A reflex or fault began to end the chain in this step; the other channel must hear of it.
  [[nodiscard]] bool alarmed() const noexcept { return alarmed_; }
  /// The fault is about a part of this channel.
  [[nodiscard]] bool owns(const Interruption& fault) const noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] bool continues_alone() const noexcept { return segment().continue_other != 0; }
  [[nodiscard]] std::uint32_t chain_number() const noexcept { return running() ? number_ : 0; }
  [[nodiscard]] std::uint32_t segment_index() const noexcept { return current_; }
  /// Payload model in force: of the last segment that began; 0 before the first.
  /// Of the segment that runs, or that begins with this tick: its first readings are already judged with it.
  [[nodiscard]] std::uint32_t number_of_payload() const noexcept {
    return phase_ == Phase::kPending ? segment().payload : payload_;
  }
  [[nodiscard]] double progress() const noexcept { return progress_; }
  [[nodiscard]] const Segment& segment() const noexcept { return chain_[current_]; }
  [[nodiscard]] const ArmMotion& arm() const noexcept { return arm_; }
  /// A tare ended normally in this step: mean compensated wrench, sensor frame; nullptr otherwise.
  [[nodiscard]] const double* tare() const noexcept { return tared_ ? tare_mean_ : nullptr; }

 private:
  enum class Phase : std::uint8_t { kIdle, kPending, kRunning, kStopping, kRetreating };
  struct Ending {
    Cause cause{Cause::kNone};
    std::uint32_t condition{}, code{};
    double value{};
    const Reflex* reflex{};
  };

  [[nodiscard]] bool has_arm() const noexcept { return index_ == 0; }
  void start_segment(const Tick& tick) noexcept PODHAND_NONBLOCKING;
  void count_parts() noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] Ending preconditions(const Tick& tick) noexcept PODHAND_NONBLOCKING;
  void look(const Tick& tick) noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] Ending judge(const Tick& tick, const Interruption& interruption) noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] Ending judge_reflexes(const Tick& tick) noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] Ending judge_limits(const Tick& tick) noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] Ending judge_normal_end(const Tick& tick) noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] bool references_completed() const noexcept PODHAND_NONBLOCKING;
  void end(const Ending& ending, const Tick& tick, OutcomeQueue& outcomes) noexcept PODHAND_NONBLOCKING;
  void begin_stop(const Tick& tick, bool fast) noexcept PODHAND_NONBLOCKING;
  void run(const Tick& tick, std::uint32_t& digital) noexcept PODHAND_NONBLOCKING;
  void stop(const Tick& tick, OutcomeQueue& outcomes) noexcept PODHAND_NONBLOCKING;
  void stopped(const Tick& tick, OutcomeQueue& outcomes) noexcept PODHAND_NONBLOCKING;
  void gather(const Tick& tick) noexcept PODHAND_NONBLOCKING;
  void publish(const Tick& tick, OutcomeQueue& outcomes) noexcept PODHAND_NONBLOCKING;
  void write_speeds(const Tick& tick, double* speed) const noexcept PODHAND_NONBLOCKING;
  void act(std::uint32_t& digital) noexcept PODHAND_NONBLOCKING;

  Segment chain_[kMaxSegments]{};  ///< first: save() leaves it out
  ArmMotion arm_{};
  GroupMotion groups_[3]{};
  int group_count_{};
  ConditionState until_[kMaxConditions]{};
  ConditionState reflex_[kMaxConditions]{};
  OverLimitTimer axis_timer_[kAxes]{};
  Signals signals_{};
  Outcome outcome_{};
  double origin_m_[3]{};  ///< measured tool origin at the segment's start, base
  double R_origin_[9]{};  ///< measured tool orientation at the segment's start
  double tare_sum_[6]{}, tare_mean_[6]{};
  double sum_force_[3]{}, sum_torque_[3]{};
  std::uint64_t samples_{};
  double elapsed_s_{};
  double progress_{};
  double retreat_m_{};
  std::uint32_t count_{}, current_{}, number_{}, payload_{};
  std::uint32_t until_count_{}, reflex_count_{}, action_count_{};  ///< in use in the running segment
  int index_;
  Phase phase_{Phase::kIdle};
  Cause cancel_{Cause::kNone};  ///< kCancelled or kLeaseLost: the segment must end
  bool ends_chain_{false};
  bool alarmed_{false};
  bool tared_{false};
  bool acted_[4]{};
};

/// Ends that are part of the plan; every other end ends the chain.
[[nodiscard]] inline bool is_normal(Cause cause) noexcept { return cause == Cause::kReached || cause == Cause::kUntil; }

}  // namespace podhand
