#include <rt/flight.hpp>
#include <rt/shared_memory.hpp>

#include <algorithm>

namespace podhand::rt {
namespace {

/// Packed words: a head with a number of zero words and a number of words that follow, and these, over and over.
constexpr std::uint64_t head_of(std::uint64_t zeros, std::uint64_t literals) noexcept { return zeros << 32 | literals; }
constexpr std::uint64_t zeros_of(std::uint64_t head) noexcept { return head >> 32; }
constexpr std::uint64_t literals_of(std::uint64_t head) noexcept { return head & 0xffffffffu; }

std::vector<std::uint64_t> pack(const void* data, std::size_t bytes) {
  std::vector<std::uint64_t> words(bytes / 8 + (bytes % 8 != 0 ? 1 : 0)), packed;
  if (bytes > 0) std::memcpy(words.data(), data, bytes);
  for (std::size_t i = 0; i < words.size();) {
    const std::size_t zeros_at = i;
    while (i < words.size() && words[i] == 0) ++i;
    const std::size_t literals_at = i;
    while (i < words.size() && (words[i] != 0 || (i + 1 < words.size() && words[i + 1] != 0))) ++i;
    packed.push_back(head_of(literals_at - zeros_at, i - literals_at));
    packed.insert(packed.end(), words.begin() + static_cast<std::ptrdiff_t>(literals_at),
                  words.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return packed;
}

bool unpack(const std::vector<std::uint64_t>& packed, std::size_t bytes, std::vector<unsigned char>& data) {
  std::vector<std::uint64_t> words(bytes / 8 + (bytes % 8 != 0 ? 1 : 0));
  std::size_t at = 0;
  for (std::size_t i = 0; i < packed.size();) {
    const std::uint64_t zeros = zeros_of(packed[i]), literals = literals_of(packed[i]);
    ++i;
    if (zeros > words.size() - at || literals > words.size() - at - zeros || literals > packed.size() - i) return false;
    at += zeros;
    std::copy_n(packed.begin() + static_cast<std::ptrdiff_t>(i), literals,
                words.begin() + static_cast<std::ptrdiff_t>(at));
    at += literals;
    i += literals;
  }
  if (at != words.size()) return false;
  data.resize(bytes);
  if (bytes > 0) std::memcpy(data.data(), words.data(), bytes);
  return true;
}

}  // namespace

Stored PayloadRing::put(const void* data, std::size_t bytes) {
  const std::vector<std::uint64_t> packed = pack(data, bytes);
  const std::uint64_t at = end_.load(std::memory_order_relaxed);
  begun_.store(at + packed.size(), std::memory_order_relaxed);
  // As in Slot: whoever reads a new word also sees that it was begun.
  for (std::size_t i = 0; i < packed.size(); ++i) {
    words_[(at + i) % kWords].store(packed[i], std::memory_order_release);
  }
  end_.store(at + packed.size(), std::memory_order_release);
  return {at, packed.size(), bytes};
}

bool PayloadRing::get(const Stored& stored, std::vector<unsigned char>& data) const {
  data.clear();
  if (stored.bytes == 0) return true;
  const std::uint64_t end = end_.load(std::memory_order_acquire);
  const bool there =
      stored.words <= kWords && stored.bytes <= 8 * 4 * kWords && stored.at <= end && stored.words <= end - stored.at;
  if (!there) return false;
  std::vector<std::uint64_t> packed(static_cast<std::size_t>(stored.words));
  for (std::size_t i = 0; i < packed.size(); ++i) {
    packed[i] = words_[(stored.at + i) % kWords].load(std::memory_order_acquire);
  }
  if (begun_.load(std::memory_order_relaxed) - stored.at > kWords) return false;
  return unpack(packed, static_cast<std::size_t>(stored.bytes), data);
}

BlockKind Flight::kind() noexcept { return {kFlightMagic, kVersion, sizeof(Flight), exchange_hash()}; }

bool is_fault(const Event& event) noexcept {
  switch (event.kind) {
    case EventKind::kLeaseLost:
    case EventKind::kClientGone:
    case EventKind::kLateTrip:
      return true;
    case EventKind::kPlantSilent:
    case EventKind::kCycleStalled:
      return event.moving != 0;  // a simulation stands while cameras look: that costs nobody anything
    default:
      return false;
  }
}

namespace {

const char* words_of(Cause cause) noexcept {
  switch (cause) {
    case Cause::kReflex:
      return "reflex";
    case Cause::kForceLimit:
      return "force limit";
    case Cause::kSensorInvalid:
      return "force/torque signal not plausible";
    case Cause::kAxisInvalid:
      return "axis reading invalid";
    case Cause::kJointLimit:
      return "stopped by the last-stage limiter";
    case Cause::kSingular:
      return "inverse kinematics lost the path";
    case Cause::kEmergencyStop:
      return "emergency stop";
    case Cause::kFollowingError:
      return "following error";
    case Cause::kLeaseLost:
      return "lease lost in motion";
    case Cause::kHostLate:
      return "podhand-rt late in motion";
    default:
      return "stopped";
  }
}

const char* words_of(EventKind kind) noexcept {
  switch (kind) {
    case EventKind::kLeaseLost:
      return "the client fell silent";
    case EventKind::kClientGone:
      return "the client ended";
    case EventKind::kPlantSilent:
      return "the plant fell silent";
    case EventKind::kCycleStalled:
      return "the cycle stood still";
    case EventKind::kLateTrip:
      return "ticks came late, one after the other";
    default:
      return "event";
  }
}

}  // namespace

std::string in_words(const Fault& fault) {
  const char* what = fault.kind == FaultKind::kEvent ? words_of(static_cast<EventKind>(fault.code))
                                                     : words_of(static_cast<Cause>(fault.code));
  return std::string(what) + " after " + std::to_string(fault.ticks) + " ticks";
}

}  // namespace podhand::rt
