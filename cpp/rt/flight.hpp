/// The flight recorder: the last minute of everything that went into the kernel and came out of it, in a block of
/// shared memory of its own. It outlives podhand-rt, whatever ends it, and can be run again bit for bit: a saved state
/// of the kernel every second is where a replay may begin.
///
/// The cycle writes ticks, states, outcomes, accepted commands and faults; the command thread writes what the commands
/// bring along, before the cycle takes them. Nobody can delay either.
#pragma once

#include <rt/exchange.hpp>

#include <string>
#include <vector>

namespace podhand::rt {

inline constexpr std::uint64_t kFlightMagic = 0x746c662d646e6168u;  // "hand-flt"
inline constexpr std::size_t kFlightTicks = 65536;                  ///< over 60 s at 1 kHz
inline constexpr std::uint64_t kStateEveryTicks = 1000;

/// Bytes in a PayloadRing.
struct Stored {
  std::uint64_t at{};     ///< its first word, counted from the ring's beginning of time
  std::uint64_t words{};  ///< packed
  std::uint64_t bytes{};  ///< unpacked; 0: none
};

/// Bytes of any length, packed: most of a segment is zero. One writer, not real-time; it overwrites the oldest.
class PayloadRing {
 public:
  Stored put(const void* data, std::size_t bytes);
  /// False when it was overwritten, or is nothing that put() has made.
  [[nodiscard]] bool get(const Stored& stored, std::vector<unsigned char>& data) const;

 private:
  static constexpr std::size_t kWords = std::size_t{1} << 19;  // 4 MiB: chains are some 2 kB a segment
  std::atomic<std::uint64_t> begun_{};                         ///< end of what is being written
  std::atomic<std::uint64_t> end_{};                           ///< end of what is whole
  std::array<std::atomic<std::uint64_t>, kWords> words_{};
};

/// A state that a replay may begin with.
struct StateRecord {
  std::uint64_t ticks{};      ///< made before
  Stored chain[kChannels]{};  ///< segments of the chain that ran
  KernelState state{};
};

enum class Taken : std::uint32_t {
  kSubmit = 0,
  kCancel = 1,
  kSetPayload = 2,
  kResetFault = 3,
  kLoseLease = 4,
  kLateTrip = 5
};

/// A command that took effect, or what podhand-rt did on its own.
struct TakenCommand {
  std::uint64_t ticks{};  ///< made before
  Taken kind{};
  std::int32_t channel{};
  Stored payload{};
};

struct FlightOutcome {
  std::uint64_t ticks{};  ///< made when it was published
  Outcome outcome{};
};

enum class FaultKind : std::uint32_t {
  kOutcome = 0,  ///< a segment was stopped by reflex, limit or fault; code: Cause
  kLatched = 1,  ///< the kernel latched a fault; code: Cause
  kEvent = 2,    ///< of the host; code: EventKind
};

struct Fault {
  std::uint64_t ticks{};
  double wall_s{};  ///< CLOCK_MONOTONIC
  FaultKind kind{};
  std::uint32_t code{};
};

struct Flight {
  [[nodiscard]] static BlockKind kind() noexcept;

  Header header{};
  KernelConfig config{};  ///< written once, before `ready`
  Journal<StateRecord, 128> states{};
  Journal<TakenCommand, 4096> commands{};
  Journal<FlightOutcome, 1024> outcomes{};
  Journal<Fault, 256> faults{};
  PayloadRing payloads{};
  Journal<TickRecord, kFlightTicks> ticks{};
};

/// Events after which a person will ask what happened.
[[nodiscard]] bool is_fault(const Event& event) noexcept PODHAND_NONBLOCKING;
/// `force limit after 123 ticks`. Not real-time.
[[nodiscard]] std::string in_words(const Fault& fault);
/// The name of a flight recorder's block beside that of an exchange.
[[nodiscard]] inline std::string flight_name(const std::string& name) { return name + ".flight"; }

}  // namespace podhand::rt
