/// Little-endian numbers in bytes, as every EtherCAT field is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace podhand::ethercat {

using Bytes = std::vector<std::uint8_t>;
using View = std::span<const std::uint8_t>;

/// The first `size` bytes at `at` as an unsigned number. The caller has checked that they are there.
[[nodiscard]] inline std::uint64_t get(View bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value |= std::uint64_t{bytes[at + i]} << (8 * i);
  return value;
}

[[nodiscard]] inline std::uint16_t get_u16(View bytes, std::size_t at) {
  return static_cast<std::uint16_t>(get(bytes, at, 2));
}

[[nodiscard]] inline std::uint32_t get_u32(View bytes, std::size_t at) {
  return static_cast<std::uint32_t>(get(bytes, at, 4));
}

inline void put(std::span<std::uint8_t> bytes, std::size_t at, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

inline void append(Bytes& bytes, std::uint64_t value, std::size_t size) {
  bytes.resize(bytes.size() + size);
  put(bytes, bytes.size() - size, value, size);
}

}  // namespace podhand::ethercat
