#include <rt/log.hpp>

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstdarg>
#include <cstdio>

#include <poll.h>
#include <unistd.h>

namespace podhand::rt {
namespace {

std::atomic<unsigned> lost_lines{};

/// A pipe that is ready takes PIPE_BUF bytes whole and at once.
bool gets_through(const char* text, std::size_t size) noexcept {
  pollfd to{STDERR_FILENO, POLLOUT, 0};
  return poll(&to, 1, 0) == 1 && (to.revents & POLLOUT) != 0 &&
         write(STDERR_FILENO, text, size) == static_cast<ssize_t>(size);
}

}  // namespace

void say(const char* format, ...) noexcept {
  char line[PIPE_BUF];
  const unsigned lost = lost_lines.exchange(0, std::memory_order_relaxed);
  int head = std::snprintf(line, sizeof line, "podhand-rt: ");
  if (lost != 0) head += std::snprintf(line + head, sizeof line - 20, "(%u lines before were not read) ", lost);
  const auto used = static_cast<std::size_t>(head);
  std::va_list values;
  va_start(values, format);
  const int said = std::vsnprintf(line + used, sizeof line - used - 1, format, values);
  va_end(values);
  const std::size_t size = std::min(used + static_cast<std::size_t>(std::max(said, 0)), sizeof line - 2);
  line[size] = '\n';
  if (!gets_through(line, size + 1)) lost_lines.fetch_add(lost + 1, std::memory_order_relaxed);
}

}  // namespace podhand::rt
