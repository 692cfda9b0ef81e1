/// Where a shape fits: exact erosion of occupancy images, packed one bit per pixel.
///
/// Not part of the tick: the code picks the processor's widest instruction set when it is loaded. Every set gives the
/// same bits. Images are row-major, y down, x right; a place (y, x) is where the upper left corner of a shape goes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace podhand::free_space {

using Word = std::uint64_t;
using Index = std::int64_t;

inline constexpr Index kWordBits = 64;
inline constexpr Index kMaxSide = 32768;  ///< longest side of an image [px]

/// An argument cannot be used; nothing was computed. Says what, the value, the allowed range.
class Refusal : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// Height and width in pixels.
struct Size {
  Index h{}, w{};
};

/// A part of an image: upper left corner, then size, in pixels.
struct Bin {
  std::int32_t y{}, x{}, h{}, w{};
};

/// Words on a cache line's border that stay allocated and readable behind the last row.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(Index words);
  Buffer(const Buffer& other);
  Buffer(Buffer&& other) noexcept = default;
  Buffer& operator=(Buffer&& other) noexcept = default;
  [[nodiscard]] Word* data() const { return words_.get(); }
  [[nodiscard]] Index size() const { return size_; }

 private:
  struct Free {
    void operator()(Word* words) const noexcept;
  };
  std::unique_ptr<Word[], Free> words_;
  Index size_{};
};

/// One bit per pixel, 1 = free. Pixel (y, x) is bit x % 64 of word y * stride + x / 64; bits behind a row's end are 0.
class BitGrid {
 public:
  /// All occupied. Throws Refusal for sides outside 1..kMaxSide.
  explicit BitGrid(Size size);

  /// From rows x cols bytes, nonzero = occupied.
  static BitGrid from_occupancy(const std::uint8_t* pixels, Size size);

  /// One grid per entry of `need_m`, in one pass: free where depth >= need; 0 (unknown) and NaN are occupied.
  static std::vector<BitGrid> from_depth(const float* depth_m, Size size, std::span<const float> need_m);

  [[nodiscard]] Size size() const { return size_; }
  [[nodiscard]] Index stride() const { return stride_; }  ///< words per row
  [[nodiscard]] const Word* words() const { return buffer_.data(); }
  [[nodiscard]] Word* words() { return buffer_.data(); }
  [[nodiscard]] Index count() const;          ///< free pixels
  void write_to(std::uint8_t* pixels) const;  ///< 1 = free, rows x cols bytes

 private:
  Size size_;
  Index stride_;
  Buffer buffer_;
};

/// A rectangle of `rows` x `cols` pixels, both powers of two, that is placed somewhere.
struct Level {
  int log_rows{}, log_cols{};
  int parent{};  ///< index of the level that it doubles; level 0 is the single pixel
};

/// A level placed at (dy, dx) from the mask's corner.
struct Piece {
  int level{};
  std::int32_t dy{}, dx{};
};

/// A shape of any form, covered once by overlapping rectangles whose sides are powers of two.
class Mask {
 public:
  /// From rows x cols bytes, nonzero = belongs to the shape. Throws Refusal when there is no such pixel.
  Mask(const std::uint8_t* pixels, Size size);

  [[nodiscard]] Size size() const { return size_; }
  [[nodiscard]] const std::vector<Level>& levels() const { return levels_; }
  [[nodiscard]] const std::vector<Piece>& pieces() const { return pieces_; }

 private:
  Size size_;
  std::vector<Level> levels_;
  std::vector<Piece> pieces_;
};

/// A place and what it costs.
struct Place {
  Index y{}, x{};
  float cost{};
};

/// Size of the map of places. Throws Refusal when the shape is empty or larger than the image.
[[nodiscard]] Size places_of(Size image, Size shape);

/// Places of a rectangle, 1 = free, places_of(image, shape) bytes.
void placements(const std::uint8_t* pixels, Size image, Size shape, std::uint8_t* out);
void placements(const BitGrid& grid, Size shape, std::uint8_t* out);
[[nodiscard]] BitGrid placements(const BitGrid& grid, Size shape);
void placements(const BitGrid& grid, Size shape, BitGrid& out);

/// Places of a mask.
void placements(const BitGrid& grid, const Mask& mask, std::uint8_t* out);
void placements(const BitGrid& grid, const Mask& mask, BitGrid& out);

/// Free places of every size wholly inside every bin, bins x sizes numbers; 0 where a size is larger than the bin.
/// Throws Refusal for bins that are empty or reach out of the image, and for sizes below 1.
void count(const BitGrid& grid, std::span<const Bin> bins, std::span<const Size> sizes, std::int64_t* out);

/// The k free places of least cost, best first; ties by y, then x. No two are closer than `separation` in both y and x.
/// `cost` has one value per pixel of `free_places`; Throws Refusal for NaN.
[[nodiscard]] std::vector<Place> best_places(const BitGrid& free_places, const float* cost, Index k, Index separation);

/// Sum over every window, in double precision inside. An infinite value spoils only its own windows.
void window_sums(const float* values, Size image, Size window, float* out);
void window_sums(const std::uint8_t* values, Size image, Size window, std::int32_t* out);

/// Least value of every window, exact. Throws Refusal for NaN.
void window_minima(const float* values, Size image, Size window, float* out);

/// Instruction sets that this build has and this processor runs, widest first, and the one in use.
[[nodiscard]] std::vector<std::string_view> instruction_sets();
[[nodiscard]] std::string_view instruction_set();
/// For tests: use another one of instruction_sets(), in all threads. Throws Refusal for other names.
void use_instruction_set(std::string_view name);

}  // namespace podhand::free_space
