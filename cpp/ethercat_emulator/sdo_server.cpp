#include <ethercat_emulator/sdo_server.hpp>

#include <algorithm>

namespace podhand::ethercat {
namespace {

enum Command : std::uint8_t { kDownloadSegment = 0, kDownload = 1, kUpload = 2, kUploadSegment = 3, kAbort = 4 };

constexpr std::size_t kLongestDownload = 64 * 1024;
constexpr std::uint8_t kToggleBit = 0x10, kCompleteBit = 0x10;

}  // namespace

Bytes SdoServer::answer(View request, AlState state, std::size_t room) {
  const auto command = static_cast<Command>(request[0] >> 5);
  if (command == kUploadSegment) return upload_segment(request, room);
  if (command == kDownloadSegment) return download_segment(request, state);
  transfer_ = Transfer::kNone;
  index_ = get_u16(request, 1);
  subindex_ = request[3];
  complete_ = (request[0] & kCompleteBit) != 0;
  if (complete_ && subindex_ > 1 && command != kAbort) return abort(Abort::kUnsupported);
  if (command == kUpload) return upload(room);
  if (command == kDownload) return download(request, state);
  if (command == kAbort) return {};
  return abort(Abort::kCommand);
}

Bytes SdoServer::abort(Abort why) {
  transfer_ = Transfer::kNone;
  Bytes out{0x80};
  append(out, index_, 2);
  append(out, subindex_, 1);
  append(out, static_cast<std::uint32_t>(why), 4);
  return out;
}

Bytes SdoServer::upload(std::size_t room) {
  const Abort refusal =
      complete_ ? objects_->read_all(index_, subindex_, data_) : objects_->read(index_, subindex_, data_);
  if (refusal != Abort::kNone) return abort(refusal);
  const std::uint8_t complete = complete_ ? kCompleteBit : 0;
  const bool expedited = !data_.empty() && data_.size() <= 4;
  const std::size_t unused = expedited ? 4 - data_.size() : 0;
  Bytes out{static_cast<std::uint8_t>(0x41 | complete | (expedited ? 0x02U | unused << 2 : 0U))};
  append(out, index_, 2);
  append(out, subindex_, 1);
  if (expedited) {
    out.insert(out.end(), data_.begin(), data_.end());
    out.resize(8);
    return out;
  }
  append(out, data_.size(), 4);
  done_ = std::min(data_.size(), room - out.size());
  out.insert(out.end(), data_.begin(), data_.begin() + static_cast<std::ptrdiff_t>(done_));
  if (done_ < data_.size()) {
    transfer_ = Transfer::kUpload;
    toggle_ = false;
  }
  return out;
}

Bytes SdoServer::upload_segment(View request, std::size_t room) {
  if (transfer_ != Transfer::kUpload) return abort(Abort::kCommand);
  if (((request[0] & kToggleBit) != 0) != toggle_) return abort(Abort::kToggle);
  const std::size_t size = std::min(data_.size() - done_, room - 1);
  const bool last = done_ + size == data_.size();
  const std::size_t unused = size < 7 ? 7 - size : 0;
  Bytes out{static_cast<std::uint8_t>((toggle_ ? kToggleBit : 0U) | unused << 1 | (last ? 1U : 0U))};
  const auto from = data_.begin() + static_cast<std::ptrdiff_t>(done_);
  out.insert(out.end(), from, from + static_cast<std::ptrdiff_t>(size));
  out.resize(std::max<std::size_t>(out.size(), 8));
  done_ += size;
  toggle_ = !toggle_;
  if (last) transfer_ = Transfer::kNone;
  return out;
}

Abort SdoServer::store(View value, AlState state) {
  return complete_ ? objects_->write_all(index_, subindex_, value, state)
                   : objects_->write(index_, subindex_, value, state);
}

Bytes SdoServer::download(View request, AlState state) {
  const bool expedited = (request[0] & 0x02) != 0;
  if (expedited) {
    const bool size_told = (request[0] & 0x01) != 0;
    std::size_t size = size_told ? 4U - ((request[0] >> 2) & 0x03U) : 4;
    const Entry* entry = objects_->find(index_, subindex_);
    if (!size_told && entry != nullptr) size = std::min<std::size_t>(4, entry->value.size());
    const Abort refusal = store(request.subspan(4, size), state);
    if (refusal != Abort::kNone) return abort(refusal);
  } else {
    announced_ = get_u32(request, 4);
    if (announced_ > kLongestDownload) return abort(Abort::kTooLong);
    const View data = request.subspan(8, std::min(request.size() - 8, announced_));
    data_.assign(data.begin(), data.end());
    if (data_.size() < announced_) {
      transfer_ = Transfer::kDownload;
      toggle_ = false;
    } else {
      const Abort refusal = store(data_, state);
      if (refusal != Abort::kNone) return abort(refusal);
    }
  }
  Bytes out{static_cast<std::uint8_t>(0x60 | (complete_ ? kCompleteBit : 0))};
  append(out, index_, 2);
  append(out, subindex_, 1);
  append(out, 0, 4);
  return out;
}

Bytes SdoServer::download_segment(View request, AlState state) {
  if (transfer_ != Transfer::kDownload) return abort(Abort::kCommand);
  if (((request[0] & kToggleBit) != 0) != toggle_) return abort(Abort::kToggle);
  const bool last = (request[0] & 0x01) != 0;
  std::size_t size = request.size() - 1;
  if (size == 7) size -= (request[0] >> 1) & 0x07U;
  if (data_.size() + size > announced_) return abort(Abort::kTooLong);
  const View segment = request.subspan(1, size);
  data_.insert(data_.end(), segment.begin(), segment.end());
  Bytes out{static_cast<std::uint8_t>(0x20 | (toggle_ ? kToggleBit : 0))};
  toggle_ = !toggle_;
  if (last) {
    transfer_ = Transfer::kNone;
    if (data_.size() < announced_) return abort(Abort::kTooShort);
    const Abort refusal = store(data_, state);
    if (refusal != Abort::kNone) return abort(refusal);
  }
  out.resize(8);
  return out;
}

}  // namespace podhand::ethercat
