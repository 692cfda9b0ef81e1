/// Checks and work areas around the operations.
#include <podhand/free_space.hpp>

#include "dispatch.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <string>

namespace podhand::free_space {
namespace {

/// Kept per thread: fresh pages would cost more than the work on them.
Word* work_area(Index words) {
  static thread_local Buffer area;
  if (area.size() < words) {
    area = Buffer(words);
    std::fill_n(area.data(), words, Word{0});
  }
  return area.data();
}

Word* work_for(Size image, Index height, Index bins = 0) { return work_area(work_words(image, height, bins)); }

Bits view(const BitGrid& grid) { return {grid.words(), grid.size().h, grid.size().w, grid.stride()}; }

std::string in_words(Size size) { return std::to_string(size.h) + " x " + std::to_string(size.w); }

void require_room(const BitGrid& out, Size places) {
  if (out.size().h == places.h && out.size().w == places.w) return;
  throw Refusal("out: got " + in_words(out.size()) + " places (h x w), needs " + in_words(places));
}

void require_numbers(const float* values, Index count, const char* name) {
  if (operations().any_nan(values, count)) {
    throw Refusal(std::string(name) + ": contains NaN; give unknown pixels a number, infinity is allowed");
  }
}

void require_inside(const Bin& bin, std::size_t number, Size image) {
  const bool inside = bin.y >= 0 && bin.x >= 0 && bin.h >= 1 && bin.w >= 1 && Index{bin.y} + bin.h <= image.h &&
                      Index{bin.x} + bin.w <= image.w;
  if (inside) return;
  throw Refusal("bins[" + std::to_string(number) + "]: got (y, x, h, w) = (" + std::to_string(bin.y) + ", " +
                std::to_string(bin.x) + ", " + std::to_string(bin.h) + ", " + std::to_string(bin.w) +
                "), must be at least 1 x 1 and inside the image of " + in_words(image) + " pixels (h x w)");
}

/// The levels of a mask as images; level 0 is the grid itself.
std::vector<PieceRead> reads_of(const BitGrid& grid, const Mask& mask, Word* area) {
  const Index words = grid.size().h * grid.stride(), room = (words + 7) / 8 * 8 + kSlackWords;
  std::vector<LevelImage> images;
  for (const Level& level : mask.levels()) {
    const bool down = level.log_rows > 0;
    const Index shift =
        down ? (Index{1} << (level.log_rows - 1)) * grid.stride() * kWordBits : (Index{1} << level.log_cols) / 2;
    const Index made = static_cast<Index>(images.size());
    images.push_back({made == 0 ? const_cast<Word*>(grid.words()) : area + (made - 1) * room, level.parent, shift});
  }
  operations().make_levels({images.data(), static_cast<Index>(images.size())}, words);
  std::vector<PieceRead> reads;
  for (const Piece& piece : mask.pieces()) {
    const Word* image = images[static_cast<std::size_t>(piece.level)].words;
    reads.push_back({image + piece.dy * grid.stride() + piece.dx / kWordBits, piece.dx % kWordBits});
  }
  return reads;
}

Index level_words(const BitGrid& grid, const Mask& mask) {
  const Index words = (grid.size().h * grid.stride() + 7) / 8 * 8 + kSlackWords;
  return words * static_cast<Index>(mask.levels().size());
}

/// Work for a mask: the levels first, then the group of rows.
struct MaskWork {
  MaskWork(const BitGrid& grid, const Mask& mask)
      : levels(work_area(level_words(grid, mask) + work_words(grid.size(), 1, 0))),
        rest(levels + level_words(grid, mask)) {}
  Word* levels;
  Word* rest;
};

}  // namespace

Index work_words(Size image, Index height, Index bins) {
  const Index stride = (image.w + kWordBits - 1) / kWordBits;
  const Index areas = 6 * (kSlackWords + 8);
  return areas + std::max(image.h, 2 * height) * stride + height * stride + stride + std::max<Index>(256, stride) +
         bins * (stride + 24);
}

Size places_of(Size image, Size shape) {
  if (shape.h >= 1 && shape.w >= 1 && shape.h <= image.h && shape.w <= image.w) {
    return {image.h - shape.h + 1, image.w - shape.w + 1};
  }
  throw Refusal("shape: got " + in_words(shape) + " pixels (h x w), allowed 1 x 1 up to the image's " +
                in_words(image) + "; take a smaller shape or a larger part of the image");
}

void placements(const std::uint8_t* pixels, Size image, Size shape, std::uint8_t* out) {
  operations().image_to_map(pixels, image, shape, work_for(image, shape.h), out);
}

void placements(const BitGrid& grid, Size shape, std::uint8_t* out) {
  operations().bits_to_map(view(grid), shape, work_for(grid.size(), shape.h), out);
}

void placements(const BitGrid& grid, Size shape, BitGrid& out) {
  require_room(out, places_of(grid.size(), shape));
  operations().bits_to_bits(view(grid), shape, work_for(grid.size(), shape.h), out.words());
}

BitGrid placements(const BitGrid& grid, Size shape) {
  BitGrid out(places_of(grid.size(), shape));
  placements(grid, shape, out);
  return out;
}

void placements(const BitGrid& grid, const Mask& mask, std::uint8_t* out) {
  const Size places = places_of(grid.size(), mask.size());
  const MaskWork work(grid, mask);
  const std::vector<PieceRead> reads = reads_of(grid, mask, work.levels);
  operations().pieces_to_map({reads.data(), static_cast<Index>(reads.size())}, places, grid.stride(), work.rest, out);
}

void placements(const BitGrid& grid, const Mask& mask, BitGrid& out) {
  const Size places = places_of(grid.size(), mask.size());
  require_room(out, places);
  const MaskWork work(grid, mask);
  const std::vector<PieceRead> reads = reads_of(grid, mask, work.levels);
  operations().pieces_to_bits({reads.data(), static_cast<Index>(reads.size())}, places, grid.stride(), work.rest,
                              out.words());
}

void count(const BitGrid& grid, std::span<const Bin> bins, std::span<const Size> sizes, std::int64_t* out) {
  for (std::size_t b = 0; b < bins.size(); ++b) require_inside(bins[b], b, grid.size());
  Index tallest = 1;
  for (std::size_t n = 0; n < sizes.size(); ++n) {
    if (sizes[n].h < 1 || sizes[n].w < 1) {
      throw Refusal("sizes[" + std::to_string(n) + "]: got " + in_words(sizes[n]) +
                    " pixels (h x w), each must be at least 1");
    }
    tallest = std::max(tallest, std::min(sizes[n].h, grid.size().h));
  }
  std::vector<Index> by_width(sizes.size());
  std::iota(by_width.begin(), by_width.end(), 0);
  std::stable_sort(by_width.begin(), by_width.end(), [sizes](Index a, Index b) {
    return sizes[static_cast<std::size_t>(a)].w < sizes[static_cast<std::size_t>(b)].w;
  });
  std::fill_n(out, bins.size() * sizes.size(), std::int64_t{0});
  operations().count(view(grid), {bins.data(), static_cast<Index>(bins.size())},
                     {sizes.data(), static_cast<Index>(sizes.size())}, by_width.data(),
                     work_for(grid.size(), tallest, static_cast<Index>(bins.size())), out);
}

void window_sums(const float* values, Size image, Size window, float* out) {
  operations().sums_f32(values, image, window, work_area((window.h + 3) * image.w), out);
}

void window_sums(const std::uint8_t* values, Size image, Size window, std::int32_t* out) {
  operations().sums_u8(values, image, window, work_area((window.h + 3) * image.w), out);
}

void window_minima(const float* values, Size image, Size window, float* out) {
  require_numbers(values, image.h * image.w, "values");
  operations().minima_f32(values, image, window, work_area((window.h + 3) * image.w), out);
}

namespace {

/// The best free place of one row, or none.
struct RowBest {
  float cost = std::numeric_limits<float>::infinity();
  Index x = -1;
};

RowBest best_of(const BitGrid& free_places, const float* cost, Index y) {
  RowBest best;
  const Word* row = free_places.words() + y * free_places.stride();
  for (Index j = 0; j < free_places.stride(); ++j) {
    for (Word word = row[j]; word != 0; word &= word - 1) {
      const Index x = j * kWordBits + std::countr_zero(word);
      const float here = cost[y * free_places.size().w + x];
      if (best.x < 0 || here < best.cost) best = {here, x};
    }
  }
  return best;
}

void clear(BitGrid& grid, Index y, Index begin, Index end) {
  Word* row = grid.words() + y * grid.stride();
  for (Index x = begin; x < end; ++x) row[x / kWordBits] &= ~(Word{1} << (x % kWordBits));
}

}  // namespace

std::vector<Place> best_places(const BitGrid& free_places, const float* cost, Index k, Index separation) {
  const Size size = free_places.size();
  if (k < 1) throw Refusal("k: got " + std::to_string(k) + ", must be at least 1");
  if (separation < 1) throw Refusal("separation_px: got " + std::to_string(separation) + ", must be at least 1");
  require_numbers(cost, size.h * size.w, "cost");
  BitGrid left = free_places;
  std::vector<RowBest> rows;
  for (Index y = 0; y < size.h; ++y) rows.push_back(best_of(left, cost, y));
  std::vector<Place> found;
  while (static_cast<Index>(found.size()) < k) {
    const auto better = [](const RowBest& a, const RowBest& b) {
      return b.x < 0 ? a.x >= 0 : a.x >= 0 && a.cost < b.cost;
    };
    const auto best = std::min_element(rows.begin(), rows.end(), better);
    if (best->x < 0) break;
    const Index y = best - rows.begin(), x = best->x;
    found.push_back({y, x, best->cost});
    for (Index r = std::max<Index>(0, y - separation + 1); r < std::min(size.h, y + separation); ++r) {
      clear(left, r, std::max<Index>(0, x - separation + 1), std::min(size.w, x + separation));
      rows[static_cast<std::size_t>(r)] = best_of(left, cost, r);
    }
  }
  return found;
}

}  // namespace podhand::free_space
