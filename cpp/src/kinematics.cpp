#include <podhand/kinematics.hpp>

#include "trigonometry.hpp"

#include <cmath>

namespace podhand {
namespace {

/// Columns of a rotation, each padded to four so that two of them fill the vector registers evenly.
struct Frame {
  double x[4], y[4], z[4], p[4];
};

inline void step_into(const Frame& parent, const double X[12], Frame& child) noexcept {
  for (int r = 0; r < 4; ++r) {
    child.x[r] = parent.x[r] * X[0] + parent.y[r] * X[3] + parent.z[r] * X[6];
    child.y[r] = parent.x[r] * X[1] + parent.y[r] * X[4] + parent.z[r] * X[7];
    child.z[r] = parent.x[r] * X[2] + parent.y[r] * X[5] + parent.z[r] * X[8];
    child.p[r] = parent.x[r] * X[9] + parent.y[r] * X[10] + parent.z[r] * X[11] + parent.p[r];
  }
}

template <int joints>
inline void forward_fixed(const ChainConfig& chain, const double* q, Kinematics& out) noexcept {
  double sine[joints], cosine[joints];
  sine_cosine<joints>(q, sine, cosine);
  Frame frame{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 0}};
  Frame joint[joints];
  for (int j = 0; j < joints; ++j) {
    step_into(frame, chain.X_parent_joint[j], joint[j]);
    for (int r = 0; r < 4; ++r) {
      frame.x[r] = cosine[j] * joint[j].x[r] + sine[j] * joint[j].y[r];
      frame.y[r] = cosine[j] * joint[j].y[r] - sine[j] * joint[j].x[r];
      frame.z[r] = joint[j].z[r];
      frame.p[r] = joint[j].p[r];
    }
  }
  Frame tool;
  step_into(frame, chain.X_flange_tool, tool);
  for (int r = 0; r < 3; ++r) {
    out.R[3 * r] = tool.x[r];
    out.R[3 * r + 1] = tool.y[r];
    out.R[3 * r + 2] = tool.z[r];
    out.p[r] = tool.p[r];
  }
  for (int j = 0; j < joints; ++j) {
    const double* z = joint[j].z;
    const double d[3] = {tool.p[0] - joint[j].p[0], tool.p[1] - joint[j].p[1], tool.p[2] - joint[j].p[2]};
    double* column = out.J + 6 * j;
    column[0] = z[1] * d[2] - z[2] * d[1];
    column[1] = z[2] * d[0] - z[0] * d[2];
    column[2] = z[0] * d[1] - z[1] * d[0];
    column[3] = z[0];
    column[4] = z[1];
    column[5] = z[2];
  }
  for (int i = 6 * joints; i < 6 * kMaxArmJoints; ++i) out.J[i] = 0.0;
}

/// Cholesky of a symmetric 6 x 6 matrix given by its lower half. Here and below the loops are unrolled because that
/// halves the time of the inverse. The diagonal holds reciprocals afterwards.
/// @return product of the pivots' roots, i.e. sqrt(det), or 0 when the matrix is not positive to rounding
inline double factor(double A[6][6]) noexcept {
  double trace = 0.0, root = 1.0;
#pragma GCC unroll 8
  for (int i = 0; i < 6; ++i) trace += A[i][i];
  const double smallest = 1e-15 * trace;
#pragma GCC unroll 8
  for (int k = 0; k < 6; ++k) {
    double pivot = A[k][k];
#pragma GCC unroll 8
    for (int i = 0; i < k; ++i) pivot -= A[k][i] * A[k][i];
    if (!(pivot > smallest)) return 0.0;
    const double diagonal = std::sqrt(pivot);
    root *= diagonal;
    A[k][k] = 1.0 / diagonal;
#pragma GCC unroll 8
    for (int r = k + 1; r < 6; ++r) {
      double sum = A[r][k];
#pragma GCC unroll 8
      for (int i = 0; i < k; ++i) sum -= A[r][i] * A[k][i];
      A[r][k] = sum * A[k][k];
    }
  }
  return root;
}

/// trace(A^-1) from the Cholesky factor: the squared norm of the factor's inverse.
inline double inverse_trace(const double L[6][6]) noexcept {
  double sum = 0.0;
#pragma GCC unroll 8
  for (int c = 0; c < 6; ++c) {
    double column[6];
    column[c] = L[c][c];
    sum += column[c] * column[c];
#pragma GCC unroll 8
    for (int r = c + 1; r < 6; ++r) {
      double s = 0.0;
#pragma GCC unroll 8
      for (int i = c; i < r; ++i) s -= L[r][i] * column[i];
      column[r] = s * L[r][r];
      sum += column[r] * column[r];
    }
  }
  return sum;
}

inline void solve(const double L[6][6], const double b[6], double x[6]) noexcept {
#pragma GCC unroll 8
  for (int r = 0; r < 6; ++r) {
    double s = b[r];
#pragma GCC unroll 8
    for (int i = 0; i < r; ++i) s -= L[r][i] * x[i];
    x[r] = s * L[r][r];
  }
#pragma GCC unroll 8
  for (int r = 5; r >= 0; --r) {
    double s = x[r];
#pragma GCC unroll 8
    for (int i = r + 1; i < 6; ++i) s -= L[i][r] * x[i];
    x[r] = s * L[r][r];
  }
}

template <int joints>
inline void gram(const double* J, double added, double A[6][6]) noexcept {
#pragma GCC unroll 8
  for (int r = 0; r < 6; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c <= r; ++c) {
      double sum = 0.0;
#pragma GCC unroll 8
      for (int j = 0; j < joints; ++j) sum += J[6 * j + r] * J[6 * j + c];
      A[r][c] = sum;
    }
    A[r][r] += added;
  }
}

template <int joints>
inline bool inverse_fixed(const Kinematics& kinematics, const double twist[6], double damping, double* qd,
                          double* manipulability) noexcept {
  double A[6][6];
  gram<joints>(kinematics.J, 0.0, A);
  *manipulability = factor(A);
  // Region of damping: below four times the damping, the gain of the undamped inverse passes what damping may give.
  const double onset_squared = 16.0 * damping * damping;
  const double smallest_squared = *manipulability > 0.0 ? 1.0 / inverse_trace(A) : 0.0;
  if (!(smallest_squared >= onset_squared) || *manipulability == 0.0) {
    if (!(damping > 0.0)) return false;
    gram<joints>(kinematics.J, damping * damping * (1.0 - smallest_squared / onset_squared), A);
    if (factor(A) == 0.0) return false;
  }
  double y[6];
  solve(A, twist, y);
  double sum = 0.0;
  for (int j = 0; j < joints; ++j) {
    double s = 0.0;
    for (int r = 0; r < 6; ++r) s += kinematics.J[6 * j + r] * y[r];
    qd[j] = s;
    sum += s * 0.0;  // stays 0 unless a speed is not finite
  }
  return sum == 0.0;
}

}  // namespace

void forward(const ChainConfig& chain, const double* q, Kinematics& kinematics) noexcept {
  if (chain.joints == kMaxArmJoints) {
    forward_fixed<7>(chain, q, kinematics);
  } else {
    forward_fixed<6>(chain, q, kinematics);
  }
}

bool differential_ik(const ChainConfig& chain, const Kinematics& kinematics, const double twist_base[6], double damping,
                     double* qd, double* manipulability) noexcept {
  const bool found = chain.joints == kMaxArmJoints
                         ? inverse_fixed<7>(kinematics, twist_base, damping, qd, manipulability)
                         : inverse_fixed<6>(kinematics, twist_base, damping, qd, manipulability);
  if (!found) {
    for (int j = 0; j < chain.joints; ++j) qd[j] = 0.0;
  }
  return found;
}

void gravity_wrench(const double R_base_sensor[9], const PayloadConfig& payload, const double gravity_base[3],
                    double wrench_sensor[6]) noexcept {
  const double* R = R_base_sensor;
  const double* g = gravity_base;
  const double* c = payload.com_sensor_m;
  double* F = wrench_sensor;
  for (int i = 0; i < 3; ++i) F[i] = payload.mass_kg * (R[i] * g[0] + R[3 + i] * g[1] + R[6 + i] * g[2]);
  F[3] = c[1] * F[2] - c[2] * F[1];
  F[4] = c[2] * F[0] - c[0] * F[2];
  F[5] = c[0] * F[1] - c[1] * F[0];
}

}  // namespace podhand
