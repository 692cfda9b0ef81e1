/// A CiA 402 drive in cyclic synchronous position, with a first-order motor behind it.
/// Sources: CiA 402-2 and IEC 61800-7-201 (state machine, objects), ETG.6010 (implementation for EtherCAT).
#pragma once

#include <ethercat_emulator/device.hpp>

namespace podhand::ethercat {

struct DriveConfig {
  Identity identity{0x0000AFFE, 0x00000402, 1, 1, "emulated drive"};
  double start_counts{};          ///< where the encoder stands at power-up
  double time_constant_s{0.004};  ///< of the position loop
  double max_speed_counts_s{2'000'000};

  /// @throws std::invalid_argument for what is not finite or not positive.
  void validate() const;
};

class Drive402 : public Device {
 public:
  explicit Drive402(DriveConfig config);

  void power_up() override;
  void step(double dt_s, bool operational) override;

  /// Makes the drive find a fault of its own.
  void trip(std::uint16_t error_code);
  /// The statusword shown stands still, whatever the drive does.
  bool hold_statusword{};
  /// What the encoder adds to the truth from now on.
  double encoder_error_counts{};

  [[nodiscard]] double position_counts() const { return position_; }

 private:
  enum class State : std::uint8_t {
    kSwitchOnDisabled,
    kReadyToSwitchOn,
    kSwitchedOn,
    kOperationEnabled,
    kQuickStopActive,
    kFaultReactionActive,
    kFault
  };

  void obey(std::uint16_t controlword);
  void lose_master();
  void move(double dt_s);
  void watch_following_error(double dt_s);
  void show(bool operational);
  [[nodiscard]] std::uint16_t statusword(bool operational) const;
  [[nodiscard]] double measured() const { return position_ + encoder_error_counts; }

  DriveConfig config_;
  State state_{};
  double position_{}, velocity_{};  ///< of the motor [counts, counts/s]
  double excess_s_{};               ///< how long the following error has been beyond its window
  bool following_error_{}, was_operational_{};
  std::uint16_t last_controlword_{};

  struct Objects {
    Entry *error_register{}, *error_code{}, *controlword{}, *statusword{}, *quick_stop_option{}, *connection_option{},
        *mode{}, *mode_shown{}, *position{}, *velocity{}, *target{}, *window{}, *window_ms{}, *following{},
        *quick_stop_deceleration{};
  } at_{};
};

}  // namespace podhand::ethercat
