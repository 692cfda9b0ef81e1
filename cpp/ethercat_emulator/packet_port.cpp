#include <ethercat_emulator/packet_port.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace podhand::ethercat {
namespace {

constexpr std::uint16_t kEtherType = 0x88A4;
constexpr std::int64_t kLook_ns = 20'000'000;  // how often a quiet line looks at time and `stop`

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

class PacketSocket {
 public:
  explicit PacketSocket(const std::string& interface) : fd_(socket(AF_PACKET, SOCK_RAW, htons(kEtherType))) {
    if (fd_ < 0) fail("a raw socket for EtherCAT needs root, CAP_NET_RAW or `unshare -Urn`");
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(kEtherType);
    address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
    if (address.sll_ifindex == 0) leave("network interface " + interface);
    if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      leave("network interface " + interface);
    }
  }
  ~PacketSocket() { close(fd_); }
  PacketSocket(const PacketSocket&) = delete;
  PacketSocket& operator=(const PacketSocket&) = delete;

  void wait(std::int64_t timeout_ns) const {
    pollfd ready{fd_, POLLIN, 0};
    const timespec timeout{timeout_ns / 1'000'000'000, timeout_ns % 1'000'000'000};
    if (ppoll(&ready, 1, &timeout, nullptr) < 0 && errno != EINTR) fail("waiting for EtherCAT frames");
  }

  /// The next frame that came from outside; empty when there is none.
  [[nodiscard]] View receive() {
    sockaddr_ll from{};
    socklen_t size = sizeof from;
    for (;;) {
      const ssize_t got =
          recvfrom(fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &size);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) return {};
      if (got < 0) fail("receiving EtherCAT frames");
      if (from.sll_pkttype != PACKET_OUTGOING) return View(buffer_).first(static_cast<std::size_t>(got));
    }
  }

  void send(View frame) const {
    const bool lost = ::send(fd_, frame.data(), frame.size(), 0) < 0;
    if (lost && errno != ENOBUFS && errno != EAGAIN && errno != EINTR) fail("sending EtherCAT frames");
  }

 private:
  [[noreturn]] void leave(const std::string& what) const {
    const int error = errno;
    close(fd_);
    errno = error;
    fail(what);
  }

  int fd_;
  std::array<std::uint8_t, 2048> buffer_{};
};

std::int64_t monotonic_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void serve(Network& network, std::mutex& mutex, const std::string& interface, const std::atomic<bool>& stop) {
  PacketSocket socket(interface);
  std::int64_t wait_ns = kLook_ns;
  while (!stop.load(std::memory_order_relaxed)) {
    socket.wait(wait_ns);
    const View frame = socket.receive();
    const std::lock_guard lock(mutex);
    const std::int64_t now_ns = monotonic_ns();
    for (const Bytes& answer : frame.empty() ? network.poll(now_ns) : network.process(frame, now_ns)) {
      socket.send(answer);
    }
    const std::int64_t due_ns = network.next_due_ns().value_or(now_ns + kLook_ns) - now_ns;
    wait_ns = std::clamp<std::int64_t>(due_ns, 0, kLook_ns);
  }
}

}  // namespace podhand::ethercat
