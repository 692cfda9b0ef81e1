/// Lease and commands, without time and threads.
#include "kernel_rig.hpp"

#include <rt/cycle.hpp>

#include <algorithm>
#include <memory>

using namespace podhand;
using namespace podhand::test;
using namespace podhand::rt;

namespace {

/// A cycle whose plant follows its set-points, and a client that beats when told to.
struct Cell {
  Rig rig;  ///< makes plausible readings; its own kernel is not used
  std::unique_ptr<Exchange> exchange = std::make_unique<Exchange>();
  std::unique_ptr<Flight> flight = std::make_unique<Flight>();
  Kernel kernel;
  std::unique_ptr<Cycle> cycle;
  double now_s = 100.0;

  explicit Cell(std::uint32_t most_late = 0) {
    CHECK(kernel.configure(station()).ok());
    cycle = std::make_unique<Cycle>(*exchange, *flight, kernel, kLeaseS, most_late);
    tick();
  }

  void supervise(double elapsed_s = 1e-3) {
    now_s += elapsed_s;
    cycle->supervise(elapsed_s, now_s);
  }

  void tick() {
    rig.step();
    Inputs inputs = rig.in;
    Outputs set_points{};
    std::uint64_t number = 0;
    if (exchange->set_points.read(set_points, number)) std::copy_n(set_points.command, kAxes, inputs.q);
    exchange->readings.write(inputs);
    CHECK(cycle->readings_wait());
    cycle->tick(Health{});
    CHECK(!cycle->readings_wait());
  }

  void take_lease(std::uint64_t token) {
    exchange->lease.owner = token;
    supervise();
    CHECK(request(CommandKind::kArm, token).answer == Answer::kAccepted);
  }

  ArmingState arming() {
    CellRecord seen;
    std::uint64_t number = 0;
    CHECK(exchange->cell.read(seen, number));
    return seen.arming;
  }

  Request request(CommandKind kind, std::uint64_t token, int channel = 0, const Segment* chain = nullptr) {
    Request r{};
    r.kind = kind;
    r.token = token;
    r.channel = channel;
    r.chain = chain;
    r.count = chain == nullptr ? 0 : 1;
    CHECK(cycle->offer(r));
    CHECK(!cycle->answered());
    supervise();
    CHECK(cycle->answered());
    return r;
  }
};

constexpr std::uint64_t kAnn = 0x100000001, kBob = 0x200000001;

std::unique_ptr<Segment> band_move() {
  auto s = segment();
  s->reference[kGroupBandArm].kind = RefKind::kTarget;
  s->reference[kGroupBandArm].target[2] = 0.1;
  s->reference[kGroupBandArm].target_speed = 0.05;
  return s;
}

Outcome only_outcome(Cell& cell) {
  Outcome outcome;
  CHECK(cell.exchange->outcomes.count() == 1);
  CHECK(cell.exchange->outcomes.read(0, outcome));
  return outcome;
}

/// Those of arming left out.
Event event(Cell& cell, std::uint64_t number) {
  Event e;
  for (std::uint64_t i = 0;; ++i) {
    CHECK(cell.exchange->events.read(i, e));
    if (e.kind != EventKind::kArming && number-- == 0) return e;
  }
}

void only_the_owner_commands() {
  Cell cell;
  const auto move = band_move();
  CHECK(cell.request(CommandKind::kSubmit, kAnn, 1, move.get()).answer == Answer::kNotOwner);
  cell.take_lease(kAnn);
  CHECK(cell.request(CommandKind::kSubmit, kBob, 1, move.get()).answer == Answer::kNotOwner);
  CHECK(cell.cycle->moving() == 0);
  const Request accepted = cell.request(CommandKind::kSubmit, kAnn, 1, move.get());
  CHECK(accepted.answer == Answer::kAccepted && accepted.number == 1 && accepted.ticks == 1);
  CHECK(cell.cycle->moving() == 2);
  CellRecord seen;
  std::uint64_t number = 0;
  CHECK(cell.exchange->cell.read(seen, number) && seen.state.chain[1] == 1);  // before any further tick
  const Request busy = cell.request(CommandKind::kSubmit, kAnn, 1, move.get());
  CHECK(busy.answer == Answer::kRefused && !busy.verdict.ok());
  CHECK(cell.request(CommandKind::kCancel, kAnn, -1).answer == Answer::kAccepted);
  for (int i = 0; i < 500 && cell.cycle->moving() != 0; ++i) cell.tick();
  CHECK(only_outcome(cell).cause == Cause::kCancelled);
}

void a_silent_client_loses_its_lease_and_its_motion() {
  Cell cell;
  cell.take_lease(kAnn);
  const auto move = band_move();
  CHECK(cell.request(CommandKind::kSubmit, kAnn, 1, move.get()).answer == Answer::kAccepted);
  int ticks = 0;
  for (; cell.exchange->lease.owner != 0 && ticks < 1000; ++ticks) {
    if (ticks < 100 && ticks % 50 == 0) ++cell.exchange->lease.beats;
    cell.supervise();
    cell.tick();
  }
  CHECK(ticks >= 300 && ticks <= 303);  // the last beat was at 50
  CHECK(cell.cycle->leases_lost() == 1);
  const Event lost = event(cell, 1);
  CHECK(lost.kind == EventKind::kLeaseLost && lost.moving == 2 && lost.value > kLeaseS);
  for (int i = 0; i < 500 && cell.cycle->moving() != 0; ++i) cell.tick();
  const Outcome outcome = only_outcome(cell);
  CHECK(outcome.cause == Cause::kLeaseLost);
  CHECK(outcome.stop_time_s > 0.0 && outcome.stop_time_s < 0.3);
  CHECK(cell.request(CommandKind::kSubmit, kAnn, 1, move.get()).answer == Answer::kNotOwner);
  cell.take_lease(kBob);
  CHECK(cell.request(CommandKind::kSubmit, kBob, 1, move.get()).answer == Answer::kAccepted);
}

void a_host_that_oversleeps_does_not_hold_it_against_its_client() {
  Cell cell;
  cell.take_lease(kAnn);
  cell.supervise(0.240);
  cell.supervise(0.240);
  CHECK(cell.exchange->lease.owner == kAnn);
  ++cell.exchange->lease.beats;
  for (int i = 0; i < 12; ++i) cell.supervise(1.0);  // 12 x 20 ms count
  CHECK(cell.exchange->lease.owner == kAnn);
  cell.supervise(1.0);
  cell.supervise(1.0);
  CHECK(cell.exchange->lease.owner == 0);
}

void a_client_that_goes_leaves_nothing_in_motion() {
  for (const bool died : {false, true}) {
    Cell cell;
    cell.take_lease(kAnn);
    const auto move = band_move();
    CHECK(cell.request(CommandKind::kSubmit, kAnn, 1, move.get()).answer == Answer::kAccepted);
    for (int i = 0; i < 100; ++i) cell.tick();
    if (died)
      cell.cycle->client_gone(kAnn);
    else
      cell.exchange->lease.owner = 0;
    cell.supervise();
    CHECK(event(cell, 1).kind == (died ? EventKind::kClientGone : EventKind::kLeaseReleased));
    CHECK(cell.exchange->lease.owner == 0);
    for (int i = 0; i < 500 && cell.cycle->moving() != 0; ++i) cell.tick();
    CHECK(only_outcome(cell).cause == Cause::kLeaseLost);
  }
}

void late_ticks_in_a_row_end_motion_where_that_is_asked_for() {
  for (const std::uint32_t most_late : {0u, 3u}) {
    Cell cell(most_late);
    cell.take_lease(kAnn);
    const auto move = band_move();
    const auto late = [&](Lateness lateness) {
      cell.cycle->keep_time(lateness, cell.now_s);
      cell.tick();
    };
    for (int i = 0; i < 10; ++i) late(Lateness::kWoke);  // nothing moves
    CHECK(cell.request(CommandKind::kSubmit, kAnn, 1, move.get()).answer == Answer::kAccepted);
    late(Lateness::kInTime);
    for (int i = 0; i < 30; ++i) late(Lateness::kWaited);  // the plant's own
    for (int i = 0; i < 30; ++i) late(i % 3 == 2 ? Lateness::kInTime : Lateness::kWoke);
    CHECK(cell.cycle->moving() == 2 && cell.exchange->outcomes.count() == 0);
    const std::uint64_t ticks = cell.cycle->ticks();
    for (const Lateness lateness : {Lateness::kWoke, Lateness::kComputed, Lateness::kWoke}) late(lateness);
    if (most_late == 0) {
      CHECK(cell.cycle->moving() == 2 && cell.flight->faults.count() == 0);
      continue;
    }
    const Event trip = event(cell, 1);
    CHECK(trip.kind == EventKind::kLateTrip && trip.value == 3.0 && trip.moving == 2 && trip.ticks == ticks + 2);
    for (int i = 0; i < 500 && cell.cycle->moving() != 0; ++i) cell.tick();
    CHECK(only_outcome(cell).cause == Cause::kHostLate);
    CHECK(cell.flight->faults.count() == 2);  // the event, and its outcome
    TakenCommand taken;
    CHECK(cell.flight->commands.read(1, taken) && taken.kind == Taken::kLateTrip && taken.ticks == trip.ticks);
    CHECK(cell.exchange->lease.owner == kAnn && cell.arming() == ArmingState::kDisarmed);
    CHECK(cell.request(CommandKind::kSubmit, kAnn, 1, move.get()).answer == Answer::kRefused);
  }
}

Arming in(ArmingState state) {
  Arming arming;
  if (state == ArmingState::kArmed) CHECK(arming.arm().ok());
  if (state >= ArmingState::kFaultLatched) arming.fault();
  if (state == ArmingState::kFaultAcknowledged) arming.acknowledge();
  CHECK(arming.state() == state);
  return arming;
}

void arming_keeps_its_table() {
  enum Step { kArm, kDisarm, kAcknowledge, kReset, kFault };
  const auto after = [](ArmingState state, Step step, bool& refused) {
    Arming arming = in(state);
    refused = false;
    if (step == kArm) refused = !arming.arm().ok();
    if (step == kDisarm) arming.disarm();
    if (step == kAcknowledge) arming.acknowledge();
    if (step == kReset && !(refused = !arming.may_reset().ok())) arming.reset();
    if (step == kFault) arming.fault();
    return arming.state();
  };
  using S = ArmingState;
  const S off = S::kDisarmed, on = S::kArmed, latched = S::kFaultLatched, seen = S::kFaultAcknowledged;
  const struct {
    S state, after[5];
    bool refused[5];
  } table[] = {
      {off, {on, off, off, off, latched}, {}},
      {on, {on, off, on, on, latched}, {}},
      {latched, {latched, latched, seen, latched, latched}, {true, false, false, true, false}},
      {seen, {seen, seen, seen, off, seen}, {true, false, false, false, false}},
  };
  for (const auto& row : table) {
    for (const Step step : {kArm, kDisarm, kAcknowledge, kReset, kFault}) {
      bool refused = false;
      CHECK(after(row.state, step, refused) == row.after[step]);
      CHECK(refused == row.refused[step]);
    }
  }
}

void nothing_moves_between_a_fault_and_the_arming_after_it() {
  Cell cell;
  cell.take_lease(kAnn);
  const auto move = band_move();
  const auto answer = [&](CommandKind kind) { return cell.request(kind, kAnn, 1, move.get()).answer; };
  CHECK(answer(CommandKind::kSubmit) == Answer::kAccepted);
  for (int i = 0; i < 100; ++i) cell.tick();
  cell.rig.in.safety = kEmergencyStop;
  for (int i = 0; i < 500; ++i) cell.tick();
  CHECK(only_outcome(cell).cause == Cause::kEmergencyStop && cell.arming() == ArmingState::kFaultLatched);
  cell.rig.in.safety = kSafetyOk;
  Outputs stood{}, now{};
  std::uint64_t number = 0;
  cell.tick();
  CHECK(cell.exchange->set_points.read(stood, number));
  const auto stands = [&] {
    for (int i = 0; i < 50; ++i) cell.tick();
    CHECK(cell.exchange->set_points.read(now, number) && cell.cycle->moving() == 0);
    CHECK(std::equal(stood.command, stood.command + kAxes, now.command));
  };
  CHECK(answer(CommandKind::kResetFault) == Answer::kRefused && answer(CommandKind::kArm) == Answer::kRefused);
  CHECK(answer(CommandKind::kSubmit) == Answer::kRefused);
  stands();
  CHECK(answer(CommandKind::kAcknowledge) == Answer::kAccepted);
  CHECK(cell.arming() == ArmingState::kFaultAcknowledged && answer(CommandKind::kSubmit) == Answer::kRefused);
  stands();
  CHECK(answer(CommandKind::kResetFault) == Answer::kAccepted && cell.arming() == ArmingState::kDisarmed);
  CHECK(answer(CommandKind::kSubmit) == Answer::kRefused);
  stands();
  CHECK(answer(CommandKind::kArm) == Answer::kAccepted);
  stands();
  CHECK(answer(CommandKind::kSubmit) == Answer::kAccepted && cell.cycle->moving() == 2);
  CHECK(answer(CommandKind::kDisarm) == Answer::kAccepted);
  for (int i = 0; i < 500 && cell.cycle->moving() != 0; ++i) cell.tick();
  CHECK(cell.exchange->outcomes.count() == 2 && cell.arming() == ArmingState::kDisarmed);
  CHECK(cell.flight->commands.count() == 4);  // two chains, the reset, the end of the second: arming replays nothing
}

void who_takes_over_leaves_nothing_in_motion() {
  Cell cell;
  cell.take_lease(kAnn);
  const auto move = band_move();
  CHECK(cell.request(CommandKind::kSubmit, kAnn, 1, move.get()).answer == Answer::kAccepted);
  for (int i = 0; i < 100; ++i) cell.tick();
  cell.exchange->lease.owner = kBob;
  cell.supervise();
  CHECK(event(cell, 1).kind == EventKind::kTakenOver && event(cell, 2).kind == EventKind::kLeaseTaken);
  CHECK(cell.request(CommandKind::kCancel, kAnn, -1).answer == Answer::kNotOwner);
  for (int i = 0; i < 500 && cell.cycle->moving() != 0; ++i) cell.tick();
  CHECK(only_outcome(cell).cause == Cause::kLeaseLost && cell.arming() == ArmingState::kDisarmed);
  CHECK(cell.request(CommandKind::kSubmit, kBob, 1, move.get()).answer == Answer::kRefused);
  CHECK(cell.request(CommandKind::kArm, kBob).answer == Answer::kAccepted);
  CHECK(cell.request(CommandKind::kSubmit, kBob, 1, move.get()).answer == Answer::kAccepted);
}

/// Stops after 50 ms by its second reflex.
Outcome reflexed(Cell& cell, bool expected) {
  auto move = band_move();
  for (int i = 0; i < 2; ++i) {
    Condition& condition = move->reflex[i].condition;
    condition.node_count = 1;
    condition.nodes[0].op = Op::kGreater;
    condition.nodes[0].signal = Signal::kTime;
    condition.nodes[0].value = i == 1 ? 0.05 : 50.0;
  }
  move->reflex[1].expected = expected;
  cell.take_lease(kAnn);
  CHECK(cell.request(CommandKind::kSubmit, kAnn, 1, move.get()).answer == Answer::kAccepted);
  for (int i = 0; i < 500 && cell.cycle->moving() != 0; ++i) cell.tick();
  return only_outcome(cell);
}

void a_reflex_that_is_part_of_the_plan_is_no_fault() {
  for (const bool expected : {false, true}) {
    Cell cell;
    const Outcome outcome = reflexed(cell, expected);
    CHECK(outcome.cause == Cause::kReflex && outcome.condition == 1);
    CHECK(cell.flight->faults.count() == (expected ? 0u : 1u));
    CHECK(cell.flight->outcomes.count() == 1);
  }
}

void a_plant_or_cycle_that_stands_is_a_fault_in_motion_only() {
  Cell cell;
  cell.cycle->note(EventKind::kPlantSilent, 0.6, cell.now_s);
  cell.cycle->note(EventKind::kCycleStalled, 0.1, cell.now_s);
  CHECK(cell.flight->faults.count() == 0 && event(cell, 1).kind == EventKind::kCycleStalled);
  cell.take_lease(kAnn);
  const auto move = band_move();
  CHECK(cell.request(CommandKind::kSubmit, kAnn, 1, move.get()).answer == Answer::kAccepted);
  cell.cycle->note(EventKind::kPlantSilent, 0.6, cell.now_s);
  cell.cycle->note(EventKind::kCycleStalled, 0.1, cell.now_s);
  CHECK(cell.flight->faults.count() == 2);
}

void every_tick_is_published_whole() {
  Cell cell;
  for (int i = 0; i < 50; ++i) cell.tick();
  CHECK(cell.flight->ticks.count() == 51 && cell.exchange->set_points.count() == 51);
  for (std::uint64_t i = 0; i < 51; ++i) {
    TickRecord record;
    CHECK(cell.flight->ticks.read(i, record));
    CHECK(record.inputs.tick == record.outputs.tick);
  }
}

}  // namespace

int main() {
  only_the_owner_commands();
  a_silent_client_loses_its_lease_and_its_motion();
  a_host_that_oversleeps_does_not_hold_it_against_its_client();
  a_client_that_goes_leaves_nothing_in_motion();
  arming_keeps_its_table();
  nothing_moves_between_a_fault_and_the_arming_after_it();
  who_takes_over_leaves_nothing_in_motion();
  late_ticks_in_a_row_end_motion_where_that_is_asked_for();
  a_reflex_that_is_part_of_the_plan_is_no_fault();
  a_plant_or_cycle_that_stands_is_a_fault_in_motion_only();
  every_tick_is_published_whole();
}
