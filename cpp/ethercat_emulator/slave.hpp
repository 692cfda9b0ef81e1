/// A slave: controller chip, EEPROM, state machine and mailbox around a device.
/// Sources: ETG.1000.4 and .6, ETG.1020 (protocol enhancements), ETG.2010 (slave information interface).
#pragma once

#include <ethercat_emulator/device.hpp>
#include <ethercat_emulator/esc.hpp>
#include <ethercat_emulator/sdo_server.hpp>

#include <deque>
#include <memory>

namespace podhand::ethercat {

/// ETG.1000.6, table "AL status codes".
enum class AlCode : std::uint16_t {
  kNone = 0x0000,
  kInvalidRequest = 0x0011,
  kUnknownState = 0x0012,
  kNoBootstrap = 0x0013,
  kMailboxConfig = 0x0016,
  kNoValidOutputs = 0x0019,
  kWatchdog = 0x001B,
  kOutputConfig = 0x001D,
  kInputConfig = 0x001E,
  kDcSyncConfig = 0x0030,
  kDcCycleTime = 0x0035,
};

/// A moment of the emulated network: when the frame comes to the slave, and when it comes back from behind it.
struct Passing {
  std::int64_t arrives_ns{}, returns_ns{};
};

class Slave {
 public:
  explicit Slave(std::unique_ptr<Device> device);

  /// Power off and on: INIT, no station address, objects at their defaults. The EEPROM keeps what it holds.
  void power_cycle(std::int64_t now_ns);

  /// A datagram's access at its moment; false when the working counter must not count it.
  bool read(std::size_t address, std::span<std::uint8_t> out, const Passing& passing);
  bool write(std::size_t address, View in, const Passing& passing);
  bool logical_read(std::uint32_t logical_start, std::span<std::uint8_t> data);
  bool logical_write(std::uint32_t logical_start, View data);

  /// Lets time pass up to now: device, watchdog, inputs.
  void advance(std::int64_t now_ns);
  /// Whether another slave follows: it shows in the link status of port 1.
  void connect_next(bool connected);

  /// What the device finds wrong by itself: it falls to a state, with error flag and code.
  void fall(AlState to, std::uint16_t code);
  /// Its oscillator against the emulator's time [1e-6].
  double drift_ppm{};

  [[nodiscard]] AlState state() const { return state_; }
  [[nodiscard]] std::uint16_t al_status() const { return static_cast<std::uint16_t>(esc_.get(reg::kAlStatus, 2)); }
  [[nodiscard]] std::uint16_t al_code() const { return static_cast<std::uint16_t>(esc_.get(reg::kAlStatusCode, 2)); }
  [[nodiscard]] std::uint16_t station_address() const {
    return static_cast<std::uint16_t>(esc_.get(reg::kStationAddress, 2));
  }
  [[nodiscard]] Device& device() { return *device_; }
  /// The distributed clock's time at a moment [ns].
  [[nodiscard]] std::int64_t system_time_ns(std::int64_t at_ns) const;

 private:
  void written(std::size_t address, std::size_t size, const Passing& passing);
  void al_control();
  void refuse(AlCode code);
  void enter(AlState state);
  [[nodiscard]] AlCode ready_for(AlState state);
  [[nodiscard]] AlCode mailbox_fits() const;
  [[nodiscard]] AlCode process_data_fits();
  [[nodiscard]] AlCode clock_fits() const;
  void eeprom_command();
  void latch_receive_times(const Passing& passing);
  void discipline_clock(const Passing& passing);
  [[nodiscard]] std::int64_t local_time_ns(std::int64_t at_ns) const;

  void serve();
  void serve_mailbox();
  void answer_mailbox(View message);
  void refuse_mailbox(std::uint16_t detail);
  void queue_mailbox(std::uint8_t type, View payload);
  void pump_mailbox();
  void repeat_mailbox();
  void take_outputs();
  void give_inputs();
  [[nodiscard]] std::int64_t watchdog_ns() const;

  std::unique_ptr<Device> device_;
  Esc esc_{};
  SdoServer sdo_;
  Bytes eeprom_;
  AlState state_{AlState::kInit};
  bool error_{};
  bool fresh_outputs_{};  ///< came since SAFE-OP was entered
  std::int64_t now_ns_{}, outputs_ns_{};
  std::vector<ObjectDictionary::Mapped> outputs_{}, inputs_{};
  std::deque<Bytes> outbox_{};
  Bytes last_posted_{};
  std::uint8_t received_counter_{}, sent_counter_{};
  double skew_ns_{}, rate_{};  ///< of the local clock against the emulator's, and what disciplining adds to its drift
  std::int64_t disciplined_ns_{};
};

}  // namespace podhand::ethercat
