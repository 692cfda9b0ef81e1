/// Small fixed-size linear algebra on plain arrays: rotations row-major, twists and wrenches as (linear, angular).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace podhand {

inline double dot3(const double* a, const double* b) noexcept { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

inline double norm3(const double* a) noexcept { return std::sqrt(dot3(a, a)); }

inline void cross(const double* a, const double* b, double* out) noexcept {
  const double x = a[1] * b[2] - a[2] * b[1];
  const double y = a[2] * b[0] - a[0] * b[2];
  const double z = a[0] * b[1] - a[1] * b[0];
  out[0] = x;
  out[1] = y;
  out[2] = z;
}

/// out = R v.
inline void rotate(const double* R, const double* v, double* out) noexcept {
  const double x = v[0], y = v[1], z = v[2];
  for (int i = 0; i < 3; ++i) out[i] = R[3 * i] * x + R[3 * i + 1] * y + R[3 * i + 2] * z;
}

/// out = R' v.
inline void rotate_back(const double* R, const double* v, double* out) noexcept {
  const double x = v[0], y = v[1], z = v[2];
  for (int i = 0; i < 3; ++i) out[i] = R[i] * x + R[3 + i] * y + R[6 + i] * z;
}

/// out = A B; out is neither A nor B.
inline void multiply(const double* A, const double* B, double* out) noexcept {
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      out[3 * i + j] = A[3 * i] * B[j] + A[3 * i + 1] * B[3 + j] + A[3 * i + 2] * B[6 + j];
    }
  }
}

/// out = A' B; out is neither A nor B.
inline void multiply_transposed(const double* A, const double* B, double* out) noexcept {
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) out[3 * i + j] = A[i] * B[j] + A[3 + i] * B[3 + j] + A[6 + i] * B[6 + j];
  }
}

/// Rotates both halves of a twist or wrench: out = R (linear, angular).
inline void rotate6(const double* R, const double* v, double* out) noexcept {
  rotate(R, v, out);
  rotate(R, v + 3, out + 3);
}

inline void rotate_back6(const double* R, const double* v, double* out) noexcept {
  rotate_back(R, v, out);
  rotate_back(R, v + 3, out + 3);
}

inline bool all_finite(const double* values, int count) noexcept {
  // A sum of products with zero is zero for finite values and NaN otherwise; no branch per value.
  double sum = 0.0;
  for (int i = 0; i < count; ++i) sum += 0.0 * values[i];
  return sum == 0.0;
}

/// Share of the way through the band from `begin` (gives 1) to `end` (gives 0).
inline double fade(double value, double begin, double end) noexcept {
  return std::clamp((end - value) / (end - begin), 0.0, 1.0);
}

/// Step of a first-order low-pass with a time constant (implicit Euler: stable for every dt).
inline double low_pass_gain(double dt_s, double time_constant_s) noexcept { return dt_s / (dt_s + time_constant_s); }

/// Asks for memory that will be read soon; a hint, no effect on results.
inline void fetch(const void* from, std::size_t bytes) noexcept {
  for (std::size_t at = 0; at < bytes; at += 64) __builtin_prefetch(static_cast<const char*>(from) + at);
}

}  // namespace podhand
