/// Random shapes against counting pixel by pixel, with every instruction set of this machine. Run under sanitizers by
/// `make sanitize`: images are allocated exactly, so that one byte read or written beyond them is found.
#include <podhand/free_space.hpp>

#include "check.hpp"

#include <algorithm>
#include <array>
#include <random>

namespace {

using namespace podhand::free_space;
using Bytes = std::vector<std::uint8_t>;

struct Random {
  std::mt19937_64 engine{7};
  Index in(Index low, Index high) { return std::uniform_int_distribution<Index>(low, high)(engine); }
  float unit() { return std::uniform_real_distribution<float>(0.0f, 1.0f)(engine); }
};

Bytes image_of(Random& random, Size size) {
  constexpr std::array<float, 5> kDensities{0.0f, 0.001f, 0.02f, 0.3f, 1.0f};
  const float density = kDensities[static_cast<std::size_t>(random.in(0, 4))];
  Bytes pixels(static_cast<std::size_t>(size.h * size.w));
  for (auto& pixel : pixels) pixel = random.unit() < density ? 255 : 0;
  return pixels;
}

/// Free places of a mask by looking at every pixel.
Bytes places_by_pixels(const Bytes& pixels, Size image, const Bytes& mask, Size shape) {
  const Size places = places_of(image, shape);
  Bytes out;
  for (Index y = 0; y < places.h; ++y) {
    for (Index x = 0; x < places.w; ++x) {
      bool free = true;
      for (Index i = 0; free && i < shape.h * shape.w; ++i) {
        const Index at = (y + i / shape.w) * image.w + x + i % shape.w;
        free = !mask[static_cast<std::size_t>(i)] || !pixels[static_cast<std::size_t>(at)];
      }
      out.push_back(free);
    }
  }
  return out;
}

Bytes unpacked(const BitGrid& grid) {
  Bytes out(static_cast<std::size_t>(grid.size().h * grid.size().w));
  grid.write_to(out.data());
  return out;
}

void rectangles(Random& random, Size image, const Bytes& pixels, const BitGrid& grid) {
  const Size shape{random.in(1, image.h), random.in(1, image.w)};
  const Bytes expected = places_by_pixels(pixels, image, Bytes(static_cast<std::size_t>(shape.h * shape.w), 1), shape);
  Bytes map(expected.size());
  placements(pixels.data(), image, shape, map.data());
  CHECK(map == expected);
  std::fill(map.begin(), map.end(), 7);
  placements(grid, shape, map.data());
  CHECK(map == expected);
  const BitGrid packed = placements(grid, shape);
  CHECK(unpacked(packed) == expected);
  CHECK(packed.count() == std::count(expected.begin(), expected.end(), 1));
  const Bin whole{0, 0, static_cast<std::int32_t>(image.h), static_cast<std::int32_t>(image.w)};
  std::int64_t counted = -1;
  count(grid, {&whole, 1}, {&shape, 1}, &counted);
  CHECK(counted == packed.count());
}

void masks(Random& random, Size image, const Bytes& pixels, const BitGrid& grid) {
  const Size shape{random.in(1, std::min<Index>(image.h, 20)), random.in(1, std::min<Index>(image.w, 90))};
  Bytes mask(static_cast<std::size_t>(shape.h * shape.w));
  for (auto& pixel : mask) pixel = random.unit() < 0.8f;
  mask.back() = 1;
  const Mask prepared(mask.data(), shape);
  const Bytes expected = places_by_pixels(pixels, image, mask, shape);
  Bytes map(expected.size());
  placements(grid, prepared, map.data());
  CHECK(map == expected);
  BitGrid packed(places_of(image, shape));
  placements(grid, prepared, packed);
  CHECK(unpacked(packed) == expected);
}

void windows(Random& random, Size image, const Bytes& pixels) {
  const Size window{random.in(1, image.h), random.in(1, image.w)}, places = places_of(image, window);
  std::vector<float> values(pixels.size()), minima(static_cast<std::size_t>(places.h * places.w)), sums(minima.size());
  std::vector<std::int32_t> byte_sums(minima.size());
  for (auto& value : values) value = random.unit();
  window_minima(values.data(), image, window, minima.data());
  window_sums(values.data(), image, window, sums.data());
  window_sums(pixels.data(), image, window, byte_sums.data());
  const Index y = random.in(0, places.h - 1), x = random.in(0, places.w - 1);
  float least = 2.0f;
  double sum = 0.0;
  std::int32_t byte_sum = 0;
  for (Index i = 0; i < window.h * window.w; ++i) {
    const auto at = static_cast<std::size_t>((y + i / window.w) * image.w + x + i % window.w);
    least = std::min(least, values[at]);
    sum += values[at];
    byte_sum += pixels[at];
  }
  const auto place = static_cast<std::size_t>(y * places.w + x);
  CHECK(minima[place] == least);
  CHECK_NEAR(sums[place], sum, 1e-6 * sum + 1e-12);
  CHECK(byte_sums[place] == byte_sum);
}

void depths(Random& random, Size image) {
  std::vector<float> depth(static_cast<std::size_t>(image.h * image.w));
  for (auto& value : depth) value = random.unit();
  const std::array<float, 2> needs{0.3f, 0.7f};
  const std::vector<BitGrid> planes = BitGrid::from_depth(depth.data(), image, needs);
  for (std::size_t p = 0; p < needs.size(); ++p) {
    CHECK(planes[p].count() == std::count_if(depth.begin(), depth.end(), [&](float d) { return d >= needs[p]; }));
  }
}

void refusals() {
  const auto refused = [](auto call) {
    try {
      call();
    } catch (const Refusal&) {
      return true;
    }
    return false;
  };
  const BitGrid grid({4, 5});
  CHECK(refused([] { BitGrid({0, 5}); }));
  CHECK(refused([&] { (void)placements(grid, {5, 1}); }));
  CHECK(refused([&] { (void)placements(grid, {1, 0}); }));
  CHECK(refused([] { use_instruction_set("none"); }));
}

}  // namespace

int main() {
  refusals();
  for (const std::string_view name : instruction_sets()) {
    use_instruction_set(name);
    CHECK(instruction_set() == name);
    Random random;
    for (int n = 0; n < 300; ++n) {
      const Size image{random.in(1, 40), random.in(1, n % 3 == 0 ? 600 : 140)};
      const Bytes pixels = image_of(random, image);
      const BitGrid grid = BitGrid::from_occupancy(pixels.data(), image);
      rectangles(random, image, pixels, grid);
      masks(random, image, pixels, grid);
      windows(random, image, pixels);
      depths(random, image);
    }
  }
}
