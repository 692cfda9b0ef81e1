#include <ethercat_emulator/sii.hpp>

namespace podhand::ethercat {
namespace {

constexpr std::size_t kBytes = 1024;
constexpr std::uint16_t kCoE = 0x0004;

std::uint8_t crc8(View bytes) {
  unsigned crc = 0xFF;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc << 1) ^ ((crc & 0x80) != 0 ? 0x107U : 0U);
  }
  return static_cast<std::uint8_t>(crc);
}

void append_category(Bytes& image, std::uint16_t type, Bytes content) {
  if (content.size() % 2 != 0) content.push_back(0);
  append(image, type, 2);
  append(image, content.size() / 2, 2);
  image.insert(image.end(), content.begin(), content.end());
}

Bytes strings(const std::string& name) {
  Bytes out{1, static_cast<std::uint8_t>(name.size())};
  out.insert(out.end(), name.begin(), name.end());
  return out;
}

Bytes general() {
  Bytes out(32);
  out[2] = out[3] = 1;  // order code and name are string 1
  out[5] = 0x2D;        // SDO, PDO assignment and configuration, complete access
  return out;
}

Bytes sync_managers(const MemoryPlan& plan) {
  struct Row {
    std::uint16_t start, length;
    std::uint8_t control, type;
  };
  Bytes out;
  for (const Row& row :
       {Row{plan.mailbox_out, plan.mailbox_bytes, 0x26, 1}, Row{plan.mailbox_in, plan.mailbox_bytes, 0x22, 2},
        Row{plan.outputs, 0, 0x64, 3}, Row{plan.inputs, 0, 0x20, 4}}) {
    append(out, row.start, 2);
    append(out, row.length, 2);
    append(out, row.control, 2);
    append(out, 1, 1);
    append(out, row.type, 1);
  }
  return out;
}

}  // namespace

Bytes make_sii(const Identity& identity, const MemoryPlan& plan) {
  Bytes image(0x80);
  put(image, 0x00, 0x0080, 2);  // PDI control
  image[14] = crc8(View(image).first(14));
  put(image, 0x10, identity.vendor_id, 4);
  put(image, 0x14, identity.product_code, 4);
  put(image, 0x18, identity.revision, 4);
  put(image, 0x1C, identity.serial, 4);
  put(image, 0x30, plan.mailbox_out, 2);
  put(image, 0x32, plan.mailbox_bytes, 2);
  put(image, 0x34, plan.mailbox_in, 2);
  put(image, 0x36, plan.mailbox_bytes, 2);
  put(image, 0x38, kCoE, 2);
  put(image, 0x7C, kBytes * 8 / 1024 - 1, 2);
  put(image, 0x7E, 1, 2);
  append_category(image, 10, strings(identity.name));
  append_category(image, 30, general());
  append_category(image, 40, {1, 2, 3, 0});  // outputs, inputs, mailbox state
  append_category(image, 41, sync_managers(plan));
  append(image, 0xFFFF, 2);
  image.resize(kBytes, 0xFF);
  return image;
}

}  // namespace podhand::ethercat
