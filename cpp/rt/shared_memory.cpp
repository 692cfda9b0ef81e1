#include <rt/shared_memory.hpp>

#include <cerrno>
#include <cstring>
#include <ctime>

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
int living_owner(const std::string& name, std::uint64_t magic) {
  const int fd = shm_open(name.c_str(), O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return 0;
  Header header{};
  const ssize_t got = pread(fd, static_cast<void*>(&header), sizeof header, 0);
  close(fd);
  if (got != static_cast<ssize_t>(sizeof header) || header.magic != magic || header.pid <= 0) return 0;
  return kill(header.pid, 0) == 0 || errno == EPERM ? header.pid : 0;
}

void* map(int fd, const std::string& name, std::size_t size, bool writable) {
  void* memory = mmap(nullptr, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (memory == MAP_FAILED) fail_errno(name + " cannot be mapped");
  return memory;
}

void check_header(const Header& header, const BlockKind& kind, const std::string& name, const std::string& build_id) {
  if (header.magic != kind.magic) fail(name + " is not an exchange of podhand-rt");
  if (header.version != kind.version) {
    fail(name + " has version " + std::to_string(header.version) + ", this build speaks " +
         std::to_string(kind.version) + ": use client and podhand-rt of one installation");
  }
  if (header.layout_hash != kind.layout_hash || header.size != kind.size) {
    fail(name + " has another record layout: use client and podhand-rt of one installation");
  }
  if (build_id != header.build_id) {
    fail(name + " is of build " + header.build_id + ", this client of " + build_id +
         ": use client and podhand-rt of one installation");
  }
}

}  // namespace

Mapping::Mapping(std::string name, void* memory, std::size_t size, bool owner) noexcept
    : name_(std::move(name)), memory_(memory), size_(size), owner_(owner) {}

Mapping::Mapping(Mapping&& other) noexcept
    : name_(std::move(other.name_)),
      memory_(std::exchange(other.memory_, nullptr)),
      size_(other.size_),
      owner_(other.owner_) {}

Mapping::~Mapping() {
  if (memory_ == nullptr) return;
  munmap(memory_, size_);
  if (owner_) shm_unlink(name_.c_str());
}

Mapping Mapping::create(const std::string& name, const BlockKind& kind) {
  check_name(name);
  if (const int pid = living_owner(name, kind.magic)) {
    fail(name + " is in use by podhand-rt, process " + std::to_string(pid) + ": stop it, or choose another name");
  }
  shm_unlink(name.c_str());
  const int fd = shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) fail_errno(name + " cannot be created");
  // Memory that is promised and not there would end the process in the middle of a cycle.
  if (const int error = posix_fallocate(fd, 0, static_cast<off_t>(kind.size)); error != 0) {
    close(fd);
    shm_unlink(name.c_str());
    fail(name + " needs " + std::to_string((kind.size >> 20) + 1) + " MiB of shared memory: " + std::strerror(error) +
         "; make /dev/shm larger (mount -o remount,size=256M /dev/shm)");
  }
  return {name, map(fd, name, kind.size, true), kind.size, true};
}

Mapping Mapping::attach(const std::string& name, const BlockKind& kind, const std::string& build_id, bool writable) {
  check_name(name);
  const int fd = shm_open(name.c_str(), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC, 0);
  if (fd < 0 && errno != ENOENT) fail_errno(name + " cannot be opened");
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
    check_header(header, kind, name, build_id);
    if (facts.st_size < static_cast<off_t>(kind.size)) fail(name + " is cut short: it is of no use any more");
  } catch (...) {
    close(fd);
    throw;
  }
  return {name, map(fd, name, kind.size, writable), kind.size, false};
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
