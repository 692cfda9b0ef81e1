/// The audit, where no file of a made-up machine can tell; the rest is in tests/unit/test_app_doctor.py.
#include "check.hpp"

#include <rt/audit.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

using namespace podhand::rt;

namespace {

namespace fs = std::filesystem;

const AuditFinding* find(const std::vector<AuditFinding>& findings, const std::string& what) {
  const auto found =
      std::find_if(findings.begin(), findings.end(), [&](const AuditFinding& finding) { return finding.what == what; });
  return found == findings.end() ? nullptr : &*found;
}

struct Machine {
  fs::path root = fs::temp_directory_path() / ("podhand-audit-" + std::to_string(getpid()));
  AuditWish wish{};

  Machine() {
    fs::create_directories(root / "sys/class/net/eth7");
    std::ofstream(root / "sys/class/net/eth7/operstate") << "up\n";
    wish.root = root;
    wish.nic = "eth7";
    wish.free_bytes = [](const std::string&) { return 100ull << 20; };
    wish.coalescing = [](const std::string&) { return Coalescing{}; };
  }
  ~Machine() { fs::remove_all(root); }
};

AuditVerdict verdict(const Machine& machine, const std::string& what) {
  const std::vector<AuditFinding> findings = audit(machine.wish);
  const AuditFinding* finding = find(findings, what);
  CHECK(finding != nullptr);
  const bool told = !finding->wanted.empty() && !finding->got.empty();
  CHECK(told && (finding->verdict == AuditVerdict::kOk || (!finding->why.empty() && !finding->remedy.empty())));
  return finding->verdict;
}

void a_card_must_not_keep_frames_back() {
  Machine machine;
  CHECK(verdict(machine, "network card eth7") == AuditVerdict::kOk);
  CHECK(verdict(machine, "network card eth7, coalescing") == AuditVerdict::kOk);
  machine.wish.coalescing = [](const std::string&) { return Coalescing{50, 0, false}; };
  CHECK(verdict(machine, "network card eth7, coalescing") == AuditVerdict::kFault);
  machine.wish.coalescing = [](const std::string&) { return Coalescing{0, 0, true}; };
  CHECK(verdict(machine, "network card eth7, coalescing") == AuditVerdict::kFault);
  machine.wish.coalescing = [](const std::string&) { return std::nullopt; };
  CHECK(verdict(machine, "network card eth7, coalescing") == AuditVerdict::kWarning);
  std::ofstream(machine.root / "sys/class/net/eth7/operstate") << "down\n";
  CHECK(verdict(machine, "network card eth7") == AuditVerdict::kFault);
  machine.wish.nic = "eth8";
  CHECK(verdict(machine, "network card eth8") == AuditVerdict::kFault);
  CHECK(find(audit(machine.wish), "network card eth8, coalescing") == nullptr);
}

void shared_memory_must_hold_exchange_and_flight_recorder() {
  Machine machine;
  CHECK(verdict(machine, "shared memory") == AuditVerdict::kOk);
  machine.wish.free_bytes = [](const std::string&) { return 64ull << 20; };
  CHECK(verdict(machine, "shared memory") == AuditVerdict::kFault);
  machine.wish.free_bytes = [](const std::string&) { return std::nullopt; };
  CHECK(verdict(machine, "shared memory") == AuditVerdict::kFault);
}

/// A machine that tells nothing is not fit: what is not known is not good.
void nothing_known_is_not_fit() {
  const Machine machine;
  CHECK(!is_fit(audit(machine.wish)));
  CHECK(verdict(machine, "operating system") == AuditVerdict::kFault);
  CHECK(verdict(machine, "real-time priority allowed") == AuditVerdict::kFault);
  CHECK(verdict(machine, "clock") == AuditVerdict::kFault);
}

}  // namespace

int main() {
  a_card_must_not_keep_frames_back();
  shared_memory_must_hold_exchange_and_flight_recorder();
  nothing_known_is_not_fit();
}
