/// What podhand-rt says on standard error. Not real-time, but nobody who does not read can make a thread wait.
#pragma once

namespace podhand::rt {

/// Says one line, as printf, with `podhand-rt: ` before it and the line's end after it. A line that nobody takes (a
/// full pipe, a closed one, a full disk) is lost; how many were, the next line that gets through says. Any thread.
[[gnu::format(printf, 1, 2)]] void say(const char* format, ...) noexcept;

}  // namespace podhand::rt
