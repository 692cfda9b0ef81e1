#include <rt/settings.hpp>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

namespace podhand::rt {
namespace {

constexpr std::size_t kStackBytes = 512 * 1024;

long locked_kb() {
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key;) {
    long kb = 0;
    if (key == "VmLck:" && status >> kb) return kb;
  }
  return 0;
}

std::string reason(int error) { return error == 0 ? "" : std::string(" (") + std::strerror(error) + ")"; }

Finding lock_memory() {
  const int error = mlockall(MCL_CURRENT | MCL_FUTURE) == 0 ? 0 : errno;
  const long kb = locked_kb();
  return {"memory", "locked", std::to_string(kb) + " kB locked" + reason(error), error == 0 && kb > 0};
}

Finding limit_c_states() {
  // The request lasts as long as the file is open: until the process ends.
  const int fd = open("/dev/cpu_dma_latency", O_RDWR | O_CLOEXEC);
  std::int32_t latency_us = 0;
  int error = 0;
  if (fd < 0 || write(fd, &latency_us, sizeof latency_us) != sizeof latency_us) error = errno;
  std::int32_t now_us = -1;
  if (fd >= 0 && error == 0 && pread(fd, &now_us, sizeof now_us, 0) != sizeof now_us) now_us = -1;
  const std::string got = now_us < 0 ? "no limit" : std::to_string(now_us) + " us";
  return {"processor wake-up", "0 us", got + reason(error), now_us == 0};
}

[[gnu::noinline]] void touch_stack() {
  volatile unsigned char stack[kStackBytes];
  for (std::size_t i = 0; i < kStackBytes; i += 1024) stack[i] = 0;
  (void)stack[0];
}

Finding set_scheduler(int priority) {
  sched_param param{};
  param.sched_priority = priority;
  const int error = pthread_setschedparam(pthread_self(), SCHED_FIFO, &param);
  int policy = 0;
  pthread_getschedparam(pthread_self(), &policy, &param);
  const bool ok = policy == SCHED_FIFO && param.sched_priority == priority;
  const std::string got = policy == SCHED_FIFO ? "SCHED_FIFO " + std::to_string(param.sched_priority) : "SCHED_OTHER";
  return {"scheduler", "SCHED_FIFO " + std::to_string(priority), got + reason(error), ok};
}

Finding set_affinity(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  const int error = pthread_setaffinity_np(pthread_self(), sizeof set, &set);
  CPU_ZERO(&set);
  pthread_getaffinity_np(pthread_self(), sizeof set, &set);
  const bool ok = CPU_COUNT(&set) == 1 && CPU_ISSET(static_cast<std::size_t>(cpu), &set);
  const std::string got = ok ? std::to_string(cpu) : std::to_string(CPU_COUNT(&set)) + " processors";
  return {"processor", std::to_string(cpu), got + reason(error), ok};
}

}  // namespace

std::vector<Finding> settle_process(const Wanted& wanted) {
  if (wanted.priority == 0) return {};
  return {lock_memory(), limit_c_states()};
}

std::vector<Finding> settle_thread(const Wanted& wanted) {
  std::vector<Finding> findings;
  if (wanted.priority > 0) findings.push_back(set_scheduler(wanted.priority));
  if (wanted.cpu >= 0) findings.push_back(set_affinity(wanted.cpu));
  touch_stack();
  return findings;
}

std::string in_words(const Finding& finding) {
  return finding.setting + ": wanted " + finding.wanted + ", got " + finding.got;
}

}  // namespace podhand::rt
