/// Frames of every kind of nonsense against the emulated line: it must neither crash nor hang nor answer anything that
/// is no frame, and work afterwards. Run under sanitizers by `make sanitize`.
#include <ethercat_emulator/network.hpp>

#include "check.hpp"

#include <algorithm>
#include <random>

namespace {

using namespace podhand::ethercat;

struct Random {
  std::mt19937_64 engine{6};
  unsigned below(unsigned end) { return std::uniform_int_distribution<unsigned>(0, end - 1)(engine); }
};

constexpr unsigned kLandmarks[] = {0x0010, 0x0120, 0x0500, 0x0502, 0x0508, 0x0600, 0x0610, 0x0800,
                                   0x0808, 0x0810, 0x0818, 0x0900, 0x0910, 0x1000, 0x1080, 0x1100};

Bytes frame_of(const Bytes& datagrams) {
  Bytes frame(12, 0xFF);
  frame.insert(frame.end(), {0x88, 0xA4});
  append(frame, datagrams.size() | 0x1000, 2);
  frame.insert(frame.end(), datagrams.begin(), datagrams.end());
  return frame;
}

Bytes datagram(unsigned command, unsigned slave, unsigned offset, const Bytes& data, bool more = false) {
  Bytes out;
  append(out, command, 1);
  append(out, 0, 1);
  append(out, slave, 2);
  append(out, offset, 2);
  append(out, data.size() | (more ? 0x8000U : 0U), 2);
  append(out, 0, 2);
  out.insert(out.end(), data.begin(), data.end());
  append(out, 0, 2);
  return out;
}

void send(Network& network, unsigned command, unsigned slave, unsigned offset, const Bytes& data,
          std::int64_t now_ns = 0) {
  CHECK(!network.process(frame_of(datagram(command, slave, offset, data)), now_ns).empty());
}

/// Slave 0 to OP, so that what follows meets all of it.
void bring_up(Network& network, std::int64_t now_ns) {
  const auto sync_manager = [&](unsigned index, unsigned start, unsigned size, unsigned control) {
    Bytes row;
    append(row, start, 2);
    append(row, size, 2);
    append(row, control, 2);
    append(row, 1, 2);
    send(network, 2, 0, 0x0800 + 8 * index, row, now_ns);
  };
  send(network, 8, 0, 0x0120, {0x11, 0}, now_ns);
  sync_manager(0, 0x1000, 128, 0x26);
  sync_manager(1, 0x1080, 128, 0x22);
  send(network, 2, 0, 0x0120, {0x02, 0}, now_ns);
  sync_manager(2, 0x1100, 7, 0x24);
  sync_manager(3, 0x1400, 13, 0x20);
  send(network, 2, 0, 0x0120, {0x04, 0}, now_ns);
  send(network, 2, 0, 0x1100, Bytes(7), now_ns);
  send(network, 2, 0, 0x0120, {0x08, 0}, now_ns);
}

/// A mailbox message that is nearly right: CoE, any SDO, any length.
Bytes mail(Random& random) {
  Bytes out;
  append(out, random.below(4) == 0 ? random.below(0x10000) : 10 + random.below(112), 2);
  append(out, 0, 3);
  append(out, (random.below(8) == 0 ? random.below(16) : 3U) | random.below(8) << 4, 1);
  append(out, (random.below(8) == 0 ? random.below(16) : 2U) << 12, 2);
  append(out, random.below(256), 1);
  constexpr unsigned kIndices[] = {0x1000, 0x1018, 0x1600, 0x1A00, 0x1C00, 0x1C12, 0x1C13, 0x2000, 0x6040, 0x60C2};
  append(out, kIndices[random.below(10)], 2);
  append(out, random.below(12), 1);
  append(out, random.below(2) == 0 ? random.below(300) : random.below(0xFFFFFFFF), 4);
  while (out.size() < 128) append(out, random.below(256), 1);
  return out;
}

Bytes nonsense(Random& random) {
  if (random.below(4) == 0) return frame_of(datagram(2, 0, 0x1000, mail(random)));
  if (random.below(4) == 0) return frame_of(datagram(1, 0, 0x1080, Bytes(128)));
  Bytes all;
  const unsigned count = 1 + random.below(4);
  for (unsigned i = 0; i < count; ++i) {
    Bytes data(random.below(80));
    for (auto& byte : data) byte = static_cast<std::uint8_t>(random.below(256));
    const unsigned offset =
        random.below(2) == 0 ? kLandmarks[random.below(16)] + random.below(4) : random.below(0x10000);
    const Bytes one = datagram(random.below(17), random.below(3) - 1, offset, data, i + 1 < count);
    all.insert(all.end(), one.begin(), one.end());
  }
  Bytes frame = frame_of(all);
  if (random.below(4) == 0) frame[random.below(static_cast<unsigned>(frame.size()))] ^= 1U << random.below(8);
  if (random.below(8) == 0) frame.resize(random.below(static_cast<unsigned>(frame.size())));
  return frame;
}

}  // namespace

int main() {
  Random random;
  Network network({DriveConfig{}, DriveConfig{}});
  std::int64_t now_ns = 0;
  for (int round = 0; round < 300; ++round) {
    network.slave(0).power_cycle(now_ns);
    bring_up(network, now_ns);
    CHECK(network.slave(0).state() == AlState::kOp);
    for (int i = 0; i < 300; ++i) {
      now_ns += random.below(50) == 0 ? 200'000'000 : random.below(2'000'000);
      const Bytes frame = nonsense(random);
      for (const Bytes& answer : network.process(frame, now_ns)) CHECK(answer.size() == frame.size());
    }
  }
  CHECK(network.counters.rejected > 1000);
  CHECK(network.counters.processed > 10'000);
  return 0;
}
