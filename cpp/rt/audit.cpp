#include <rt/audit.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace podhand::rt {
namespace {

namespace fs = std::filesystem;

constexpr unsigned long long kLeastSharedMemory = 70ull << 20;  ///< exchange and flight recorder
constexpr unsigned long long kLeastLocked = 256ull << 20;
constexpr unsigned kMostCoalescingUs = 10;
constexpr long kMostWakeUs = 10;             ///< of a sleep state that needs no limit
constexpr long kMostSlackNs = 50'000;        ///< the kernel's default
constexpr int kSysNice = 23, kIpcLock = 14;  ///< capabilities, linux/capability.h

std::optional<Coalescing> ask_coalescing(const std::string& nic) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::nullopt;
  ethtool_coalesce answer{};
  answer.cmd = ETHTOOL_GCOALESCE;
  ifreq request{};
  nic.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&answer);
  const bool ok = ioctl(fd, SIOCETHTOOL, &request) == 0;
  close(fd);
  if (!ok) return std::nullopt;
  return Coalescing{answer.rx_coalesce_usecs, answer.tx_coalesce_usecs,
                    answer.use_adaptive_rx_coalesce != 0 || answer.use_adaptive_tx_coalesce != 0};
}

std::optional<unsigned long long> ask_free_bytes(const std::string& path) {
  struct statvfs facts{};
  if (statvfs(path.c_str(), &facts) != 0) return std::nullopt;
  return static_cast<unsigned long long>(facts.f_bavail) * facts.f_frsize;
}

/// `0-3,7` has 2.
bool holds(const std::string& list, int cpu) {
  std::istringstream ranges(list);
  for (std::string range; std::getline(ranges, range, ',');) {
    int first = 0, last = 0;
    const int parts = std::sscanf(range.c_str(), "%d-%d", &first, &last);
    if (parts == 1) last = first;
    if (parts >= 1 && cpu >= first && cpu <= last) return true;
  }
  return false;
}

class Audit {
 public:
  explicit Audit(const AuditWish& wish) : wish_(wish) {}

  std::vector<AuditFinding> all() {
    preemption();
    throttling();
    priority_limit();
    memory_limit();
    isolation();
    governor();
    sleep_states();
    siblings();
    clock_source();
    timer_slack();
    shared_memory();
    if (!wish_.nic.empty()) network_card();
    machine();
    return std::move(findings_);
  }

 private:
  [[nodiscard]] std::string path(const std::string& file) const { return wish_.root + file; }

  [[nodiscard]] std::string text(const std::string& file) const {
    std::ifstream stream(path(file));
    std::ostringstream all;
    all << stream.rdbuf();
    std::string out = all.str();
    while (!out.empty() && std::isspace(static_cast<unsigned char>(out.back()))) out.pop_back();
    return out;
  }

  void add(AuditFinding finding, bool ok, AuditVerdict otherwise = AuditVerdict::kFault) {
    finding.verdict = ok ? AuditVerdict::kOk : otherwise;
    if (finding.got.empty()) finding.got = "unknown";
    findings_.push_back(std::move(finding));
  }

  void preemption() {
    const std::string version = text("/proc/version");
    const bool rt = text("/sys/kernel/realtime") == "1" || version.find("PREEMPT_RT") != std::string::npos;
    add({"operating system",
         "PREEMPT_RT",
         rt                ? "PREEMPT_RT"
         : version.empty() ? ""
                           : "not a real-time kernel",
         {},
         "parts of the kernel cannot be interrupted for milliseconds",
         "apt-get install linux-image-rt-amd64, and boot it"},
        rt);
  }

  void throttling() {
    const std::string us = text("/proc/sys/kernel/sched_rt_runtime_us");
    add({"throttling of real-time threads",
         "off (-1)",
         us.empty()   ? ""
         : us == "-1" ? "off (-1)"
                      : us + " us per period",
         {},
         "the cycle is stopped for the rest of a period when real-time threads have used theirs",
         "sysctl -w kernel.sched_rt_runtime_us=-1"},
        us == "-1");
  }

  [[nodiscard]] bool capable(int capability) const {
    std::istringstream status(text("/proc/self/status"));
    for (std::string line; std::getline(status, line);) {
      if (line.rfind("CapEff:", 0) == 0) return std::strtoull(line.c_str() + 7, nullptr, 16) >> capability & 1u;
    }
    return false;
  }

  /// The soft limit as a word; empty when it is not told.
  [[nodiscard]] std::string limit(const std::string& name) const {
    std::istringstream limits(text("/proc/self/limits"));
    for (std::string line; std::getline(limits, line);) {
      if (line.rfind(name, 0) != 0) continue;
      std::istringstream rest(line.substr(name.size()));
      std::string soft;
      rest >> soft;
      return soft;
    }
    return {};
  }

  void priority_limit() {
    const std::string soft = limit("Max realtime priority");
    const bool may = capable(kSysNice);
    const int highest = wish_.priority + 1;  // the watchdog is above the cycle
    const std::string wanted = std::to_string(highest);
    const bool ok = may || soft == "unlimited" || std::strtol(soft.c_str(), nullptr, 10) >= highest;
    add({"real-time priority allowed",
         "at least " + wanted,
         may ? "any (CAP_SYS_NICE)" : soft,
         {},
         "the cycle shares its processor with everything else",
         "echo '@realtime - rtprio 98' >> /etc/security/limits.d/podhand.conf, join the group realtime, log in again"},
        ok && !(soft.empty() && !may));
  }

  void memory_limit() {
    const std::string soft = limit("Max locked memory");
    const bool may = capable(kIpcLock);
    const bool ok = may || soft == "unlimited" || std::strtoull(soft.c_str(), nullptr, 10) >= kLeastLocked;
    add({"memory that may be locked",
         "at least 256 MiB",
         may            ? "any (CAP_IPC_LOCK)"
         : soft.empty() ? ""
                        : soft + " bytes",
         {},
         "a page that was swapped out or never touched stops the cycle until it is there",
         "echo '@realtime - memlock unlimited' >> /etc/security/limits.d/podhand.conf, log in again"},
        ok);
  }

  void isolation() {
    const std::string isolated = text("/sys/devices/system/cpu/isolated");
    const std::string cpu = wish_.cpu < 0 ? "N" : std::to_string(wish_.cpu);
    const bool ok = wish_.cpu < 0 ? !isolated.empty() : holds(isolated, wish_.cpu);
    add({"processor of its own",
         wish_.cpu < 0 ? "at least one isolated" : cpu + " isolated",
         isolated.empty() ? "none isolated" : isolated + " isolated",
         {},
         "other threads and interrupts run before the cycle where it runs",
         "boot with isolcpus=" + cpu + " nohz_full=" + cpu + " rcu_nocbs=" + cpu +
             ", and start podhand-rt with --cpu " + cpu},
        ok);
  }

  /// Processors that count: the one of the cycle, or all.
  [[nodiscard]] std::vector<fs::path> processors() const {
    std::vector<fs::path> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(path("/sys/devices/system/cpu"), error)) {
      const std::string name = entry.path().filename();
      int number = -1;
      char rest = 0;
      if (std::sscanf(name.c_str(), "cpu%d%c", &number, &rest) != 1) continue;
      if (wish_.cpu < 0 || number == wish_.cpu) found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  [[nodiscard]] std::string inside(const fs::path& folder, const std::string& file) const {
    return text((folder / file).string().substr(wish_.root.size()));
  }

  void governor() {
    std::string other, seen;
    for (const fs::path& processor : processors()) {
      const std::string governor = inside(processor, "cpufreq/scaling_governor");
      if (!governor.empty()) seen = governor;
      if (!governor.empty() && governor != "performance") other = governor;
    }
    add({"processor frequency",
         "performance",
         !other.empty() ? other
         : seen.empty() ? "not scaled here"
                        : seen,
         {},
         "after every sleep the processor first has to speed up",
         "cpupower frequency-set -g performance"},
        other.empty());
  }

  void sleep_states() {
    long deepest_us = 0;
    for (const fs::path& processor : processors()) {
      std::error_code error;
      for (const auto& state : fs::directory_iterator(processor / "cpuidle", error)) {
        if (inside(state.path(), "disable") == "1") continue;
        deepest_us = std::max(deepest_us, std::strtol(inside(state.path(), "latency").c_str(), nullptr, 10));
      }
    }
    const bool limits = access(path("/dev/cpu_dma_latency").c_str(), W_OK) == 0;
    const std::string depth = std::to_string(deepest_us) + " us";
    add({"waking from sleep states",
         "at most 10 us, or a limit that podhand-rt may set",
         depth + (limits ? ", can be limited" : ", cannot be limited"),
         {},
         "a processor that sleeps deeply wakes up late",
         "give the user write access to /dev/cpu_dma_latency, or boot with processor.max_cstate=1 "
         "intel_idle.max_cstate=0"},
        limits || deepest_us <= kMostWakeUs);
  }

  void siblings() {
    const std::string active = text("/sys/devices/system/cpu/smt/active");
    std::string got = active == "1" ? "on" : "off";
    bool shared = active == "1";
    if (shared && wish_.cpu >= 0) {
      const std::string list =
          text("/sys/devices/system/cpu/cpu" + std::to_string(wish_.cpu) + "/topology/thread_siblings_list");
      shared = list.find_first_of("-,") != std::string::npos;
      got = shared ? "processors " + list + " share a core" : "on, but not on this core";
    }
    add({"hyper-threading",
         "off",
         got,
         {},
         "the other thread of the core takes caches and execution units at any time",
         "echo off > /sys/devices/system/cpu/smt/control"},
        !shared, AuditVerdict::kWarning);
  }

  void clock_source() {
    const std::string source = text("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    const bool slow = source == "hpet" || source == "acpi_pm" || source == "jiffies" || source == "refined-jiffies";
    add({"clock",
         "tsc, or another that is read without a system call",
         source,
         {},
         "every look at the clock costs microseconds",
         "boot with tsc=reliable clocksource=tsc, if the processor's is stable"},
        !slow && !source.empty());
  }

  void timer_slack() {
    const std::string slack = text("/proc/self/timerslack_ns");
    add({"timer slack",
         "at most 50000 ns",
         slack.empty() ? "" : slack + " ns",
         {},
         "without SCHED_FIFO, wake-ups are put off by so much to be taken together",
         "start podhand from a shell whose /proc/self/timerslack_ns was not raised"},
        !slack.empty() && std::strtol(slack.c_str(), nullptr, 10) <= kMostSlackNs, AuditVerdict::kWarning);
  }

  void shared_memory() {
    const auto free = (wish_.free_bytes ? wish_.free_bytes : ask_free_bytes)(path("/dev/shm"));
    add({"shared memory",
         "at least 70 MiB free",
         free ? std::to_string(*free >> 20) + " MiB free" : "no /dev/shm",
         {},
         "exchange and flight recorder do not fit, and podhand-rt does not start",
         "mount -o remount,size=256M /dev/shm (a container: --shm-size=256m)"},
        free && *free >= kLeastSharedMemory);
  }

  void network_card() {
    const std::string folder = "/sys/class/net/" + wish_.nic;
    const std::string what = "network card " + wish_.nic;
    std::error_code error;
    if (!fs::exists(path(folder), error)) {
      add({what,
           "there",
           "no such card",
           {},
           "the bus cannot be reached",
           "ip link (and name one of these with --nic)"},
          false);
      return;
    }
    const std::string state = text(folder + "/operstate");
    add({what, "up", state, {}, "the bus cannot be reached", "ip link set " + wish_.nic + " up"},
        state == "up" || state == "unknown");
    const auto found = (wish_.coalescing ? wish_.coalescing : ask_coalescing)(wish_.nic);
    std::string got = "does not tell";
    if (found)
      got = "rx " + std::to_string(found->rx_us) + " us, tx " + std::to_string(found->tx_us) + " us" +
            (found->adaptive ? ", adaptive" : "");
    const bool ok = found && !found->adaptive && std::max(found->rx_us, found->tx_us) <= kMostCoalescingUs;
    add({what + ", coalescing",
         "at most 10 us, not adaptive",
         got,
         {},
         "the card keeps frames back to announce several at once",
         "ethtool -C " + wish_.nic + " adaptive-rx off adaptive-tx off rx-usecs 0 tx-usecs 0"},
        ok, found ? AuditVerdict::kFault : AuditVerdict::kWarning);
  }

  void machine() {
    std::error_code error;
    const std::string group = text("/proc/1/cgroup");
    const auto in_group = [&](const char* word) { return group.find(word) != std::string::npos; };
    const bool container = fs::exists(path("/.dockerenv"), error) || fs::exists(path("/run/.containerenv"), error) ||
                           in_group("docker") || in_group("kubepods") || in_group("lxc");
    const bool guest = text("/proc/cpuinfo").find(" hypervisor") != std::string::npos;
    add({"machine",
         "bare metal",
         container ? "container"
         : guest   ? "virtual machine"
                   : "bare metal",
         {},
         container ? "what the machine around it does to latency does not show in here"
                   : "the hypervisor takes processors away at any time, and nothing in here shows it",
         "run podhand-rt on the machine itself"},
        !container && !guest, AuditVerdict::kWarning);
  }

  const AuditWish& wish_;
  std::vector<AuditFinding> findings_{};
};

}  // namespace

std::vector<AuditFinding> audit(const AuditWish& wish) { return Audit(wish).all(); }

bool is_fit(const std::vector<AuditFinding>& findings) noexcept {
  return std::none_of(findings.begin(), findings.end(),
                      [](const AuditFinding& finding) { return finding.verdict == AuditVerdict::kFault; });
}

std::string in_words(const AuditFinding& finding) {
  std::string words = finding.what + ": wanted " + finding.wanted + ", got " + finding.got;
  if (finding.verdict == AuditVerdict::kOk) return words;
  return words + ": " + finding.why + "; " + finding.remedy;
}

}  // namespace podhand::rt
