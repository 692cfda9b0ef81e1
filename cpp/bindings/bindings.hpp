/// Parts of the extension module; each file registers its own classes.
#pragma once

#include <podhand/kernel.hpp>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <stdexcept>
#include <string>

namespace podhand {

void bind_kinematics(pybind11::module_& module);

namespace bindings {

namespace py = pybind11;

void bind_dtypes(py::module_& module);
void bind_free_space(py::module_& module);
void bind_kernel(py::module_& module);
void bind_plain_step(py::module_& module);
void bind_exchange(py::module_& module, const char* build_id);

/// The kernel did not take what it was given; KernelRefusal in Python.
class KernelRefusal : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A 0-d structured view on a record that `owner` keeps alive.
template <typename Record>
py::array view_of(Record* record, py::handle owner, bool writable) {
  py::array view(py::dtype::of<Record>(), py::array::ShapeContainer{}, record, owner);
  if (!writable) view.attr("flags").attr("writeable") = false;
  return view;
}

/// The records of a contiguous structured array, after a check of dtype and order. Raises TypeError.
template <typename Record>
const Record* records_of(const py::array& array, const char* name) {
  if (!array.dtype().equal(py::dtype::of<Record>())) {
    throw py::type_error(std::string(name) + " must be an array of " + name + "_DTYPE, got dtype " +
                         std::string(py::str(array.dtype())).substr(0, 200));
  }
  if (!(array.flags() & py::array::c_style)) throw py::type_error(std::string(name) + " must be C-contiguous");
  return static_cast<const Record*>(array.data());
}

}  // namespace bindings
}  // namespace podhand
