#include <rt/flight_file.hpp>
#include <rt/mcap.hpp>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>

namespace podhand::rt {
namespace {

constexpr std::uint64_t kChunkTicks = 500;
constexpr std::uint64_t kMarginTicks = 2000;  ///< what a living podhand-rt may overwrite while the file is written
constexpr const char* kFormat = "2";          ///< RECORDING_VERSION of podhand.controllers.recorder

using Bytes = std::vector<unsigned char>;

/// Heads of messages, as podhand.controllers.recorder unpacks them.
struct CommandHead {
  std::uint64_t ticks;
  std::int32_t command, channel;
};
struct StateHead {
  std::uint64_t ticks;
  std::uint32_t counts[kChannels];
};

template <typename T>
void append(Bytes& bytes, const T& record) {
  const auto* begin = reinterpret_cast<const unsigned char*>(&record);
  bytes.insert(bytes.end(), begin, begin + sizeof record);
}

/// Records of a journal that are still there, oldest first.
template <typename T, std::size_t kCapacity>
std::vector<T> all_of(const Journal<T, kCapacity>& journal) {
  std::vector<T> found;
  const std::uint64_t count = journal.count();
  for (std::uint64_t i = count > kCapacity ? count - kCapacity : 0; i < count; ++i) {
    auto record = std::make_unique<T>();
    if (journal.read(i, *record)) found.push_back(*record);
  }
  return found;
}

struct Beginning {
  StateRecord record{};
  Bytes chain[kChannels]{};
};

struct Event {
  TakenCommand command{};
  Bytes payload{};
};

class FlightFile {
 public:
  FlightFile(const Flight& flight, const FlightWish& wish)
      : flight_(flight), to_(std::min(wish.to_ticks, flight.ticks.count())) {
    if (to_ == 0) throw ExchangeError("the flight recorder is empty: no tick was made yet");
    choose_beginning(wish);
  }

  FlightSaved write(const std::string& path, const std::string& why) {
    McapWriter mcap(path, "podhand-recording", std::string("podhand ") + flight_.header.build_id);
    mcap.metadata("podhand", facts(why));
    const std::string layout = "{\"described_in\": \"podhand/exchange.hpp, podhand/segment.hpp, podhand/config.hpp\"}";
    const auto topic = [&](const char* name) {
      return mcap.topic(std::string("/") + name, std::string("podhand.") + name, layout);
    };
    const std::uint16_t config = topic("configuration"), state = topic("state"), command = topic("command"),
                        ticks = topic("ticks"), outcome = topic("outcome");
    mcap.message(config, time_ns(from()), &flight_.config, sizeof flight_.config);
    const Bytes first = state_message();
    mcap.message(state, time_ns(from()), first.data(), first.size());
    const std::vector<FlightOutcome> outcomes = all_of(flight_.outcomes);
    FlightSaved saved{from(), to_, 0, 0};
    for (std::uint64_t at = from(); at < to_ || at == from(); at += kChunkTicks) {
      const std::uint64_t end = std::min(at + kChunkTicks, to_);
      for (const Event& event : commands_) {
        if (event.command.ticks < at || event.command.ticks >= end) continue;
        const Bytes message = command_message(event);
        mcap.message(command, time_ns(event.command.ticks), message.data(), message.size());
        ++saved.commands;
      }
      const Bytes block = tick_block(at, end);
      if (!block.empty()) mcap.message(ticks, time_ns(end), block.data(), block.size());
      for (const FlightOutcome& record : outcomes) {
        if (record.ticks <= at || record.ticks > end) continue;
        mcap.message(outcome, time_ns(record.ticks), &record.outcome, sizeof record.outcome);
        ++saved.outcomes;
      }
      mcap.end_chunk();
    }
    mcap.finish();
    return saved;
  }

 private:
  [[nodiscard]] std::uint64_t from() const noexcept { return beginning_->record.ticks; }
  [[nodiscard]] std::uint64_t time_ns(std::uint64_t ticks) const noexcept {
    return static_cast<std::uint64_t>(std::llround(1e9 * flight_.header.tick_s * static_cast<double>(ticks)));
  }

  /// The last state that is not after the wish; when that is gone, the first from which everything is there.
  void choose_beginning(const FlightWish& wish) {
    const std::uint64_t least = std::max(oldest_tick(wish.in_flight), oldest_command());
    for (const StateRecord& record : all_of(flight_.states)) {
      if (record.ticks < least || record.ticks > to_) continue;
      if (beginning_ && record.ticks > wish.from_ticks) break;
      Beginning candidate{record, {}};
      bool whole = true;
      for (int c = 0; c < kChannels; ++c) whole = whole && flight_.payloads.get(record.chain[c], candidate.chain[c]);
      if (whole) beginning_ = std::make_unique<Beginning>(std::move(candidate));
    }
    if (!beginning_) throw ExchangeError("the flight recorder holds no state from which a replay could begin");
    while (!commands_.empty() && commands_.front().command.ticks < from()) commands_.erase(commands_.begin());
  }

  [[nodiscard]] std::uint64_t oldest_tick(bool in_flight) const noexcept {
    const std::uint64_t count = flight_.ticks.count();
    // Where it ended in the middle of a record, the oldest one was being overwritten.
    const std::uint64_t kept = kFlightTicks - (in_flight ? kMarginTicks : 1);
    return count > kept ? count - kept : 0;
  }

  /// Ticks from which on no command is missing; fills commands_.
  [[nodiscard]] std::uint64_t oldest_command() {
    const auto& journal = flight_.commands;
    std::uint64_t least = 0;
    const std::uint64_t count = journal.count();
    for (std::uint64_t i = count > journal.capacity() ? count - journal.capacity() : 0; i < count; ++i) {
      Event event;
      const bool there = journal.read(i, event.command);
      if (there && commands_.empty() && i > 0) least = std::max(least, event.command.ticks + 1);
      if (there && !flight_.payloads.get(event.command.payload, event.payload)) least = event.command.ticks + 1;
      if (there) commands_.push_back(std::move(event));
    }
    return least;
  }

  [[nodiscard]] StringMap facts(const std::string& why) const {
    return {{"version", kFormat},
            {"build_id", flight_.header.build_id},
            {"layout_hash", std::to_string(layout_hash())},
            {"host", "podhand-rt"},
            {"process", std::to_string(flight_.header.pid)},
            {"flight", why},
            {"from_ticks", std::to_string(from())},
            {"to_ticks", std::to_string(to_)}};
  }

  [[nodiscard]] Bytes state_message() const {
    const StateRecord& record = beginning_->record;
    StateHead head{record.ticks, {}};
    for (int c = 0; c < kChannels; ++c) {
      head.counts[c] = static_cast<std::uint32_t>(beginning_->chain[c].size() / sizeof(Segment));
    }
    Bytes message;
    append(message, head);
    append(message, record.state);
    for (const Bytes& chain : beginning_->chain) message.insert(message.end(), chain.begin(), chain.end());
    return message;
  }

  [[nodiscard]] static Bytes command_message(const Event& event) {
    Bytes message;
    append(message,
           CommandHead{event.command.ticks, static_cast<std::int32_t>(event.command.kind), event.command.channel});
    message.insert(message.end(), event.payload.begin(), event.payload.end());
    return message;
  }

  [[nodiscard]] Bytes tick_block(std::uint64_t at, std::uint64_t end) const {
    Bytes block;
    block.reserve(static_cast<std::size_t>(end - at) * sizeof(TickRecord));
    for (std::uint64_t i = at; i < end; ++i) {
      TickRecord record;
      if (!flight_.ticks.read(i, record)) {
        throw ExchangeError("tick " + std::to_string(i) + " was overwritten while the file was written: try again");
      }
      append(block, record);
    }
    return block;
  }

  const Flight& flight_;
  std::uint64_t to_;
  std::unique_ptr<Beginning> beginning_{};
  std::vector<Event> commands_{};
};

}  // namespace

FlightSaved save_flight(const Flight& flight, const FlightWish& wish, const std::string& path) {
  const std::string part = path + ".part";
  try {
    const FlightSaved saved = FlightFile(flight, wish).write(part, wish.why);
    if (std::rename(part.c_str(), path.c_str()) == 0) return saved;
    throw ExchangeError(path + " cannot be written: " + std::strerror(errno));
  } catch (const ExchangeError&) {
    std::remove(part.c_str());  // on a full disk half a recording is in the way of the next
    throw;
  }
}

FlightRecord::FlightRecord(const std::string& name, const std::string& build_id)
    : flight_(flight_name(name), build_id), host_(flight_->header.pid) {}

std::vector<std::string> FlightRecord::faults() const {
  std::vector<std::string> words;
  for (const Fault& fault : all_of(flight_->faults)) words.push_back(in_words(fault));
  return words;
}

FlightSaved FlightRecord::save(const std::string& path, std::uint64_t from_ticks, const std::string& why) const {
  return save_flight(*flight_, {from_ticks, ~std::uint64_t{0}, !host_gone(), why}, path);
}

}  // namespace podhand::rt
