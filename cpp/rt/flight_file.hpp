/// Writes what a flight recorder holds as a recording (MCAP), whole chunk by whole chunk. Not real-time.
#pragma once

#include <rt/flight.hpp>
#include <rt/shared_memory.hpp>

#include <string>
#include <vector>

namespace podhand::rt {

/// What to keep, and why.
struct FlightWish {
  std::uint64_t from_ticks{};  ///< as much of what was before as is there is kept when it is less than this
  std::uint64_t to_ticks{};    ///< ticks made at the end; more than there are: all
  bool in_flight{};            ///< it is being written meanwhile
  std::string why{};
};

/// What a file holds.
struct FlightSaved {
  std::uint64_t from_ticks{};  ///< made before its first
  std::uint64_t to_ticks{};    ///< made after its last
  std::uint64_t commands{}, outcomes{};
};

/// Writes a recording that begins at a saved state. It appears under its name when it is complete; what a crash leaves
/// of `path`.part is a recording too, up to its last whole chunk.
/// @throws ExchangeError nothing was recorded yet, the ring was overwritten meanwhile, or the file cannot be written
FlightSaved save_flight(const Flight& flight, const FlightWish& wish, const std::string& path);

/// Somebody who reads a flight recorder, whether its podhand-rt runs or not.
class FlightRecord {
 public:
  /// @param name of the exchange
  /// @throws ExchangeError as Mapping::attach
  FlightRecord(const std::string& name, const std::string& build_id);

  [[nodiscard]] int host_pid() const noexcept { return flight_->header.pid; }
  [[nodiscard]] bool host_gone() const noexcept { return host_.ended(); }
  [[nodiscard]] double tick_s() const noexcept { return flight_->header.tick_s; }
  /// Made so far.
  [[nodiscard]] std::uint64_t ticks() const noexcept { return flight_->ticks.count(); }
  /// In words, oldest first.
  [[nodiscard]] std::vector<std::string> faults() const;
  /// Everything from a tick on, as save_flight().
  [[nodiscard]] FlightSaved save(const std::string& path, std::uint64_t from_ticks, const std::string& why) const;

 private:
  Watched<Flight> flight_;
  ProcessWatch host_;
};

}  // namespace podhand::rt
