/// Own trigonometry: the tick must not depend on which variant of libm the machine picks at run time.
#pragma once

#include <cstdint>
#include <cstring>

namespace podhand {

/// Sine and cosine of n angles, |angle| <= 1e4 rad, to 1 unit in the last place or so. Branch-free, so that the
/// compiler can work on several angles at once. Cody-Waite reduction to +-pi/4 and the minimax polynomials of fdlibm
/// (Sun Microsystems, 1993; freely redistributable).
template <int n>
inline void sine_cosine(const double* angle, double* sine, double* cosine) noexcept {
  constexpr double kTwoOverPi = 6.36619772367581382433e-01;
  constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer, seen in the low bits
  constexpr double kPio2First = 1.57079632673412561417e+00;   // the first 33 bits of pi/2
  constexpr double kPio2Second = 6.07710050630396597660e-11;  // the next 33
  constexpr double kPio2Third = 2.02226624879595063154e-21;   // the rest
  for (int i = 0; i < n; ++i) {
    const double shifted = angle[i] * kTwoOverPi + kRound;
    std::uint64_t quadrant;
    std::memcpy(&quadrant, &shifted, sizeof quadrant);
    const double turns = shifted - kRound;
    const double r = ((angle[i] - turns * kPio2First) - turns * kPio2Second) - turns * kPio2Third;
    const double z = r * r;
    const double s = r + r * z *
                             (-1.66666666666666324348e-01 +
                              z * (8.33333333332248946124e-03 +
                                   z * (-1.98412698298579493134e-04 +
                                        z * (2.75573137070700676789e-06 +
                                             z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
    const double c = 1.0 - 0.5 * z +
                     z * z *
                         (4.16666666666666019037e-02 +
                          z * (-1.38888888888741095749e-03 +
                               z * (2.48015872894767294178e-05 +
                                    z * (-2.75573143513906633035e-07 +
                                         z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))));
    std::uint64_t s_bits, c_bits;
    std::memcpy(&s_bits, &s, sizeof s_bits);
    std::memcpy(&c_bits, &c, sizeof c_bits);
    const std::uint64_t swap = 0 - (quadrant & 1);  // all ones in odd quadrants
    const std::uint64_t mixed = (s_bits ^ c_bits) & swap;
    s_bits ^= mixed ^ ((quadrant & 2) << 62);
    c_bits ^= mixed ^ (((quadrant + 1) & 2) << 62);
    std::memcpy(sine + i, &s_bits, sizeof s_bits);
    std::memcpy(cosine + i, &c_bits, sizeof c_bits);
  }
}

}  // namespace podhand
