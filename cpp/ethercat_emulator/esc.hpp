/// The EtherCAT slave controller: registers, memory, sync managers and FMMUs, as a master sees them on the wire.
/// Sources: ETG.1000.4 (data link layer protocol) and the register description of Beckhoff's ET1100 data sheet.
#pragma once

#include <ethercat_emulator/bytes.hpp>

#include <array>

namespace podhand::ethercat {

namespace reg {
constexpr std::uint16_t kType = 0x0000, kStationAddress = 0x0010, kStationAlias = 0x0012, kDlControl = 0x0100,
                        kDlStatus = 0x0110, kAlControl = 0x0120, kAlStatus = 0x0130, kAlStatusCode = 0x0134,
                        kWatchdogDivider = 0x0400, kProcessWatchdog = 0x0420, kProcessWatchdogStatus = 0x0440,
                        kProcessWatchdogCount = 0x0442, kEepromConfig = 0x0500, kEepromControl = 0x0502,
                        kEepromAddress = 0x0504, kEepromData = 0x0508, kFmmu = 0x0600, kSyncManager = 0x0800,
                        kReceiveTimes = 0x0900, kSystemTime = 0x0910, kReceiveTimeUnit = 0x0918, kTimeOffset = 0x0920,
                        kTimeDelay = 0x0928, kTimeDifference = 0x092C, kSyncActivation = 0x0981,
                        kSync0CycleTime = 0x09A0, kRam = 0x1000;
}

constexpr std::size_t kFmmus = 4;
constexpr std::size_t kSyncManagers = 4;
constexpr std::size_t kMailboxOut = 0, kMailboxIn = 1, kOutputs = 2, kInputs = 3;  ///< sync managers, by use
constexpr std::size_t kMemoryBytes = 0x3000;                                       ///< registers and 8 KiB of RAM

struct SyncManager {
  std::uint16_t start{}, length{};
  std::uint8_t control{};
  bool active{};

  [[nodiscard]] bool mailbox() const { return (control & 0x03) == 0x02; }
  [[nodiscard]] bool written_by_master() const { return (control & 0x0C) == 0x04; }
  [[nodiscard]] bool watchdog() const { return (control & 0x40) != 0; }
  [[nodiscard]] std::size_t end() const { return std::size_t{start} + length; }
};

struct Fmmu {
  std::uint32_t logical_start{};
  std::uint16_t length{};
  std::uint8_t start_bit{}, stop_bit{};
  std::uint16_t physical_start{};
  std::uint8_t physical_bit{};
  bool reads{}, writes{};
};

class Esc {
 public:
  Esc();

  /// Power-up: all registers at their defaults, memory empty.
  void reset();

  /// A master's access; false when nothing was read or taken, so that the working counter must not count it.
  bool read(std::size_t address, std::span<std::uint8_t> out);
  bool write(std::size_t address, View in);

  /// A master's access through the active FMMUs to the logical range from `logical_start`.
  bool logical_read(std::uint32_t logical_start, std::span<std::uint8_t> data);
  bool logical_write(std::uint32_t logical_start, View data);

  /// The slave's own access: no rule, no effect.
  [[nodiscard]] std::uint64_t get(std::size_t address, std::size_t size) const {
    return ethercat::get(memory_, address, size);
  }
  void set(std::size_t address, std::uint64_t value, std::size_t size) { put(memory_, address, value, size); }
  [[nodiscard]] std::span<std::uint8_t> area(const SyncManager& manager);

  [[nodiscard]] SyncManager sync_manager(std::size_t index) const;
  [[nodiscard]] Fmmu fmmu(std::size_t index) const;

  /// What the master has put into its mailbox; empty when there is nothing.
  [[nodiscard]] Bytes take_mailbox();
  [[nodiscard]] bool can_post() const;
  /// Gives the master a message; `can_post()` was true and it fits.
  void post_mailbox(View message);

  /// Whether outputs were written since the last call.
  [[nodiscard]] bool take_outputs_written();

 private:
  [[nodiscard]] bool writable(std::size_t address) const;
  [[nodiscard]] bool allowed(std::size_t address, std::size_t size, bool writing);
  void accessed(std::size_t address, std::size_t size, bool writing);
  void set_full(std::size_t index, bool full);
  [[nodiscard]] bool full(std::size_t index) const;
  template <typename Copy>
  bool through_fmmus(std::uint32_t logical_start, std::size_t size, bool writing, Copy copy);

  std::array<std::uint8_t, kMemoryBytes> memory_{};
  std::array<bool, kSyncManagers> opened_{};  ///< mailboxes of which the first byte was accessed, not yet the last
  bool outputs_written_{};
};

}  // namespace podhand::ethercat
