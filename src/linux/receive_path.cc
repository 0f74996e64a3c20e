// Two nested epoll descriptors: muting all links is one system call, and what waits behind the mute can still be asked
// for.
#include "linux/receive_path.h"

#include <sys/epoll.h>

#include <cerrno>
#include <utility>

namespace baton::linux {
namespace {

using std::chrono::milliseconds;

/// Above this many frames a second a wake-up for each is dearer than the pause; far above, the pause is worth more.
constexpr Nanos::rep kBusyRate = 1000;
constexpr Nanos::rep kVeryBusyRate = 5000;
constexpr int kLongPause = 4;
constexpr Nanos kMeasure = milliseconds{20};
/// Of one socket in one drain: a flood must not keep the thread from its deadlines.
constexpr std::size_t kSocketLimit = 2048;
/// In the epoll data beside the descriptor.
constexpr std::uint64_t kOfThisHost = 0x80000000;

}  // namespace

Result<std::unique_ptr<ReceivePath>> ReceivePath::open(Nanos pause) {
  posix::Fd inner{::epoll_create1(EPOLL_CLOEXEC)};
  posix::Fd outer{::epoll_create1(EPOLL_CLOEXEC)};
  if (!inner.valid() || !outer.valid()) return fail("open epoll descriptor", errno);
  epoll_event readable{};
  readable.events = EPOLLIN;
  if (::epoll_ctl(outer.get(), EPOLL_CTL_ADD, inner.get(), &readable) != 0) return fail("nest epoll", errno);
  return std::unique_ptr<ReceivePath>{new ReceivePath{pause, std::move(inner), std::move(outer)}};
}

int ReceivePath::open_tap(ports::LinkId link, Tap tap) {
  Taps& taps = taps_[link];
  posix::Fd& place = socket_of(taps, tap);
  if (place.valid()) return 0;
  auto socket = open_receive_socket(taps.ifindex, tap);
  if (!socket) return socket.error().sys_errno;
  epoll_event readable{};
  readable.events = EPOLLIN;
  const std::uint64_t flag = tap == Tap::kOutgoing ? kOfThisHost : 0;
  readable.data.u64 = std::uint64_t{link} << 32 | flag | static_cast<std::uint32_t>(socket->get());
  if (::epoll_ctl(inner_.get(), EPOLL_CTL_ADD, socket->get(), &readable) != 0) return errno;
  place = std::move(*socket);
  return 0;
}

int ReceivePath::attach(ports::LinkId link, int ifindex, bool ipv4, bool ipv6) {
  taps_[link].ifindex = ifindex;
  int sys_errno = 0;
  const auto note = [&sys_errno](int result) { sys_errno = result != 0 ? result : sys_errno; };
  if (ipv4) note(open_tap(link, Tap::kIpv4));
  if (ipv4) note(open_tap(link, Tap::kArp));
  if (ipv6) note(open_tap(link, Tap::kIpv6));
  if (hears_host_) open_tap(link, Tap::kOutgoing);  // without it the instance works as well
  return sys_errno;
}

std::vector<posix::Fd> ReceivePath::hear_host(bool wanted) {
  std::vector<posix::Fd> sockets;
  hears_host_ = wanted;
  for (auto& [link, taps] : taps_) {
    posix::Fd& socket = socket_of(taps, Tap::kOutgoing);
    if (wanted) {
      open_tap(link, Tap::kOutgoing);
    } else if (socket.valid()) {
      ::epoll_ctl(inner_.get(), EPOLL_CTL_DEL, socket.get(), nullptr);
      sockets.push_back(std::move(socket));
    }
  }
  return sockets;
}

std::vector<posix::Fd> ReceivePath::detach(ports::LinkId link) {
  std::vector<posix::Fd> sockets;
  const auto taps = taps_.find(link);
  if (taps == taps_.end()) return sockets;
  for (posix::Fd& socket : taps->second.sockets) {
    if (!socket.valid()) continue;
    ::epoll_ctl(inner_.get(), EPOLL_CTL_DEL, socket.get(), nullptr);
    sockets.push_back(std::move(socket));
  }
  taps_.erase(taps);
  return sockets;
}

void ReceivePath::drain(Instant now, NetworkSink& sink) {
  std::array<epoll_event, 64> ready{};
  const int count = ::epoll_wait(inner_.get(), ready.data(), static_cast<int>(ready.size()), 0);
  std::size_t frames = 0;
  for (int i = 0; i < count; ++i) {
    const std::uint64_t key = ready[static_cast<std::size_t>(i)].data.u64;
    const auto link = static_cast<ports::LinkId>(key >> 32);
    const int fd = static_cast<int>(key & 0x7FFFFFFF);
    const bool of_this_host = (key & kOfThisHost) != 0;
    frames += reader_.read(fd, kSocketLimit, [&](ConstBytes frame) {
      sink.on_frame(now, {.link = link, .frame = frame, .from_unicast_socket = false, .of_this_host = of_this_host});
    });
  }
  consider_pause(now, frames);
}

void ReceivePath::consider_pause(Instant now, std::size_t frames) {
  measured_frames_ += frames;
  if (const Nanos elapsed = now - measured_since_; elapsed >= kMeasure) {
    const Nanos::rep rate =
        static_cast<Nanos::rep>(measured_frames_) * Nanos{std::chrono::seconds{1}}.count() / elapsed.count();
    wanted_pause_ = rate > kVeryBusyRate ? pause_ * kLongPause : rate > kBusyRate ? pause_ : Nanos{0};
    measured_since_ = now;
    measured_frames_ = 0;
  }
  const bool pause = wanted_pause_ > Nanos{0};
  if (pause != resume_at_.has_value()) set_waited_for(!pause);
  resume_at_ = pause ? std::optional{now + wanted_pause_} : std::nullopt;
}

void ReceivePath::set_waited_for(bool waited_for) {
  epoll_event readable{};
  readable.events = waited_for ? static_cast<std::uint32_t>(EPOLLIN) : 0u;
  ::epoll_ctl(outer_.get(), EPOLL_CTL_MOD, inner_.get(), &readable);
}

}  // namespace baton::linux
