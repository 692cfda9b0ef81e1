/// Lock-free exchange of records between processes: one writer each, any number of readers, no reader can delay the
/// writer.
///
/// Records are copied word by word through atomics. A reader that gets a word of a newer record also sees the odd mark
/// that its writer set before (release to acquire), so a copy is either whole or known to be torn, and repeated. No
/// fences: ThreadSanitizer understands all of it.
#pragma once

#include <podhand/realtime.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace podhand::rt {

static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<std::uint32_t>::is_always_lock_free);

template <typename T>
concept Record = std::is_trivially_copyable_v<T> && sizeof(T) % 8 == 0;

/// One record with its mark: odd while it is written, then twice its number plus two.
template <Record T>
class Slot {
 public:
  /// Writes record `number`. One writer.
  void write(std::uint64_t number, const T& record) noexcept PODHAND_NONBLOCKING {
    mark_.store(2 * number + 1, std::memory_order_relaxed);
    for (std::size_t i = 0; i < kWords; ++i) {
      std::uint64_t word;
      std::memcpy(&word, reinterpret_cast<const unsigned char*>(&record) + 8 * i, 8);
      words_[i].store(word, std::memory_order_release);
    }
    mark_.store(2 * number + 2, std::memory_order_release);
  }

  enum class Found : std::uint8_t { kWhole, kOther, kTorn };
  /// Copies record `number`: kOther when the slot holds another one, kTorn when it was overwritten meanwhile.
  [[nodiscard]] Found read(std::uint64_t number, T& record) const noexcept PODHAND_NONBLOCKING {
    if (mark_.load(std::memory_order_acquire) != 2 * number + 2) return Found::kOther;
    copy(record);
    return mark_.load(std::memory_order_relaxed) == 2 * number + 2 ? Found::kWhole : Found::kTorn;
  }

  /// Copies whatever record the slot holds; its number in `number`. kOther when none was written, or one is now.
  [[nodiscard]] Found read_any(T& record, std::uint64_t& number) const noexcept PODHAND_NONBLOCKING {
    const std::uint64_t mark = mark_.load(std::memory_order_acquire);
    if (mark == 0 || mark % 2 == 1) return Found::kOther;
    copy(record);
    number = mark / 2 - 1;
    return mark_.load(std::memory_order_relaxed) == mark ? Found::kWhole : Found::kTorn;
  }

 private:
  static constexpr std::size_t kWords = sizeof(T) / 8;

  void copy(T& record) const noexcept PODHAND_NONBLOCKING {
    for (std::size_t i = 0; i < kWords; ++i) {
      const std::uint64_t word = words_[i].load(std::memory_order_acquire);
      std::memcpy(reinterpret_cast<unsigned char*>(&record) + 8 * i, &word, 8);
    }
  }

  std::atomic<std::uint64_t> mark_{};
  std::array<std::atomic<std::uint64_t>, kWords> words_{};
};

/// The newest record, always whole.
template <Record T>
class Snapshot {
 public:
  void write(const T& record) noexcept PODHAND_NONBLOCKING {
    const std::uint64_t number = count_.load(std::memory_order_relaxed);
    slot_.write(number, record);
    count_.store(number + 1, std::memory_order_release);
  }

  /// Records written so far.
  [[nodiscard]] std::uint64_t count() const noexcept PODHAND_NONBLOCKING {
    return count_.load(std::memory_order_acquire);
  }

  /// Copies the newest record; its number in `number`. False when there is none yet, or when the writer came in between
  /// every one of many tries: a writer with a period of a millisecond cannot.
  [[nodiscard]] bool read(T& record, std::uint64_t& number) const noexcept PODHAND_NONBLOCKING {
    for (int tries = 0; tries < kTries; ++tries) {
      if (slot_.read_any(record, number) == Slot<T>::Found::kWhole) return true;
      if (count() == 0) return false;
    }
    return false;
  }

 private:
  static constexpr int kTries = 100000;
  Slot<T> slot_{};
  std::atomic<std::uint64_t> count_{};
};

/// The last `kCapacity` records in order. It overwrites the oldest and never waits: a reader that is too slow loses
/// records and knows how many.
template <Record T, std::size_t kCapacity>
class Journal {
 public:
  static_assert((kCapacity & (kCapacity - 1)) == 0, "a power of two");
  static constexpr std::size_t capacity() noexcept { return kCapacity; }

  void write(const T& record) noexcept PODHAND_NONBLOCKING {
    const std::uint64_t number = count_.load(std::memory_order_relaxed);
    slots_[number % kCapacity].write(number, record);
    count_.store(number + 1, std::memory_order_release);
  }

  [[nodiscard]] std::uint64_t count() const noexcept PODHAND_NONBLOCKING {
    return count_.load(std::memory_order_acquire);
  }

  [[nodiscard]] bool read(std::uint64_t number, T& record) const noexcept PODHAND_NONBLOCKING {
    return slots_[number % kCapacity].read(number, record) == Slot<T>::Found::kWhole;
  }

 private:
  std::atomic<std::uint64_t> count_{};
  std::array<Slot<T>, kCapacity> slots_{};
};

/// A reader's place in a journal.
template <typename J>
class Cursor {
 public:
  explicit Cursor(const J& journal) noexcept : journal_(&journal), next_(journal.count()) {}

  /// Takes the next record in order; false when there is none. Records that were overwritten unread are counted.
  template <typename T>
  [[nodiscard]] bool take(T& record) noexcept PODHAND_NONBLOCKING {
    while (true) {
      const std::uint64_t count = journal_->count();
      if (next_ >= count) return false;
      if (count - next_ > J::capacity()) {
        lost_ += count - J::capacity() - next_;
        next_ = count - J::capacity();
      }
      if (journal_->read(next_++, record)) return true;
      ++lost_;  // overwritten while it was read
    }
  }

  [[nodiscard]] std::uint64_t next() const noexcept { return next_; }
  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }

 private:
  const J* journal_;
  std::uint64_t next_;
  std::uint64_t lost_{};
};

/// Single producer, single consumer. What does not fit is refused and counted. Neither side trusts the other's index: a
/// wrong one can lose records, never leave the array.
template <Record T, std::size_t kCapacity>
class Ring {
 public:
  static_assert((kCapacity & (kCapacity - 1)) == 0, "a power of two");

  /// Producer. False, and one more in refused(), when the ring is full.
  [[nodiscard]] bool push(const T& record) noexcept PODHAND_NONBLOCKING {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    if (head - tail_.load(std::memory_order_acquire) >= kCapacity) {
      refused_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    slots_[head % kCapacity].write(head, record);
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

  /// Consumer. The record is a copy: what the producer does to it afterwards changes nothing.
  [[nodiscard]] bool pop(T& record) noexcept PODHAND_NONBLOCKING {
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    if (tail == head) return false;
    const bool whole = slots_[tail % kCapacity].read(tail, record) == Slot<T>::Found::kWhole;
    // An index that runs wild is not followed: go on with what comes next.
    tail_.store(head - tail <= kCapacity ? tail + 1 : head, std::memory_order_release);
    return whole;
  }

  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> head_{};
  alignas(64) std::atomic<std::uint64_t> tail_{};
  std::atomic<std::uint64_t> refused_{};
  alignas(64) std::array<Slot<T>, kCapacity> slots_{};
};

}  // namespace podhand::rt
