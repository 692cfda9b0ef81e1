/// Judges, look by look, whether a counter that should go on stands. No time, no threads: the watchdog brings both.
#pragma once

#include <cstdint>

namespace podhand::rt {

class Stall {
 public:
  /// What one look has found; 0: nothing to tell.
  struct Found {
    std::uint64_t stands_ns{};  ///< it has stood for so long and stands; told once
    std::uint64_t stood_ns{};   ///< it goes on, after so long
  };

  explicit Stall(std::uint64_t least_ns) noexcept : least_ns_(least_ns) {}

  /// A look that comes late proves nothing: only what was seen to stand has stood.
  [[nodiscard]] Found look(std::uint64_t count, std::uint64_t now_ns) noexcept {
    Found found{};
    if (count != count_) {
      if (stands_ns_ > least_ns_) found.stood_ns = stands_ns_;
      count_ = count;
      since_ns_ = now_ns;
      stands_ns_ = 0;
      return found;
    }
    const bool told = stands_ns_ > least_ns_;
    if (count_ != 0) stands_ns_ = now_ns - since_ns_;
    if (!told && stands_ns_ > least_ns_) found.stands_ns = stands_ns_;
    return found;
  }

 private:
  std::uint64_t least_ns_;
  std::uint64_t count_{}, since_ns_{}, stands_ns_{};
};

}  // namespace podhand::rt
