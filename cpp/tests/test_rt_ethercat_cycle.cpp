/// Our cycle against the emulated line: what an answer is worth, for every way in which it can go wrong.
#include <ethercat_emulator/network.hpp>
#include <rt/ethercat_cycle.hpp>

#include "check.hpp"

#include <memory>
#include <random>
#include <stdexcept>

namespace {

using namespace podhand::rt;
using podhand::ethercat::append;
using podhand::ethercat::Bytes;
using podhand::ethercat::DriveConfig;
using podhand::ethercat::get;
using podhand::ethercat::Network;
using podhand::ethercat::put;
using podhand::ethercat::View;

constexpr unsigned kStation = 0x1001;
constexpr std::size_t kOutputs = 7, kInputs = 13;
constexpr std::int64_t kTickNs = 1'000'000;
constexpr std::uint32_t kLogical[] = {0x10000, 0x20000};
constexpr std::size_t kInGroup[] = {2, 1};  // drives 0 and 1, drive 2

/// Three drives in two groups, brought to SAFE-OP with plain register writes.
struct Rig {
  Network network{{DriveConfig{}, DriveConfig{}, DriveConfig{}}};
  std::int64_t now_ns{kTickNs};
  std::unique_ptr<EthercatCycle> cycle{};

  Rig() {
    for (unsigned slave = 0; slave < 3; ++slave) {
      Bytes address;
      append(address, kStation + slave, 2);
      write(2, 0x10000 - slave, 0x0010, address);
      sync_manager(slave, 0, 0x1000, 128, 0x26);
      sync_manager(slave, 1, 0x1080, 128, 0x22);
      request(slave, 2);
      sync_manager(slave, 2, 0x1100, kOutputs, 0x64);
      sync_manager(slave, 3, 0x1400, kInputs, 0x20);
      const std::size_t group = slave / 2, place = slave % 2;
      const auto logical = static_cast<unsigned>(kLogical[group]);
      fmmu(slave, 0, logical + static_cast<unsigned>(place * kOutputs), kOutputs, 0x1100, 2);
      fmmu(slave, 1, logical + static_cast<unsigned>(kInGroup[group] * kOutputs + place * kInputs), kInputs, 0x1400, 1);
      request(slave, 4);
    }
    EthercatConfig config;
    for (std::size_t i = 0; i < 2; ++i) {
      config.groups.push_back(
          {kLogical[i], kInGroup[i] * kOutputs, kInGroup[i] * kInputs, static_cast<std::uint16_t>(3 * kInGroup[i])});
    }
    config.slaves = 3;
    config.reference_clock = kStation;
    cycle = std::make_unique<EthercatCycle>(config);
  }

  void write(unsigned command, unsigned slave, unsigned offset, const Bytes& data) {
    Bytes frame(12, 0xFF);
    frame.insert(frame.end(), {0x88, 0xA4});
    append(frame, (12 + data.size()) | 0x1000, 2);
    append(frame, command, 2);
    append(frame, slave, 2);
    append(frame, offset, 2);
    append(frame, data.size(), 4);
    frame.insert(frame.end(), data.begin(), data.end());
    append(frame, 0, 2);
    const auto answers = network.process(frame, now_ns);
    CHECK(answers.size() == 1);
    CHECK(get(answers[0], frame.size() - 2, 2) == 1);
  }
  void sync_manager(unsigned slave, unsigned index, unsigned start, unsigned size, unsigned control) {
    Bytes row;
    append(row, start, 2);
    append(row, size, 2);
    append(row, control, 2);
    append(row, 1, 2);
    write(5, kStation + slave, 0x0800 + 8 * index, row);
  }
  void fmmu(unsigned slave, unsigned index, unsigned logical, unsigned size, unsigned start, unsigned kind) {
    Bytes row;
    append(row, logical, 4);
    append(row, size, 2);
    append(row, 7 << 8, 2);
    append(row, start, 2);
    append(row, kind << 8, 2);
    append(row, 1, 4);
    write(5, kStation + slave, 0x0600 + 16 * index, row);
  }
  void request(unsigned slave, unsigned state) {
    write(5, kStation + slave, 0x0120, {static_cast<std::uint8_t>(state), 0});
  }

  /// Outputs of a drive: controlword, target position, mode.
  void command(std::size_t drive, unsigned word, std::int32_t target) {
    const std::span<std::uint8_t> to = cycle->outputs(drive / 2).subspan(drive % 2 * kOutputs, kOutputs);
    put(to, 0, word, 2);
    put(to, 2, static_cast<std::uint32_t>(target), 4);
    put(to, 6, 8, 1);
  }
  [[nodiscard]] std::int32_t position(std::size_t drive) const {
    return static_cast<std::int32_t>(get(cycle->inputs(drive / 2), drive % 2 * kInputs + 2, 4));
  }

  /// One tick; whatever is due comes in.
  void tick() {
    now_ns += kTickNs;
    const auto frame = cycle->begin(now_ns);
    for (const Bytes& answer : network.process(frame, now_ns)) (void)cycle->take(answer);
  }
  void ticks(int count) {
    while (count-- > 0) tick();
  }
  void to_op() {
    tick();
    for (unsigned slave = 0; slave < 3; ++slave) request(slave, 8);
    tick();
    CHECK(cycle->operational());
    for (const unsigned word : {0x06U, 0x07U, 0x0FU}) {
      for (std::size_t drive = 0; drive < 3; ++drive) command(drive, word, 0);
      ticks(2);
    }
  }
  [[nodiscard]] EthercatInputs state(std::size_t group) const { return cycle->state(group, now_ns); }
};

void three_drives_follow_in_two_groups() {
  Rig rig;
  CHECK(rig.state(0).age_ns == kNeverNs && !rig.state(0).valid);
  rig.to_op();
  for (std::size_t drive = 0; drive < 3; ++drive) rig.command(drive, 0x0F, 100 * (static_cast<int>(drive) + 1));
  rig.ticks(100);
  for (std::size_t drive = 0; drive < 3; ++drive) CHECK(rig.position(drive) == 100 * (static_cast<int>(drive) + 1));
  for (std::size_t group = 0; group < 2; ++group) {
    CHECK(rig.state(group).valid && rig.state(group).age_ns == 0 && rig.state(group).wrong_counts == 0);
    CHECK(rig.state(group).working_counter == 3 * kInGroup[group]);
  }
  CHECK(rig.cycle->counters().answered == rig.cycle->counters().sent && rig.cycle->counters().lost == 0);
}

void a_hundred_thousand_cycles_without_a_wrong_counter() {
  Rig rig;
  rig.to_op();
  for (int i = 0; i < 100'000; ++i) {
    for (std::size_t drive = 0; drive < 3; ++drive) rig.command(drive, 0x0F, i % 5000);
    rig.tick();
    CHECK(rig.state(0).valid && rig.state(1).valid && rig.cycle->operational());
  }
  CHECK(rig.state(0).wrong_counts == 0 && rig.cycle->counters().lost == 0);
}

void lost_answers_age_the_inputs_and_keep_them() {
  Rig rig;
  rig.to_op();
  rig.command(0, 0x0F, 500);
  rig.ticks(100);
  rig.network.faults.lose = 3;
  for (int lost = 1; lost <= 3; ++lost) {
    rig.tick();
    CHECK(!rig.state(0).valid && rig.state(0).age_ns == lost * kTickNs);
    CHECK(!rig.cycle->operational());
    CHECK(rig.position(0) == 500);
  }
  rig.tick();
  CHECK(rig.state(0).valid && rig.state(0).age_ns == 0);
  CHECK(rig.cycle->counters().lost == 3);
}

/// An answer of an earlier tick looks right in everything but its number.
void late_answers_are_not_taken() {
  Rig rig;
  rig.to_op();
  rig.network.faults.delay = 1;
  rig.network.faults.delay_ns = 3 * kTickNs / 2;
  rig.tick();
  CHECK(!rig.state(0).valid);
  rig.tick();
  CHECK(rig.state(0).valid);
  rig.tick();
  CHECK(rig.cycle->counters().late == 1);
  CHECK(rig.state(0).valid && rig.state(0).age_ns == 0);
}

void duplicates_are_taken_once() {
  Rig rig;
  rig.to_op();
  const std::uint64_t before = rig.cycle->counters().answered;
  rig.network.faults.duplicate = 1;
  rig.tick();
  CHECK(rig.cycle->counters().duplicate == 1 && rig.cycle->counters().answered == before + 1);
  CHECK(rig.state(0).valid);
}

void a_wrong_counter_spoils_its_group_alone() {
  Rig rig;
  rig.to_op();
  rig.network.faults.miscount = 1;
  rig.network.faults.miscount_by = 1;
  rig.tick();
  CHECK(!rig.state(0).valid && rig.state(0).age_ns == kTickNs && rig.state(0).wrong_counts == 1);
  CHECK(rig.state(0).working_counter == 7);
  CHECK(rig.state(1).valid && rig.state(1).wrong_counts == 0);
}

void a_cut_cable_spoils_the_groups_behind_it() {
  Rig rig;
  rig.to_op();
  rig.network.cut_before(2);
  rig.tick();
  CHECK(rig.state(0).valid && !rig.state(1).valid);
  CHECK(!rig.cycle->operational());  // one slave of three is not heard
  rig.network.cut_before(0);
  rig.tick();  // nothing but our own frame, unchanged
  CHECK(!rig.state(0).valid && rig.cycle->counters().foreign == 1);
  rig.network.cut_before(3);
  rig.tick();
  CHECK(rig.state(0).valid && rig.state(1).valid && rig.cycle->operational());
}

void a_slave_that_leaves_op_is_noticed_though_it_counts() {
  Rig rig;
  rig.to_op();
  rig.network.slave(1).fall(podhand::ethercat::AlState::kSafeop, 0x001A);
  rig.tick();
  CHECK(rig.state(0).valid && rig.state(0).working_counter == 6);
  CHECK(!rig.cycle->operational());
}

void the_reference_clock_leads_the_others() {
  Rig rig;
  rig.network.slave(1).drift_ppm = 50.0;
  rig.network.slave(2).drift_ppm = -50.0;
  rig.to_op();
  rig.ticks(3000);
  CHECK(rig.cycle->clock_ns() == static_cast<std::uint64_t>(rig.network.slave(0).system_time_ns(rig.now_ns)));
  for (std::size_t slave = 1; slave < 3; ++slave) {
    CHECK_NEAR(static_cast<double>(rig.network.slave(slave).system_time_ns(rig.now_ns)),
               static_cast<double>(rig.cycle->clock_ns()), 2000.0);
  }
}

void foreign_frames_change_nothing() {
  Rig rig;
  rig.to_op();
  std::mt19937 random{6};
  rig.now_ns += kTickNs;
  const auto frame = rig.cycle->begin(rig.now_ns);
  const Bytes sent(frame.begin(), frame.end());
  const Bytes answer = rig.network.process(sent, rig.now_ns).at(0);
  CHECK(rig.cycle->take(sent) == EthercatCycle::Taken::kForeign);
  for (std::size_t size = 0; size < answer.size(); ++size) {
    CHECK(rig.cycle->take(View(answer).first(size)) == EthercatCycle::Taken::kForeign);
  }
  for (int i = 0; i < 2000; ++i) {
    Bytes noise(random() % 200);
    for (auto& byte : noise) byte = static_cast<std::uint8_t>(random());
    CHECK(rig.cycle->take(noise) == EthercatCycle::Taken::kForeign);
  }
  Bytes ahead = answer;
  ahead[16 + 10 + 7] = 1;  // a number of the far future
  CHECK(rig.cycle->take(ahead) == EthercatCycle::Taken::kForeign);
  CHECK(!rig.state(0).valid);
  CHECK(rig.cycle->take(answer) == EthercatCycle::Taken::kAnswer);
  CHECK(rig.state(0).valid);
}

bool refused(const EthercatConfig& config) {
  try {
    const EthercatCycle cycle(config);
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

void configurations_are_judged_at_the_door() {
  const EthercatGroup group{0x10000, 7, 13, 3};
  CHECK(!refused({{group}, 1, 0}));
  CHECK(refused({{}, 1, 0}));
  CHECK(refused({{group}, 0, 0}));
  CHECK(refused({std::vector<EthercatGroup>(kMaxEthercatGroups + 1, group), 9, 0}));
  CHECK(refused({{{0, 0, 0, 1}}, 1, 0}));
  CHECK(refused({{{0, 7, 13, 0}}, 1, 0}));
  CHECK(refused({{{0, 1000, 1000, 3}}, 1, 0}));
  CHECK(!refused({{{0, 700, 730, 3}}, 1, 0}));
}

}  // namespace

int main() {
  three_drives_follow_in_two_groups();
  a_hundred_thousand_cycles_without_a_wrong_counter();
  lost_answers_age_the_inputs_and_keep_them();
  late_answers_are_not_taken();
  duplicates_are_taken_once();
  a_wrong_counter_spoils_its_group_alone();
  a_cut_cable_spoils_the_groups_behind_it();
  a_slave_that_leaves_op_is_noticed_though_it_counts();
  the_reference_clock_leads_the_others();
  foreign_frames_change_nothing();
  configurations_are_judged_at_the_door();
  return 0;
}
