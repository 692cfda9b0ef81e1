#include <ethercat_emulator/esc.hpp>

#include <algorithm>

namespace podhand::ethercat {
namespace {

constexpr std::uint8_t kFullBit = 0x08;
constexpr std::size_t kFmmuBytes = 16, kSyncManagerBytes = 8;

struct Range {
  std::uint16_t first, last;
};

/// Registers that take a master's write. FMMUs and sync managers have rules of their own.
constexpr Range kWritable[] = {{0x0010, 0x0011}, {0x0100, 0x0103}, {0x0120, 0x0121}, {0x0200, 0x0201}, {0x0204, 0x0207},
                               {0x0300, 0x0313}, {0x0400, 0x0401}, {0x0410, 0x0411}, {0x0420, 0x0421}, {0x0442, 0x0443},
                               {0x0500, 0x0500}, {0x0502, 0x0503}, {0x0504, 0x0507}, {0x0508, 0x050F}, {0x0900, 0x0903},
                               {0x0910, 0x0917}, {0x0920, 0x092B}, {0x0930, 0x0931}, {0x0934, 0x0935}, {0x0980, 0x0981},
                               {0x0990, 0x0997}, {0x09A0, 0x09A9}};

bool overlaps(std::size_t a, std::size_t a_size, std::size_t b, std::size_t b_size) {
  return a < b + b_size && b < a + a_size;
}

}  // namespace

Esc::Esc() { reset(); }

void Esc::reset() {
  memory_.fill(0);
  opened_.fill(false);
  outputs_written_ = false;
  set(reg::kType, 0x11, 1);
  set(0x0004, kFmmus, 1);
  set(0x0005, kSyncManagers, 1);
  set(0x0006, (kMemoryBytes - reg::kRam) / 1024, 1);
  set(0x0007, 0x0F, 1);             // ports 0 and 1 are MII
  set(0x0008, 0x000C, 2);           // distributed clocks, 64 bits wide
  set(reg::kDlControl, 0x0001, 4);  // frames that are not EtherCAT are destroyed
  set(reg::kAlStatus, 0x01, 2);
  set(reg::kWatchdogDivider, 2498, 2);  // with 25 MHz: 100 us
  set(0x0410, 1000, 2);
  set(reg::kProcessWatchdog, 1000, 2);
  set(reg::kProcessWatchdogStatus, 1, 2);
  set(reg::kEepromControl, 0x0040, 2);  // eight bytes are read at once
  set(0x0930, 0x1000, 2);
}

bool Esc::writable(std::size_t address) const {
  if (address >= reg::kRam) return true;
  if (address >= reg::kFmmu && address < reg::kFmmu + kFmmus * kFmmuBytes) return true;
  if (address >= reg::kSyncManager && address < reg::kSyncManager + kSyncManagers * kSyncManagerBytes) {
    const std::size_t field = address % kSyncManagerBytes;
    return field != 5 && field != 7;  // status, and what belongs to the slave
  }
  return std::any_of(std::begin(kWritable), std::end(kWritable),
                     [=](const Range& range) { return address >= range.first && address <= range.last; });
}

bool Esc::full(std::size_t index) const {
  return (memory_[reg::kSyncManager + kSyncManagerBytes * index + 5] & kFullBit) != 0;
}

void Esc::set_full(std::size_t index, bool full) {
  std::uint8_t& status = memory_[reg::kSyncManager + kSyncManagerBytes * index + 5];
  status = static_cast<std::uint8_t>(full ? status | kFullBit : status & ~kFullBit);
}

SyncManager Esc::sync_manager(std::size_t index) const {
  const std::size_t at = reg::kSyncManager + kSyncManagerBytes * index;
  SyncManager out;
  out.start = static_cast<std::uint16_t>(get(at, 2));
  out.length = static_cast<std::uint16_t>(get(at + 2, 2));
  out.control = memory_[at + 4];
  out.active = (memory_[at + 6] & 0x01) != 0 && (memory_[at + 7] & 0x01) == 0 && out.length > 0;
  return out;
}

Fmmu Esc::fmmu(std::size_t index) const {
  const std::size_t at = reg::kFmmu + kFmmuBytes * index;
  Fmmu out;
  if ((memory_[at + 12] & 0x01) == 0) return out;
  out.logical_start = static_cast<std::uint32_t>(get(at, 4));
  out.length = static_cast<std::uint16_t>(get(at + 4, 2));
  out.start_bit = memory_[at + 6] & 0x07;
  out.stop_bit = memory_[at + 7] & 0x07;
  out.physical_start = static_cast<std::uint16_t>(get(at + 8, 2));
  out.physical_bit = memory_[at + 10] & 0x07;
  out.reads = (memory_[at + 11] & 0x01) != 0;
  out.writes = (memory_[at + 11] & 0x02) != 0;
  return out;
}

std::span<std::uint8_t> Esc::area(const SyncManager& manager) {
  if (!manager.active || manager.end() > kMemoryBytes) return {};
  return std::span(memory_).subspan(manager.start, manager.length);
}

/// A sync manager guards its area: one direction, and a mailbox from its first byte on, in turn with the slave.
bool Esc::allowed(std::size_t address, std::size_t size, bool writing) {
  for (std::size_t i = 0; i < kSyncManagers; ++i) {
    const SyncManager manager = sync_manager(i);
    if (!manager.active || !overlaps(address, size, manager.start, manager.length)) continue;
    if (manager.written_by_master() != writing) return false;
    if (!manager.mailbox()) continue;
    if (full(i) == writing) return false;
    if (address <= manager.start) opened_[i] = true;
    if (!opened_[i]) return false;
  }
  return true;
}

void Esc::accessed(std::size_t address, std::size_t size, bool writing) {
  for (std::size_t i = 0; i < kSyncManagers; ++i) {
    const SyncManager manager = sync_manager(i);
    if (!manager.active || !overlaps(address, size, manager.start, manager.length)) continue;
    if (writing && !manager.mailbox()) outputs_written_ = true;
    if (manager.mailbox() && address + size >= manager.end()) {
      set_full(i, writing);
      opened_[i] = false;
    }
  }
}

bool Esc::read(std::size_t address, std::span<std::uint8_t> out) {
  if (out.empty() || address + out.size() > kMemoryBytes || !allowed(address, out.size(), false)) return false;
  std::copy_n(memory_.begin() + static_cast<std::ptrdiff_t>(address), out.size(), out.begin());
  accessed(address, out.size(), false);
  return true;
}

bool Esc::write(std::size_t address, View in) {
  if (in.empty() || address + in.size() > kMemoryBytes || !allowed(address, in.size(), true)) return false;
  bool taken = false;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (!writable(address + i)) continue;
    memory_[address + i] = in[i];
    taken = true;
  }
  if (!taken) return false;
  accessed(address, in.size(), true);
  for (std::size_t i = 0; i < kSyncManagers; ++i) {  // a mailbox that is switched off is empty
    if (sync_manager(i).active) continue;
    set_full(i, false);
    opened_[i] = false;
  }
  return true;
}

/// Calls `copy(bit of data, bit of memory, bits)` for what each FMMU of the direction maps of the range.
template <typename Copy>
bool Esc::through_fmmus(std::uint32_t logical_start, std::size_t size, bool writing, Copy copy) {
  bool any = false;
  for (std::size_t i = 0; i < kFmmus; ++i) {
    const Fmmu map = fmmu(i);
    if (map.length == 0 || !(writing ? map.writes : map.reads)) continue;
    const std::uint64_t map_first = 8 * std::uint64_t{map.logical_start} + map.start_bit;
    const std::uint64_t map_end = 8 * (std::uint64_t{map.logical_start} + map.length - 1) + map.stop_bit + 1;
    const std::uint64_t first = std::max(map_first, 8 * std::uint64_t{logical_start});
    const std::uint64_t end = std::min(map_end, 8 * (std::uint64_t{logical_start} + size));
    if (first >= end) continue;
    const std::size_t at = 8 * std::size_t{map.physical_start} + map.physical_bit + (first - map_first);
    const std::size_t bits = end - first;
    const std::size_t address = at / 8, bytes = (at + bits + 7) / 8 - at / 8;
    if (address + bytes > kMemoryBytes || !allowed(address, bytes, writing)) continue;
    if (writing && address < reg::kRam && !writable(address)) continue;
    copy(first - 8 * std::uint64_t{logical_start}, at, bits);
    accessed(address, bytes, writing);
    any = true;
  }
  return any;
}

namespace {

void copy_bits(View from, std::size_t from_bit, std::span<std::uint8_t> to, std::size_t to_bit, std::size_t bits) {
  if (from_bit % 8 == 0 && to_bit % 8 == 0 && bits % 8 == 0) {
    std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(from_bit / 8), bits / 8,
                to.begin() + static_cast<std::ptrdiff_t>(to_bit / 8));
    return;
  }
  for (std::size_t i = 0; i < bits; ++i) {
    const unsigned bit = (from[(from_bit + i) / 8] >> ((from_bit + i) % 8)) & 1U;
    std::uint8_t& byte = to[(to_bit + i) / 8];
    const unsigned mask = 1U << ((to_bit + i) % 8);
    byte = static_cast<std::uint8_t>(bit != 0 ? byte | mask : byte & ~mask);
  }
}

}  // namespace

bool Esc::logical_read(std::uint32_t logical_start, std::span<std::uint8_t> data) {
  return through_fmmus(logical_start, data.size(), false, [&](std::size_t data_bit, std::size_t bit, std::size_t bits) {
    copy_bits(memory_, bit, data, data_bit, bits);
  });
}

bool Esc::logical_write(std::uint32_t logical_start, View data) {
  return through_fmmus(logical_start, data.size(), true, [&](std::size_t data_bit, std::size_t bit, std::size_t bits) {
    copy_bits(data, data_bit, memory_, bit, bits);
  });
}

Bytes Esc::take_mailbox() {
  const SyncManager manager = sync_manager(kMailboxOut);
  if (!manager.active || !manager.mailbox() || !full(kMailboxOut)) return {};
  const std::span<std::uint8_t> bytes = area(manager);
  set_full(kMailboxOut, false);
  return Bytes(bytes.begin(), bytes.end());
}

bool Esc::can_post() const {
  const SyncManager manager = sync_manager(kMailboxIn);
  return manager.active && manager.mailbox() && !full(kMailboxIn);
}

void Esc::post_mailbox(View message) {
  const std::span<std::uint8_t> to = area(sync_manager(kMailboxIn));
  std::fill(std::copy_n(message.begin(), std::min(message.size(), to.size()), to.begin()), to.end(), std::uint8_t{});
  set_full(kMailboxIn, true);
}

bool Esc::take_outputs_written() {
  const bool written = outputs_written_;
  outputs_written_ = false;
  return written;
}

}  // namespace podhand::ethercat
