/// Records cross between threads whole, in order, and never older than what was seen before.
#include "check.hpp"

#include <rt/lock_free.hpp>

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

using namespace podhand::rt;

namespace {

/// Every word says which record it belongs to, so that a torn copy shows.
struct Wide {
  std::uint64_t words[85]{};
};

Wide record(std::uint64_t number) {
  Wide wide;
  for (std::uint64_t i = 0; i < 85; ++i) wide.words[i] = number * 1000003u + i;
  return wide;
}

bool whole(const Wide& wide) {
  for (std::uint64_t i = 0; i < 85; ++i) {
    if (wide.words[i] != wide.words[0] + i) return false;
  }
  return true;
}

std::uint64_t number_of(const Wide& wide) { return wide.words[0] / 1000003u; }

constexpr std::uint64_t kRecords = 40000;

void a_snapshot_is_whole_and_never_older() {
  auto snapshot = std::make_unique<Snapshot<Wide>>();
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&snapshot] {
      std::uint64_t last = 0;
      while (last + 1 < kRecords) {
        const std::uint64_t published = snapshot->count();
        Wide wide;
        std::uint64_t number = 0;
        if (!snapshot->read(wide, number)) continue;
        CHECK(whole(wide));
        CHECK(number_of(wide) == number);
        CHECK(number >= last);
        CHECK(published == 0 || number + 1 >= published);
        last = number;
      }
    });
  }
  for (std::uint64_t i = 0; i < kRecords; ++i) snapshot->write(record(i));
  for (std::thread& reader : readers) reader.join();
}

void a_journal_keeps_order_and_counts_what_a_slow_reader_lost() {
  auto journal = std::make_unique<Journal<Wide, 64>>();
  std::vector<std::thread> readers;
  for (const bool slow : {false, true}) {
    readers.emplace_back([&journal, slow] {
      Cursor cursor(*journal);
      std::uint64_t taken = 0, next = cursor.next();
      const std::uint64_t first = next;
      while (next < kRecords) {
        Wide wide;
        if (!cursor.take(wide)) continue;
        CHECK(whole(wide));
        CHECK(number_of(wide) >= next);
        next = number_of(wide) + 1;
        ++taken;
        if (slow) std::this_thread::sleep_for(std::chrono::microseconds(200));
      }
      CHECK(first + taken + cursor.lost() == kRecords);
    });
  }
  for (std::uint64_t i = 0; i < kRecords; ++i) journal->write(record(i));
  for (std::thread& reader : readers) reader.join();
}

void an_overwritten_record_is_lost_and_known_to_be() {
  Journal<Wide, 4> journal;
  Cursor cursor(journal);
  for (std::uint64_t i = 0; i < 10; ++i) journal.write(record(i));
  Wide wide;
  for (std::uint64_t i = 6; i < 10; ++i) {
    CHECK(cursor.take(wide));
    CHECK(number_of(wide) == i);
  }
  CHECK(!cursor.take(wide));
  CHECK(cursor.lost() == 6);
  CHECK(!journal.read(0, wide));
}

void a_ring_hands_everything_over_once_in_order() {
  auto ring = std::make_unique<Ring<Wide, 8>>();
  std::uint64_t refused = 0;
  std::thread consumer([&ring] {
    for (std::uint64_t next = 0; next < kRecords;) {
      Wide wide;
      if (!ring->pop(wide)) continue;
      CHECK(whole(wide));
      CHECK(number_of(wide) == next);
      ++next;
    }
  });
  for (std::uint64_t i = 0; i < kRecords;) {
    if (ring->push(record(i)))
      ++i;
    else
      ++refused;
  }
  consumer.join();
  CHECK(ring->refused() == refused);
}

void a_full_ring_refuses() {
  Ring<Wide, 2> ring;
  CHECK(ring.push(record(0)));
  CHECK(ring.push(record(1)));
  CHECK(!ring.push(record(2)));
  CHECK(ring.refused() == 1);
  Wide wide;
  CHECK(ring.pop(wide) && number_of(wide) == 0);
  CHECK(ring.push(record(3)));
}

/// The other side may write what it likes into shared memory: random bytes make no record, and nothing is read outside.
void a_lying_producer_hands_over_nothing() {
  std::uint64_t random = 99;
  for (int round = 0; round < 300; ++round) {
    Ring<Wide, 4> ring;
    CHECK(ring.push(record(7)));
    auto* words = reinterpret_cast<std::uint64_t*>(&ring);
    for (int i = 0; i < 6; ++i) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      words[(random >> 33) % (sizeof ring / 8)] = random;
    }
    words[0] = random;  // the head, too
    Wide wide;
    int popped = 0;
    for (int i = 0; i < 64; ++i) popped += ring.pop(wide) ? 1 : 0;
    CHECK(popped <= 4);
  }
}

}  // namespace

int main() {
  a_snapshot_is_whole_and_never_older();
  a_journal_keeps_order_and_counts_what_a_slow_reader_lost();
  an_overwritten_record_is_lost_and_known_to_be();
  a_ring_hands_everything_over_once_in_order();
  a_full_ring_refuses();
  a_lying_producer_hands_over_nothing();
}
