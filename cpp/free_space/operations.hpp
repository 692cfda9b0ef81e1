/// The table of operations that every instruction set fills: plain pointers in, plain pointers out, no checks, no heap.
#pragma once

#include <podhand/free_space.hpp>

namespace podhand::free_space {

/// Readable words behind every image and work area: vectors and shifted reads may run over its end.
inline constexpr Index kSlackWords = 64 + 2 * kMaxSide / kWordBits;

/// A packed image that others own.
struct Bits {
  const Word* words;
  Index rows, cols, stride;
};

/// A level's image, and the shifted read over flat words that makes it from its parent.
struct LevelImage {
  Word* words;
  Index parent;
  Index shift_bits;
};

/// A shifted read of a level's image.
struct PieceRead {
  const Word* words;
  Index shift_bits;  ///< within the word
};

/// Items that others own; without member functions, which the linker could take from the wrong instruction set.
template <class T>
struct List {
  const T* items;
  Index count;
};

struct Operations {
  const char* name;
  void (*pack)(const std::uint8_t* pixels, Size image, Word* words);
  void (*pack_depth)(const float* depth_m, Size image, const float* need_m, Index planes, Word* const* words);
  void (*unpack)(const Bits& bits, std::uint8_t* pixels);
  void (*image_to_map)(const std::uint8_t* pixels, Size image, Size shape, Word* work, std::uint8_t* map);
  void (*bits_to_map)(const Bits& bits, Size shape, Word* work, std::uint8_t* map);
  void (*bits_to_bits)(const Bits& bits, Size shape, Word* work, Word* out);
  /// Adds to counts[bin * sizes.count + size]; `by_width` are the indices of the sizes, narrowest first.
  void (*count)(const Bits& bits, List<Bin> bins, List<Size> sizes, const Index* by_width, Word* work,
                std::int64_t* counts);
  void (*make_levels)(List<LevelImage> levels, Index words);
  void (*pieces_to_map)(List<PieceRead> pieces, Size places, Index stride, Word* work, std::uint8_t* map);
  void (*pieces_to_bits)(List<PieceRead> pieces, Size places, Index stride, Word* work, Word* out);
  void (*sums_f32)(const float* values, Size image, Size window, void* work, float* out);
  void (*sums_u8)(const std::uint8_t* values, Size image, Size window, void* work, std::int32_t* out);
  void (*minima_f32)(const float* values, Size image, Size window, void* work, float* out);
  bool (*any_nan)(const float* values, Index count);
};

/// Words of work area that any operation on an image needs, with shapes up to `height` rows and so many bins.
[[nodiscard]] Index work_words(Size image, Index height, Index bins);

[[nodiscard]] const Operations& portable_operations();
#if defined(__x86_64__)
[[nodiscard]] const Operations& avx2_operations();
[[nodiscard]] const Operations& avx512_operations();
#elif defined(__aarch64__)
[[nodiscard]] const Operations& neon_operations();
#endif

}  // namespace podhand::free_space
