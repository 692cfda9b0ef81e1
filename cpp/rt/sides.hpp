/// The two sides that talk to podhand-rt through the exchange: its client, and a simulated plant. Not real-time.
#pragma once

#include <rt/flight.hpp>
#include <rt/shared_memory.hpp>

#include <string>
#include <vector>

namespace podhand::rt {

/// A client. It reads whatever it likes; it commands while it holds the lease. Not thread-safe but for beat().
class Client {
 public:
  /// @throws ExchangeError as SharedMemory::attach
  Client(const std::string& name, const std::string& build_id);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Takes the lease when nobody has it.
  [[nodiscard]] bool take_lease() noexcept;
  /// Takes the lease from whoever has it: podhand-rt brings his motion to rest, and the cell is disarmed.
  void take_over() noexcept;
  void release_lease() noexcept;
  [[nodiscard]] bool holds_lease() const noexcept;
  /// Says that this client lives; without the lease it says nothing. Any thread.
  void beat() noexcept;
  [[nodiscard]] int owner_pid() const noexcept;
  [[nodiscard]] int host_pid() const noexcept { return memory_->header.pid; }

  /// Sends a command and waits for its answer. Sequence, token and deadline are filled in.
  /// @throws ExchangeError podhand-rt is gone, or does not answer within two seconds
  [[nodiscard]] Acknowledgement send(Command& command);
  /// Copies the newest state of the cell; false before the first tick.
  bool refresh() noexcept;
  /// Waits until more ticks than `ticks` were made, and refreshes. False when the time is over.
  /// @throws ExchangeError podhand-rt is gone
  bool wait_beyond(std::uint64_t ticks, double timeout_s);
  /// Whether podhand-rt has ended, in whatever way.
  [[nodiscard]] bool host_gone() const noexcept;
  [[noreturn]] void fail_gone() const;

  [[nodiscard]] bool take_outcome(Outcome& outcome) noexcept { return outcomes_.take(outcome); }
  [[nodiscard]] bool take_event(Event& event) noexcept { return events_.take(event); }
  [[nodiscard]] bool take_tick(TickRecord& record) noexcept { return ticks_.take(record); }
  [[nodiscard]] std::uint64_t lost_outcomes() const noexcept { return outcomes_.lost(); }
  [[nodiscard]] std::uint64_t lost_events() const noexcept { return events_.lost(); }
  [[nodiscard]] std::uint64_t lost_ticks() const noexcept { return ticks_.lost(); }
  [[nodiscard]] const Statistics& statistics() const noexcept { return memory_->statistics; }

  CellRecord cell{};

 private:
  SharedMemory memory_;
  Watched<Flight> flight_;
  std::string name_;
  ProcessWatch host_;
  Cursor<decltype(Exchange::answers)> answers_;
  Cursor<decltype(Exchange::events)> events_;
  Cursor<decltype(Exchange::outcomes)> outcomes_;
  Cursor<decltype(Flight::ticks)> ticks_;
  std::atomic<std::uint64_t> token_{};  ///< beats come from another thread
  std::uint64_t sequence_{};
};

/// Somebody who only looks: the memory is mapped for reading, so nothing that happens here can reach podhand-rt.
class Watcher {
 public:
  /// @throws ExchangeError as Mapping::attach
  Watcher(const std::string& name, const std::string& build_id);

  [[nodiscard]] const Statistics& statistics() const noexcept { return memory_->statistics; }
  /// Copies the newest state of the cell; false before the first tick.
  bool refresh() noexcept;
  [[nodiscard]] const Header& header() const noexcept { return memory_->header; }
  [[nodiscard]] int owner_pid() const noexcept;
  [[nodiscard]] bool host_gone() const noexcept;

  CellRecord cell{};

 private:
  Watched<Exchange> memory_;
  ProcessWatch host_;
};

/// The plant's side: readings in, set-points out, in turn. While podhand-rt is late the plant stands: its time does not
/// pass, so lateness cannot falsify it.
class PlantSide {
 public:
  PlantSide(const std::string& name, const std::string& build_id);

  enum class Turn : std::uint8_t { kAnswered, kWaiting, kGone };
  /// Publishes the readings, once, and waits for the set-points that answer them. After kWaiting, call again.
  [[nodiscard]] Turn exchange(double timeout_s) noexcept;

  Inputs inputs{};
  Outputs outputs{};

 private:
  SharedMemory memory_;
  ProcessWatch host_;
  std::uint64_t answered_;
  bool published_{false};
};

}  // namespace podhand::rt
