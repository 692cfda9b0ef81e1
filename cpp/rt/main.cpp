/// podhand-rt: the kernel in a process of its own, without an interpreter. See docs/realtime.md.
#include <rt/audit.hpp>
#include <rt/flight_file.hpp>
#include <rt/host.hpp>
#include <rt/log.hpp>

#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <unistd.h>

#ifndef PODHAND_BUILD_ID
#define PODHAND_BUILD_ID "unknown"
#endif

namespace podhand::rt {
namespace {

constexpr const char* kUsage =
    "usage: podhand-rt --name /NAME [--pace real|plant] [--profile commissioning|production] [--priority 0..98]\n"
    "                  [--cpu N] [--lease-ms 20..10000] [--late-ticks 0..1000] [--end-with PID] [--flight-dir DIR]\n"
    "                  < CONFIGURATION\n"
    "       podhand-rt --version\n"
    "Runs the kernel at its period and shares it as POSIX shared memory NAME. The configuration is a binary block "
    "from\n"
    "podhand.controllers. Exit status: 0 ended on request, 1 could not, 2 bad arguments or configuration.\n";

struct Arguments {
  std::string name{};
  HostOptions options{};
};

constexpr std::uint32_t kProductionMostLate = 3;

double number(const char* flag, const char* text, double low, double high) {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text || *end != '\0' || !(value >= low && value <= high) || value != std::floor(value)) {
    char words[200];
    std::snprintf(words, sizeof words, "%s must be a whole number from %.0f to %.0f (got '%.40s')", flag, low, high,
                  text);
    throw ExchangeError(words);
  }
  return value;
}

bool choice(const char* flag, const std::string& text, const char* yes, const char* no) {
  if (text == yes) return true;
  if (text == no) return false;
  throw ExchangeError(std::string(flag) + " must be " + yes + " or " + no + " (got '" + text + "')");
}

Arguments parse(int argc, char** argv) {
  Arguments out;
  bool late_said = false;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (i + 1 >= argc) throw ExchangeError(flag + " needs a value");
    const char* value = argv[i + 1];
    if (flag == "--name")
      out.name = value;
    else if (flag == "--pace")
      out.options.paced = choice("--pace", value, "real", "plant");
    else if (flag == "--profile")
      out.options.production = choice("--profile", value, "production", "commissioning");
    else if (flag == "--priority")
      out.options.wanted.priority = static_cast<int>(number("--priority", value, 0, 98));
    else if (flag == "--cpu")
      out.options.wanted.cpu = static_cast<int>(number("--cpu", value, 0, 1023));
    else if (flag == "--lease-ms")
      out.options.lease_s = 1e-3 * number("--lease-ms", value, 20, 10000);
    else if (flag == "--late-ticks") {
      out.options.most_late = static_cast<std::uint32_t>(number("--late-ticks", value, 0, 1000));
      late_said = true;
    } else if (flag == "--end-with")
      out.options.end_with_pid = static_cast<int>(number("--end-with", value, 1, 4194304));
    else if (flag == "--flight-dir")
      out.options.flight_dir = value;
    else
      throw ExchangeError("unknown option " + flag);
  }
  if (out.name.empty()) throw ExchangeError("--name is missing");
  if (out.options.production && !late_said) out.options.most_late = kProductionMostLate;
  if (out.options.production && out.options.most_late == 0) {
    throw ExchangeError("--late-ticks must be 1 or more in production: 0 would only count them");
  }
  return out;
}

void read_all(void* to, std::size_t size) {
  if (std::fread(to, 1, size, stdin) != size) {
    throw ExchangeError(
        "the configuration on standard input is shorter than this build's: use client and podhand-rt "
        "of one installation");
  }
}

KernelConfig read_config() {
  ConfigHead head;
  KernelConfig config;
  read_all(&head, sizeof head);
  if (head.magic != kMagic) throw ExchangeError("standard input is not a configuration of podhand");
  if (head.version != kVersion || head.layout_hash != exchange_hash()) {
    throw ExchangeError(
        "the configuration has another version or layout: use client and podhand-rt of one "
        "installation");
  }
  read_all(static_cast<void*>(&config), sizeof config);
  if (head.crc32 != crc32(&config, sizeof config))
    throw ExchangeError("the configuration is damaged: checksum differs");
  return config;
}

void fill(Header& header, const BlockKind& kind, const KernelConfig& config, const HostOptions& options) {
  header.version = kind.version;
  header.pid = getpid();
  header.size = kind.size;
  header.layout_hash = kind.layout_hash;
  header.tick_s = config.tick_s;
  header.lease_s = options.lease_s;
  std::snprintf(header.build_id, sizeof header.build_id, "%s", PODHAND_BUILD_ID);
  header.magic = kind.magic;
}

void leave(Exchange& exchange) {
  exchange.header.leaving.store(1, std::memory_order_release);
  ring(exchange.bells.plant);
  ring(exchange.bells.clients);
}

void keep_flight(const Flight& left, const std::string& path) {
  try {
    (void)save_flight(left, {0, ~std::uint64_t{0}, false, "podhand-rt ended without saying so"}, path);
    say("process %d has died; its last minute is in %s", left.header.pid, path.c_str());
  } catch (const ExchangeError& error) {
    say("process %d has died; its last minute is not kept: %s", left.header.pid, error.what());
  }
}

/// What a dead podhand-rt of this name has left is written to the directory before its memory is taken.
void rescue_flight(const Arguments& arguments) {
  try {
    const Watched<Flight> left(flight_name(arguments.name), PODHAND_BUILD_ID);
    if (left->ticks.count() == 0 || !ProcessWatch(left->header.pid).ended()) return;
    const std::string pid = std::to_string(left->header.pid);
    if (arguments.options.flight_dir.empty()) {
      say("the flight record of process %s, which died, is dropped; --flight-dir keeps it", pid.c_str());
      return;
    }
    keep_flight(*left, arguments.options.flight_dir + "/left-by-" + pid + ".mcap");
  } catch (const ExchangeError&) {
    // There is none, or none that this build can read.
  }
}

/// Says what is wrong with this machine. False when production must not run on it.
bool machine_allows(const HostOptions& options) {
  if (options.wanted.priority == 0 && !options.production) return true;
  AuditWish wish;
  wish.priority = options.wanted.priority;
  wish.cpu = options.wanted.cpu;
  const std::vector<AuditFinding> findings = audit(wish);
  for (const AuditFinding& finding : findings) {
    if (finding.verdict == AuditVerdict::kOk) continue;
    const char* how = finding.verdict == AuditVerdict::kFault ? "fault" : "warning";
    say("%s: %s", how, in_words(finding).c_str());
  }
  if (!options.production || is_fit(findings)) return true;
  say("production refuses this machine, see the faults above and `podhand doctor`; --profile commissioning runs with "
      "warnings");
  return false;
}

/// A terminal that closes is a request to end. A log that nobody reads, or a file that grows too large, is none: the
/// call that fails says so.
void answer_signals() {
  struct sigaction action{};
  action.sa_handler = Host::ask_to_stop;
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaction(signal, &action, nullptr);
  action.sa_handler = SIG_IGN;
  for (const int signal : {SIGPIPE, SIGXFSZ}) sigaction(signal, &action, nullptr);
}

int run(const Arguments& arguments) {
  answer_signals();
  const KernelConfig config = read_config();
  if (!machine_allows(arguments.options)) return 1;
  rescue_flight(arguments);
  SharedMemory memory = SharedMemory::create(arguments.name);
  Shared<Flight> flight = Shared<Flight>::create(flight_name(arguments.name));
  Host host(*memory, *flight, config, arguments.options);
  bool settled = true;
  for (const Finding& finding : settle_process(arguments.options.wanted)) {
    say("%s", in_words(finding).c_str());
    settled = settled && finding.ok;
  }
  if (arguments.options.production && !settled) {
    say("production refuses to run with these settings; --profile commissioning does");
    return 1;
  }
  fill(memory->header, Exchange::kind(), config, arguments.options);
  fill(flight->header, Flight::kind(), config, arguments.options);
  const int status = host.run();
  leave(*memory);
  return status;
}

}  // namespace
}  // namespace podhand::rt

int main(int argc, char** argv) {
  using namespace podhand::rt;
  if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
    std::printf("podhand-rt %s\n", PODHAND_BUILD_ID);
    return 0;
  }
  try {
    return run(parse(argc, argv));
  } catch (const std::exception& error) {
    say("%s", error.what());
    if (argc < 2) std::fputs(kUsage, stderr);
    return 2;
  }
}
