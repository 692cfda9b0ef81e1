/// Covers a mask by rectangles whose sides are powers of two, few of them and of few kinds.
///
/// A place is free for the mask where it is free for every rectangle. Rectangles of one kind are one image, made from
/// a smaller kind by one doubling, so a kind costs about as much as a few rectangles. The first pixel not yet covered
/// is a corner of the shape; of the rectangles that cover it, the one that covers most for its cost is taken.
#include <podhand/free_space.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <string>

namespace podhand::free_space {
namespace {

constexpr int kLogs = 8;           ///< sides up to 128
constexpr double kKindCost = 3.0;  ///< of making one more image, in rectangles read

/// Number of marked pixels in any rectangle, by a summed-area table.
class AreaTable {
 public:
  AreaTable(const std::vector<std::uint8_t>& pixels, Size size) : cols_(size.w + 1), sums_((size.h + 1) * cols_) {
    for (Index y = 0; y < size.h; ++y) {
      std::int32_t row = 0;
      for (Index x = 0; x < size.w; ++x) {
        row += pixels[y * size.w + x];
        sums_[(y + 1) * cols_ + x + 1] = sums_[y * cols_ + x + 1] + row;
      }
    }
  }

  [[nodiscard]] Index of(Index y, Index x, Index h, Index w) const {
    const std::int32_t* top = sums_.data() + y * cols_ + x;
    const std::int32_t* bottom = top + h * cols_;
    return bottom[w] - bottom[0] - top[w] + top[0];
  }

 private:
  Index cols_;
  std::vector<std::int32_t> sums_;
};

struct Rectangle {
  int log_rows, log_cols;
  Index y, x;
  double worth;
};

class Cover {
 public:
  Cover(const std::uint8_t* pixels, Size size)
      : size_(size), left_(pixels, pixels + size.h * size.w), shape_(normalised(left_), size) {
    kinds_.push_back({0, 0, 0});
    known_[0][0] = 0;
  }

  void run() {
    for (Index i = 0; i < size_.h * size_.w; ++i) {
      while (left_[i]) take(best_over(i / size_.w, i % size_.w));
    }
    std::stable_sort(pieces_.begin(), pieces_.end(),
                     [this](const Piece& a, const Piece& b) { return area(a) > area(b); });
  }

  std::vector<Level> kinds_;
  std::vector<Piece> pieces_;

 private:
  static std::vector<std::uint8_t>& normalised(std::vector<std::uint8_t>& pixels) {
    for (std::uint8_t& pixel : pixels) pixel = pixel != 0;
    return pixels;
  }

  [[nodiscard]] int area(const Piece& piece) const {
    return kinds_[piece.level].log_rows + kinds_[piece.level].log_cols;
  }

  [[nodiscard]] Rectangle best_over(Index y, Index x) const {
    const AreaTable left(left_, size_);
    Rectangle best{0, 0, y, x, 0.0};
    for (int rows = 0; rows < kLogs; ++rows) {
      for (int cols = 0; cols < kLogs; ++cols) {
        const Index h = Index{1} << rows, w = Index{1} << cols;
        // The pixel is the first one left: a rectangle begins there, or further left, or further up.
        for (Index back = 0; back < w && !judge({rows, cols, y, x - back, 0.0}, left, best); ++back) {
        }
        for (Index up = 1; up < h && !judge({rows, cols, y - up, x, 0.0}, left, best); ++up) {
        }
      }
    }
    return best;
  }

  /// False where the rectangle does not fit into the shape.
  bool judge(Rectangle r, const AreaTable& left, Rectangle& best) const {
    const Index h = Index{1} << r.log_rows, w = Index{1} << r.log_cols;
    if (r.y < 0 || r.x < 0 || r.y + h > size_.h || r.x + w > size_.w || shape_.of(r.y, r.x, h, w) < h * w) return false;
    r.worth = static_cast<double>(left.of(r.y, r.x, h, w)) / (1.0 + kKindCost * missing(r.log_rows, r.log_cols));
    if (r.worth > best.worth) best = r;
    return true;
  }

  /// Images to be made before this kind is there: first along the rows, then down the columns.
  [[nodiscard]] int missing(int log_rows, int log_cols) const {
    int count = 0;
    for (; log_rows > 0 && known_[log_rows][log_cols] < 0; --log_rows) ++count;
    if (log_rows > 0) return count;
    for (; known_[0][log_cols] < 0; --log_cols) ++count;
    return count;
  }

  int kind(int log_rows, int log_cols) {
    int& known = known_[log_rows][log_cols];
    if (known < 0) {
      const int parent = log_rows > 0 ? kind(log_rows - 1, log_cols) : kind(0, log_cols - 1);
      known = static_cast<int>(kinds_.size());
      kinds_.push_back({log_rows, log_cols, parent});
    }
    return known;
  }

  void take(const Rectangle& r) {
    pieces_.push_back({kind(r.log_rows, r.log_cols), static_cast<std::int32_t>(r.y), static_cast<std::int32_t>(r.x)});
    for (Index y = r.y; y < r.y + (Index{1} << r.log_rows); ++y) {
      std::fill_n(left_.begin() + y * size_.w + r.x, Index{1} << r.log_cols, std::uint8_t{0});
    }
  }

  Size size_;
  std::vector<std::uint8_t> left_;  ///< 1 where the shape is not covered yet
  AreaTable shape_;
  std::array<std::array<int, kLogs>, kLogs> known_ = [] {
    std::array<std::array<int, kLogs>, kLogs> none{};
    for (auto& row : none) row.fill(-1);
    return none;
  }();
};

}  // namespace

Mask::Mask(const std::uint8_t* pixels, Size size) : size_(size) {
  if (size.h < 1 || size.w < 1 || size.h > kMaxSide || size.w > kMaxSide) {
    throw Refusal("mask: got " + std::to_string(size.h) + " x " + std::to_string(size.w) +
                  " pixels (h x w), allowed 1.." + std::to_string(kMaxSide) + " each");
  }
  if (std::none_of(pixels, pixels + size.h * size.w, [](std::uint8_t pixel) { return pixel != 0; })) {
    throw Refusal("mask: no pixel of " + std::to_string(size.h) + " x " + std::to_string(size.w) +
                  " belongs to the shape; mark the item's pixels with 1");
  }
  Cover cover(pixels, size);
  cover.run();
  levels_ = std::move(cover.kinds_);
  pieces_ = std::move(cover.pieces_);
}

}  // namespace podhand::free_space
