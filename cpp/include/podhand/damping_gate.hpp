/// The damping gate: is a compliant law stable, and damped, against a stiff contact through the delays of this station?
#pragma once

namespace podhand {

/// Smallest damping ratio that a segment's law may have against its declared contact.
inline constexpr double kMinDampingRatio = 0.3;

/// Smallest damping ratio of the sampled closed loop. Not real-time: computes eigenvalues on the heap.
///
/// One axis, one tick h = tick_s, contact spring k = 1 / (1 / contact_stiffness + 1 / tool_stiffness):
///
///     F[n] = -k x[n - N]                                        contact, seen after N = max(1, ceil(delay / h)) ticks
///     y[n] = y[n-1] + h / (h + tau) (F[n] - y[n-1])  first-order filter of the force pipeline, tau = 0: y = F
///     v[n] = (M v[n-1] + h (y[n] - K x[n-1])) / (M + h D + h^2 K)  semi-implicit admittance; M = K = 0: v = y / D
///     x[n] = x[n-1] + h v[n]
///
/// An eigenvalue z stands for s = ln(z) / h with damping ratio -Re(s) / |s|. Among the oscillating ones, those up to
/// the frequency of half a period per dead time, Im(s) <= pi / (N h + tau), count. The others are echoes of the dead
/// time: any delay line has them, they fade within it, and their ratio says nothing. If any eigenvalue at all lies
/// outside the unit circle the answer is negative.
///
/// Linear, one axis, no structural resonance, rigid robot between set-point and motion apart from the delay: a gate
/// against gains that cannot work, not a proof that others do.
/// @param mass              M [kg or kg m^2]; 0: a pure damper, as the FORCE law and the force-limit yield use
/// @param damping           D [N s/m or N m s/rad]
/// @param stiffness         K [N/m or N m/rad]
/// @param contact_stiffness declared stiffness of what may be touched [N/m or N m/rad]; 0: nothing
/// @param tool_stiffness    of the tool itself, in series; infinity: rigid
/// @param loop_delay_s      sensor to set-point to motion, at most 256 ticks
/// @param filter_time_constant_s  tau
/// @return 1.0 when nothing oscillates, else the ratio; negative when unstable, -1.0 when an argument is not usable
///         (not finite, negative, tick_s <= 0, tool_stiffness = 0, M + D = 0, delay too long)
[[nodiscard]] double damping_ratio(double mass, double damping, double stiffness, double contact_stiffness,
                                   double tool_stiffness, double loop_delay_s, double filter_time_constant_s,
                                   double tick_s) noexcept;

}  // namespace podhand
