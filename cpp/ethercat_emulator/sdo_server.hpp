/// CoE: the service data objects of a device, one transfer at a time. Source: ETG.1000.6, section 5.6.2.
#pragma once

#include <ethercat_emulator/object_dictionary.hpp>

namespace podhand::ethercat {

class SdoServer {
 public:
  explicit SdoServer(ObjectDictionary& objects) : objects_(&objects) {}

  /// Forgets a transfer in segments that has begun.
  void reset() { transfer_ = Transfer::kNone; }

  /// Answers a request.
  /// @param request   behind the CoE header, at least 8 bytes
  /// @param room      of the answer: mailbox without its header and the CoE header, at least 10 bytes
  /// @return          the answer behind the CoE header
  [[nodiscard]] Bytes answer(View request, AlState state, std::size_t room);

 private:
  enum class Transfer : std::uint8_t { kNone, kUpload, kDownload };

  [[nodiscard]] Bytes upload(std::size_t room);
  [[nodiscard]] Bytes upload_segment(View request, std::size_t room);
  [[nodiscard]] Bytes download(View request, AlState state);
  [[nodiscard]] Bytes download_segment(View request, AlState state);
  [[nodiscard]] Abort store(View value, AlState state);
  [[nodiscard]] Bytes abort(Abort why);

  ObjectDictionary* objects_;
  Transfer transfer_{};
  bool complete_{}, toggle_{};
  std::uint16_t index_{};
  std::uint8_t subindex_{};
  Bytes data_{};
  std::size_t done_{}, announced_{};
};

}  // namespace podhand::ethercat
