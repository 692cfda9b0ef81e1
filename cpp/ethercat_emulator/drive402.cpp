#include <ethercat_emulator/drive402.hpp>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace podhand::ethercat {
namespace {

constexpr std::uint32_t kServoDrive = 0x00020192;
constexpr std::int64_t kPositionMode = 8;  // cyclic synchronous position
constexpr std::uint32_t kPositionModeBit = 1U << 7;
constexpr std::uint16_t kFollowingError = 0x8611, kCommunication = 0x7500;
constexpr std::size_t kNoteBytes = 1024;

bool shutdown(unsigned word) { return (word & 0x87) == 0x06; }
bool switch_on(unsigned word) { return (word & 0x8F) == 0x07; }
bool enable_operation(unsigned word) { return (word & 0x8F) == 0x0F; }
bool disable_voltage(unsigned word) { return (word & 0x82) == 0x00; }
bool quick_stop(unsigned word) { return (word & 0x86) == 0x02; }

}  // namespace

void DriveConfig::validate() const {
  const auto positive = [](double value) { return std::isfinite(value) && value > 0; };
  if (!positive(time_constant_s)) throw std::invalid_argument("time_constant_s must be above 0");
  if (!positive(max_speed_counts_s)) throw std::invalid_argument("max_speed_counts_s must be above 0");
  if (!(std::fabs(start_counts) < 0x1p31)) throw std::invalid_argument("start_counts must fit 32 bits with a sign");
  if (identity.name.empty() || identity.name.size() > 64) {
    throw std::invalid_argument("name must have 1 to 64 bytes");
  }
}

Drive402::Drive402(DriveConfig config) : Device(config.identity), config_(std::move(config)) {
  config_.validate();
  position_ = config_.start_counts;
  Drive402::power_up();
}

void Drive402::power_up() {
  add_common_objects(kServoDrive);
  ObjectDictionary& o = objects();
  o.add_text(0x2000, "note", kNoteBytes);
  at_.error_register = &o.at(0x1001, 0);
  at_.error_code = &o.add(0x603F, 0, Type::kU16, Access::kRead, 0, Mapping::kInput);
  at_.controlword = &o.add(0x6040, 0, Type::kU16, Access::kReadWrite, 0, Mapping::kOutput);
  at_.statusword = &o.add(0x6041, 0, Type::kU16, Access::kRead, 0, Mapping::kInput);
  at_.connection_option = &o.add(0x6007, 0, Type::kI16, Access::kReadWrite, 1);
  at_.quick_stop_option = &o.add(0x605A, 0, Type::kI16, Access::kReadWrite, 2);
  at_.mode = &o.add(0x6060, 0, Type::kI8, Access::kReadWrite, 0, Mapping::kOutput);
  at_.mode_shown = &o.add(0x6061, 0, Type::kI8, Access::kRead, 0, Mapping::kInput);
  at_.position = &o.add(0x6064, 0, Type::kI32, Access::kRead, 0, Mapping::kInput);
  at_.window = &o.add(0x6065, 0, Type::kU32, Access::kReadWrite, 20'000);
  at_.window_ms = &o.add(0x6066, 0, Type::kU16, Access::kReadWrite, 10);
  at_.velocity = &o.add(0x606C, 0, Type::kI32, Access::kRead, 0, Mapping::kInput);
  at_.target = &o.add(0x607A, 0, Type::kI32, Access::kReadWrite, 0, Mapping::kOutput);
  at_.quick_stop_deceleration = &o.add(0x6085, 0, Type::kU32, Access::kReadWrite, 20'000'000);
  at_.following = &o.add(0x60F4, 0, Type::kI32, Access::kRead, 0, Mapping::kInput);
  o.add(0x6502, 0, Type::kU32, Access::kRead, kPositionModeBit);
  at_.connection_option->high = 3;
  at_.quick_stop_option->high = 6;
  at_.mode->high = kPositionMode;
  at_.quick_stop_deceleration->low = 1;
  at_.quick_stop_deceleration->high = 0xFFFFFFFF;
  o.add(0x60C2, 0, Type::kU8, Access::kRead, 2);
  o.add(0x60C2, 1, Type::kU8, Access::kReadWrite, 1);
  o.add(0x60C2, 2, Type::kI8, Access::kReadWrite, -3);
  o.add_list(0x1600, Type::kU32, {0x60400010, 0x607A0020, 0x60600008}, 8);
  o.add_list(0x1A00, Type::kU32, {0x60410010, 0x60640020, 0x606C0020, 0x60610008, 0x603F0010}, 8);
  o.add_list(0x1C12, Type::kU16, {0x1600}, 1);
  o.add_list(0x1C13, Type::kU16, {0x1A00}, 1);
  state_ = State::kSwitchOnDisabled;
  velocity_ = excess_s_ = 0.0;
  following_error_ = was_operational_ = false;
  last_controlword_ = 0;
  show(false);
}

void Drive402::trip(std::uint16_t error_code) {
  if (state_ == State::kFault || state_ == State::kFaultReactionActive) return;
  state_ = State::kFaultReactionActive;
  at_.error_code->set(error_code);
  const bool communication = error_code == kCommunication;
  at_.error_register->set(communication ? 0x11 : 0x21);
  report({error_code, static_cast<std::uint8_t>(at_.error_register->number())});
}

void Drive402::step(double dt_s, bool operational) {
  if (operational) {
    obey(static_cast<std::uint16_t>(at_.controlword->number()));
  } else if (was_operational_) {
    lose_master();
  }
  was_operational_ = operational;
  move(dt_s);
  watch_following_error(dt_s);
  show(operational);
}

/// Abort connection option code (0x6007): nothing, fault, disable voltage, quick stop.
void Drive402::lose_master() {
  if (state_ != State::kOperationEnabled) return;
  switch (at_.connection_option->number()) {
    case 1:
      return trip(kCommunication);
    case 2:
      state_ = State::kSwitchOnDisabled;
      return;
    case 3:
      state_ = State::kQuickStopActive;
      return;
    default:
      return;
  }
}

void Drive402::obey(std::uint16_t word) {
  const bool reset = (word & 0x80) != 0 && (last_controlword_ & 0x80) == 0;
  last_controlword_ = word;
  switch (state_) {
    case State::kSwitchOnDisabled:
      if (shutdown(word)) state_ = State::kReadyToSwitchOn;
      break;
    case State::kReadyToSwitchOn:
      if (disable_voltage(word) || quick_stop(word)) {
        state_ = State::kSwitchOnDisabled;
      } else if (switch_on(word) || enable_operation(word)) {
        state_ = State::kSwitchedOn;
      }
      break;
    case State::kSwitchedOn:
      if (disable_voltage(word) || quick_stop(word)) {
        state_ = State::kSwitchOnDisabled;
      } else if (shutdown(word)) {
        state_ = State::kReadyToSwitchOn;
      } else if (enable_operation(word)) {
        state_ = State::kOperationEnabled;
      }
      break;
    case State::kOperationEnabled:
      if (disable_voltage(word)) {
        state_ = State::kSwitchOnDisabled;
      } else if (quick_stop(word)) {
        state_ = at_.quick_stop_option->number() == 0 ? State::kSwitchOnDisabled : State::kQuickStopActive;
      } else if (shutdown(word)) {
        state_ = State::kReadyToSwitchOn;
      } else if (switch_on(word)) {
        state_ = State::kSwitchedOn;
      }
      break;
    case State::kQuickStopActive:
      if (disable_voltage(word)) {
        state_ = State::kSwitchOnDisabled;
      } else if (enable_operation(word) && at_.quick_stop_option->number() >= 5) {
        state_ = State::kOperationEnabled;
      }
      break;
    case State::kFault:
      if (reset) {
        state_ = State::kSwitchOnDisabled;
        following_error_ = false;
        at_.error_code->set(0);
        at_.error_register->set(0);
        report({0x0000, 0x00});
      }
      break;
    case State::kFaultReactionActive:
      break;
  }
}

void Drive402::move(double dt_s) {
  switch (state_) {
    case State::kOperationEnabled: {
      if (at_.mode_shown->number() != kPositionMode) {
        velocity_ = 0.0;
        break;
      }
      const double gap = static_cast<double>(at_.target->number()) - measured();
      const double most = config_.max_speed_counts_s * dt_s;
      const double moved = std::clamp(-gap * std::expm1(-dt_s / config_.time_constant_s), -most, most);
      position_ += moved;
      velocity_ = dt_s > 0 ? moved / dt_s : 0.0;
      break;
    }
    case State::kQuickStopActive:
    case State::kFaultReactionActive: {
      const double slower = static_cast<double>(at_.quick_stop_deceleration->number()) * dt_s;
      const double before = velocity_;
      velocity_ = std::copysign(std::max(0.0, std::fabs(before) - slower), before);
      position_ += 0.5 * (before + velocity_) * dt_s;
      if (velocity_ != 0.0) break;
      if (state_ == State::kFaultReactionActive) {
        state_ = State::kFault;
      } else if (at_.quick_stop_option->number() < 5) {
        state_ = State::kSwitchOnDisabled;
      }
      break;
    }
    default:
      velocity_ = 0.0;  // the brake holds
  }
}

void Drive402::watch_following_error(double dt_s) {
  const bool follows = state_ == State::kOperationEnabled && at_.mode_shown->number() == kPositionMode;
  const double gap = follows ? static_cast<double>(at_.target->number()) - measured() : 0.0;
  at_.following->set(static_cast<std::int64_t>(std::clamp(gap, -0x1p31, 0x1p31 - 1)));
  excess_s_ = std::fabs(gap) > static_cast<double>(at_.window->number()) ? excess_s_ + dt_s : 0.0;
  if (excess_s_ <= 1e-3 * static_cast<double>(at_.window_ms->number())) return;
  following_error_ = true;
  trip(kFollowingError);
}

std::uint16_t Drive402::statusword(bool operational) const {
  constexpr std::uint16_t kVoltage = 0x0010, kRemote = 0x0200, kFollows = 0x1000, kTooFar = 0x2000;
  std::uint16_t word = operational ? kRemote : 0;
  if (following_error_) word |= kTooFar;
  switch (state_) {
    case State::kSwitchOnDisabled:
      return word | 0x0040;
    case State::kReadyToSwitchOn:
      return word | 0x0021;
    case State::kSwitchedOn:
      return word | kVoltage | 0x0023;
    case State::kOperationEnabled:
      return word | kVoltage | 0x0027 | (at_.mode_shown->number() == kPositionMode ? kFollows : 0U);
    case State::kQuickStopActive:
      return word | kVoltage | 0x0007;
    case State::kFaultReactionActive:
      return word | kVoltage | 0x000F;
    case State::kFault:
      return word | 0x0008;
  }
  return word;
}

void Drive402::show(bool operational) {
  if (at_.mode->number() == kPositionMode || at_.mode->number() == 0) at_.mode_shown->set(at_.mode->number());
  at_.position->set(static_cast<std::int64_t>(std::llround(measured())));
  at_.velocity->set(static_cast<std::int64_t>(std::llround(velocity_)));
  if (!hold_statusword) at_.statusword->set(statusword(operational));
}

}  // namespace podhand::ethercat
