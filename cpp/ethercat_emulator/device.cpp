#include <ethercat_emulator/device.hpp>

namespace podhand::ethercat {

void Device::add_common_objects(std::uint32_t device_type) {
  objects_ = {};
  emergencies_.clear();
  objects_.add(0x1000, 0, Type::kU32, Access::kRead, device_type);
  objects_.add(0x1001, 0, Type::kU8, Access::kRead, 0);
  objects_.add_text(0x1008, identity_.name);
  objects_.add_text(0x1009, "1");
  objects_.add_text(0x100A, "1");
  objects_.add(0x1018, 0, Type::kU8, Access::kRead, 4);
  objects_.add(0x1018, 1, Type::kU32, Access::kRead, identity_.vendor_id);
  objects_.add(0x1018, 2, Type::kU32, Access::kRead, identity_.product_code);
  objects_.add(0x1018, 3, Type::kU32, Access::kRead, identity_.revision);
  objects_.add(0x1018, 4, Type::kU32, Access::kRead, identity_.serial);
  objects_.add(0x1C00, 0, Type::kU8, Access::kRead, 4);
  for (std::uint8_t use = 1; use <= 4; ++use) objects_.add(0x1C00, use, Type::kU8, Access::kRead, use);
}

}  // namespace podhand::ethercat
