#include <podhand/free_space.hpp>

#include "dispatch.hpp"

#include <bit>
#include <cstring>
#include <new>
#include <string>

namespace podhand::free_space {
namespace {

constexpr std::align_val_t kCacheLine{64};

Size checked(Size size) {
  if (size.h >= 1 && size.w >= 1 && size.h <= kMaxSide && size.w <= kMaxSide) return size;
  throw Refusal("image: got " + std::to_string(size.h) + " x " + std::to_string(size.w) +
                " pixels (h x w), allowed 1.." + std::to_string(kMaxSide) + " each");
}

}  // namespace

Buffer::Buffer(Index words)
    : words_(static_cast<Word*>(::operator new(static_cast<std::size_t>(words) * sizeof(Word), kCacheLine))),
      size_(words) {}

Buffer::Buffer(const Buffer& other) : Buffer(other.size_) {
  std::memcpy(data(), other.data(), static_cast<std::size_t>(size_) * sizeof(Word));
}

void Buffer::Free::operator()(Word* words) const noexcept { ::operator delete(words, kCacheLine); }

BitGrid::BitGrid(Size size)
    : size_(checked(size)), stride_((size.w + kWordBits - 1) / kWordBits), buffer_(size.h * stride_ + kSlackWords) {
  std::memset(buffer_.data(), 0, static_cast<std::size_t>(buffer_.size()) * sizeof(Word));
}

BitGrid BitGrid::from_occupancy(const std::uint8_t* pixels, Size size) {
  BitGrid grid(size);
  operations().pack(pixels, size, grid.words());
  return grid;
}

std::vector<BitGrid> BitGrid::from_depth(const float* depth_m, Size size, std::span<const float> need_m) {
  for (const float need : need_m) {
    // A need of 0 would make unknown pixels free.
    if (!(need > 0.0f)) throw Refusal("need_m: got " + std::to_string(need) + ", must be above 0 m");
  }
  std::vector<BitGrid> grids;
  std::vector<Word*> words;
  for (std::size_t i = 0; i < need_m.size(); ++i) grids.emplace_back(size);
  for (BitGrid& grid : grids) words.push_back(grid.words());
  operations().pack_depth(depth_m, size, need_m.data(), static_cast<Index>(need_m.size()), words.data());
  return grids;
}

Index BitGrid::count() const {
  Index free = 0;
  for (Index j = 0; j < size_.h * stride_; ++j) free += std::popcount(words()[j]);
  return free;
}

void BitGrid::write_to(std::uint8_t* pixels) const {
  operations().unpack({words(), size_.h, size_.w, stride_}, pixels);
}

}  // namespace podhand::free_space
