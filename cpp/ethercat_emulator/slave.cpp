#include <ethercat_emulator/slave.hpp>
#include <ethercat_emulator/sii.hpp>

#include <algorithm>
#include <cmath>

namespace podhand::ethercat {
namespace {

constexpr std::uint16_t kErrorFlag = 0x10;
constexpr std::size_t kMailboxHeader = 6, kCoeHeader = 2, kLeastMailbox = 34;
constexpr std::uint8_t kMailboxError = 0, kCoE = 3;
constexpr std::uint16_t kSdoRequest = 2, kSdoResponse = 3, kEmergencyService = 1;
constexpr std::uint32_t kLeastCycle_ns = 250'000;

bool touches(std::size_t address, std::size_t size, std::size_t from, std::size_t bytes) {
  return address < from + bytes && from < address + size;
}

/// What a mailbox error reply says. Source: ETG.1000.4, "mailbox error reply service data".
enum MailboxDetail : std::uint16_t { kNoProtocol = 2, kNoService = 4, kTooShort = 6, kBadSize = 8 };

}  // namespace

Slave::Slave(std::unique_ptr<Device> device)
    : device_(std::move(device)), sdo_(device_->objects()), eeprom_(make_sii(device_->identity())) {
  power_cycle(0);
}

void Slave::power_cycle(std::int64_t now_ns) {
  const std::uint64_t links = esc_.get(reg::kDlStatus, 2);
  esc_.reset();
  esc_.set(reg::kDlStatus, links, 2);
  esc_.set(reg::kStationAlias, get_u16(eeprom_, 8), 2);
  device_->power_up();
  state_ = AlState::kInit;
  error_ = false;
  sdo_.reset();
  outbox_.clear();
  last_posted_.clear();
  received_counter_ = sent_counter_ = 0;
  now_ns_ = outputs_ns_ = disciplined_ns_ = now_ns;
  skew_ns_ = -static_cast<double>(now_ns);  // a local clock counts from power-up
  rate_ = 0.0;
}

void Slave::connect_next(bool connected) {
  // Physical links of ports 0 and 1; port 0 and, with a neighbour, port 1 communicate; the others are looped back.
  esc_.set(reg::kDlStatus, connected ? 0x5A31 : 0x5611, 2);
}

bool Slave::read(std::size_t address, std::span<std::uint8_t> out, const Passing& passing) {
  if (touches(address, out.size(), reg::kSystemTime, 8)) {
    esc_.set(reg::kSystemTime, static_cast<std::uint64_t>(system_time_ns(passing.arrives_ns)), 8);
  }
  const bool done = esc_.read(address, out);
  if (done) pump_mailbox();
  return done;
}

bool Slave::write(std::size_t address, View in, const Passing& passing) {
  if (!esc_.write(address, in)) return false;
  written(address, in.size(), passing);
  serve();
  return true;
}

bool Slave::logical_read(std::uint32_t logical_start, std::span<std::uint8_t> data) {
  const bool done = esc_.logical_read(logical_start, data);
  if (done) pump_mailbox();
  return done;
}

bool Slave::logical_write(std::uint32_t logical_start, View data) {
  const bool done = esc_.logical_write(logical_start, data);
  if (done) serve();
  return done;
}

void Slave::written(std::size_t address, std::size_t size, const Passing& passing) {
  if (touches(address, size, reg::kAlControl, 1)) al_control();
  if (touches(address, size, reg::kEepromControl + 1, 1)) eeprom_command();
  if (touches(address, size, reg::kReceiveTimes, 1)) latch_receive_times(passing);
  if (touches(address, size, reg::kSystemTime, 8)) discipline_clock(passing);
  if (touches(address, size, reg::kProcessWatchdogCount, 1)) esc_.set(reg::kProcessWatchdogCount, 0, 1);
  if (touches(address, size, reg::kSyncManager, 8 * kSyncManagers)) {
    repeat_mailbox();
    if (state_ == AlState::kSafeop || state_ == AlState::kOp) {
      const AlCode code = process_data_fits();
      if (code != AlCode::kNone) fall(AlState::kPreop, static_cast<std::uint16_t>(code));
    }
  }
}

// State machine ------------------------------------------------------------------------------------------------------

void Slave::enter(AlState state) {
  if (state == AlState::kInit) {
    sdo_.reset();
    outbox_.clear();
    received_counter_ = 0;
  }
  if (state == AlState::kSafeop && state_ == AlState::kPreop) {
    outputs_ = device_->objects().mapped(kOutputs);
    inputs_ = device_->objects().mapped(kInputs);
    fresh_outputs_ = false;
  }
  if (state_ == AlState::kOp) fresh_outputs_ = false;
  state_ = state;
  if (state == AlState::kOp) take_outputs();
  if (state == AlState::kSafeop) give_inputs();
  esc_.set(reg::kAlStatus, static_cast<std::uint16_t>(state_) | (error_ ? kErrorFlag : 0U), 2);
}

void Slave::fall(AlState to, std::uint16_t code) {
  error_ = true;
  esc_.set(reg::kAlStatusCode, code, 2);
  enter(std::min(to, state_));
}

void Slave::refuse(AlCode code) { fall(state_, static_cast<std::uint16_t>(code)); }

/// An error stands until it is acknowledged; without that only INIT is taken.
void Slave::al_control() {
  const auto word = static_cast<std::uint16_t>(esc_.get(reg::kAlControl, 2));
  const bool acknowledges = (word & kErrorFlag) != 0;
  const auto wanted = static_cast<AlState>(word & 0x0F);
  if (error_ && !acknowledges && wanted != AlState::kInit) return;
  error_ = false;
  esc_.set(reg::kAlStatusCode, 0, 2);
  switch (wanted) {
    case AlState::kInit:
    case AlState::kPreop:
    case AlState::kSafeop:
    case AlState::kOp:
      break;
    case AlState::kBoot:
      return refuse(state_ == AlState::kInit ? AlCode::kNoBootstrap : AlCode::kInvalidRequest);
    default:
      return refuse(AlCode::kUnknownState);
  }
  if (wanted > state_) {
    const AlCode code = ready_for(wanted);
    if (code != AlCode::kNone) return refuse(code);
  }
  enter(wanted);
}

AlCode Slave::ready_for(AlState state) {
  if (state == AlState::kPreop) return mailbox_fits();
  if (state == AlState::kSafeop && state_ == AlState::kPreop) {
    const AlCode code = process_data_fits();
    return code == AlCode::kNone ? clock_fits() : code;
  }
  if (state == AlState::kOp && state_ == AlState::kSafeop) {
    return outputs_.empty() || fresh_outputs_ ? AlCode::kNone : AlCode::kNoValidOutputs;
  }
  return AlCode::kInvalidRequest;
}

AlCode Slave::mailbox_fits() const {
  const SyncManager out = esc_.sync_manager(kMailboxOut), in = esc_.sync_manager(kMailboxIn);
  for (const SyncManager& manager : {out, in}) {
    const bool placed = manager.start >= reg::kRam && manager.end() <= kMemoryBytes;
    if (!manager.active || !manager.mailbox() || !placed || manager.length < kLeastMailbox) {
      return AlCode::kMailboxConfig;
    }
  }
  const bool apart = out.end() <= in.start || in.end() <= out.start;
  return apart && out.written_by_master() && !in.written_by_master() ? AlCode::kNone : AlCode::kMailboxConfig;
}

AlCode Slave::process_data_fits() {
  for (const std::size_t which : {kOutputs, kInputs}) {
    std::size_t bits = 0;
    for (const ObjectDictionary::Mapped& mapped : device_->objects().mapped(which)) bits += mapped.bits;
    const SyncManager manager = esc_.sync_manager(which);
    const bool placed = manager.start >= reg::kRam && manager.end() <= kMemoryBytes;
    const bool shaped = !manager.mailbox() && manager.written_by_master() == (which == kOutputs);
    const bool fits = bits == 0 ? !manager.active : manager.active && placed && shaped && 8U * manager.length == bits;
    if (!fits) return which == kOutputs ? AlCode::kOutputConfig : AlCode::kInputConfig;
  }
  return AlCode::kNone;
}

AlCode Slave::clock_fits() const {
  const std::uint64_t activation = esc_.get(reg::kSyncActivation, 1);
  if ((activation & 0x01) == 0) return AlCode::kNone;
  if ((activation & 0x02) == 0) return AlCode::kDcSyncConfig;
  return esc_.get(reg::kSync0CycleTime, 4) >= kLeastCycle_ns ? AlCode::kNone : AlCode::kDcCycleTime;
}

// EEPROM -------------------------------------------------------------------------------------------------------------

void Slave::eeprom_command() {
  constexpr std::uint64_t kWriteEnable = 0x0001, kEightBytes = 0x0040, kCommand = 0x0700, kError = 0x2000;
  const std::uint64_t control = esc_.get(reg::kEepromControl, 2);
  const std::size_t at = 2 * static_cast<std::size_t>(esc_.get(reg::kEepromAddress, 4));
  const bool ours = (esc_.get(reg::kEepromConfig, 1) & 0x01) == 0;  // else the device's own processor has it
  bool failed = !ours;
  switch (ours ? control & kCommand : 0) {
    case 0x0100: {
      std::uint64_t data = ~std::uint64_t{0};  // behind its end an EEPROM reads as erased
      if (at < eeprom_.size()) data = ethercat::get(eeprom_, at, std::min<std::size_t>(8, eeprom_.size() - at));
      esc_.set(reg::kEepromData, data, 8);
      break;
    }
    case 0x0200:
      failed = (control & kWriteEnable) == 0 || at + 2 > eeprom_.size();
      if (!failed) put(eeprom_, at, esc_.get(reg::kEepromData, 2), 2);
      break;
    case 0x0400:
      esc_.set(reg::kStationAlias, get_u16(eeprom_, 8), 2);
      break;
    case 0x0000:
      break;
    default:
      failed = true;
  }
  esc_.set(reg::kEepromControl, kEightBytes | (failed ? kError | (control & kCommand) : 0U), 2);
}

// Distributed clock --------------------------------------------------------------------------------------------------

std::int64_t Slave::local_time_ns(std::int64_t at_ns) const {
  return at_ns + static_cast<std::int64_t>(std::floor(skew_ns_));
}

std::int64_t Slave::system_time_ns(std::int64_t at_ns) const {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(local_time_ns(at_ns)) + esc_.get(reg::kTimeOffset, 8));
}

void Slave::latch_receive_times(const Passing& passing) {
  const auto arrived = static_cast<std::uint64_t>(local_time_ns(passing.arrives_ns));
  esc_.set(reg::kReceiveTimes, arrived, 4);
  esc_.set(reg::kReceiveTimes + 4, static_cast<std::uint64_t>(local_time_ns(passing.returns_ns)), 4);
  esc_.set(reg::kReceiveTimeUnit, arrived, 8);
}

/// The time of the reference clock has come by: follow it. A chip steers its speed in fixed steps; this loop, with a
/// proportional and an integral part per message, settles to the same end.
void Slave::discipline_clock(const Passing& passing) {
  constexpr double kProportional = 0.1, kIntegral = 0.005, kMostRate = 2e-4;
  const std::uint64_t reference = esc_.get(reg::kSystemTime, 8);
  const auto ours = static_cast<std::uint64_t>(system_time_ns(passing.arrives_ns)) - esc_.get(reg::kTimeDelay, 4);
  const auto ahead_ns = static_cast<std::int32_t>(static_cast<std::uint32_t>(ours - reference));
  const double elapsed_ns = static_cast<double>(passing.arrives_ns - disciplined_ns_);
  disciplined_ns_ = passing.arrives_ns;
  skew_ns_ -= kProportional * ahead_ns;
  if (elapsed_ns > 0) rate_ = std::clamp(rate_ - kIntegral * ahead_ns / elapsed_ns, -kMostRate, kMostRate);
  const std::uint32_t size = static_cast<std::uint32_t>(std::abs(std::int64_t{ahead_ns})) & 0x7FFFFFFFU;
  esc_.set(reg::kTimeDifference, size | (ahead_ns < 0 ? 0x80000000U : 0U), 4);
}

// Mailbox ------------------------------------------------------------------------------------------------------------

void Slave::serve() {
  serve_mailbox();
  if (esc_.take_outputs_written()) {
    outputs_ns_ = now_ns_;
    fresh_outputs_ = state_ == AlState::kSafeop || state_ == AlState::kOp;
    esc_.set(reg::kProcessWatchdogStatus, 1, 1);
    if (state_ == AlState::kOp) take_outputs();
  }
}

void Slave::serve_mailbox() {
  const Bytes message = esc_.take_mailbox();
  if (!message.empty() && state_ != AlState::kInit) answer_mailbox(message);
  pump_mailbox();
}

void Slave::answer_mailbox(View message) {
  const std::size_t length = get_u16(message, 0);
  const std::uint8_t type = message[5] & 0x0F;
  const std::uint8_t counter = (message[5] >> 4) & 0x07;
  if (counter != 0 && counter == received_counter_) return;  // the same request once more
  received_counter_ = counter;
  if (kMailboxHeader + length > message.size()) return refuse_mailbox(kBadSize);
  if (type != kCoE) return refuse_mailbox(kNoProtocol);
  if (length < kCoeHeader + 8) return refuse_mailbox(kTooShort);
  const View body = message.subspan(kMailboxHeader, length);
  if (get_u16(body, 0) >> 12 != kSdoRequest) return refuse_mailbox(kNoService);
  const std::size_t room = esc_.sync_manager(kMailboxIn).length - kMailboxHeader - kCoeHeader;
  const Bytes answer = sdo_.answer(body.subspan(kCoeHeader), state_, room);
  if (answer.empty()) return;
  const bool aborts = answer[0] == 0x80;  // ETG.1000.6: an abort is a request, whoever sends it
  Bytes payload;
  append(payload, (aborts ? kSdoRequest : kSdoResponse) << 12, 2);
  payload.insert(payload.end(), answer.begin(), answer.end());
  queue_mailbox(kCoE, payload);
}

void Slave::refuse_mailbox(std::uint16_t detail) {
  Bytes payload;
  append(payload, 1, 2);
  append(payload, detail, 2);
  queue_mailbox(kMailboxError, payload);
}

void Slave::queue_mailbox(std::uint8_t type, View payload) {
  sent_counter_ = sent_counter_ % 7 + 1;
  Bytes message;
  append(message, payload.size(), 2);
  append(message, 0, 3);  // from the slave itself, no priority
  append(message, type | sent_counter_ << 4, 1);
  message.insert(message.end(), payload.begin(), payload.end());
  outbox_.push_back(std::move(message));
}

void Slave::pump_mailbox() {
  if (outbox_.empty() || !esc_.can_post()) return;
  last_posted_ = std::move(outbox_.front());
  outbox_.pop_front();
  esc_.post_mailbox(last_posted_);
}

/// The master toggles the repeat bit when an answer got lost on the line; the slave shows the answer again.
void Slave::repeat_mailbox() {
  constexpr std::uint8_t kRepeat = 0x02;
  const std::size_t at = reg::kSyncManager + 8 * kMailboxIn;
  const std::uint64_t activate = esc_.get(at + 6, 1), pdi = esc_.get(at + 7, 1);
  if (((activate ^ pdi) & kRepeat) == 0) return;
  esc_.set(at + 7, pdi ^ kRepeat, 1);
  if (!last_posted_.empty() && esc_.can_post()) esc_.post_mailbox(last_posted_);
}

// Process data -------------------------------------------------------------------------------------------------------

void Slave::take_outputs() {
  const std::span<std::uint8_t> image = esc_.area(esc_.sync_manager(kOutputs));
  std::size_t at = 0;
  for (const ObjectDictionary::Mapped& mapped : outputs_) {
    const std::size_t size = mapped.bits / 8;
    if (at + size > image.size()) return;
    if (mapped.entry != nullptr) mapped.entry->set(static_cast<std::int64_t>(ethercat::get(image, at, size)));
    at += size;
  }
}

void Slave::give_inputs() {
  const std::span<std::uint8_t> image = esc_.area(esc_.sync_manager(kInputs));
  std::size_t at = 0;
  for (const ObjectDictionary::Mapped& mapped : inputs_) {
    const std::size_t size = mapped.bits / 8;
    if (at + size > image.size()) return;
    if (mapped.entry != nullptr) std::copy_n(mapped.entry->value.begin(), size, image.begin() + static_cast<long>(at));
    at += size;
  }
}

std::int64_t Slave::watchdog_ns() const {
  const std::uint64_t unit_ns = 40 * (esc_.get(reg::kWatchdogDivider, 2) + 2);
  return static_cast<std::int64_t>(unit_ns * esc_.get(reg::kProcessWatchdog, 2));
}

void Slave::advance(std::int64_t now_ns) {
  const double elapsed_ns = static_cast<double>(now_ns - now_ns_);
  if (elapsed_ns > 0) {
    now_ns_ = now_ns;
    skew_ns_ += elapsed_ns * (1e-6 * drift_ppm + rate_);
    const bool watched = state_ == AlState::kOp && esc_.sync_manager(kOutputs).watchdog() && watchdog_ns() > 0;
    if (watched && now_ns - outputs_ns_ > watchdog_ns()) {
      esc_.set(reg::kProcessWatchdogStatus, 0, 1);
      esc_.set(reg::kProcessWatchdogCount, std::min<std::uint64_t>(255, esc_.get(reg::kProcessWatchdogCount, 1) + 1),
               1);
      fall(AlState::kSafeop, static_cast<std::uint16_t>(AlCode::kWatchdog));
    }
    device_->step(1e-9 * elapsed_ns, state_ == AlState::kOp);
  }
  for (const Emergency& emergency : device_->take_emergencies()) {
    if (state_ == AlState::kInit) continue;
    Bytes payload;
    append(payload, kEmergencyService << 12, 2);
    append(payload, emergency.error_code, 2);
    append(payload, emergency.error_register, 1);
    append(payload, 0, 5);
    queue_mailbox(kCoE, payload);
  }
  pump_mailbox();
  if (state_ == AlState::kSafeop || state_ == AlState::kOp) give_inputs();
}

}  // namespace podhand::ethercat
