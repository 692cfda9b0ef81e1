/// The operations in use.
#pragma once

#include "operations.hpp"

namespace podhand::free_space {

[[nodiscard]] const Operations& operations();

}  // namespace podhand::free_space
