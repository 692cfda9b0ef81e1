#include <rt/flight_file.hpp>
#include <rt/host.hpp>
#include <rt/log.hpp>
#include <rt/stall.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <limits>
#include <string>
#include <thread>

#include <unistd.h>

namespace podhand::rt {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000u;
constexpr std::uint64_t kLookNs = 10 * kMillisecond;      ///< the longest sleep of a thread that has duties
constexpr std::uint64_t kSilentNs = 500 * kMillisecond;   ///< a plant that gives no readings for longer is told of
constexpr std::uint64_t kAtRestNs = 2000 * kMillisecond;  ///< given to motion to end when the host is asked to stop
constexpr std::uint64_t kStallNs = 50 * kMillisecond;     ///< the watchdog tells of a cycle that stood this long

constexpr double kFlightBeforeS = 20.0;     ///< kept of what was before a fault
constexpr double kFlightAfterS = 5.0;       ///< and after it
constexpr double kFlightMostAfterS = 30.0;  ///< when others follow: the ring holds 60 s
constexpr std::uint64_t kFlightPatienceNs = 10'000 * kMillisecond;
constexpr int kMostFlights = 8;  ///< of 20 MB each

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::atomic<int> stop_signal{0};

double seconds(std::uint64_t ns) noexcept { return 1e-9 * static_cast<double>(ns); }

void sleep_until(std::uint64_t ns) noexcept {
  const timespec at{static_cast<time_t>(ns / 1'000'000'000u), static_cast<long>(ns % 1'000'000'000u)};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
}

const char* words_of(EventKind kind) noexcept {
  switch (kind) {
    case EventKind::kStarted:
      return "started; process %.0f";
    case EventKind::kLeaseTaken:
      return "process %.0f commands";
    case EventKind::kLeaseReleased:
      return "process %.0f gave its lease back";
    case EventKind::kLeaseLost:
      return "the client was silent for %.3f s: its lease is lost, its motion is cancelled";
    case EventKind::kClientGone:
      return "the client, process %.0f, has ended: its motion is cancelled";
    case EventKind::kPlantSilent:
      return "no readings from the plant for %.1f s: nothing is commanded until they come";
    case EventKind::kPlantBack:
      return "the plant is back after %.1f s";
    case EventKind::kStopAsked:
      return "asked to stop (%.0f): bringing everything to rest";
    case EventKind::kCycleStalled:
      return "the cycle stood still for %.3f s";
    case EventKind::kLateTrip:
      return "%.0f ticks in a row came late: all motion is cancelled";
    case EventKind::kTakenOver:
      return "process %.0f lost its lease to another that took over: its motion is cancelled";
    case EventKind::kArming:
      return "arming: state %.0f (0 disarmed, 1 armed, 2 fault latched, 3 fault acknowledged)";
  }
  return "event of an unknown kind (%g)";
}

Kernel& configured(Kernel& kernel, const KernelConfig& config) {
  if (const Verdict verdict = kernel.configure(config); !verdict.ok()) {
    throw ExchangeError("the kernel refuses the configuration: " + in_words(verdict));
  }
  return kernel;
}

}  // namespace

Host::Host(Exchange& exchange, Flight& flight, const KernelConfig& config, const HostOptions& options)
    : exchange_(exchange),
      flight_(flight),
      options_(options),
      tick_s_(config.tick_s),
      period_ns_(static_cast<std::uint64_t>(std::llround(1e9 * config.tick_s))),
      config_(config),
      cycle_(exchange, flight, configured(kernel_, config), options.lease_s, options.most_late),
      told_(exchange.events) {
  flight.config = config;
  if (options.end_with_pid != 0) parent_ = std::make_unique<ProcessWatch>(options.end_with_pid);
}

void Host::ask_to_stop(int signal) noexcept { stop_signal.store(signal, std::memory_order_relaxed); }

bool Host::must_end() const noexcept { return stop_signal.load(std::memory_order_relaxed) != 0; }

int Host::run() {
  std::thread commander([this] { commands(); });
  std::thread guard([this] { watchdog(); });
  std::thread keeper([this] { recorder(); });
  std::thread worker([this] { cycle(); });
  worker.join();
  ended_.store(true, std::memory_order_release);
  ring(exchange_.bells.commands);
  commander.join();
  guard.join();
  keeper.join();
  return settled_ ? 0 : 1;
}

// ---- the cycle --------------------------------------------------------------------------------------------------

void Host::cycle() {
  const std::vector<Finding> findings = settle_thread(options_.wanted);
  for (const Finding& finding : findings) {
    say("%s", in_words(finding).c_str());
    settled_ = settled_ && finding.ok;
  }
  if (options_.production && !settled_) {
    say("production refuses to run with these settings; --profile commissioning runs with warnings");
    return;
  }
  settled_ = true;
  supervised_ns_ = next_ns_ = monotonic_ns();
  cycle_.note(EventKind::kStarted, getpid(), seconds(supervised_ns_));
  flight_.header.ready.store(1, std::memory_order_release);
  exchange_.header.ready.store(1, std::memory_order_release);
  std::printf("ready\n");
  std::fflush(stdout);
  while (!must_end()) {
    if (options_.paced) sleep_until_next();
    supervise(kInfinity);
    if (await_readings()) publish();
  }
  cycle_until_rest();
}

void Host::cycle_until_rest() {
  const std::uint64_t end = monotonic_ns() + kAtRestNs;
  cycle_.note(EventKind::kStopAsked, stop_signal.load(), seconds(monotonic_ns()));
  cycle_.stop(Cause::kCancelled);
  while (cycle_.moving() != 0 && monotonic_ns() < end) {
    if (options_.paced) sleep_until_next();
    supervise(kInfinity);
    if (cycle_.readings_wait())
      publish();
    else
      wait_for_bell(exchange_.bells.cycle, exchange_.bells.cycle.load(), kMillisecond);
  }
  if (cycle_.moving() != 0) say("a channel was still moving when the plant fell silent: its set-points stand");
}

/// Absolute times, so that a late cycle does not shift those after it. A cycle that is missed is not made up for.
void Host::sleep_until_next() {
  next_ns_ += period_ns_;
  sleep_until(next_ns_);
  const std::uint64_t now = monotonic_ns();
  times_.wake_ns = now > next_ns_ ? now - next_ns_ : 0;
  if (now > next_ns_ + period_ns_) next_ns_ = now;
  ++health_.cycles;
}

void Host::supervise(double most_s) {
  const std::uint64_t now = monotonic_ns();
  const double elapsed_s = seconds(now - supervised_ns_);
  supervised_ns_ = now;
  if (cycle_.supervise(std::min(elapsed_s, most_s), seconds(now))) ring(answers_);
  health_.leases_lost = cycle_.leases_lost();
  if (const std::uint64_t stalled = stalled_ns_.exchange(0, std::memory_order_relaxed)) {
    cycle_.note(EventKind::kCycleStalled, seconds(stalled), seconds(now));
  }
}

bool Host::await_readings() {
  const std::uint64_t begin = monotonic_ns();
  // While the plant stands nothing moves: of such a wait one period counts against the client.
  double counts_s = tick_s_;
  while (true) {
    const std::uint32_t seen = exchange_.bells.cycle.load(std::memory_order_acquire);
    if (cycle_.readings_wait()) break;
    if (must_end()) return false;
    wait_for_bell(exchange_.bells.cycle, seen, kLookNs);
    supervise(counts_s);
    counts_s = std::max(0.0, tick_s_ - seconds(monotonic_ns() - begin));
    const std::uint64_t now = monotonic_ns();
    if (!silent_ && cycle_.ticks() > 0 && now - begin > kSilentNs) {
      silent_ = true;
      cycle_.note(EventKind::kPlantSilent, seconds(now - begin), seconds(now));
    }
  }
  const std::uint64_t end = monotonic_ns();
  const std::uint64_t waited = times_.wait_ns = end - begin;
  // What the plant took too long is a wait, not a late wake-up: the next period counts from here.
  if (seconds(waited) > tick_s_) next_ns_ = std::max(next_ns_, end);
  if (seconds(waited) > tick_s_) ++health_.waits;
  if (silent_) cycle_.note(EventKind::kPlantBack, seconds(waited), seconds(monotonic_ns()));
  silent_ = false;
  return true;
}

void Host::publish() {
  const std::uint64_t begin = monotonic_ns();
  const Worst now{0, health_.cycles, cycle_.ticks(), seconds(begin), cycle_.running()};
  cycle_.tick(health_);
  times_.compute_ns = monotonic_ns() - begin;
  times_.period_ns = began_ns_ == 0 ? 0 : begin - began_ns_;
  times_.scheduled = options_.paced;
  began_ns_ = begin;
  // The first tick waited for its plant to come: that says nothing about the host.
  if (cycle_.ticks() > 1) {
    cycle_.keep_time(account(exchange_.statistics, health_, times_, period_ns_, now), seconds(begin));
  }
  times_ = {};
  ring(exchange_.bells.plant);
  ring(exchange_.bells.clients);
}

// ---- the command thread -----------------------------------------------------------------------------------------

void Host::commands() {
  while (!ended_.load(std::memory_order_acquire)) {
    const std::uint32_t seen = exchange_.bells.commands.load(std::memory_order_acquire);
    take_up();
    watch_processes();
    tell_events();
    wait_for_bell(exchange_.bells.commands, seen, kLookNs);
  }
  take_up();
  tell_events();
}

void Host::take_up() {
  // Bounded, whatever the client's index says.
  for (int i = 0; i < 4 && exchange_.commands.pop(*command_); ++i) carry_out(*command_);
}

namespace {

/// What a command brings along goes into the flight recorder before the cycle takes it: nothing is left to do there.
Stored kept(PayloadRing& payloads, const Command& command) {
  if (command.kind == CommandKind::kSubmit) {
    return payloads.put(command.chain, static_cast<std::size_t>(command.count) * sizeof(Segment));
  }
  if (command.kind == CommandKind::kSetPayload) return payloads.put(&command.payload, sizeof command.payload);
  return {};
}

}  // namespace

void Host::carry_out(const Command& command) {
  KernelConfig changed = config_;
  Request request = judged(command, changed);
  if (request.answer == Answer::kAccepted) {
    request.kept = kept(flight_.payloads, command);
    hand_over(request);
  }
  if (request.answer == Answer::kAccepted) config_ = changed;
  reply(command, request);
}

/// Everything about a command that can be judged beside the cycle. `changed` gets the payload that it brings.
Request Host::judged(const Command& command, KernelConfig& changed) const {
  Request request{};
  request.kind = command.kind;
  request.channel = command.channel;
  request.token = command.token;
  request.payload = command.payload;
  request.chain = command.chain;
  request.count = static_cast<std::size_t>(command.count);
  if (command.kind > CommandKind::kAcknowledge || command.count > kMaxSegments) {
    request.answer = Answer::kMalformed;
    return request;
  }
  if (monotonic_ns() > command.deadline_ns) {
    request.answer = Answer::kOverdue;
    return request;
  }
  if (command.kind == CommandKind::kSubmit) {
    request.verdict = validate(config_, command.chain, request.count, command.channel);
  } else if (command.kind == CommandKind::kSetPayload && command.channel >= 0 && command.channel < kMaxPayloads) {
    changed.payload[command.channel] = command.payload;
    request.verdict = validate(changed);
  }
  request.answer = request.verdict.ok() ? Answer::kAccepted : Answer::kRefused;
  return request;
}

void Host::hand_over(Request& request) {
  request.answer = Answer::kOverdue;  // unless the cycle says otherwise: it may have ended
  if (!cycle_.offer(request)) return;
  ring(exchange_.bells.cycle);
  while (!cycle_.answered() && !ended_.load(std::memory_order_acquire)) {
    const std::uint32_t seen = answers_.load(std::memory_order_acquire);
    if (!cycle_.answered()) wait_for_bell(answers_, seen, kLookNs);
  }
}

void Host::reply(const Command& command, const Request& request) {
  Acknowledgement answer{};
  answer.sequence = command.sequence;
  answer.token = command.token;
  answer.ticks = request.ticks;
  answer.answer = request.answer;
  answer.chain = request.number;
  if (!request.verdict.ok()) std::snprintf(answer.words, sizeof answer.words, "%s", in_words(request.verdict).c_str());
  exchange_.answers.write(answer);
  ring(exchange_.bells.clients);
}

void Host::watch_processes() {
  const std::uint64_t token = exchange_.lease.owner.load(std::memory_order_acquire);
  if (token != client_token_) {
    client_token_ = token;
    client_ = token == 0 ? nullptr : std::make_unique<ProcessWatch>(pid_of(token));
  }
  if (client_ && client_->ended()) cycle_.client_gone(client_token_);
  if (parent_ && parent_->ended() && !must_end()) ask_to_stop(SIGTERM);
}

void Host::tell_events() {
  Event event;
  while (told_.take(event)) {
    char text[160];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    std::snprintf(text, sizeof text, words_of(event.kind), event.value);
#pragma GCC diagnostic pop
    say("%.3f s, tick %llu: %s%s", event.wall_s, static_cast<unsigned long long>(event.ticks), text,
        event.moving != 0 ? " (in motion)" : "");
  }
}

// ---- the watchdog -----------------------------------------------------------------------------------------------

/// Tells of a cycle that stands while it stands, and, once it goes on, for how long it stood. Above the cycle in
/// priority: a cycle that never ends its work would keep it away otherwise.
void Host::watchdog() {
  Wanted above{};
  above.priority = options_.wanted.priority == 0 ? 0 : options_.wanted.priority + 1;
  for (const Finding& finding : settle_thread(above)) say("watchdog, %s", in_words(finding).c_str());
  Stall stall(kStallNs);
  while (!ended_.load(std::memory_order_acquire)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const Stall::Found found = stall.look(exchange_.beat.load(std::memory_order_relaxed), monotonic_ns());
    if (found.stands_ns != 0) say("the cycle has stood still for %.3f s, and stands", seconds(found.stands_ns));
    if (found.stood_ns > stalled_ns_.load(std::memory_order_relaxed)) {
      stalled_ns_.store(found.stood_ns, std::memory_order_relaxed);
    }
  }
}

// ---- the flight recorder ----------------------------------------------------------------------------------------

namespace {

/// A fault, those that followed it closely, and the ticks that a file about them holds.
struct Incident {
  std::uint64_t first_ticks{}, to_ticks{}, until_ns{};
  std::string why{};
  int faults{};

  void add(const Fault& fault, std::uint64_t after_ticks, std::uint64_t most_ticks) {
    if (faults == 0) first_ticks = fault.ticks;
    to_ticks = std::min(fault.ticks + after_ticks, first_ticks + most_ticks);
    if (++faults <= kMostWords) why += (why.empty() ? "" : "; ") + in_words(fault);
    until_ns = monotonic_ns() + kFlightPatienceNs;
  }

  static constexpr int kMostWords = 5;
};

std::string stamp() {
  char text[40];
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc);
  return text;
}

}  // namespace

/// Waits for faults, and for what follows them, and writes both to a file before the ring overwrites them.
void Host::recorder() {
  if (options_.flight_dir.empty()) return;
  const auto ticks_in = [this](double time_s) { return static_cast<std::uint64_t>(time_s / tick_s_); };
  Cursor cursor(flight_.faults);
  Incident open;
  int files = 0;
  for (bool last = false; !last;) {
    last = ended_.load(std::memory_order_acquire);
    for (Fault fault; cursor.take(fault);) open.add(fault, ticks_in(kFlightAfterS), ticks_in(kFlightMostAfterS));
    // A cell that stands makes no more ticks: wall time then says that all is over.
    const bool over = flight_.ticks.count() >= open.to_ticks || monotonic_ns() > open.until_ns;
    if (open.faults > 0 && (over || last)) {
      if (files < kMostFlights) save(open.first_ticks, open.to_ticks, open.why);
      if (++files == kMostFlights) say("no further faults are written: the folder would fill up");
      open = {};
    }
    if (!last) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void Host::save(std::uint64_t fault_ticks, std::uint64_t to_ticks, const std::string& why) const {
  const auto before = static_cast<std::uint64_t>(kFlightBeforeS / tick_s_);
  const std::uint64_t from = fault_ticks > before ? fault_ticks - before : 0;
  const std::string path = options_.flight_dir + "/fault-" + stamp() + "-tick" + std::to_string(fault_ticks) + ".mcap";
  try {
    const FlightSaved saved = save_flight(flight_, {from, to_ticks, true, why}, path);
    const double length_s = tick_s_ * static_cast<double>(saved.to_ticks - saved.from_ticks);
    say("%s: %.1f s are kept in %s", why.c_str(), length_s, path.c_str());
  } catch (const ExchangeError& error) {
    say("%s: not kept: %s", why.c_str(), error.what());
  }
}

}  // namespace podhand::rt
