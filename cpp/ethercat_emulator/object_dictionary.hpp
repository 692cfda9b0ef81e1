/// Objects of a CoE device, and who may read, write and map them. Sources: ETG.1000.6, section 5.6 (CoE); CiA 301.
#pragma once

#include <ethercat_emulator/bytes.hpp>

#include <map>
#include <string>
#include <utility>

namespace podhand::ethercat {

enum class AlState : std::uint8_t { kInit = 1, kPreop = 2, kBoot = 3, kSafeop = 4, kOp = 8 };

/// Why an SDO was not carried out; the numbers are those of ETG.1000.6, table "SDO abort codes".
enum class Abort : std::uint32_t {
  kNone = 0,
  kToggle = 0x05030000,
  kCommand = 0x05040001,
  kUnsupported = 0x06010000,
  kWriteOnly = 0x06010001,
  kReadOnly = 0x06010002,
  kSubindexZeroFirst = 0x06010003,
  kNoCompleteAccess = 0x06010004,
  kNoObject = 0x06020000,
  kNotMappable = 0x06040041,
  kTooMuchMapped = 0x06040042,
  kTooLong = 0x06070012,
  kTooShort = 0x06070013,
  kNoSubindex = 0x06090011,
  kTooHigh = 0x06090031,
  kTooLow = 0x06090032,
  kState = 0x08000022,
};

enum class Type : std::uint16_t { kI8 = 2, kI16 = 3, kI32 = 4, kU8 = 5, kU16 = 6, kU32 = 7, kText = 9 };
enum class Access : std::uint8_t { kRead, kWrite, kReadWrite };
/// Which way an object may travel as process data.
enum class Mapping : std::uint8_t { kNone, kOutput, kInput };

struct Entry {
  Type type{};
  Access access{};
  Mapping mapping{};
  Bytes value{};
  std::int64_t low{}, high{};  ///< allowed values, when low < high; of a text, its most bytes

  /// The value as a number, with its sign; texts are 0.
  [[nodiscard]] std::int64_t number() const;
  void set(std::int64_t number) { put(value, 0, static_cast<std::uint64_t>(number), value.size()); }
};

[[nodiscard]] std::size_t bytes_of(Type type);

class ObjectDictionary {
 public:
  using Key = std::pair<std::uint16_t, std::uint8_t>;

  Entry& add(std::uint16_t index, std::uint8_t subindex, Type type, Access access, std::int64_t value,
             Mapping mapping = Mapping::kNone);
  /// @param room  bytes that a master may write; 0: none
  void add_text(std::uint16_t index, const std::string& text, std::size_t room = 0);
  /// A list whose subindex 0 says how many of its `room` entries count: PDO mappings and assignments.
  void add_list(std::uint16_t index, Type type, std::initializer_list<std::uint32_t> values, std::size_t room);

  [[nodiscard]] Entry* find(std::uint16_t index, std::uint8_t subindex);
  /// The entry; throws std::out_of_range when there is none.
  [[nodiscard]] Entry& at(std::uint16_t index, std::uint8_t subindex) { return entries_.at({index, subindex}); }

  /// A master's reading and writing of one entry.
  [[nodiscard]] Abort read(std::uint16_t index, std::uint8_t subindex, Bytes& out);
  [[nodiscard]] Abort write(std::uint16_t index, std::uint8_t subindex, View value, AlState state);
  /// The same for all entries from a subindex on; subindex 0 takes 16 bits.
  [[nodiscard]] Abort read_all(std::uint16_t index, std::uint8_t from, Bytes& out);
  [[nodiscard]] Abort write_all(std::uint16_t index, std::uint8_t from, View value, AlState state);

  /// What sync manager 2 or 3 carries, in the order of the wire; null entries are padding.
  struct Mapped {
    Entry* entry{};
    std::size_t bits{};
  };
  [[nodiscard]] std::vector<Mapped> mapped(std::size_t sync_manager);

 private:
  [[nodiscard]] Abort missing(std::uint16_t index) const;
  [[nodiscard]] Abort judge_list(std::uint16_t index, std::uint8_t subindex, View value, AlState state);
  [[nodiscard]] Abort judge_mapping(std::uint16_t index, std::size_t count);

  std::map<Key, Entry> entries_{};
};

}  // namespace podhand::ethercat
