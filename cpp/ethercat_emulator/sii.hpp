/// The contents of a slave's EEPROM. Source: ETG.2010 (SII), ETG.1000.6 tables 16 to 24.
#pragma once

#include <ethercat_emulator/device.hpp>

namespace podhand::ethercat {

/// Where a device wants its sync managers; the master reads it from the EEPROM.
struct MemoryPlan {
  std::uint16_t mailbox_out{0x1000}, mailbox_in{0x1080}, mailbox_bytes{128}, outputs{0x1100}, inputs{0x1400};
};

[[nodiscard]] Bytes make_sii(const Identity& identity, const MemoryPlan& plan = {});

}  // namespace podhand::ethercat
