/// Four words at a time, for x86 processors since about 2013.
#include "implementation.hpp"

#include <immintrin.h>

namespace podhand::free_space {
namespace {

struct Avx2 {
  static constexpr Index kWords = 4;
  using Bits = __m256i;
  struct Shift {
    __m128i right, left;
  };

  static Bits load(const Word* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }
  static void store(Word* to, Bits a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), a); }
  static Bits load_first(const Word* from, Index words) {
    return _mm256_maskload_epi64(reinterpret_cast<const long long*>(from), first(words));
  }
  static void store_first(Word* to, Bits a, Index words) {
    _mm256_maskstore_epi64(reinterpret_cast<long long*>(to), first(words), a);
  }
  static Bits zeros() { return _mm256_setzero_si256(); }
  static Bits ones() { return _mm256_set1_epi64x(-1); }
  static Bits both(Bits a, Bits b) { return _mm256_and_si256(a, b); }
  static Bits either(Bits a, Bits b) { return _mm256_or_si256(a, b); }
  static bool none(Bits a) { return _mm256_testz_si256(a, a) != 0; }
  static Shift shift(Index bits) {
    return {_mm_cvtsi64_si128(bits), _mm_cvtsi64_si128(kWordBits - bits)};  // a shift by 64 gives 0 here
  }
  static Bits funnel(Bits a, Bits next, Shift by) {
    return _mm256_or_si256(_mm256_srl_epi64(a, by.right), _mm256_sll_epi64(next, by.left));
  }
  static Bits follow(Bits a, Bits behind) {
    return _mm256_alignr_epi8(_mm256_permute2x128_si256(a, behind, 0x21), a, 8);
  }
  static Bits add(Bits a, Bits b) { return _mm256_add_epi64(a, b); }
  static Bits popcounts(Bits a) {
    const Bits table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const Bits nibble = _mm256_set1_epi8(15);
    const Bits low = _mm256_shuffle_epi8(table, _mm256_and_si256(a, nibble));
    const Bits high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(a, 4), nibble));
    return _mm256_sad_epu8(_mm256_add_epi8(low, high), zeros());
  }
  static Word total(Bits a) {
    alignas(32) Word words[4];
    store(words, a);
    return words[0] + words[1] + words[2] + words[3];
  }

  static Word zeros_of(const std::uint8_t* pixels) {
    return half_zeros(pixels) | static_cast<Word>(half_zeros(pixels + 32)) << 32;
  }
  static Word at_least(const float* values, float need) {
    const __m256 limit = _mm256_set1_ps(need);
    Word word = 0;
    for (int k = 0; k < 8; ++k) {
      const __m256 holds = _mm256_cmp_ps(_mm256_loadu_ps(values + 8 * k), limit, _CMP_GE_OQ);
      word |= static_cast<Word>(static_cast<unsigned>(_mm256_movemask_ps(holds))) << (8 * k);
    }
    return word;
  }
  static void spread(Word word, std::uint8_t* pixels) {
    half_spread(static_cast<std::uint32_t>(word), pixels);
    half_spread(static_cast<std::uint32_t>(word >> 32), pixels + 32);
  }
  static void spread_first(Word word, Index pixel_count, std::uint8_t* pixels) {
    for (Index x = 0; x < pixel_count; ++x) pixels[x] = (word >> x) & 1;
  }

 private:
  static Bits first(Index words) {
    alignas(32) static constexpr long long kOnes[8] = {-1, -1, -1, -1, 0, 0, 0, 0};
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kOnes + 4 - words));
  }
  static std::uint32_t half_zeros(const std::uint8_t* pixels) {
    const Bits bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(pixels));
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, zeros())));
  }
  /// Every byte looks at its own bit.
  static void half_spread(std::uint32_t word, std::uint8_t* pixels) {
    const Bits source = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const Bits bit = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201));
    const Bits bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(word)), source);
    const Bits set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(pixels), _mm256_and_si256(set, _mm256_set1_epi8(1)));
  }
};

}  // namespace

const Operations& avx2_operations() {
  static constexpr Operations kOperations = operations<Avx2>("avx2");
  return kOperations;
}

}  // namespace podhand::free_space
