/// The threads of podhand-rt around one Cycle: the cycle itself, the command thread, the watchdog.
#pragma once

#include <rt/cycle.hpp>
#include <rt/settings.hpp>
#include <rt/shared_memory.hpp>

#include <memory>
#include <string>

namespace podhand::rt {

struct HostOptions {
  Wanted wanted{};
  bool paced{true};        ///< at most one tick per period of wall time; false: as fast as the plant answers
  bool production{false};  ///< refuse to start when a real-time setting is not what it should be
  int end_with_pid{0};     ///< end when this process ends; 0: on a signal only
  double lease_s{kLeaseS};
  std::uint32_t most_late{0};  ///< late ticks in a row that end all motion; 0: they are only counted
  std::string flight_dir{};    ///< where recordings of faults go; empty: none are written
};

class Host {
 public:
  /// The configuration is validated again here.
  /// @throws ExchangeError it is refused
  Host(Exchange& exchange, Flight& flight, const KernelConfig& config, const HostOptions& options);

  /// Runs until a signal (see ask_to_stop) or until the process to end with has ended; then brings everything to rest.
  /// @return 0, or 1 when production was asked for and the settings do not allow it
  int run();
  /// From a signal handler.
  static void ask_to_stop(int signal) noexcept;

 private:
  void cycle();
  void cycle_until_rest();
  void sleep_until_next();
  /// False when the time to wait is over without readings.
  bool await_readings();
  /// @param most_s of the time since the last call that counts as silence of the client
  void supervise(double most_s);
  void publish();
  void commands();
  void take_up();
  void carry_out(const Command& command);
  [[nodiscard]] Request judged(const Command& command, KernelConfig& changed) const;
  void hand_over(Request& request);
  void reply(const Command& command, const Request& request);
  void watch_processes();
  void tell_events();
  void watchdog();
  void recorder();
  void save(std::uint64_t fault_ticks, std::uint64_t to_ticks, const std::string& why) const;
  [[nodiscard]] bool must_end() const noexcept;

  Exchange& exchange_;
  Flight& flight_;
  HostOptions options_;
  const double tick_s_;
  const std::uint64_t period_ns_;
  KernelConfig config_;  ///< mirror for validation; the command thread's
  Kernel kernel_{};
  Cycle cycle_;
  Health health_{};
  TickTimes times_{};  ///< of the tick that is being made
  std::unique_ptr<Command> command_{new Command{}};
  Cursor<decltype(Exchange::events)> told_;
  std::unique_ptr<ProcessWatch> client_{}, parent_{};
  std::uint64_t client_token_{};
  std::uint64_t next_ns_{}, supervised_ns_{}, began_ns_{};
  bool silent_{false};
  bool settled_{true};
  std::atomic<bool> ended_{false};
  std::atomic<std::uint32_t> answers_{};  ///< bell between cycle and command thread
  std::atomic<std::uint64_t> stalled_ns_{};
};

}  // namespace podhand::rt
