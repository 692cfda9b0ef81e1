#include <rt/exchange.hpp>
#include <rt/mcap.hpp>
#include <rt/shared_memory.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <unistd.h>

namespace podhand::rt {
namespace {

constexpr char kMcapMagic[] = "\x89MCAP0\r\n";

enum Opcode : unsigned char {
  kHeader = 0x01,
  kFooter = 0x02,
  kSchema = 0x03,
  kChannel = 0x04,
  kMessage = 0x05,
  kChunk = 0x06,
  kChunkIndex = 0x08,
  kMetadata = 0x0c,
  kMetadataIndex = 0x0d,
  kDataEnd = 0x0f,
};

/// Fields of a record: numbers little-endian, strings and maps with their length before them.
class Fields {
 public:
  template <typename T>
  Fields& number(T value) {
    for (std::size_t i = 0; i < sizeof value; ++i) bytes_.push_back(static_cast<char>(value >> (8 * i) & 0xff));
    return *this;
  }
  Fields& text(const std::string& value) {
    number(static_cast<std::uint32_t>(value.size()));
    bytes_ += value;
    return *this;
  }
  Fields& map(const StringMap& entries) {
    Fields inner;
    for (const auto& [key, value] : entries) inner.text(key).text(value);
    return text(inner.bytes_);
  }
  Fields& raw(const void* data, std::size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
    return *this;
  }
  [[nodiscard]] std::string record(Opcode opcode) const {
    Fields out;
    out.bytes_.push_back(static_cast<char>(opcode));
    out.number(static_cast<std::uint64_t>(bytes_.size()));
    return out.bytes_ + bytes_;
  }

 private:
  std::string bytes_{};
};

}  // namespace

McapWriter::McapWriter(const std::string& path, const std::string& profile, const std::string& library)
    : path_(path), file_(std::fopen(path.c_str(), "wb")) {
  if (!file_) throw ExchangeError(path + " cannot be written: " + std::strerror(errno));
  write(std::string(kMcapMagic, 8));
  write(Fields().text(profile).text(library).record(kHeader));
}

void McapWriter::write(const std::string& bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) {
    throw ExchangeError(path_ + " cannot be written: " + std::strerror(errno));
  }
  crc_ = crc32(bytes.data(), bytes.size(), crc_);
  at_ += bytes.size();
}

std::uint16_t McapWriter::topic(const std::string& name, const std::string& schema, const std::string& schema_text) {
  const std::uint16_t number = ++topics_;
  const std::string both =
      Fields().number(number).text(schema).text("podhand-record").text(schema_text).record(kSchema) +
      Fields().number(number).number(number).text(name).text("record").map({}).record(kChannel);
  definitions_ += both;
  pending_ += both;
  return number;
}

void McapWriter::metadata(const std::string& name, const StringMap& entries) {
  const std::string record = Fields().text(name).map(entries).record(kMetadata);
  metadata_index_.push_back(
      Fields().number(at_).number(static_cast<std::uint64_t>(record.size())).text(name).record(kMetadataIndex));
  write(record);
}

void McapWriter::message(std::uint16_t topic, std::uint64_t time_ns, const void* data, std::size_t size) {
  if (chunk_.records == 0) chunk_.first_ns = chunk_.last_ns = time_ns;
  chunk_.first_ns = std::min(chunk_.first_ns, time_ns);
  chunk_.last_ns = std::max(chunk_.last_ns, time_ns);
  ++chunk_.records;
  pending_ +=
      Fields().number(topic).number(sequence_++).number(time_ns).number(time_ns).raw(data, size).record(kMessage);
}

void McapWriter::end_chunk() {
  if (chunk_.records == 0) return;
  const auto size = static_cast<std::uint64_t>(pending_.size());
  chunk_.at = at_;
  write(Fields()
            .number(chunk_.first_ns)
            .number(chunk_.last_ns)
            .number(size)
            .number(crc32(pending_.data(), pending_.size()))
            .text("")
            .number(size)
            .raw(pending_.data(), pending_.size())
            .record(kChunk));
  chunk_.size = at_ - chunk_.at;
  chunk_.records = size;
  chunks_.push_back(chunk_);
  chunk_ = {};
  pending_.clear();
}

void McapWriter::finish() {
  end_chunk();
  write(Fields().number(crc_).record(kDataEnd));
  const std::uint64_t summary_at = at_;
  std::string summary = definitions_;
  for (const Chunk& chunk : chunks_) {
    summary += Fields()
                   .number(chunk.first_ns)
                   .number(chunk.last_ns)
                   .number(chunk.at)
                   .number(chunk.size)
                   .map({})
                   .number(std::uint64_t{0})
                   .text("")
                   .number(chunk.records)
                   .number(chunk.records)
                   .record(kChunkIndex);
  }
  for (const std::string& index : metadata_index_) summary += index;
  const std::string footer =
      Fields().number(summary_at).number(std::uint64_t{0}).number(std::uint32_t{0}).record(kFooter);
  // Its checksum covers the summary, and the footer up to the checksum itself.
  const std::string covered = summary + footer.substr(0, footer.size() - 4);
  write(covered + Fields().number(crc32(covered.data(), covered.size())).record(kFooter).substr(9));
  write(std::string(kMcapMagic, 8));
  if (std::fflush(file_.get()) != 0 || fsync(fileno(file_.get())) != 0) {
    throw ExchangeError(path_ + " cannot be written: " + std::strerror(errno));
  }
}

}  // namespace podhand::rt
