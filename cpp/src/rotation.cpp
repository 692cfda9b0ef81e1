#include "rotation.hpp"

#include "linear.hpp"
#include "trigonometry.hpp"

namespace podhand {
namespace {

constexpr double kPi = 3.14159265358979323846;

/// Arc tangent of y / x for x, y >= 0, in 0..pi/2. Argument reduction and polynomial of fdlibm (Sun Microsystems, 1993;
/// freely redistributable), breakpoints at 7/16, 11/16, 19/16, 39/16.
double arc_tangent(double y, double x) noexcept {
  if (y == 0.0) return 0.0;
  double base, r;
  if (16.0 * y < 7.0 * x) {
    base = 0.0;
    r = y / x;
  } else if (16.0 * y < 11.0 * x) {
    base = 4.63647609000806093515e-01;
    r = (2.0 * y - x) / (2.0 * x + y);
  } else if (16.0 * y < 19.0 * x) {
    base = 7.85398163397448278999e-01;
    r = (y - x) / (y + x);
  } else if (16.0 * y < 39.0 * x) {
    base = 9.82793723247329054082e-01;
    r = (2.0 * y - 3.0 * x) / (2.0 * x + 3.0 * y);
  } else {
    base = 1.57079632679489655800e+00;
    r = -x / y;
  }
  const double z = r * r;
  const double w = z * z;
  const double odd = z * (3.33333333333329318027e-01 +
                          w * (1.42857142725034663711e-01 +
                               w * (9.09088713343650656196e-02 +
                                    w * (6.66107313738753120669e-02 +
                                         w * (4.97687799461593236017e-02 + w * 1.62858201153657823623e-02)))));
  const double even =
      w *
      (-1.99999999998764832476e-01 +
       w * (-1.11111104054623557880e-01 +
            w * (-7.69187620504482999495e-02 + w * (-5.83357013379057348645e-02 + w * -3.65315727442169155270e-02))));
  return base + (r - r * (odd + even));
}

}  // namespace

void rotation_from_vector(const double w[3], double R[9]) noexcept {
  const double angle = norm3(w);
  double s, c;
  sine_cosine<1>(&angle, &s, &c);
  // Below this angle the next term of the series is under 1 unit in the last place.
  const bool tiny = angle < 1e-8;
  const double a = tiny ? 1.0 : s / angle;
  const double b = tiny ? 0.5 : (1.0 - c) / (angle * angle);
  R[0] = 1.0 - b * (w[1] * w[1] + w[2] * w[2]);
  R[4] = 1.0 - b * (w[0] * w[0] + w[2] * w[2]);
  R[8] = 1.0 - b * (w[0] * w[0] + w[1] * w[1]);
  R[1] = b * w[0] * w[1] - a * w[2];
  R[3] = b * w[0] * w[1] + a * w[2];
  R[2] = b * w[0] * w[2] + a * w[1];
  R[6] = b * w[0] * w[2] - a * w[1];
  R[5] = b * w[1] * w[2] - a * w[0];
  R[7] = b * w[1] * w[2] + a * w[0];
}

void vector_from_rotation(const double R[9], double w[3]) noexcept {
  // Through the quaternion with the largest component first: well conditioned for every angle up to pi.
  const double trace = R[0] + R[4] + R[8];
  double q[4];  // w, x, y, z
  if (trace > 0.0) {
    q[0] = 1.0 + trace;
    q[1] = R[7] - R[5];
    q[2] = R[2] - R[6];
    q[3] = R[3] - R[1];
  } else {
    const int i = R[0] >= R[4] ? (R[0] >= R[8] ? 0 : 2) : (R[4] >= R[8] ? 1 : 2);
    const int j = (i + 1) % 3, k = (i + 2) % 3;
    q[1 + i] = 1.0 + R[4 * i] - R[4 * j] - R[4 * k];
    q[1 + j] = R[3 * i + j] + R[3 * j + i];
    q[1 + k] = R[3 * i + k] + R[3 * k + i];
    q[0] = R[3 * k + j] - R[3 * j + k];
  }
  const double sign = q[0] < 0.0 ? -1.0 : 1.0;
  const double sine = norm3(q + 1);
  const double angle = 2.0 * arc_tangent(sine, sign * q[0]);
  const double scale = sine > 0.0 ? sign * std::min(angle, kPi) / sine : 0.0;
  for (int i = 0; i < 3; ++i) w[i] = scale * q[1 + i];
}

void small_rotation(const double A[9], const double B[9], double w[3]) noexcept {
  // vee of (B A' - A B') / 2, the sum of half cross products of the columns.
  for (int i = 0; i < 3; ++i) {
    const int j = (i + 1) % 3, k = (i + 2) % 3;
    double sum = 0.0;
    for (int c = 0; c < 3; ++c) sum += A[3 * j + c] * B[3 * k + c] - A[3 * k + c] * B[3 * j + c];
    w[i] = 0.5 * sum;
  }
}

}  // namespace podhand
