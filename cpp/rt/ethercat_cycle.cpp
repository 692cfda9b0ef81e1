#include <rt/ethercat_cycle.hpp>

#include <algorithm>
#include <stdexcept>
#include <string>

namespace podhand::rt {
namespace {

constexpr std::size_t kEthernetHeader = 14, kFirstDatagram = 16, kHeader = 10, kCounter = 2, kLeastFrame = 60;
constexpr std::uint8_t kNop = 0, kBroadcastRead = 7, kLogicalReadWrite = 12, kReadMultipleWrite = 14;
constexpr std::uint32_t kAlStatus = 0x0130, kSystemTime = 0x0910;
constexpr std::uint16_t kMore = 0x8000;
constexpr std::uint64_t kOp = 0x08;
/// A slave sets this bit of the sender's address in what it sends on.
constexpr std::uint8_t kPassedBit = 0x02;
constexpr std::size_t kSender = 6;

std::uint64_t get(std::span<const std::uint8_t> bytes, std::size_t at, std::size_t size) noexcept PODHAND_NONBLOCKING {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value |= std::uint64_t{bytes[at + i]} << (8 * i);
  return value;
}

void put(std::span<std::uint8_t> bytes, std::size_t at, std::uint64_t value,
         std::size_t size) noexcept PODHAND_NONBLOCKING {
  for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

}  // namespace

void EthercatConfig::validate() const {
  if (groups.empty() || groups.size() > kMaxEthercatGroups) {
    throw std::invalid_argument("EtherCAT: 1 to " + std::to_string(kMaxEthercatGroups) + " groups (got " +
                                std::to_string(groups.size()) + ")");
  }
  if (slaves == 0) throw std::invalid_argument("EtherCAT: slaves must be 1 or more (got 0)");
  std::size_t bytes = kFirstDatagram + 3 * (kHeader + kCounter) + 8 + 2 + 8;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const EthercatGroup& group = groups[i];
    const std::string name = "EtherCAT group " + std::to_string(i);
    if (group.output_bytes + group.input_bytes == 0)
      throw std::invalid_argument(name + " has neither outputs nor inputs");
    if (group.expected_count == 0) throw std::invalid_argument(name + ": expected_count must be 1 or more (got 0)");
    bytes += kHeader + kCounter + std::min(group.output_bytes + group.input_bytes, 2 * kMaxEthernetFrame);
  }
  if (bytes > kMaxEthernetFrame) {
    throw std::invalid_argument("EtherCAT: the image must fit one frame of " + std::to_string(kMaxEthernetFrame) +
                                " bytes (got " + std::to_string(bytes) + "): map fewer objects");
  }
}

EthercatCycle::EthercatCycle(const EthercatConfig& config) : slaves_(config.slaves) {
  config.validate();
  std::fill_n(frame_.begin(), 12, std::uint8_t{0xFF});
  frame_[kSender] = 0x10;  // without kPassedBit: what comes back unchanged has met no slave
  frame_[12] = 0x88;
  frame_[13] = 0xA4;
  frame_bytes_ = kFirstDatagram;
  number_ = add(kNop, 0, 8);  // no slave touches it: the answer carries the number of its tick
  std::size_t image_at = 0;
  for (const EthercatGroup& group : config.groups) {
    Group& own = groups_[group_count_++];
    own.config = group;
    own.image_at = image_at;
    own.place = add(kLogicalReadWrite, group.logical_start, group.output_bytes + group.input_bytes);
    image_at += group.output_bytes + group.input_bytes;
  }
  leads_clocks_ = config.reference_clock != 0;
  if (leads_clocks_) clock_ = add(kReadMultipleWrite, config.reference_clock | kSystemTime << 16, 8);
  status_ = add(kBroadcastRead, kAlStatus << 16, 2);
  put(frame_, status_.at + 6, status_.data_bytes, 2);  // the last datagram
  put(frame_, kEthernetHeader, (frame_bytes_ - kFirstDatagram) | 0x1000U, 2);
  frame_bytes_ = std::max(frame_bytes_, kLeastFrame);
}

EthercatCycle::Place EthercatCycle::add(std::uint8_t command, std::uint32_t address, std::size_t data_bytes) {
  const Place place{frame_bytes_, data_bytes};
  frame_[place.at] = command;
  put(frame_, place.at + 2, address, 4);
  put(frame_, place.at + 6, data_bytes | kMore, 2);
  frame_bytes_ += kHeader + data_bytes + kCounter;
  return place;
}

std::span<std::uint8_t> EthercatCycle::outputs(std::size_t group) noexcept PODHAND_NONBLOCKING {
  return std::span(image_).subspan(groups_[group].image_at, groups_[group].config.output_bytes);
}

std::span<const std::uint8_t> EthercatCycle::inputs(std::size_t group) const noexcept PODHAND_NONBLOCKING {
  const Group& own = groups_[group];
  return std::span(image_).subspan(own.image_at + own.config.output_bytes, own.config.input_bytes);
}

std::span<const std::uint8_t> EthercatCycle::begin(std::int64_t now_ns) noexcept PODHAND_NONBLOCKING {
  if (!answered_) ++counters_.lost;
  ++tick_;
  ++counters_.sent;
  answered_ = false;
  sent_ns_ = now_ns;
  put(frame_, number_.at + kHeader, tick_, 8);
  for (std::size_t i = 0; i < group_count_; ++i) {
    Group& group = groups_[i];
    group.fresh = false;
    const std::span<const std::uint8_t> values = outputs(i);
    const std::size_t data = group.place.at + kHeader;
    std::copy(values.begin(), values.end(), frame_.begin() + static_cast<std::ptrdiff_t>(data));
  }
  return std::span(frame_).first(frame_bytes_);
}

/// An answer has our datagrams in our places; addresses, data and working counters are what slaves change.
bool EthercatCycle::same_shape(std::span<const std::uint8_t> frame) const noexcept PODHAND_NONBLOCKING {
  if (frame.size() < frame_bytes_ || (frame[kSender] & kPassedBit) == 0) return false;
  const auto same = [&](std::size_t at, std::size_t size) {
    return std::equal(frame_.begin() + static_cast<std::ptrdiff_t>(at),
                      frame_.begin() + static_cast<std::ptrdiff_t>(at + size),
                      frame.begin() + static_cast<std::ptrdiff_t>(at));
  };
  const auto same_datagram = [&](const Place& place) {
    return frame[place.at] == frame_[place.at] && same(place.at + 6, 2);
  };
  if (!same(12, 4) || !same_datagram(number_) || !same_datagram(status_)) return false;
  if (leads_clocks_ && !same_datagram(clock_)) return false;
  return std::all_of(groups_.begin(), groups_.begin() + static_cast<std::ptrdiff_t>(group_count_),
                     [&](const Group& group) { return same_datagram(group.place) && same(group.place.at + 2, 4); });
}

std::uint16_t EthercatCycle::count_of(std::span<const std::uint8_t> frame,
                                      const Place& place) const noexcept PODHAND_NONBLOCKING {
  return static_cast<std::uint16_t>(get(frame, place.at + kHeader + place.data_bytes, kCounter));
}

void EthercatCycle::take_group(Group& group, std::span<const std::uint8_t> frame) noexcept PODHAND_NONBLOCKING {
  group.working_counter = count_of(frame, group.place);
  if (group.working_counter != group.config.expected_count) {
    ++group.wrong_counts;
    return;
  }
  const std::span<const std::uint8_t> values =
      frame.subspan(group.place.at + kHeader + group.config.output_bytes, group.config.input_bytes);
  std::copy(values.begin(), values.end(),
            image_.begin() + static_cast<std::ptrdiff_t>(group.image_at + group.config.output_bytes));
  group.fresh = group.ever = true;
  group.sent_ns = sent_ns_;
}

EthercatCycle::Taken EthercatCycle::take(std::span<const std::uint8_t> frame) noexcept PODHAND_NONBLOCKING {
  const std::uint64_t number = same_shape(frame) ? get(frame, number_.at + kHeader, 8) : 0;
  if (number == 0 || number > tick_) {
    ++counters_.foreign;
    return Taken::kForeign;
  }
  if (number < tick_) {
    ++counters_.late;
    return Taken::kLate;
  }
  if (answered_) {
    ++counters_.duplicate;
    return Taken::kDuplicate;
  }
  answered_ = true;
  ++counters_.answered;
  for (std::size_t i = 0; i < group_count_; ++i) take_group(groups_[i], frame);
  operational_ = count_of(frame, status_) == slaves_ && get(frame, status_.at + kHeader, 2) == kOp;
  if (leads_clocks_ && count_of(frame, clock_) > 0) clock_ns_ = get(frame, clock_.at + kHeader, 8);
  return Taken::kAnswer;
}

EthercatInputs EthercatCycle::state(std::size_t group, std::int64_t now_ns) const noexcept PODHAND_NONBLOCKING {
  const Group& own = groups_[group];
  return {own.fresh, own.ever ? now_ns - own.sent_ns : kNeverNs, own.working_counter, own.wrong_counts};
}

}  // namespace podhand::rt
