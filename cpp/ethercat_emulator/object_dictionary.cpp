#include <ethercat_emulator/object_dictionary.hpp>

#include <algorithm>

namespace podhand::ethercat {
namespace {

constexpr std::size_t kMaxMappedBits = 8 * 64;

bool is_output_mapping(std::uint16_t index) { return index >= 0x1600 && index < 0x1800; }
bool is_mapping(std::uint16_t index) { return is_output_mapping(index) || (index >= 0x1A00 && index < 0x1C00); }
bool is_assignment(std::uint16_t index) { return index == 0x1C12 || index == 0x1C13; }

}  // namespace

std::size_t bytes_of(Type type) {
  switch (type) {
    case Type::kI8:
    case Type::kU8:
      return 1;
    case Type::kI16:
    case Type::kU16:
      return 2;
    case Type::kI32:
    case Type::kU32:
      return 4;
    case Type::kText:
      return 0;
  }
  return 0;
}

std::int64_t Entry::number() const {
  const std::size_t size = bytes_of(type);
  if (size == 0) return 0;
  const std::uint64_t raw = get(value, 0, size);
  const bool has_sign = type == Type::kI8 || type == Type::kI16 || type == Type::kI32;
  const std::size_t unused = 64 - 8 * size;
  return has_sign ? static_cast<std::int64_t>(raw << unused) >> unused : static_cast<std::int64_t>(raw);
}

Entry& ObjectDictionary::add(std::uint16_t index, std::uint8_t subindex, Type type, Access access, std::int64_t value,
                             Mapping mapping) {
  Entry& entry = entries_[{index, subindex}];
  entry = {type, access, mapping, Bytes(bytes_of(type)), 0, 0};
  entry.set(value);
  return entry;
}

void ObjectDictionary::add_text(std::uint16_t index, const std::string& text, std::size_t room) {
  const Access access = room > 0 ? Access::kReadWrite : Access::kRead;
  entries_[{index, std::uint8_t{0}}] = {
      Type::kText, access, Mapping::kNone, Bytes(text.begin(), text.end()), 0, static_cast<std::int64_t>(room)};
}

void ObjectDictionary::add_list(std::uint16_t index, Type type, std::initializer_list<std::uint32_t> values,
                                std::size_t room) {
  add(index, 0, Type::kU8, Access::kReadWrite, static_cast<std::int64_t>(values.size())).high =
      static_cast<std::int64_t>(room);
  for (std::size_t i = 1; i <= room; ++i) add(index, static_cast<std::uint8_t>(i), type, Access::kReadWrite, 0);
  std::uint8_t subindex = 0;
  for (const std::uint32_t value : values) at(index, ++subindex).set(value);
}

Entry* ObjectDictionary::find(std::uint16_t index, std::uint8_t subindex) {
  const auto found = entries_.find({index, subindex});
  return found == entries_.end() ? nullptr : &found->second;
}

Abort ObjectDictionary::missing(std::uint16_t index) const {
  const auto next = entries_.lower_bound({index, std::uint8_t{0}});
  return next != entries_.end() && next->first.first == index ? Abort::kNoSubindex : Abort::kNoObject;
}

Abort ObjectDictionary::read(std::uint16_t index, std::uint8_t subindex, Bytes& out) {
  const Entry* entry = find(index, subindex);
  if (entry == nullptr) return missing(index);
  if (entry->access == Access::kWrite) return Abort::kWriteOnly;
  out = entry->value;
  return Abort::kNone;
}

Abort ObjectDictionary::write(std::uint16_t index, std::uint8_t subindex, View value, AlState state) {
  Entry* entry = find(index, subindex);
  if (entry == nullptr) return missing(index);
  if (entry->access == Access::kRead) return Abort::kReadOnly;
  const bool text = entry->type == Type::kText;
  if (value.size() > (text ? static_cast<std::size_t>(entry->high) : entry->value.size())) return Abort::kTooLong;
  if (!text && value.size() < entry->value.size()) return Abort::kTooShort;
  Entry wanted = *entry;
  wanted.value.assign(value.begin(), value.end());
  if (!text && entry->low < entry->high) {
    if (wanted.number() > entry->high) return Abort::kTooHigh;
    if (wanted.number() < entry->low) return Abort::kTooLow;
  }
  if (is_mapping(index) || is_assignment(index)) {
    const Abort refusal = judge_list(index, subindex, value, state);
    if (refusal != Abort::kNone) return refusal;
  }
  entry->value = std::move(wanted.value);
  return Abort::kNone;
}

/// PDO mappings and assignments change in PRE-OP, emptied first, and are judged when their count is written.
Abort ObjectDictionary::judge_list(std::uint16_t index, std::uint8_t subindex, View value, AlState state) {
  if (state != AlState::kPreop) return Abort::kState;
  if (subindex > 0) return at(index, 0).number() == 0 ? Abort::kNone : Abort::kSubindexZeroFirst;
  const std::size_t count = value[0];
  if (is_mapping(index)) return judge_mapping(index, count);
  for (std::size_t i = 1; i <= count; ++i) {
    const auto pdo = static_cast<std::uint16_t>(at(index, static_cast<std::uint8_t>(i)).number());
    const bool fits = is_mapping(pdo) && is_output_mapping(pdo) == (index == 0x1C12) && find(pdo, 0) != nullptr;
    if (!fits) return Abort::kNotMappable;
  }
  return Abort::kNone;
}

Abort ObjectDictionary::judge_mapping(std::uint16_t index, std::size_t count) {
  const Mapping way = is_output_mapping(index) ? Mapping::kOutput : Mapping::kInput;
  std::size_t all = 0;
  for (std::size_t i = 1; i <= count; ++i) {
    const auto word = static_cast<std::uint32_t>(at(index, static_cast<std::uint8_t>(i)).number());
    const std::size_t bits = word & 0xFF;
    all += bits;
    if (bits == 0 || bits % 8 != 0) return Abort::kNotMappable;
    if (word >> 16 == 0) continue;  // padding
    const Entry* entry = find(static_cast<std::uint16_t>(word >> 16), static_cast<std::uint8_t>(word >> 8));
    if (entry == nullptr || entry->mapping != way || bits != 8 * entry->value.size()) return Abort::kNotMappable;
  }
  return all <= kMaxMappedBits ? Abort::kNone : Abort::kTooMuchMapped;
}

Abort ObjectDictionary::read_all(std::uint16_t index, std::uint8_t from, Bytes& out) {
  const Entry* count = find(index, 0);
  if (count == nullptr) return Abort::kNoObject;
  if (find(index, 1) == nullptr) return Abort::kNoCompleteAccess;
  out.clear();
  if (from == 0) append(out, static_cast<std::uint64_t>(count->number()), 2);
  for (std::int64_t i = 1; i <= count->number(); ++i) {
    const Entry* entry = find(index, static_cast<std::uint8_t>(i));
    if (entry == nullptr) continue;
    if (entry->access == Access::kWrite) {
      out.resize(out.size() + entry->value.size());  // ETG.1000.6: what cannot be read is sent as zeros
    } else {
      out.insert(out.end(), entry->value.begin(), entry->value.end());
    }
  }
  return Abort::kNone;
}

Abort ObjectDictionary::write_all(std::uint16_t index, std::uint8_t from, View value, AlState state) {
  const Entry* zero = find(index, 0);
  if (zero == nullptr) return Abort::kNoObject;
  if (find(index, 1) == nullptr) return Abort::kNoCompleteAccess;
  const bool list = zero->access != Access::kRead;
  std::size_t at_byte = 0;
  Bytes count{static_cast<std::uint8_t>(zero->number())};
  if (from == 0) {
    if (value.size() < 2) return Abort::kTooShort;
    count[0] = value[0];
    at_byte = 2;
  }
  const Bytes none{0};
  Abort refusal = list ? write(index, 0, none, state) : Abort::kNone;
  for (std::size_t i = 1; refusal == Abort::kNone && i <= count[0] && at_byte < value.size(); ++i) {
    const auto subindex = static_cast<std::uint8_t>(i);
    const Entry* entry = find(index, subindex);
    if (entry == nullptr) return Abort::kNoSubindex;
    const std::size_t size = entry->value.size();
    if (at_byte + size > value.size()) return Abort::kTooShort;
    refusal = write(index, subindex, value.subspan(at_byte, size), state);
    at_byte += size;
  }
  if (refusal == Abort::kNone && at_byte < value.size()) return Abort::kTooLong;
  return refusal == Abort::kNone && list ? write(index, 0, count, state) : refusal;
}

std::vector<ObjectDictionary::Mapped> ObjectDictionary::mapped(std::size_t sync_manager) {
  std::vector<Mapped> out;
  const auto assignment = static_cast<std::uint16_t>(0x1C10 + sync_manager);
  const Entry* assigned = find(assignment, 0);
  if (assigned == nullptr) return out;
  for (std::int64_t pdo_at = 1; pdo_at <= assigned->number(); ++pdo_at) {
    const auto pdo = static_cast<std::uint16_t>(at(assignment, static_cast<std::uint8_t>(pdo_at)).number());
    for (std::int64_t i = 1; i <= at(pdo, 0).number(); ++i) {
      const auto word = static_cast<std::uint32_t>(at(pdo, static_cast<std::uint8_t>(i)).number());
      out.push_back({find(static_cast<std::uint16_t>(word >> 16), static_cast<std::uint8_t>(word >> 8)), word & 0xFF});
    }
  }
  return out;
}

}  // namespace podhand::ethercat
