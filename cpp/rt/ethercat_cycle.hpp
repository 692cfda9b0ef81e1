/// The cyclic part of an EtherCAT master as a function of bytes and time: one frame per tick, and what its answer is
/// worth. No socket and no clock; slaves are brought to SAFE-OP by somebody else.
/// Source: ETG.1000.4, section 5 (datagrams, working counter); references to registers as in Beckhoff's ET1100.
#pragma once

#include <podhand/realtime.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace podhand::rt {

constexpr std::size_t kMaxEthercatGroups = 8;
constexpr std::size_t kMaxEthernetFrame = 1514;
constexpr std::int64_t kNeverNs = std::numeric_limits<std::int64_t>::max();

/// Slaves that stand and fall together: one LRW datagram with a working counter of its own. In the logical image its
/// outputs come first, then its inputs.
struct EthercatGroup {
  std::uint32_t logical_start{};
  std::size_t output_bytes{}, input_bytes{};
  std::uint16_t expected_count{};  ///< working counter when all its slaves answer: 1 for inputs, 2 for outputs of each
};

struct EthercatConfig {
  std::vector<EthercatGroup> groups{};
  std::uint16_t slaves{};           ///< on the whole line
  std::uint16_t reference_clock{};  ///< station address of the first slave, which then leads the clocks; 0: none is led

  /// @throws std::invalid_argument for no groups, too many, empty ones, or more than one frame holds.
  void validate() const;
};

/// What is known of a group's inputs. They are never zeroed: the last good ones stay, and age.
struct EthercatInputs {
  bool valid{};                     ///< they came with this tick's answer
  std::int64_t age_ns{kNeverNs};    ///< since the frame that brought them was sent; kNeverNs: none ever came
  std::uint16_t working_counter{};  ///< of the last answer
  std::uint64_t wrong_counts{};     ///< answers with another working counter than expected
};

struct EthercatCounters {
  std::uint64_t sent{}, answered{};
  std::uint64_t lost{};       ///< ticks that had no answer when the next one began
  std::uint64_t late{};       ///< answers to earlier ticks
  std::uint64_t duplicate{};  ///< a second answer to the same tick
  std::uint64_t foreign{};    ///< frames that are no answer to ours
};

class EthercatCycle {
 public:
  enum class Taken : std::uint8_t { kAnswer, kLate, kDuplicate, kForeign };

  /// Not real-time.
  explicit EthercatCycle(const EthercatConfig& config);

  /// A group's outputs, sent with the next frame.
  [[nodiscard]] std::span<std::uint8_t> outputs(std::size_t group) noexcept PODHAND_NONBLOCKING;
  /// A group's newest good inputs; zeros before any came.
  [[nodiscard]] std::span<const std::uint8_t> inputs(std::size_t group) const noexcept PODHAND_NONBLOCKING;

  /// Begins a tick: the frame to send now. Real-time.
  /// @param now_ns  must not go back
  [[nodiscard]] std::span<const std::uint8_t> begin(std::int64_t now_ns) noexcept PODHAND_NONBLOCKING;
  /// Takes in a frame that has come. Only the answer to the tick that runs changes inputs. Real-time.
  Taken take(std::span<const std::uint8_t> frame) noexcept PODHAND_NONBLOCKING;

  /// Worth of a group's inputs at a moment. Real-time.
  [[nodiscard]] EthercatInputs state(std::size_t group, std::int64_t now_ns) const noexcept PODHAND_NONBLOCKING;
  /// Whether this tick's answer says that every slave of the line is in OP without an error. The working counter does
  /// not: a slave that has left OP goes on counting.
  [[nodiscard]] bool operational() const noexcept PODHAND_NONBLOCKING { return answered_ && operational_; }
  /// Time of the reference clock in the newest answer [ns]; 0 without one.
  [[nodiscard]] std::uint64_t clock_ns() const noexcept PODHAND_NONBLOCKING { return clock_ns_; }
  [[nodiscard]] const EthercatCounters& counters() const noexcept PODHAND_NONBLOCKING { return counters_; }

 private:
  struct Place {
    std::size_t at{};  ///< of the datagram's header in the frame
    std::size_t data_bytes{};
  };
  struct Group {
    EthercatGroup config{};
    Place place{};
    std::size_t image_at{};  ///< of its outputs, its inputs behind them
    bool fresh{}, ever{};
    std::int64_t sent_ns{};
    std::uint16_t working_counter{};
    std::uint64_t wrong_counts{};
  };
  using Frame = std::array<std::uint8_t, kMaxEthernetFrame>;

  Place add(std::uint8_t command, std::uint32_t address, std::size_t data_bytes);
  [[nodiscard]] bool same_shape(std::span<const std::uint8_t> frame) const noexcept PODHAND_NONBLOCKING;
  [[nodiscard]] std::uint16_t count_of(std::span<const std::uint8_t> frame,
                                       const Place& place) const noexcept PODHAND_NONBLOCKING;
  void take_group(Group& group, std::span<const std::uint8_t> frame) noexcept PODHAND_NONBLOCKING;

  Frame frame_{};
  std::size_t frame_bytes_{};
  std::array<std::uint8_t, kMaxEthernetFrame> image_{};
  std::array<Group, kMaxEthercatGroups> groups_{};
  std::size_t group_count_{};
  std::uint16_t slaves_{};
  Place number_{}, status_{}, clock_{};
  bool leads_clocks_{};
  std::uint64_t tick_{};
  std::int64_t sent_ns_{};
  bool answered_{true}, operational_{};
  std::uint64_t clock_ns_{};
  EthercatCounters counters_{};
};

}  // namespace podhand::rt
