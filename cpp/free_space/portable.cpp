/// One word at a time, for processors without wider vectors, and as the yardstick of the others.
#include "implementation.hpp"

#include <bit>

namespace podhand::free_space {
namespace {

struct Portable {
  static constexpr Index kWords = 1;
  using Bits = Word;
  struct Shift {
    int bits;
  };

  static Bits load(const Word* from) { return *from; }
  static void store(Word* to, Bits a) { *to = a; }
  static Bits load_first(const Word* from, Index /*words*/) { return *from; }
  static void store_first(Word* to, Bits a, Index /*words*/) { *to = a; }
  static Bits zeros() { return 0; }
  static Bits ones() { return ~Word{0}; }
  static Bits both(Bits a, Bits b) { return a & b; }
  static Bits either(Bits a, Bits b) { return a | b; }
  static bool none(Bits a) { return a == 0; }
  static Shift shift(Index bits) { return {static_cast<int>(bits)}; }
  /// Two steps to the left, since a shift by 64 would be undefined.
  static Bits funnel(Bits a, Bits next, Shift by) { return a >> by.bits | next << 1 << (63 - by.bits); }
  static Bits follow(Bits /*a*/, Bits behind) { return behind; }
  static Bits add(Bits a, Bits b) { return a + b; }
  static Bits popcounts(Bits a) { return static_cast<Word>(std::popcount(a)); }
  static Word total(Bits a) { return a; }

  static Word zeros_of(const std::uint8_t* pixels) {
    Word word = 0;
    for (int x = 0; x < 64; ++x) word |= static_cast<Word>(pixels[x] == 0) << x;
    return word;
  }
  static Word at_least(const float* values, float need) {
    Word word = 0;
    for (int x = 0; x < 64; ++x) word |= static_cast<Word>(values[x] >= need) << x;
    return word;
  }
  static void spread(Word word, std::uint8_t* pixels) {
    for (int x = 0; x < 64; ++x) pixels[x] = (word >> x) & 1;
  }
  static void spread_first(Word word, Index pixel_count, std::uint8_t* pixels) {
    for (Index x = 0; x < pixel_count; ++x) pixels[x] = (word >> x) & 1;
  }
};

}  // namespace

const Operations& portable_operations() {
  static constexpr Operations kOperations = operations<Portable>("portable");
  return kOperations;
}

}  // namespace podhand::free_space
