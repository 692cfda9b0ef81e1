/// A line of emulated slaves: an Ethernet frame goes in, what comes back goes out. No socket, no clock of its own.
/// Source of frame and datagrams: ETG.1000.4, section 5 (EtherCAT DLPDU).
#pragma once

#include <ethercat_emulator/drive402.hpp>
#include <ethercat_emulator/slave.hpp>

#include <memory>
#include <optional>
#include <vector>

namespace podhand::ethercat {

/// What the line does to the next frames. Each count is used up by frames.
struct LineFaults {
  std::uint64_t lose{};       ///< lost before any slave has seen them
  std::uint64_t duplicate{};  ///< come back twice
  std::uint64_t delay{};      ///< come back late
  std::int64_t delay_ns{};
  std::uint64_t miscount{};  ///< logical datagrams come back with a wrong working counter
  std::int16_t miscount_by{};
};

struct LineCounters {
  std::uint64_t processed{}, rejected{}, lost{}, delayed{}, duplicated{}, miscounted{};
};

class Network {
 public:
  /// @throws std::invalid_argument without drives, or for a bad configuration.
  explicit Network(const std::vector<DriveConfig>& drives);

  /// Takes a frame and returns all frames that are due now, in their order.
  /// @param now_ns  must not go back
  [[nodiscard]] std::vector<Bytes> process(View frame, std::int64_t now_ns);
  /// The same without a new frame.
  [[nodiscard]] std::vector<Bytes> poll(std::int64_t now_ns);
  /// When the next late frame is due.
  [[nodiscard]] std::optional<std::int64_t> next_due_ns() const;

  /// @throws std::out_of_range
  [[nodiscard]] Slave& slave(std::size_t position) { return *slaves_.at(position); }
  [[nodiscard]] Drive402& drive(std::size_t position) { return static_cast<Drive402&>(slave(position).device()); }
  [[nodiscard]] std::size_t size() const { return slaves_.size(); }
  [[nodiscard]] std::int64_t now_ns() const { return now_ns_; }

  /// Pulls the cable in front of a slave, or puts it back with `size()`. Slaves behind it live on unheard.
  void cut_before(std::size_t position);

  LineFaults faults{};
  LineCounters counters{};

 private:
  struct Late {
    std::int64_t due_ns;
    Bytes frame;
  };

  [[nodiscard]] Passing passing(std::size_t position) const;

  std::vector<std::unique_ptr<Slave>> slaves_{};
  std::size_t reachable_{};
  std::vector<Late> late_{};  ///< in the order of their coming
  std::int64_t now_ns_{};
  bool powered_{};  ///< the first call is the power-up of all slaves
};

}  // namespace podhand::ethercat
