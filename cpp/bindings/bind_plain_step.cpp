/// The plain step for `podhand bench loop`.
#include "bindings.hpp"
#include "plain_step.hpp"

#include <algorithm>
#include <string>

namespace podhand::bindings {
namespace {

using Array = py::array_t<double, py::array::c_style | py::array::forcecast>;

void take(const Array& array, double* out, py::ssize_t size, const char* name) {
  if (array.size() != size) {
    throw py::value_error(std::string(name) + ": got " + std::to_string(array.size()) + " values, needs " +
                          std::to_string(size));
  }
  std::copy_n(array.data(), size, out);
}

/// The step on buffers of its own, so that a call from Python converts nothing.
class BoundPlainStep {
 public:
  BoundPlainStep(const py::dict& values, const Array& X_parent_joint, const Array& X_flange_tool)
      : step_(config(values, X_parent_joint, X_flange_tool)) {}

  void step() noexcept { step_.step(q, wrench, q_out); }

  double q[6]{}, wrench[6]{}, q_out[6]{};

 private:
  static PlainConfig config(const py::dict& values, const Array& X_parent_joint, const Array& X_flange_tool) {
    PlainConfig c;
    c.chain.joints = 6;
    take(X_parent_joint, &c.chain.X_parent_joint[0][0], 6 * 12, "X_parent_joint");
    take(X_flange_tool, c.chain.X_flange_tool, 12, "X_flange_tool");
    const auto fill = [&values](const char* name, double* out, py::ssize_t size) {
      take(values[name].cast<Array>(), out, size, name);
    };
    fill("gravity_base_m_s2", c.chain.gravity_base_m_s2, 3);
    fill("payload_kg", &c.payload.mass_kg, 1);
    fill("com_sensor_m", c.payload.com_sensor_m, 3);
    fill("X_base_goal", c.X_base_goal, 12);
    fill("mass", c.mass, 6);
    fill("damping", c.damping, 6);
    fill("stiffness", c.stiffness, 6);
    fill("bias", c.bias, 6);
    fill("max_speed", c.max_speed, 6);
    fill("max_acceleration", c.max_acceleration, 6);
    fill("gain", &c.gain, 1);
    fill("ik_damping", &c.ik_damping, 1);
    fill("max_joint_speed_rad_s", &c.max_joint_speed_rad_s, 1);
    fill("max_joint_acceleration_rad_s2", &c.max_joint_acceleration_rad_s2, 1);
    fill("dt_s", &c.dt_s, 1);
    return c;
  }

  PlainStep step_;
};

template <double (BoundPlainStep::*member)[6]>
py::array_t<double> view(py::object self) {
  return py::array_t<double>({6}, {sizeof(double)}, self.cast<BoundPlainStep&>().*member, self);
}

}  // namespace

void bind_plain_step(py::module_& module) {
  py::class_<BoundPlainStep>(module, "PlainStep", "One admittance step without segments or safety; for benchmarks.")
      .def(py::init<const py::dict&, const Array&, const Array&>(), py::arg("values"), py::kw_only(),
           py::arg("X_parent_joint"), py::arg("X_flange_tool"),
           "From the values of bench/plain_step.py and packed poses (6, 12), (12,).")
      .def("step", &BoundPlainStep::step, "Step once on the bound buffers.")
      .def_property_readonly("q", &view<&BoundPlainStep::q>)
      .def_property_readonly("wrench", &view<&BoundPlainStep::wrench>)
      .def_property_readonly("q_out", &view<&BoundPlainStep::q_out>);
}

}  // namespace podhand::bindings
