/// The exchange in POSIX shared memory, and what processes need to wait for each other. Not real-time unless it says
/// so.
#pragma once

#include <rt/exchange.hpp>

#include <new>
#include <stdexcept>
#include <string>
#include <utility>

namespace podhand::rt {

/// One line: what, where, value, what to do.
class ExchangeError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A block of shared memory as it is known by name: what it is, and what whoever attaches must agree on.
struct BlockKind {
  std::uint64_t magic{};
  std::uint32_t version{};
  std::uint64_t size{};
  std::uint64_t layout_hash{};
};

/// Mapped bytes of a name. The one who creates it takes the name away again when he is done.
class Mapping {
 public:
  /// Makes a new block, all zero. One that a dead process left behind is replaced.
  /// @throws ExchangeError the name is not one (`/letters`), a living podhand-rt uses it, or memory is short
  [[nodiscard]] static Mapping create(const std::string& name, const BlockKind& kind);
  /// @param writable false: a write would end this process
  /// @throws ExchangeError nothing there, not ready, or of another version, layout or build
  [[nodiscard]] static Mapping attach(const std::string& name, const BlockKind& kind, const std::string& build_id,
                                      bool writable);
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping();

  [[nodiscard]] void* memory() const noexcept { return memory_; }

 private:
  Mapping(std::string name, void* memory, std::size_t size, bool owner) noexcept;
  std::string name_;
  void* memory_;
  std::size_t size_;
  bool owner_;
};

/// A block in shared memory. `Block` has a `header`, and a `kind()` beside it.
template <typename Block>
class Shared {
 public:
  [[nodiscard]] static Shared create(const std::string& name) {
    Mapping mapping = Mapping::create(name, Block::kind());
    new (mapping.memory()) Block{};
    return Shared(std::move(mapping));
  }
  [[nodiscard]] static Shared attach(const std::string& name, const std::string& build_id) {
    return Shared(Mapping::attach(name, Block::kind(), build_id, true));
  }
  [[nodiscard]] Block& operator*() const noexcept { return *block(); }
  [[nodiscard]] Block* operator->() const noexcept { return block(); }

 private:
  explicit Shared(Mapping mapping) noexcept : mapping_(std::move(mapping)) {}
  [[nodiscard]] Block* block() const noexcept { return static_cast<Block*>(mapping_.memory()); }
  Mapping mapping_;
};

/// The same, for those who only look.
template <typename Block>
class Watched {
 public:
  Watched(const std::string& name, const std::string& build_id)
      : mapping_(Mapping::attach(name, Block::kind(), build_id, false)) {}
  [[nodiscard]] const Block& operator*() const noexcept { return *static_cast<const Block*>(mapping_.memory()); }
  [[nodiscard]] const Block* operator->() const noexcept { return static_cast<const Block*>(mapping_.memory()); }

 private:
  Mapping mapping_;
};

using SharedMemory = Shared<Exchange>;

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
