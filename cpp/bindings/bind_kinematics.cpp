/// Kinematics, damping gate and last-stage limiter for Python: planning, tests and reports. Nothing here is real-time.
#include <podhand/damping_gate.hpp>
#include <podhand/kinematics.hpp>
#include <safety/limiter.hpp>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

namespace py = pybind11;

namespace podhand {
namespace {

using Array = py::array_t<double, py::array::c_style | py::array::forcecast>;
using Flags = py::array_t<std::uint8_t, py::array::c_style | py::array::forcecast>;

std::string shape_of(const py::array& array) {
  std::string text = "(";
  for (py::ssize_t i = 0; i < array.ndim(); ++i) text += std::to_string(array.shape(i)) + ",";
  return text + ")";
}

void require_size(const py::array& array, py::ssize_t size, const char* name) {
  if (array.ndim() == 1 && array.shape(0) == size) return;
  throw py::value_error(std::string(name) + ": got shape " + shape_of(array) + ", needs (" + std::to_string(size) +
                        ",)");
}

/// Rows of 12: rotation row-major (9), position [m] (3).
py::ssize_t require_poses(const Array& X_parent_joint, py::ssize_t least) {
  const bool fits = X_parent_joint.ndim() == 2 && X_parent_joint.shape(1) == 12 && X_parent_joint.shape(0) >= least &&
                    X_parent_joint.shape(0) <= kMaxArmJoints;
  if (fits) return X_parent_joint.shape(0);
  throw py::value_error("X_parent_joint: got shape " + shape_of(X_parent_joint) + ", needs (n, 12) with n in " +
                        std::to_string(least) + ".." + std::to_string(kMaxArmJoints));
}

class Chain {
 public:
  Chain(const Array& X_parent_joint, const Array& X_flange_tool) {
    config_.joints = static_cast<std::int32_t>(require_poses(X_parent_joint, 6));
    require_size(X_flange_tool, 12, "X_flange_tool");
    std::copy_n(X_parent_joint.data(), X_parent_joint.size(), &config_.X_parent_joint[0][0]);
    std::copy_n(X_flange_tool.data(), 12, config_.X_flange_tool);
  }

  explicit Chain(const py::array& record) {
    const bool contiguous = (record.flags() & py::array::c_style) != 0;
    if (record.size() != 1 || record.itemsize() != static_cast<py::ssize_t>(sizeof(KernelConfig)) || !contiguous) {
      throw py::value_error("Chain: needs one record of KERNEL_CONFIG_DTYPE (" + std::to_string(sizeof(KernelConfig)) +
                            " bytes), got " + std::to_string(record.size()) + " of " +
                            std::to_string(record.itemsize()) + " bytes");
    }
    std::memcpy(&config_, static_cast<const std::byte*>(record.data()) + offsetof(KernelConfig, chain), sizeof config_);
    if (config_.joints != 6 && config_.joints != 7) {
      throw py::value_error("Chain: chain.joints is " + std::to_string(config_.joints) + ", needs 6 or 7");
    }
  }

  int joints() const { return config_.joints; }

  py::array_t<double> fk(const Array& q) const {
    const Kinematics k = at(q);
    py::array_t<double> X({4, 4});
    auto x = X.mutable_unchecked<2>();
    for (int r = 0; r < 3; ++r) {
      for (int c = 0; c < 3; ++c) x(r, c) = k.R[3 * r + c];
      x(r, 3) = k.p[r];
      x(3, r) = 0.0;
    }
    x(3, 3) = 1.0;
    return X;
  }

  py::array_t<double> jacobian(const Array& q) const {
    const Kinematics k = at(q);
    py::array_t<double> J({6, static_cast<int>(config_.joints)});
    auto j = J.mutable_unchecked<2>();
    for (int r = 0; r < 6; ++r) {
      for (int c = 0; c < config_.joints; ++c) j(r, c) = k.J[6 * c + r];
    }
    return J;
  }

  std::pair<py::array_t<double>, double> differential_ik(const Array& q, const Array& twist, double damping) const {
    require_size(twist, 6, "twist");
    const Kinematics k = at(q);
    py::array_t<double> qd(config_.joints);
    double manipulability = 0.0;
    if (!podhand::differential_ik(config_, k, twist.data(), damping, qd.mutable_data(), &manipulability)) {
      throw py::value_error("ik: no finite joint speeds (singular without damping, or not finite)");
    }
    return {qd, manipulability};
  }

 private:
  Kinematics at(const Array& q) const {
    require_size(q, config_.joints, "q");
    Kinematics k;
    forward(config_, q.data(), k);
    return k;
  }

  ChainConfig config_{};
};

py::array_t<double> weight(const Array& R_base_sensor, double mass_kg, const Array& com_sensor_m,
                           const Array& gravity) {
  if (R_base_sensor.ndim() != 2 || R_base_sensor.shape(0) != 3 || R_base_sensor.shape(1) != 3) {
    throw py::value_error("R_base_sensor: got shape " + shape_of(R_base_sensor) + ", needs (3, 3)");
  }
  require_size(com_sensor_m, 3, "com_sensor_m");
  require_size(gravity, 3, "gravity_base_m_s2");
  PayloadConfig payload{mass_kg, {}};
  std::copy_n(com_sensor_m.data(), 3, payload.com_sensor_m);
  py::array_t<double> wrench(6);
  gravity_wrench(R_base_sensor.data(), payload, gravity.data(), wrench.mutable_data());
  return wrench;
}

void configure(safety::Limiter& limiter, const Array& min_position, const Array& max_position, const Array& max_speed,
               const Array& max_acceleration, const Flags& present, const Flags& is_speed, double max_tool_speed_m_s,
               const Array& X_parent_joint, const Array& X_flange_tool) {
  const std::pair<const py::array*, const char*> columns[] = {
      {&min_position, "min_position"},         {&max_position, "max_position"}, {&max_speed, "max_speed"},
      {&max_acceleration, "max_acceleration"}, {&present, "present"},           {&is_speed, "is_speed"}};
  for (const auto& [array, name] : columns) require_size(*array, kAxes, name);
  require_size(X_flange_tool, 12, "X_flange_tool");
  safety::LimiterConfig config{};
  for (int i = 0; i < kAxes; ++i) {
    config.axis[i] = {min_position.at(i),     max_position.at(i), max_speed.at(i),
                      max_acceleration.at(i), present.at(i),      is_speed.at(i)};
  }
  config.max_tool_speed_m_s = max_tool_speed_m_s;
  config.joints = static_cast<std::int32_t>(X_parent_joint.size() == 0 ? 0 : require_poses(X_parent_joint, 1));
  std::copy_n(X_parent_joint.data(), X_parent_joint.size(), &config.X_parent_joint[0][0]);
  std::copy_n(X_flange_tool.data(), 12, config.X_flange_tool);
  if (!limiter.configure(config)) {
    throw py::value_error(
        "Limiter: refused; every present axis needs finite limits with min < max, speed > 0, acceleration > 0, belts "
        "and only belts are speed axes, the arm's axes are present, the chain consists of rotations");
  }
}

void seed(safety::Limiter& limiter, const Array& positions) {
  require_size(positions, kAxes, "positions");
  limiter.seed(positions.data());
}

std::pair<py::array_t<double>, safety::Result> step(safety::Limiter& limiter, const Array& desired, double dt_s) {
  require_size(desired, kAxes, "desired");
  py::array_t<double> out(kAxes);
  const safety::Result result = limiter.step(desired.data(), dt_s, out.mutable_data());
  return {out, result};
}

py::tuple run(safety::Limiter& limiter, const Array& desired, const Array& dt_s) {
  const py::ssize_t n = dt_s.size();
  if (desired.ndim() != 2 || desired.shape(0) != n || desired.shape(1) != kAxes) {
    throw py::value_error("desired: got shape " + shape_of(desired) + ", needs (len(dt_s), 14)");
  }
  py::array_t<double> out({n, static_cast<py::ssize_t>(kAxes)}), scale(n);
  py::array_t<std::int32_t> result(n), axis(n);
  for (py::ssize_t i = 0; i < n; ++i) {
    result.mutable_data()[i] = static_cast<std::int32_t>(
        limiter.step(desired.data() + kAxes * i, dt_s.data()[i], out.mutable_data() + kAxes * i));
    scale.mutable_data()[i] = limiter.scale();
    axis.mutable_data()[i] = limiter.limiting_axis();
  }
  return py::make_tuple(out, result, scale, axis);
}

}  // namespace

void bind_kinematics(pybind11::module_& module) {
  py::class_<Chain>(module, "Chain", "Kinematics of the arm as the kernel computes them.")
      .def(py::init<const Array&, const Array&>(), py::kw_only(), py::arg("X_parent_joint"), py::arg("X_flange_tool"),
           "From (n, 12) and (12,) packed poses, n = 6 or 7.")
      .def(py::init<const py::array&>(), py::arg("config"), "From one record of KERNEL_CONFIG_DTYPE.")
      .def_property_readonly("joints", &Chain::joints)
      .def("fk", &Chain::fk, py::arg("q"), "Return X_base_tool (4, 4) for joint positions (n,) [rad].")
      .def("jacobian", &Chain::jacobian, py::arg("q"),
           "Return J (6, n): rows v and w of the tool origin in base, for joint positions (n,) [rad].")
      .def("ik", &Chain::differential_ik, py::arg("q"), py::arg("twist_base"), py::arg("damping"),
           "Return joint speeds (n,) [rad/s] for a twist (6,) [m/s, rad/s] and the manipulability. Raises ValueError "
           "when there are none.");
  module.def("gravity_wrench", &weight, py::arg("R_base_sensor"), py::arg("mass_kg"), py::arg("com_sensor_m"),
             py::arg("gravity_base_m_s2"),
             "Return the wrench (6,) [N, N m] that gravity exerts on a payload, at the sensor, in its frame.");
  module.def("damping_ratio", &damping_ratio, py::kw_only(), py::arg("mass"), py::arg("damping"), py::arg("stiffness"),
             py::arg("contact_stiffness"), py::arg("tool_stiffness"), py::arg("loop_delay_s"),
             py::arg("filter_time_constant_s"), py::arg("tick_s"),
             "Return the smallest damping ratio of one axis against a contact; see damping_gate.hpp.");
  module.attr("MIN_DAMPING_RATIO") = kMinDampingRatio;

  py::enum_<safety::Result>(module, "LimiterResult")
      .value("PASSED", safety::Result::kPassed)
      .value("SCALED", safety::Result::kScaled)
      .value("BRAKED", safety::Result::kBraked)
      .value("INVALID", safety::Result::kInvalid)
      .value("NOT_READY", safety::Result::kNotReady);
  py::class_<safety::Limiter>(module, "Limiter", "The last-stage limiter; see cpp/safety/limiter.hpp.")
      .def(py::init<>())
      .def("configure", &configure, py::kw_only(), py::arg("min_position"), py::arg("max_position"),
           py::arg("max_speed"), py::arg("max_acceleration"), py::arg("present"), py::arg("is_speed"),
           py::arg("max_tool_speed_m_s"), py::arg("X_parent_joint"), py::arg("X_flange_tool"),
           "Take limits, one value per axis (14,), and the chain (n, 12), (12,). Raises ValueError when refused.")
      .def("seed", &seed, py::arg("positions"), "Start from standing set-points (14,); belts: the speed in force.")
      .def("step", &step, py::arg("desired"), py::arg("dt_s"), "Return the set-points to send (14,) and the result.")
      .def("run", &run, py::arg("desired"), py::arg("dt_s"),
           "Step through (n, 14) set-points and (n,) times; return outputs, results, scales and limiting axes.")
      .def_property_readonly("scale", &safety::Limiter::scale)
      .def_property_readonly("limiting_axis", &safety::Limiter::limiting_axis);
}

}  // namespace podhand
