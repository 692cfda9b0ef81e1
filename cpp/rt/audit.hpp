/// Is this machine fit to run a cycle of 1 kHz? Looks at the operating system and says what is wrong, why it matters
/// and what changes it. Not real-time.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace podhand::rt {

enum class AuditVerdict : int {
  kOk = 0,
  kWarning = 1,  ///< worth knowing; production runs
  kFault = 2,    ///< production refuses to run
};

struct AuditFinding {
  std::string what{}, wanted{}, got{};
  AuditVerdict verdict{AuditVerdict::kOk};
  std::string why{};     ///< what goes wrong otherwise
  std::string remedy{};  ///< a command, or what to do
};

/// Interrupt coalescing of a network card [us].
struct Coalescing {
  unsigned rx_us{}, tx_us{};
  bool adaptive{};
};

struct AuditWish {
  std::string root{};  ///< before every path; empty: this machine
  int priority{80};    ///< of the cycle
  int cpu{-1};         ///< where the cycle will run; -1: not said
  std::string nic{};   ///< a network card with a cyclic bus; empty: none
  // What no file tells; tests bring their own.
  std::function<std::optional<Coalescing>(const std::string& nic)> coalescing{};
  std::function<std::optional<unsigned long long>(const std::string& path)> free_bytes{};
};

/// Everything that was looked at, in order.
[[nodiscard]] std::vector<AuditFinding> audit(const AuditWish& wish);
[[nodiscard]] bool is_fit(const std::vector<AuditFinding>& findings) noexcept;
/// `throttling of real-time threads: wanted off (-1), got 950000 us per period: WHY. REMEDY`.
[[nodiscard]] std::string in_words(const AuditFinding& finding);

}  // namespace podhand::rt
