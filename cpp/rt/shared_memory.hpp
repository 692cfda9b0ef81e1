/// The exchange in POSIX shared memory, and what processes need to wait for each other. Not real-time unless it says
/// so.
#pragma once

#include <rt/exchange.hpp>

#include <stdexcept>
#include <string>

namespace podhand::rt {

/// One line: what, where, value, what to do.
class ExchangeError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A mapped exchange. The one who creates it takes the name away again when he is done.
class SharedMemory {
 public:
  /// Makes a new exchange, all zero. One that a dead process left behind is replaced.
  /// @throws ExchangeError the name is not one (`/letters`), or a living podhand-rt uses it
  [[nodiscard]] static SharedMemory create(const std::string& name);
  /// @throws ExchangeError nothing there, not ready, or of another version, layout or build
  [[nodiscard]] static SharedMemory attach(const std::string& name, const std::string& build_id);
  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&&) = delete;
  ~SharedMemory();

  [[nodiscard]] Exchange& operator*() const noexcept { return *exchange_; }
  [[nodiscard]] Exchange* operator->() const noexcept { return exchange_; }

 private:
  SharedMemory(std::string name, Exchange* exchange, bool owner) noexcept;
  std::string name_;
  Exchange* exchange_;
  bool owner_;
};

/// A process, followed by descriptor: no other process can be mistaken for it.
class ProcessWatch {
 public:
  explicit ProcessWatch(int pid) noexcept;
  ProcessWatch(const ProcessWatch&) = delete;
  ProcessWatch& operator=(const ProcessWatch&) = delete;
  ~ProcessWatch();
  /// Whether it has ended, be it that nobody has taken note yet.
  [[nodiscard]] bool ended() const noexcept;

 private:
  int fd_;
};

[[nodiscard]] std::uint64_t monotonic_ns() noexcept;

/// Sleeps until the word is no longer `seen`, somebody rings, or the time is over.
void wait_for_bell(const std::atomic<std::uint32_t>& bell, std::uint32_t seen, std::uint64_t timeout_ns) noexcept;
/// Counts the word up and wakes everybody who sleeps on it.
void ring(std::atomic<std::uint32_t>& bell) noexcept;

}  // namespace podhand::rt
