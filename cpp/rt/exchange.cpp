#include <rt/exchange.hpp>

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
  AT(Health, cycles), AT(Health, late_cycles), AT(Health, waits), AT(Health, leases_lost), AT(Health, busy_s);
  AT(Health, max_late_s), AT(Health, max_tick_s), AT(Health, mean_late_s);
  AT(CellRecord, ticks), AT(CellRecord, inputs), AT(CellRecord, outputs), AT(CellRecord, state), AT(CellRecord, health);
  AT(TickRecord, inputs), AT(TickRecord, outputs);
  AT(Acknowledgement, sequence), AT(Acknowledgement, token), AT(Acknowledgement, ticks), AT(Acknowledgement, answer);
  AT(Acknowledgement, chain), AT(Acknowledgement, words);
  AT(Event, ticks), AT(Event, wall_s), AT(Event, value), AT(Event, kind), AT(Event, moving);
  AT(Command, sequence), AT(Command, token), AT(Command, deadline_ns), AT(Command, kind), AT(Command, channel);
  AT(Command, count), AT(Command, payload), AT(Command, chain);
  AT(Exchange, header), AT(Exchange, bells), AT(Exchange, lease), AT(Exchange, beat), AT(Exchange, readings);
  AT(Exchange, set_points), AT(Exchange, cell), AT(Exchange, answers), AT(Exchange, events), AT(Exchange, outcomes);
  AT(Exchange, commands), AT(Exchange, ticks);
#undef AT
  add(sizeof(Exchange));
  return hash;
}

std::uint32_t crc32(const void* data, std::size_t size) noexcept {
  std::uint32_t crc = 0xffffffffu;
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1u ? 0xedb88320u : 0u);
  }
  return ~crc;
}

}  // namespace podhand::rt
