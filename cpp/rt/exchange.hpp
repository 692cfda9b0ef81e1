/// What podhand-rt shares with its clients and with a simulated plant: one block of fixed layout in shared memory. The
/// ticks themselves are in another, see flight.hpp.
///
/// | part | written by | read by |
/// | --- | --- | --- |
/// | header, snapshot, journals | podhand-rt | everybody |
/// | lease, commands | the client that holds the lease | podhand-rt |
/// | readings | the plant | podhand-rt |
///
/// podhand-rt trusts nothing that others write: it copies first, validates the copy, and uses the copy.
#pragma once

#include <podhand/kernel.hpp>
#include <rt/arming.hpp>
#include <rt/lock_free.hpp>
#include <rt/statistics.hpp>

namespace podhand::rt {

inline constexpr std::uint64_t kMagic = 0x74722d646e616870u;  // "phand-rt"
inline constexpr std::uint32_t kVersion = 2;
inline constexpr double kLeaseS = 0.250;  ///< a client that is silent for longer has lost its lease

/// Written once, before `ready`.
struct Header {
  std::uint64_t magic{};
  std::uint32_t version{};
  std::int32_t pid{};           ///< of podhand-rt
  std::uint64_t size{};         ///< of the whole block
  std::uint64_t layout_hash{};  ///< exchange_hash()
  double tick_s{};
  double lease_s{};
  char build_id[64]{};
  std::atomic<std::uint32_t> ready{};
  std::atomic<std::uint32_t> leaving{};  ///< podhand-rt ends, or has ended, in an orderly way
};

// ---- podhand-rt to everybody ------------------------------------------------------------------------------------

/// The cell after one tick.
struct CellRecord {
  std::uint64_t ticks{};  ///< ticks made so far
  Inputs inputs{};
  Outputs outputs{};
  State state{};
  Health health{};
  ArmingState arming{};
  std::uint32_t reserved{};
};

/// What a recording keeps of a tick: enough to run it again and to compare.
struct TickRecord {
  Inputs inputs{};
  Outputs outputs{};
};

enum class Answer : std::uint32_t { kAccepted = 0, kRefused = 1, kNotOwner = 2, kOverdue = 3, kMalformed = 4 };

/// The answer to one command.
struct Acknowledgement {
  std::uint64_t sequence{};
  std::uint64_t token{};
  std::uint64_t ticks{};  ///< ticks made before the command took effect
  Answer answer{};
  std::uint32_t chain{};  ///< number of the accepted chain
  char words[160]{};      ///< why not, when it was refused
};

enum class EventKind : std::uint32_t {
  kStarted = 0,
  kLeaseTaken = 1,     ///< value: process id
  kLeaseReleased = 2,  ///< value: process id
  kLeaseLost = 3,      ///< value: silence of the client [s]; its motion was cancelled
  kClientGone = 4,     ///< value: process id; its motion was cancelled
  kPlantSilent = 5,    ///< value: since when [s]
  kPlantBack = 6,      ///< value: how long it was silent [s]
  kStopAsked = 7,      ///< value: signal
  kCycleStalled = 8,   ///< value: how long the cycle stood, as the watchdog saw it [s]
  kLateTrip = 9,       ///< value: late ticks in a row; motion was cancelled
  kArming = 10,        ///< value: ArmingState, from now on
  kTakenOver = 11,     ///< value: id of the process whose lease another took; its motion was cancelled
};

struct Event {
  std::uint64_t ticks{};  ///< ticks made so far
  double wall_s{};        ///< CLOCK_MONOTONIC
  double value{};
  EventKind kind{};
  std::uint32_t moving{};  ///< bit i: channel i was running
};

// ---- client to podhand-rt ---------------------------------------------------------------------------------------

/// Who may command. `owner` goes from 0 to a token by the client, back to 0 by podhand-rt (loss) or the client.
struct Lease {
  std::atomic<std::uint64_t> owner{};
  std::atomic<std::uint64_t> beats{};
};

/// A token: process id, then chance. Never 0.
[[nodiscard]] inline std::uint64_t make_token(std::uint32_t pid, std::uint32_t chance) noexcept {
  return static_cast<std::uint64_t>(pid) << 32 | (chance | 1u);
}
[[nodiscard]] inline int pid_of(std::uint64_t token) noexcept { return static_cast<int>(token >> 32); }

enum class CommandKind : std::uint32_t {
  kSubmit = 0,
  kCancel = 1,
  kSetPayload = 2,
  kResetFault = 3,
  kArm = 4,
  kDisarm = 5,
  kAcknowledge = 6,
};

struct Command {
  std::uint64_t sequence{};
  std::uint64_t token{};
  std::uint64_t deadline_ns{};  ///< CLOCK_MONOTONIC; refused when it is taken up later
  CommandKind kind{};
  std::int32_t channel{};  ///< kSubmit, kCancel: channel; kSetPayload: index
  std::uint64_t count{};   ///< kSubmit: segments
  PayloadConfig payload{};
  Segment chain[kMaxSegments]{};
};

// ---- plant and podhand-rt ---------------------------------------------------------------------------------------

/// 32-bit words to sleep on (futex): each counts up when there is news.
struct Bells {
  alignas(64) std::atomic<std::uint32_t> cycle{};  ///< for the cycle: readings, or a command to take up
  alignas(64) std::atomic<std::uint32_t> plant{};  ///< for the plant: set-points
  alignas(64) std::atomic<std::uint32_t> clients{};
  alignas(64) std::atomic<std::uint32_t> commands{};  ///< for the command thread
};

struct BlockKind;

struct Exchange {
  /// Name, size and layout, as those who attach must know it.
  [[nodiscard]] static BlockKind kind() noexcept;

  Header header{};
  Bells bells{};
  alignas(64) Lease lease{};
  std::atomic<std::uint64_t> beat{};  ///< of the cycle: counts wake-ups
  Snapshot<Inputs> readings{};        ///< by the plant
  Snapshot<Outputs> set_points{};     ///< for the plant
  Snapshot<CellRecord> cell{};
  Journal<Acknowledgement, 16> answers{};
  Journal<Event, 256> events{};
  Journal<Outcome, 256> outcomes{};
  Ring<Command, 4> commands{};
  Statistics statistics{};
};

/// Covers the layout of every record, and of the block itself. Differs between builds whose exchange differs.
[[nodiscard]] std::uint64_t exchange_hash() noexcept;

/// The configuration as podhand-rt receives it: this, then a KernelConfig.
struct ConfigHead {
  std::uint64_t magic{};
  std::uint64_t layout_hash{};
  std::uint32_t version{};
  std::uint32_t crc32{};  ///< of the KernelConfig (IEEE 802.3)
};

/// IEEE 802.3; `before`: of what came before, to go on.
[[nodiscard]] std::uint32_t crc32(const void* data, std::size_t size, std::uint32_t before = 0) noexcept;

}  // namespace podhand::rt
