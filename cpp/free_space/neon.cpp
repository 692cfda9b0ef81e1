/// Two words at a time, for 64-bit ARM.
#if defined(__aarch64__)
#include "implementation.hpp"

#include <arm_neon.h>

namespace podhand::free_space {
namespace {

struct Neon {
  static constexpr Index kWords = 2;
  using Bits = uint64x2_t;
  struct Shift {
    int64x2_t right, left;  ///< NEON shifts left by a signed number; 64 and more give 0
  };

  static Bits load(const Word* from) { return vld1q_u64(from); }
  static void store(Word* to, Bits a) { vst1q_u64(to, a); }
  static Bits load_first(const Word* from, Index /*words*/) { return vcombine_u64(vld1_u64(from), vcreate_u64(0)); }
  static void store_first(Word* to, Bits a, Index /*words*/) { vst1_u64(to, vget_low_u64(a)); }
  static Bits zeros() { return vdupq_n_u64(0); }
  static Bits ones() { return vdupq_n_u64(~Word{0}); }
  static Bits both(Bits a, Bits b) { return vandq_u64(a, b); }
  static Bits either(Bits a, Bits b) { return vorrq_u64(a, b); }
  static bool none(Bits a) { return (vgetq_lane_u64(a, 0) | vgetq_lane_u64(a, 1)) == 0; }
  static Shift shift(Index bits) { return {vdupq_n_s64(-bits), vdupq_n_s64(kWordBits - bits)}; }
  static Bits funnel(Bits a, Bits next, Shift by) {
    return vorrq_u64(vshlq_u64(a, by.right), vshlq_u64(next, by.left));
  }
  static Bits follow(Bits a, Bits behind) { return vextq_u64(a, behind, 1); }
  static Bits add(Bits a, Bits b) { return vaddq_u64(a, b); }
  static Bits popcounts(Bits a) { return vpaddlq_u32(vpaddlq_u16(vpaddlq_u8(vcntq_u8(vreinterpretq_u8_u64(a))))); }
  static Word total(Bits a) { return vaddvq_u64(a); }

  static Word zeros_of(const std::uint8_t* pixels) {
    Word word = 0;
    for (int k = 0; k < 4; ++k) {
      word |= gather(vceqq_u8(vld1q_u8(pixels + 16 * k), vdupq_n_u8(0))) << (16 * k);
    }
    return word;
  }
  static Word at_least(const float* values, float need) {
    Word word = 0;
    for (int x = 0; x < 64; ++x) word |= static_cast<Word>(values[x] >= need) << x;
    return word;
  }
  static void spread(Word word, std::uint8_t* pixels) {
    for (int k = 0; k < 4; ++k) {
      const auto part = static_cast<std::uint16_t>(word >> (16 * k));
      const uint8x16_t bytes = vcombine_u8(vdup_n_u8(part & 255), vdup_n_u8(part >> 8));
      vst1q_u8(pixels + 16 * k, vandq_u8(vtstq_u8(bytes, bits()), vdupq_n_u8(1)));
    }
  }
  static void spread_first(Word word, Index pixel_count, std::uint8_t* pixels) {
    for (Index x = 0; x < pixel_count; ++x) pixels[x] = (word >> x) & 1;
  }

 private:
  static uint8x16_t bits() {
    const uint8x8_t half = vcreate_u8(0x8040201008040201);
    return vcombine_u8(half, half);
  }
  /// One bit of every byte, which is 0 or 255.
  static Word gather(uint8x16_t bytes) {
    const uint8x16_t kept = vandq_u8(bytes, bits());
    return static_cast<Word>(vaddv_u8(vget_low_u8(kept))) | static_cast<Word>(vaddv_u8(vget_high_u8(kept))) << 8;
  }
};

}  // namespace

const Operations& neon_operations() {
  static constexpr Operations kOperations = operations<Neon>("neon");
  return kOperations;
}

}  // namespace podhand::free_space
#endif
