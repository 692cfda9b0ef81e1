#include <rt/shared_memory.hpp>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <new>
#include <utility>

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace podhand::rt {
namespace {

constexpr std::uint64_t kNanos = 1'000'000'000u;

[[noreturn]] void fail(const std::string& what) { throw ExchangeError(what); }
[[noreturn]] void fail_errno(const std::string& what) { fail(what + ": " + std::strerror(errno)); }

void check_name(const std::string& name) {
  const bool ok = name.size() > 1 && name.size() < 200 && name[0] == '/' && name.find('/', 1) == std::string::npos;
  if (!ok) fail("'" + name + "' names no shared memory: it must be a slash and a word, such as /podhand");
}

/// The pid of a living podhand-rt that uses the block, or 0.
int living_owner(const std::string& name) {
  const int fd = shm_open(name.c_str(), O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return 0;
  Header header{};
  const ssize_t got = pread(fd, static_cast<void*>(&header), sizeof header, 0);
  close(fd);
  if (got != static_cast<ssize_t>(sizeof header) || header.magic != kMagic || header.pid <= 0) return 0;
  return kill(header.pid, 0) == 0 || errno == EPERM ? header.pid : 0;
}

Exchange* map(int fd, const std::string& name) {
  void* memory = mmap(nullptr, sizeof(Exchange), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (memory == MAP_FAILED) fail_errno(name + " cannot be mapped");
  return static_cast<Exchange*>(memory);
}

void check_header(const Header& header, const std::string& name, const std::string& build_id) {
  if (header.magic != kMagic) fail(name + " is not an exchange of podhand-rt");
  if (header.version != kVersion) {
    fail(name + " has version " + std::to_string(header.version) + ", this build speaks " + std::to_string(kVersion) +
         ": use client and podhand-rt of one installation");
  }
  if (header.layout_hash != exchange_hash() || header.size != sizeof(Exchange)) {
    fail(name + " has another record layout: use client and podhand-rt of one installation");
  }
  if (build_id != header.build_id) {
    fail(name + " is of build " + header.build_id + ", this client of " + build_id +
         ": use client and podhand-rt of one installation");
  }
}

}  // namespace

SharedMemory::SharedMemory(std::string name, Exchange* exchange, bool owner) noexcept
    : name_(std::move(name)), exchange_(exchange), owner_(owner) {}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : name_(std::move(other.name_)), exchange_(std::exchange(other.exchange_, nullptr)), owner_(other.owner_) {}

SharedMemory::~SharedMemory() {
  if (exchange_ == nullptr) return;
  munmap(static_cast<void*>(exchange_), sizeof(Exchange));
  if (owner_) shm_unlink(name_.c_str());
}

SharedMemory SharedMemory::create(const std::string& name) {
  check_name(name);
  if (const int pid = living_owner(name)) {
    fail(name + " is in use by podhand-rt, process " + std::to_string(pid) + ": stop it, or choose another name");
  }
  shm_unlink(name.c_str());
  const int fd = shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) fail_errno(name + " cannot be created");
  if (ftruncate(fd, sizeof(Exchange)) != 0) {
    close(fd);
    shm_unlink(name.c_str());
    fail_errno(name + " cannot have its " + std::to_string(sizeof(Exchange)) + " bytes");
  }
  return {name, new (map(fd, name)) Exchange{}, true};
}

SharedMemory SharedMemory::attach(const std::string& name, const std::string& build_id) {
  check_name(name);
  const int fd = shm_open(name.c_str(), O_RDWR | O_CLOEXEC, 0);
  if (fd < 0) fail(name + " does not exist: no podhand-rt of that name runs");
  struct stat facts{};
  if (fstat(fd, &facts) != 0 || facts.st_size < static_cast<off_t>(sizeof(Header))) {
    close(fd);
    fail(name + " is not an exchange of podhand-rt");
  }
  Header header{};
  const bool read = pread(fd, static_cast<void*>(&header), sizeof header, 0) == static_cast<ssize_t>(sizeof header);
  try {
    if (!read || header.ready.load() == 0) fail(name + " is not ready yet, or its podhand-rt has failed to start");
    check_header(header, name, build_id);
  } catch (...) {
    close(fd);
    throw;
  }
  return {name, map(fd, name), false};
}

ProcessWatch::ProcessWatch(int pid) noexcept : fd_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}

ProcessWatch::~ProcessWatch() {
  if (fd_ >= 0) close(fd_);
}

bool ProcessWatch::ended() const noexcept {
  if (fd_ < 0) return true;
  pollfd watched{fd_, POLLIN, 0};
  return poll(&watched, 1, 0) > 0;
}

std::uint64_t monotonic_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kNanos + static_cast<std::uint64_t>(now.tv_nsec);
}

void wait_for_bell(const std::atomic<std::uint32_t>& bell, std::uint32_t seen, std::uint64_t timeout_ns) noexcept {
  const timespec timeout{static_cast<time_t>(timeout_ns / kNanos), static_cast<long>(timeout_ns % kNanos)};
  syscall(SYS_futex, &bell, FUTEX_WAIT, seen, &timeout, nullptr, 0);
}

void ring(std::atomic<std::uint32_t>& bell) noexcept {
  bell.fetch_add(1, std::memory_order_release);
  syscall(SYS_futex, &bell, FUTEX_WAKE, 0x7fffffff, nullptr, nullptr, 0);
}

}  // namespace podhand::rt
