/// The little of the MCAP format (https://mcap.dev/spec) that a recording needs: uncompressed chunks with checksums and
/// a summary. Not real-time.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace podhand::rt {

using StringMap = std::vector<std::pair<std::string, std::string>>;

class McapWriter {
 public:
  /// @throws ExchangeError the file cannot be made; so do all others when it cannot be written
  McapWriter(const std::string& path, const std::string& profile, const std::string& library);

  /// @return its number, for message(); topics come before messages
  std::uint16_t topic(const std::string& name, const std::string& schema, const std::string& schema_text);
  void metadata(const std::string& name, const StringMap& entries);
  void message(std::uint16_t topic, std::uint64_t time_ns, const void* data, std::size_t size);
  /// Writes what has gathered since the last chunk.
  void end_chunk();
  /// Completes the file and brings it to the disk.
  void finish();

 private:
  struct Chunk {
    std::uint64_t at{}, size{}, records{}, first_ns{}, last_ns{};
  };
  struct Closer {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  void write(const std::string& bytes);

  std::string path_;
  std::unique_ptr<std::FILE, Closer> file_;
  std::uint64_t at_{};         ///< bytes written
  std::uint32_t crc_{};        ///< of these
  std::string definitions_{};  ///< schemas and channels as records
  std::string pending_{};      ///< of the chunk
  Chunk chunk_{};
  std::vector<Chunk> chunks_{};
  std::vector<std::string> metadata_index_{};
  std::uint32_t sequence_{};
  std::uint16_t topics_{};
};

}  // namespace podhand::rt
