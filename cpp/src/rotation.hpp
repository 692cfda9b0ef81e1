/// Rotation vectors and matrices. Own trigonometry: libm picks its code by the processor, and replays must agree.
#pragma once

#include <podhand/realtime.hpp>

namespace podhand {

/// Rotation about `w` by |w| [rad], row-major.
void rotation_from_vector(const double w[3], double R[9]) noexcept PODHAND_NONBLOCKING;

/// Rotation vector of R, |w| in 0..pi [rad].
void vector_from_rotation(const double R[9], double w[3]) noexcept PODHAND_NONBLOCKING;

/// Small-angle rotation vector that takes A to B, in the frame both are expressed in (sine of the angle: for feedback).
void small_rotation(const double A[9], const double B[9], double w[3]) noexcept PODHAND_NONBLOCKING;

}  // namespace podhand
