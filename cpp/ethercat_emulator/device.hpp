/// What makes a slave a drive or a sensor: its objects and what it does with them as time passes.
#pragma once

#include <ethercat_emulator/object_dictionary.hpp>

namespace podhand::ethercat {

struct Identity {
  std::uint32_t vendor_id{}, product_code{}, revision{}, serial{};
  std::string name{};
};

/// A CoE emergency message. Source: ETG.1000.6, section 5.6.4.
struct Emergency {
  std::uint16_t error_code{};
  std::uint8_t error_register{};
};

class Device {
 public:
  explicit Device(Identity identity) : identity_(std::move(identity)) {}
  virtual ~Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  /// Everything as after switching on; replaces all objects.
  virtual void power_up() = 0;
  /// Time passes.
  /// @param operational  the slave is in OP: what the master has sent last is in force
  virtual void step(double dt_s, bool operational) = 0;

  [[nodiscard]] const Identity& identity() const { return identity_; }
  [[nodiscard]] ObjectDictionary& objects() { return objects_; }
  /// What has happened since the last call and must be told to the master.
  [[nodiscard]] std::vector<Emergency> take_emergencies() { return std::exchange(emergencies_, {}); }

 protected:
  /// Objects that every device has.
  void add_common_objects(std::uint32_t device_type);
  void report(Emergency emergency) { emergencies_.push_back(emergency); }

 private:
  Identity identity_;
  ObjectDictionary objects_{};
  std::vector<Emergency> emergencies_{};
};

}  // namespace podhand::ethercat
