#include <rt/flight.hpp>
#include <rt/shared_memory.hpp>

#include <array>
#include <cstddef>

namespace podhand::rt {

std::uint64_t exchange_hash() noexcept {
  std::uint64_t hash = layout_hash();
  const auto add = [&hash](std::uint64_t value) {
    for (int i = 0; i < 8; ++i) {
      hash ^= value >> (8 * i) & 0xffu;
      hash *= 0x100000001b3u;
    }
  };
#define AT(type, field) (add(offsetof(type, field)), add(sizeof(type::field)))
  add(kVersion);
  AT(Health, cycles), AT(Health, waits), AT(Health, leases_lost), AT(Health, late_ticks), AT(Health, late_woke);
  AT(Health, late_waited), AT(Health, late_computed), AT(Health, busy_s);
  AT(Running, chain), AT(Running, segment), AT(Running, tag);
  AT(Worst, ns), AT(Worst, cycle), AT(Worst, ticks), AT(Worst, wall_s), AT(Worst, running);
  AT(Statistics, wake), AT(Statistics, wait), AT(Statistics, compute), AT(Statistics, period), add(kBuckets);
  AT(CellRecord, ticks), AT(CellRecord, inputs), AT(CellRecord, outputs), AT(CellRecord, state), AT(CellRecord, health);
  AT(CellRecord, arming);
  AT(TickRecord, inputs), AT(TickRecord, outputs);
  AT(Acknowledgement, sequence), AT(Acknowledgement, token), AT(Acknowledgement, ticks), AT(Acknowledgement, answer);
  AT(Acknowledgement, chain), AT(Acknowledgement, words);
  AT(Event, ticks), AT(Event, wall_s), AT(Event, value), AT(Event, kind), AT(Event, moving);
  AT(Command, sequence), AT(Command, token), AT(Command, deadline_ns), AT(Command, kind), AT(Command, channel);
  AT(Command, count), AT(Command, payload), AT(Command, chain);
  AT(Exchange, header), AT(Exchange, bells), AT(Exchange, lease), AT(Exchange, beat), AT(Exchange, readings);
  AT(Exchange, set_points), AT(Exchange, cell), AT(Exchange, answers), AT(Exchange, events), AT(Exchange, outcomes);
  AT(Exchange, commands), AT(Exchange, statistics);
  AT(Stored, at), AT(Stored, words), AT(Stored, bytes);
  AT(StateRecord, ticks), AT(StateRecord, chain), AT(StateRecord, state);
  AT(TakenCommand, ticks), AT(TakenCommand, kind), AT(TakenCommand, channel), AT(TakenCommand, payload);
  AT(FlightOutcome, ticks), AT(FlightOutcome, outcome);
  AT(Fault, ticks), AT(Fault, wall_s), AT(Fault, kind), AT(Fault, code);
  AT(Flight, header), AT(Flight, config), AT(Flight, states), AT(Flight, commands), AT(Flight, outcomes);
  AT(Flight, faults), AT(Flight, payloads), AT(Flight, ticks);
#undef AT
  add(sizeof(Exchange)), add(sizeof(Flight));
  return hash;
}

BlockKind Exchange::kind() noexcept { return {kMagic, kVersion, sizeof(Exchange), exchange_hash()}; }

namespace {

constexpr std::array<std::uint32_t, 256> crc_table() noexcept {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1u ? 0xedb88320u : 0u);
    table[byte] = crc;
  }
  return table;
}

constexpr std::array<std::uint32_t, 256> kCrcTable = crc_table();

}  // namespace

std::uint32_t crc32(const void* data, std::size_t size, std::uint32_t before) noexcept {
  std::uint32_t crc = ~before;
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < size; ++i) crc = crc >> 8 ^ kCrcTable[(crc ^ bytes[i]) & 0xffu];
  return ~crc;
}

}  // namespace podhand::rt
