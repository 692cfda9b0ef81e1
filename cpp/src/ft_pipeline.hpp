/// From the raw reading to F_tool: plausibility, bias, payload, inertia, low-pass, tool frame.
#pragma once

#include <podhand/config.hpp>
#include <podhand/segment.hpp>
#include <podhand/realtime.hpp>

namespace podhand {

class FtPipeline {
 public:
  /// Not real-time. Forgets everything, the bias of a tare included.
  void configure(const KernelConfig& config) noexcept;
  /// One step. Real-time. A reading that is not plausible changes nothing but fault(): the last good wrench is held.
  /// Another payload than before moves the filtered signal by the difference of their weights, without a transient.
  /// @param acceleration_base of the payload's centre of mass, commanded [m/s^2]
  void update(const Inputs& inputs, const double R_base_tool[9], const PayloadConfig& payload,
              const double acceleration_base[3], double dt_s) noexcept PODHAND_NONBLOCKING;
  /// Adds a wrench (sensor frame) to the bias; the filtered signal moves with it, without a transient. Real-time.
  void shift_bias(const double wrench_sensor[6]) noexcept PODHAND_NONBLOCKING;

  [[nodiscard]] FtFault fault() const noexcept { return fault_; }
  /// The last step took another payload than the one before.
  [[nodiscard]] bool payload_changed() const noexcept { return payload_changed_; }
  /// Tool frame, at the tool origin.
  [[nodiscard]] const double* filtered() const noexcept { return filtered_tool_; }
  [[nodiscard]] const double* raw() const noexcept { return raw_tool_; }
  /// Compensated, not filtered, sensor frame: what a tare averages.
  [[nodiscard]] const double* compensated_sensor() const noexcept { return compensated_; }

 private:
  [[nodiscard]] FtFault judge(const Inputs& inputs) noexcept PODHAND_NONBLOCKING;
  void to_tool(const double wrench_sensor[6], double wrench_tool[6]) const noexcept PODHAND_NONBLOCKING;

  FtConfig config_{};
  double gravity_base_[3]{};
  double R_tool_sensor_[9]{};
  double p_tool_sensor_[3]{};
  double bias_[6]{};
  double compensated_[6]{};
  double filtered_[6]{};
  double filtered_tool_[6]{};
  double raw_tool_[6]{};
  double last_wrench_[6]{};
  PayloadConfig payload_{};  ///< of the last good step
  double age_s_{};           ///< since the last new sequence number
  double identical_s_{};     ///< how long all samples have been bit-identical
  std::uint32_t sequence_{};
  FtFault fault_{FtFault::kNone};
  bool seen_{false};    ///< a first sample has come
  bool primed_{false};  ///< the filter holds a good sample
  bool payload_changed_{false};
};

}  // namespace podhand
