/// podhand._kernel: table of contents.
#include "bindings.hpp"

#ifndef PODHAND_BUILD_ID
#define PODHAND_BUILD_ID "unknown"
#endif

PYBIND11_MODULE(_kernel, module) {
  namespace bindings = podhand::bindings;
  module.doc() = "The podhand kernel: deterministic control, kinematics and the last-stage limiter.";
  bindings::bind_dtypes(module);
  bindings::bind_kernel(module);
  podhand::bind_kinematics(module);
  bindings::bind_plain_step(module);
  bindings::bind_free_space(module);
  bindings::bind_exchange(module, PODHAND_BUILD_ID);
  module.def("build_id", [] { return PODHAND_BUILD_ID; });
}
