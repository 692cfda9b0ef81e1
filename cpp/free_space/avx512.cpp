/// Eight words at a time, with funnel shifts (VBMI2) and counts of bits (VPOPCNTDQ): Ice Lake, Zen 4 and later.
#include "implementation.hpp"

#include <immintrin.h>

namespace podhand::free_space {
namespace {

/// Images and maps are larger than the second-level cache, and the processor's own prefetching stops at every page.
constexpr int kAheadOfLoads = 2048, kAheadOfStores = 1024;

struct Avx512 {
  static constexpr Index kWords = 8;
  using Bits = __m512i;
  struct Shift {
    __m512i bits;
  };

  static Bits load(const Word* from) { return _mm512_loadu_si512(from); }
  static void store(Word* to, Bits a) { _mm512_storeu_si512(to, a); }
  static Bits load_first(const Word* from, Index words) { return _mm512_maskz_loadu_epi64(first(words), from); }
  static void store_first(Word* to, Bits a, Index words) { _mm512_mask_storeu_epi64(to, first(words), a); }
  static Bits zeros() { return _mm512_setzero_si512(); }
  static Bits ones() { return _mm512_set1_epi64(-1); }
  static Bits both(Bits a, Bits b) { return _mm512_and_si512(a, b); }
  static Bits either(Bits a, Bits b) { return _mm512_or_si512(a, b); }
  static bool none(Bits a) { return _mm512_test_epi64_mask(a, a) == 0; }
  static Shift shift(Index bits) { return {_mm512_set1_epi64(bits)}; }
  static Bits funnel(Bits a, Bits next, Shift by) { return _mm512_shrdv_epi64(a, next, by.bits); }
  static Bits follow(Bits a, Bits behind) { return _mm512_alignr_epi64(behind, a, 1); }
  static Bits add(Bits a, Bits b) { return _mm512_add_epi64(a, b); }
  static Bits popcounts(Bits a) { return _mm512_popcnt_epi64(a); }
  static Word total(Bits a) { return static_cast<Word>(_mm512_reduce_add_epi64(a)); }

  static Word zeros_of(const std::uint8_t* pixels) {
    __builtin_prefetch(reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(pixels) + kAheadOfLoads));
    const Bits bytes = _mm512_loadu_si512(pixels);
    return _mm512_testn_epi8_mask(bytes, bytes);
  }
  static Word at_least(const float* values, float need) {
    const __m512 limit = _mm512_set1_ps(need);
    Word word = 0;
    for (int k = 0; k < 4; ++k) {
      const __mmask16 holds = _mm512_cmp_ps_mask(_mm512_loadu_ps(values + 16 * k), limit, _CMP_GE_OQ);
      word |= static_cast<Word>(holds) << (16 * k);
    }
    return word;
  }
  static void spread(Word word, std::uint8_t* pixels) {
    __builtin_prefetch(pixels + kAheadOfStores, 1);
    _mm512_storeu_si512(pixels, _mm512_maskz_mov_epi8(word, _mm512_set1_epi8(1)));
  }
  static void spread_first(Word word, Index pixel_count, std::uint8_t* pixels) {
    _mm512_mask_storeu_epi8(pixels, ~Word{0} >> (kWordBits - pixel_count), _mm512_maskz_set1_epi8(word, 1));
  }

 private:
  static __mmask8 first(Index words) { return static_cast<__mmask8>((1u << words) - 1); }
};

}  // namespace

const Operations& avx512_operations() {
  static constexpr Operations kOperations = operations<Avx512>("avx512");
  return kOperations;
}

}  // namespace podhand::free_space
