#include <ethercat_emulator/network.hpp>

#include <algorithm>
#include <stdexcept>

namespace podhand::ethercat {
namespace {

constexpr std::size_t kEthernetHeader = 14, kEtherCatHeader = 2, kDatagramHeader = 10, kWorkingCounter = 2;
constexpr std::size_t kFirstDatagram = kEthernetHeader + kEtherCatHeader;
constexpr std::uint16_t kLengthMask = 0x07FF, kMoreFollows = 0x8000;
constexpr std::int64_t kHop_ns = 500;  // a slave's forwarding delay and some cable

enum class Addressing : std::uint8_t { kNone, kPosition, kStation, kBroadcast, kLogical };

/// What a command does at the slave it addresses, and at the others (`others_write`: read once, write to all others).
struct Rule {
  Addressing addressing{};
  bool reads{}, writes{}, others_write{};
};

constexpr Rule kRules[] = {
    {},                                            // NOP
    {Addressing::kPosition, true, false, false},   // APRD
    {Addressing::kPosition, false, true, false},   // APWR
    {Addressing::kPosition, true, true, false},    // APRW
    {Addressing::kStation, true, false, false},    // FPRD
    {Addressing::kStation, false, true, false},    // FPWR
    {Addressing::kStation, true, true, false},     // FPRW
    {Addressing::kBroadcast, true, false, false},  // BRD
    {Addressing::kBroadcast, false, true, false},  // BWR
    {Addressing::kBroadcast, true, true, false},   // BRW
    {Addressing::kLogical, true, false, false},    // LRD
    {Addressing::kLogical, false, true, false},    // LWR
    {Addressing::kLogical, true, true, false},     // LRW
    {Addressing::kPosition, true, false, true},    // ARMW
    {Addressing::kStation, true, false, true},     // FRMW
};

/// A datagram as it stands in the frame.
struct Datagram {
  std::span<std::uint8_t> bytes;

  [[nodiscard]] Rule rule() const { return bytes[0] < std::size(kRules) ? kRules[bytes[0]] : Rule{}; }
  [[nodiscard]] std::span<std::uint8_t> data() const {
    return bytes.subspan(kDatagramHeader, bytes.size() - kDatagramHeader - kWorkingCounter);
  }
  [[nodiscard]] std::uint16_t slave_address() const { return get_u16(bytes, 2); }
  [[nodiscard]] std::uint16_t offset() const { return get_u16(bytes, 4); }
  [[nodiscard]] std::uint32_t logical() const { return get_u32(bytes, 2); }
  void pass_by() const { put(bytes, 2, slave_address() + 1U, 2); }
  void count(unsigned by) const {
    const std::size_t at = bytes.size() - kWorkingCounter;
    put(bytes, at, get_u16(bytes, at) + by, 2);
  }
};

/// ETG.1000.4: a successful read counts 1, a successful write 1; in a command that does both, the write counts 2.
unsigned worth(const Rule& rule, bool read, bool written) {
  return (read ? 1U : 0U) + (written ? (rule.reads ? 2U : 1U) : 0U);
}

void visit_logical(Slave& slave, const Datagram& datagram, const Rule& rule) {
  // Outputs are taken from what came in, before inputs are put over it.
  const bool written = rule.writes && slave.logical_write(datagram.logical(), datagram.data());
  const bool read = rule.reads && slave.logical_read(datagram.logical(), datagram.data());
  datagram.count(worth(rule, read, written));
}

void visit_physical(Slave& slave, const Datagram& datagram, const Rule& rule, const Passing& passing) {
  const std::span<std::uint8_t> data = datagram.data();
  Bytes seen(data.size());
  const bool read = rule.reads && slave.read(datagram.offset(), seen, passing);
  const bool written = rule.writes && slave.write(datagram.offset(), data, passing);
  if (read && rule.addressing == Addressing::kBroadcast) {
    std::transform(seen.begin(), seen.end(), data.begin(), data.begin(),
                   [](std::uint8_t a, std::uint8_t b) { return static_cast<std::uint8_t>(a | b); });
  } else if (read) {
    std::copy(seen.begin(), seen.end(), data.begin());
  }
  datagram.count(worth(rule, read, written));
}

void visit(Slave& slave, const Datagram& datagram, const Passing& passing) {
  const Rule rule = datagram.rule();
  switch (rule.addressing) {
    case Addressing::kNone:
      return;
    case Addressing::kLogical:
      return visit_logical(slave, datagram, rule);
    case Addressing::kBroadcast:
      datagram.pass_by();
      return visit_physical(slave, datagram, rule, passing);
    case Addressing::kPosition:
    case Addressing::kStation: {
      const bool by_position = rule.addressing == Addressing::kPosition;
      const bool addressed = datagram.slave_address() == (by_position ? 0 : slave.station_address());
      if (by_position) datagram.pass_by();
      if (addressed) return visit_physical(slave, datagram, rule, passing);
      if (rule.others_write && slave.write(datagram.offset(), datagram.data(), passing)) datagram.count(1);
    }
  }
}

/// The datagrams of a frame; empty when it is no sound EtherCAT frame.
std::vector<Datagram> datagrams_of(std::span<std::uint8_t> frame) {
  if (frame.size() < kFirstDatagram || frame[12] != 0x88 || frame[13] != 0xA4) return {};
  const std::uint16_t header = get_u16(frame, kEthernetHeader);
  const std::size_t end = kFirstDatagram + (header & kLengthMask);
  if (header >> 12 != 1 || end > frame.size()) return {};
  std::vector<Datagram> out;
  for (std::size_t at = kFirstDatagram;;) {
    if (at + kDatagramHeader + kWorkingCounter > end) return {};
    const std::uint16_t field = get_u16(frame, at + 6);
    const std::size_t size = kDatagramHeader + (field & kLengthMask) + kWorkingCounter;
    if (at + size > end) return {};
    out.push_back({frame.subspan(at, size)});
    at += size;
    if ((field & kMoreFollows) == 0) return out;
  }
}

bool use_up(std::uint64_t& count) {
  if (count == 0) return false;
  --count;
  return true;
}

}  // namespace

Network::Network(const std::vector<DriveConfig>& drives) {
  if (drives.empty()) throw std::invalid_argument("an EtherCAT network needs at least one drive");
  for (const DriveConfig& config : drives) {
    slaves_.push_back(std::make_unique<Slave>(std::make_unique<Drive402>(config)));
  }
  cut_before(size());
}

void Network::cut_before(std::size_t position) {
  if (position > size()) throw std::out_of_range("there is no such slave");
  reachable_ = position;
  for (std::size_t i = 0; i < size(); ++i) slaves_[i]->connect_next(i + 1 < size() && i + 1 != position);
}

Passing Network::passing(std::size_t position) const {
  const auto here = static_cast<std::int64_t>(position), last = static_cast<std::int64_t>(reachable_) - 1;
  return {now_ns_ + here * kHop_ns, now_ns_ + (2 * last - here) * kHop_ns};
}

std::optional<std::int64_t> Network::next_due_ns() const {
  if (late_.empty()) return std::nullopt;
  return std::min_element(late_.begin(), late_.end(), [](const Late& a, const Late& b) { return a.due_ns < b.due_ns; })
      ->due_ns;
}

std::vector<Bytes> Network::poll(std::int64_t now_ns) {
  if (!powered_) {
    powered_ = true;
    now_ns_ = now_ns;
    for (const auto& slave : slaves_) slave->power_cycle(now_ns_);
  }
  now_ns_ = std::max(now_ns_, now_ns);
  for (const auto& slave : slaves_) slave->advance(now_ns_);
  const auto due = [this](const Late& late) { return late.due_ns <= now_ns_; };
  std::vector<Bytes> out;
  for (Late& late : late_) {
    if (due(late)) out.push_back(std::move(late.frame));
  }
  std::erase_if(late_, due);
  return out;
}

std::vector<Bytes> Network::process(View frame, std::int64_t now_ns) {
  std::vector<Bytes> out = poll(now_ns);
  Bytes answer(frame.begin(), frame.end());
  const std::vector<Datagram> datagrams = datagrams_of(answer);
  if (datagrams.empty()) {
    ++counters.rejected;
    return out;
  }
  if (use_up(faults.lose)) {
    ++counters.lost;
    return out;
  }
  ++counters.processed;
  for (const Datagram& datagram : datagrams) {
    for (std::size_t i = 0; i < reachable_; ++i) visit(*slaves_[i], datagram, passing(i));
    const bool logical = datagram.rule().addressing == Addressing::kLogical;
    if (logical && use_up(faults.miscount)) {
      datagram.count(static_cast<std::uint16_t>(faults.miscount_by));
      ++counters.miscounted;
    }
  }
  if (reachable_ > 0) answer[6] |= 0x02;  // a slave marks the sender's address as locally administered
  const bool late = use_up(faults.delay), twice = use_up(faults.duplicate);
  counters.delayed += late ? 1 : 0;
  counters.duplicated += twice ? 1 : 0;
  for (int copies = twice ? 2 : 1; copies > 0; --copies) {
    if (late) {
      late_.push_back({now_ns_ + faults.delay_ns, answer});
    } else {
      out.push_back(answer);
    }
  }
  return out;
}

}  // namespace podhand::ethercat
