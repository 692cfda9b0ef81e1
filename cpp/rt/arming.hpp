/// Whether the cell may be moved, and the way back after a fault. No time, no threads.
///
/// | state | arm | disarm | acknowledge | reset | fault |
/// | --- | --- | --- | --- | --- | --- |
/// | disarmed | armed | - | - | - | latched |
/// | armed | - | disarmed | - | - | latched |
/// | fault latched | refused | - | acknowledged | refused | - |
/// | fault acknowledged | refused | - | - | disarmed | - |
///
/// A dash: nothing changes. No step of it moves anything.
#pragma once

#include <podhand/kernel.hpp>

namespace podhand::rt {

/// The numbers are those of `Arming` in controllers/realtime.py.
enum class ArmingState : std::uint32_t { kDisarmed = 0, kArmed = 1, kFaultLatched = 2, kFaultAcknowledged = 3 };

class Arming {
 public:
  [[nodiscard]] ArmingState state() const noexcept { return state_; }

  [[nodiscard]] Verdict arm() noexcept {
    if (faulty()) return {"a fault is latched; acknowledge and reset it before arming"};
    state_ = ArmingState::kArmed;
    return {};
  }
  void disarm() noexcept {
    if (state_ == ArmingState::kArmed) state_ = ArmingState::kDisarmed;
  }
  void fault() noexcept {
    if (!faulty()) state_ = ArmingState::kFaultLatched;
  }
  void acknowledge() noexcept {
    if (state_ == ArmingState::kFaultLatched) state_ = ArmingState::kFaultAcknowledged;
  }
  /// Before the kernel's own reset.
  [[nodiscard]] Verdict may_reset() const noexcept {
    if (state_ == ArmingState::kFaultLatched) return {"the fault is not acknowledged; acknowledge it before the reset"};
    return {};
  }
  /// The kernel has reset its fault.
  void reset() noexcept {
    if (faulty()) state_ = ArmingState::kDisarmed;
  }

 private:
  [[nodiscard]] bool faulty() const noexcept {
    return state_ == ArmingState::kFaultLatched || state_ == ArmingState::kFaultAcknowledged;
  }

  ArmingState state_{ArmingState::kDisarmed};
};

}  // namespace podhand::rt
