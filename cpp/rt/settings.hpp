/// Real-time settings of a process: asked for, then read back from the system. Not real-time.
#pragma once

#include <string>
#include <vector>

namespace podhand::rt {

struct Wanted {
  int priority{80};  ///< SCHED_FIFO; 0: leave the ordinary scheduler
  int cpu{-1};       ///< run the cycle there; -1: anywhere
};

/// One setting: what was asked for, what the system says, and whether that is enough.
struct Finding {
  std::string setting{}, wanted{}, got{};
  bool ok{true};
};

/// Locks all memory and keeps processors out of deep sleep. Once, in the main thread.
[[nodiscard]] std::vector<Finding> settle_process(const Wanted& wanted);
/// Priority and processor of the calling thread; touches its stack.
[[nodiscard]] std::vector<Finding> settle_thread(const Wanted& wanted);
/// `scheduler: wanted SCHED_FIFO 80, got SCHED_OTHER (Operation not permitted)`.
[[nodiscard]] std::string in_words(const Finding& finding);

}  // namespace podhand::rt
