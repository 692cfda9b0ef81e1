/// The operations, written once for a vector of words `V`; included by one source file per instruction set.
///
/// `V` lives in that file's unnamed namespace, so that code for one instruction set is never linked into another. For
/// the same reason nothing here calls inline functions of the standard library.
///
/// Erosion by a rectangle goes down the columns first (van Herk / Gil-Werman: three operations per word, whatever the
/// height), then along the rows by doubling: a place is free for 2w pixels where it is free for w, here and w further.
/// Rows are flat, one after the other: what runs over a row's end reaches only places that are cut off.
#pragma once

#include "operations.hpp"

/// For loops that write x and read x and values further on: vectors of them give the same.
#if defined(__clang__)
#define PODHAND_READS_AHEAD _Pragma("clang loop vectorize(assume_safety)")
#else
#define PODHAND_READS_AHEAD _Pragma("GCC ivdep")
#endif

namespace podhand::free_space {
namespace {

[[nodiscard]] constexpr Index least(Index a, Index b) { return a < b ? a : b; }
[[nodiscard]] constexpr Index most(Index a, Index b) { return a < b ? b : a; }
[[nodiscard]] constexpr Index words_for(Index cols) { return (cols + kWordBits - 1) / kWordBits; }
[[nodiscard]] constexpr Index rounded(Index words) { return (words + 7) / 8 * 8; }
/// The lowest n bits, n in 1..64.
[[nodiscard]] constexpr Word low_bits(Index n) { return ~Word{0} >> (kWordBits - n); }

/// Rows are worked on in groups that stay in the first-level cache.
inline constexpr Index kGroupWords = 128;
/// Shapes lower than this are eroded row by row: van Herk would work on tiny blocks.
inline constexpr Index kLowShape = 8;

/// Hands out parts of the work area.
class Work {
 public:
  explicit Work(Word* words) : next_(words) {}
  Word* take(Index words) {
    Word* part = next_;
    next_ += rounded(words) + kSlackWords;
    return part;
  }

 private:
  Word* next_;
};

// ------------------------------------------------------------------------------------------------ packing

template <class V>
void pack_row(const std::uint8_t* pixels, Index cols, Word* words) {
  const Index full = cols / kWordBits;
  for (Index j = 0; j < full; ++j) words[j] = V::zeros_of(pixels + kWordBits * j);
  if (full * kWordBits == cols) return;
  std::uint8_t rest[kWordBits];
  for (Index x = 0; x < kWordBits; ++x) rest[x] = full * kWordBits + x < cols ? pixels[full * kWordBits + x] : 1;
  words[full] = V::zeros_of(rest);
}

template <class V>
void pack(const std::uint8_t* pixels, Size image, Word* words) {
  const Index stride = words_for(image.w);
  for (Index y = 0; y < image.h; ++y) pack_row<V>(pixels + y * image.w, image.w, words + y * stride);
}

template <class V>
void pack_depth(const float* depth_m, Size image, const float* need_m, Index planes, Word* const* words) {
  const Index stride = words_for(image.w), full = image.w / kWordBits;
  float rest[kWordBits];
  for (Index y = 0; y < image.h; ++y) {
    const float* row = depth_m + y * image.w;
    for (Index x = 0; x < kWordBits; ++x) rest[x] = full * kWordBits + x < image.w ? row[full * kWordBits + x] : 0.0f;
    for (Index j = 0; j < stride; ++j) {
      const float* from = j < full ? row + kWordBits * j : rest;
      for (Index p = 0; p < planes; ++p) words[p][y * stride + j] = V::at_least(from, need_m[p]);
    }
  }
}

template <class V>
void unpack_row(const Word* words, Index cols, std::uint8_t* pixels) {
  const Index full = cols / kWordBits;
  for (Index j = 0; j < full; ++j) V::spread(words[j], pixels + kWordBits * j);
  if (const Index rest = cols % kWordBits) V::spread_first(words[full], rest, pixels + kWordBits * full);
}

template <class V>
void unpack(const Bits& bits, std::uint8_t* pixels) {
  for (Index y = 0; y < bits.rows; ++y) unpack_row<V>(bits.words + y * bits.stride, bits.cols, pixels + y * bits.cols);
}

// ------------------------------------------------------------------------------------------------ where rows come from

/// Rows that are packed already.
struct PackedRows {
  const Word* words;
  Index stride;

  /// Where row `first` is, and all rows after it.
  const Word* get(Index first, Index /*end*/) { return words + first * stride; }
};

/// Rows that are packed when they are first needed, into a ring of few rows that stays in the caches.
template <class V>
struct ImageRows {
  const std::uint8_t* pixels;
  Index cols, stride, ring;
  Word* words;
  Index packed = 0;

  /// Rows first .. end, which the ring holds one after the other.
  const Word* get(Index first, Index end) {
    for (; packed < end; ++packed) pack_row<V>(pixels + packed * cols, cols, words + packed % ring * stride);
    return words + first % ring * stride;
  }
};

// ------------------------------------------------------------------------------------------------ where places go to

template <class V>
struct MapSink {
  std::uint8_t* map;
  Index cols;

  void take(Index y, Index rows, const Word* words, Index stride) {
    for (Index r = 0; r < rows; ++r) unpack_row<V>(words + r * stride, cols, map + (y + r) * cols);
  }
};

template <class V>
struct GridSink {
  Word* out;
  Index cols;

  void take(Index y, Index rows, const Word* words, Index stride) {
    const Index to_stride = words_for(cols);
    const Word last = low_bits(cols - (to_stride - 1) * kWordBits);
    for (Index r = 0; r < rows; ++r) {
      Word* to = out + (y + r) * to_stride;
      // What runs over the row's end is written again with the next row, or lies behind the last.
      for (Index j = 0; j < to_stride; j += V::kWords) V::store(to + j, V::load(words + r * stride + j));
      to[to_stride - 1] &= last;
    }
  }
};

/// The places of one bin for one size: rows y..end, and from word `first` on `vectors` masks.
struct BinPlaces {
  Index y, end, first, vectors;
  const Word* masks;
};

template <class V>
struct CountSink {
  const BinPlaces* bins;
  Index bin_count;
  std::int64_t* counts;  ///< one every `step`
  Index step;

  void take(Index y, Index rows, const Word* words, Index stride) {
    for (Index b = 0; b < bin_count; ++b) {
      const BinPlaces& bin = bins[b];
      const Index begin = most(bin.y, y), end = least(bin.end, y + rows);
      for (Index v = 0; v < bin.vectors && begin < end; ++v) {
        const Word* from = words + (begin - y) * stride + bin.first + v * V::kWords;
        const auto mask = V::load(bin.masks + v * V::kWords);
        auto sum = V::zeros();
        for (Index r = begin; r < end; ++r, from += stride) {
          sum = V::add(sum, V::popcounts(V::both(V::load(from), mask)));
        }
        counts[b * step] += static_cast<std::int64_t>(V::total(sum));
      }
    }
  }
};

// ------------------------------------------------------------------------------------------------ along the rows

/// The doublings that erode by a width: 1, 2, 4, … and the rest, at most 6 of them below 65.
template <class V>
struct Doublings {
  int count = 0;
  typename V::Shift shifts[6];

  explicit Doublings(Index width) {
    for (Index done = 1; done < width;) {
      const Index step = least(done, width - done);
      shifts[count++] = V::shift(step);
      done += step;
    }
  }
};

/// Erode in registers, from the last word to the first: every step needs the same step's result of the words that
/// follow, which were worked on just before.
template <class V, int kSteps>
void erode_narrow(const Word* in, Word* out, Index words, const Doublings<V>& doublings) {
  typename V::Bits behind[kSteps];
  typename V::Shift shifts[kSteps];
  for (int i = 0; i < kSteps; ++i) {
    behind[i] = V::zeros();
    shifts[i] = doublings.shifts[i];
  }
  for (Index j = (words - 1) / V::kWords * V::kWords; j >= 0; j -= V::kWords) {
    auto a = V::load(in + j);
#pragma GCC unroll 6
    for (int i = 0; i < kSteps; ++i) {
      const auto next = V::follow(a, behind[i]);
      behind[i] = a;
      a = V::both(a, V::funnel(a, next, shifts[i]));
    }
    V::store(out + j, a);
  }
}

/// out[j] = in[j] and in[j] moved by so many bits, over flat words; in place or not.
template <class V>
void halve(const Word* in, Word* out, Index words, Index bits) {
  const Word* far = in + bits / kWordBits;
  const auto shift = V::shift(bits % kWordBits);
  for (Index j = 0; j < words; j += V::kWords) {
    V::store(out + j, V::both(V::load(in + j), V::funnel(V::load(far + j), V::load(far + j + 1), shift)));
  }
}

/// Erode flat words by a width, in place.
template <class V>
void erode_along(Word* words, Index count, Index width) {
  const Doublings<V> doublings(least(width, kWordBits));
  switch (doublings.count) {
    case 0:
      break;
    case 1:
      erode_narrow<V, 1>(words, words, count, doublings);
      break;
    case 2:
      erode_narrow<V, 2>(words, words, count, doublings);
      break;
    case 3:
      erode_narrow<V, 3>(words, words, count, doublings);
      break;
    case 4:
      erode_narrow<V, 4>(words, words, count, doublings);
      break;
    case 5:
      erode_narrow<V, 5>(words, words, count, doublings);
      break;
    default:
      erode_narrow<V, 6>(words, words, count, doublings);
  }
  for (Index done = kWordBits; done < width;) {
    const Index step = least(done, width - done);
    halve<V>(words, words, count, step);
    done += step;
  }
}

// ------------------------------------------------------------------------------------------------ down the columns

template <class V>
struct WholeVector {
  typename V::Bits load(const Word* from) const { return V::load(from); }
  void store(Word* to, typename V::Bits bits) const { V::store(to, bits); }
};

template <class V>
struct PartOfVector {
  Index words;
  typename V::Bits load(const Word* from) const { return V::load_first(from, words); }
  void store(Word* to, typename V::Bits bits) const { V::store_first(to, bits, words); }
};

/// Calls f(first word, access) for every vector of a row; the last may be a part.
template <class V, class Function>
void for_each_strip(Index stride, Function f) {
  Index j = 0;
  for (; j + V::kWords <= stride; j += V::kWords) f(j, WholeVector<V>{});
  if (j < stride) f(j, PartOfVector<V>{stride - j});
}

/// One block of van Herk: `height` places from the block's first row on, each the and of `height` rows.
template <class V>
class ColumnBlock {
 public:
  ColumnBlock(Index height, Index stride, Work& work)
      : height_(height), stride_(stride), suffix_(work.take(height * stride)), prefix_(work.take(stride)) {}

  /// Take the block's own rows: from each of them to the block's last.
  void begin(const Word* block) {
    for_each_strip<V>(
        stride_, [suffix = suffix_, prefix = prefix_, block, height = height_, stride = stride_](Index j, auto access) {
          auto a = V::ones();
          access.store(prefix + j, a);
          const Word* from = block + (height - 1) * stride + j;
          Word* to = suffix + (height - 1) * stride + j;
          for (Index r = height; r > 0; --r, from -= stride, to -= stride) {
            a = V::both(a, access.load(from));
            access.store(to, a);
          }
        });
  }

  /// Places `first` .. `first + count` of the block, in turn; `after` are the rows after the block.
  void take(const Word* after, Index first, Index count, Word* out) {
    const Word* below = after + (first - 1) * stride_;
    const Word* suffix = suffix_ + first * stride_;
    // The first place is the block itself: no row below belongs to it.
    const Index skip = first == 0 ? 1 : 0;
    for_each_strip<V>(stride_, [=, prefix_row = prefix_, stride = stride_](Index j, auto access) {
      auto prefix = access.load(prefix_row + j);
      if (skip) access.store(out + j, access.load(suffix + j));
      for (Index at = j + skip * stride, end = j + count * stride; at < end; at += stride) {
        prefix = V::both(prefix, access.load(below + at));
        access.store(out + at, V::both(prefix, access.load(suffix + at)));
      }
      access.store(prefix_row + j, prefix);
    });
  }

 private:
  Index height_, stride_;
  Word* suffix_;
  Word* prefix_;
};

/// And of `height` rows, for few of them.
template <class V>
void erode_low(const Word* in, Index words, Index stride, Index height, Word* out) {
  for (Index j = 0; j < words; j += V::kWords) {
    auto a = V::load(in + j);
    for (Index r = 1; r < height; ++r) a = V::both(a, V::load(in + r * stride + j));
    V::store(out + j, a);
  }
}

/// Erode by a rectangle, group by group of rows, from `rows` into `sink`.
template <class V, class Rows, class Sink>
void erode(Rows& rows, Index row_count, Index stride, Size shape, Work work, Sink& sink) {
  const Index places = row_count - shape.h + 1, group = most(1, kGroupWords / stride);
  Word* eroded = work.take(group * stride);
  const auto finish = [&](Index y, Index count) {
    erode_along<V>(eroded, count * stride, shape.w);
    sink.take(y, count, eroded, stride);
  };
  if (shape.h < kLowShape) {
    for (Index y = 0; y < places; y += group) {
      const Index count = least(group, places - y);
      const Word* from = rows.get(y, y + count + shape.h - 1);
      erode_low<V>(from, count * stride, stride, shape.h, eroded);
      finish(y, count);
    }
    return;
  }
  ColumnBlock<V> block(shape.h, stride, work);
  for (Index top = 0; top < places; top += shape.h) {
    const Index in_block = least(shape.h, places - top);
    const Index after = top + shape.h;
    block.begin(rows.get(top, after));
    for (Index r = 0; r < in_block; r += group) {
      const Index count = least(group, in_block - r);
      block.take(rows.get(after, after - 1 + r + count), r, count, eroded);
      finish(top + r, count);
    }
  }
}

template <class V>
void image_to_map(const std::uint8_t* pixels, Size image, Size shape, Word* work_area, std::uint8_t* map) {
  const Index stride = words_for(image.w);
  Work work(work_area);
  // A block of places and the rows after it are two halves of the ring.
  const Index ring = shape.h < kLowShape ? image.h : 2 * shape.h;
  ImageRows<V> rows{pixels, image.w, stride, ring, work.take(ring * stride)};
  MapSink<V> sink{map, image.w - shape.w + 1};
  erode<V>(rows, image.h, stride, shape, work, sink);
}

template <class V>
void bits_to_map(const Bits& bits, Size shape, Word* work, std::uint8_t* map) {
  PackedRows rows{bits.words, bits.stride};
  MapSink<V> sink{map, bits.cols - shape.w + 1};
  erode<V>(rows, bits.rows, bits.stride, shape, Work(work), sink);
}

template <class V>
void bits_to_bits(const Bits& bits, Size shape, Word* work, Word* out) {
  PackedRows rows{bits.words, bits.stride};
  GridSink<V> sink{out, bits.cols - shape.w + 1};
  erode<V>(rows, bits.rows, bits.stride, shape, Work(work), sink);
}

// ------------------------------------------------------------------------------------------------ many sizes, many
// bins

/// The places of a shape wholly inside a bin, cut out of the rows by masks.
template <class V>
BinPlaces places_in(const Bin& bin, Size shape, Word* masks) {
  const Index rows = bin.h - shape.h + 1, cols = bin.w - shape.w + 1;
  if (rows <= 0 || cols <= 0) return {0, 0, 0, 0, masks};
  const Index first = bin.x / kWordBits, last = (bin.x + cols - 1) / kWordBits;
  const Index vectors = (last - first) / V::kWords + 1;
  for (Index j = 0; j < vectors * V::kWords; ++j) {
    const Index low = most(bin.x - (first + j) * kWordBits, 0);
    const Index high = least(bin.x + cols - (first + j) * kWordBits, kWordBits);
    masks[j] = low < high ? low_bits(high) & (~Word{0} << low) : 0;
  }
  return {bin.y, bin.y + rows, first, vectors, masks};
}

/// Grows the image along the rows from one width to the next, then goes down the columns for every height.
template <class V>
void count(const Bits& bits, List<Bin> bins, List<Size> sizes, const Index* by_width, Word* work_area,
           std::int64_t* counts) {
  Work work(work_area);
  const Index words = bits.rows * bits.stride, mask_words = bits.stride + 2 * V::kWords;
  Word* grown = work.take(words);
  Word* masks = work.take(bins.count * mask_words);
  auto* places = reinterpret_cast<BinPlaces*>(work.take(bins.count * static_cast<Index>(sizeof(BinPlaces) / 8)));
  for (Index j = 0; j < words; ++j) grown[j] = bits.words[j];
  Index width = 1;
  for (Index n = 0; n < sizes.count; ++n) {
    const Size shape = sizes.items[by_width[n]];
    if (shape.h > bits.rows || shape.w > bits.cols) continue;
    for (; width < shape.w; width += least(width, shape.w - width)) {
      halve<V>(grown, grown, words, least(width, shape.w - width));
    }
    for (Index b = 0; b < bins.count; ++b) {
      places[b] = places_in<V>(bins.items[b], shape, masks + b * mask_words);
    }
    PackedRows rows{grown, bits.stride};
    CountSink<V> sink{places, bins.count, counts + by_width[n], sizes.count};
    erode<V>(rows, bits.rows, bits.stride, {shape.h, 1}, work, sink);
  }
}

// ------------------------------------------------------------------------------------------------ masks

template <class V>
void make_levels(List<LevelImage> levels, Index words) {
  for (Index n = 1; n < levels.count; ++n) {  // level 0 is the image
    const LevelImage& level = levels.items[n];
    halve<V>(levels.items[level.parent].words, level.words, words - level.shift_bits / kWordBits, level.shift_bits);
  }
}

/// And of all pieces, two vectors at a time; given up as soon as no place is left in both.
template <class V>
void and_pieces(List<PieceRead> pieces, Index begin, Index end, Word* out) {
  for (Index j = begin; j < end; j += 2 * V::kWords) {
    auto a = V::ones(), b = a;
    for (Index n = 0; n < pieces.count; ++n) {
      const PieceRead& piece = pieces.items[n];
      const Word* from = piece.words + j;
      const auto shift = V::shift(piece.shift_bits);
      const auto first = V::load(from), second = V::load(from + V::kWords);
      a = V::both(a, V::funnel(first, V::load(from + 1), shift));
      b = V::both(b, V::funnel(second, V::load(from + V::kWords + 1), shift));
      if (n % 4 == 3 && V::none(V::either(a, b))) break;
    }
    V::store(out + j - begin, a);
    V::store(out + j - begin + V::kWords, b);
  }
}

template <class V, class Sink>
void erode_by_pieces(List<PieceRead> pieces, Index places, Index stride, Word* work_area, Sink& sink) {
  const Index group = most(1, kGroupWords / stride);
  Work work(work_area);
  Word* eroded = work.take(group * stride);
  for (Index y = 0; y < places; y += group) {
    const Index count = least(group, places - y);
    and_pieces<V>(pieces, y * stride, (y + count) * stride, eroded);
    sink.take(y, count, eroded, stride);
  }
}

template <class V>
void pieces_to_map(List<PieceRead> pieces, Size places, Index stride, Word* work, std::uint8_t* map) {
  MapSink<V> sink{map, places.w};
  erode_by_pieces<V>(pieces, places.h, stride, work, sink);
}

template <class V>
void pieces_to_bits(List<PieceRead> pieces, Size places, Index stride, Word* work, Word* out) {
  GridSink<V> sink{out, places.w};
  erode_by_pieces<V>(pieces, places.h, stride, work, sink);
}

// ------------------------------------------------------------------------------------------------ sums and minima

/// Least value; windows may overlap.
struct Minimum {
  using Value = float;
  static Value of(Value a, Value b) { return b < a ? b : a; }
  /// The window of `width` from each of the first `places` values, in place.
  static void along(Value* row, Value* /*part*/, Index places, Index width) {
    for (Index done = 1; done < width;) {
      const Index step = least(done, width - done), n = places + width - done - step;
      PODHAND_READS_AHEAD
      for (Index x = 0; x < n; ++x) row[x] = of(row[x], row[x + step]);
      done += step;
    }
  }
};

/// Sum; windows are put together from runs of 1, 2, 4, … values that do not overlap.
template <class T>
struct Sum {
  using Value = T;
  static Value of(Value a, Value b) { return a + b; }
  static void along(Value* row, Value* part, Index places, Index width) {
    for (Index x = 0; x < places; ++x) part[x] = 0;
    for (Index run = 1, done = 0; run <= width; run *= 2) {
      if (width & run) {
        for (Index x = 0; x < places; ++x) part[x] += row[x + done];
        done += run;
      }
      const Index n = places + width - 2 * run;
      PODHAND_READS_AHEAD
      for (Index x = 0; x < n; ++x) row[x] += row[x + run];
    }
    for (Index x = 0; x < places; ++x) row[x] = part[x];
  }
};

/// Van Herk down the columns, then along the row: no subtraction, so that a large or infinite value stays local.
template <class Operation, class From, class To>
void windows(const From* values, Size image, Size window, void* work, To* out) {
  using Value = typename Operation::Value;
  const Index cols = image.w, places_h = image.h - window.h + 1, places_w = cols - window.w + 1;
  Value* suffix = static_cast<Value*>(work);
  Value* prefix = suffix + window.h * cols;
  Value* row = prefix + cols;
  Value* part = row + cols;
  for (Index top = 0; top < places_h; top += window.h) {
    const From* block = values + top * cols;
    for (Index r = window.h - 1; r >= 0; --r) {
      Value* to = suffix + r * cols;
      const From* from = block + r * cols;
      const bool last = r == window.h - 1;
      for (Index x = 0; x < cols; ++x) {
        const Value value = static_cast<Value>(from[x]);
        to[x] = last ? value : Operation::of(to[x + cols], value);
      }
    }
    for (Index r = 0; r < least(window.h, places_h - top); ++r) {
      const From* below = block + (window.h - 1 + r) * cols;
      for (Index x = 0; x < cols && r > 0; ++x) {
        const Value value = static_cast<Value>(below[x]);
        prefix[x] = r == 1 ? value : Operation::of(prefix[x], value);
        row[x] = Operation::of(suffix[r * cols + x], prefix[x]);
      }
      for (Index x = 0; x < cols && r == 0; ++x) row[x] = suffix[x];
      Operation::along(row, part, places_w, window.w);
      To* to = out + (top + r) * places_w;
      for (Index x = 0; x < places_w; ++x) to[x] = static_cast<To>(row[x]);
    }
  }
}

inline bool any_nan(const float* values, Index count) {
  int found = 0;
  for (Index i = 0; i < count; ++i) found |= values[i] != values[i];
  return found != 0;
}

template <class V>
constexpr Operations operations(const char* name) {
  return {
      name,
      pack<V>,
      pack_depth<V>,
      unpack<V>,
      image_to_map<V>,
      bits_to_map<V>,
      bits_to_bits<V>,
      count<V>,
      make_levels<V>,
      pieces_to_map<V>,
      pieces_to_bits<V>,
      windows<Sum<double>, float, float>,
      windows<Sum<std::int32_t>, std::uint8_t, std::int32_t>,
      windows<Minimum, float, float>,
      any_nan,
  };
}

}  // namespace
}  // namespace podhand::free_space
