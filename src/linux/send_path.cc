// Frames and unicast messages on their way out.
#include "linux/send_path.h"

#include <cerrno>
#include <utility>

namespace baton::linux {

int SendPath::attach(ports::LinkId link, int ifindex) {
  Link& place = links_[link];
  if (place.socket.valid() && place.ifindex == ifindex) return 0;
  auto socket = open_send_socket(ifindex);
  if (!socket) return socket.error().sys_errno;
  place.ifindex = ifindex;
  place.socket = std::move(*socket);
  return 0;
}

posix::Fd SendPath::detach(ports::LinkId link) {
  const auto place = links_.find(link);
  if (place == links_.end()) return posix::Fd{};
  note(link, place->second, 0);
  posix::Fd socket = std::move(place->second.socket);
  links_.erase(place);
  return socket;
}

void SendPath::send_frame(ports::LinkId link, ConstBytes frame) {
  Link& place = links_[link];
  if (place.queue.full()) send_queue(link, place);
  place.queue.add(frame);
  if (!std::exchange(place.dirty, true)) to_send_.push_back(link);
}

void SendPath::send_unicast(ports::LinkId link, const IpAddress& source, const IpAddress& destination,
                            ConstBytes message) {
  Link& place = links_[link];
  note(link, place, place.ifindex == 0 ? ENODEV : unicast_.send(place.ifindex, source, destination, message));
}

void SendPath::flush() {
  for (const ports::LinkId link : to_send_) {
    const auto place = links_.find(link);
    if (place == links_.end()) continue;
    place->second.dirty = false;
    send_queue(link, place->second);
  }
  to_send_.clear();
}

void SendPath::send_queue(ports::LinkId id, Link& link) {
  if (link.queue.empty()) return;
  if (!link.socket.valid()) {
    link.queue.clear();
    return note(id, link, ENODEV);
  }
  note(id, link, link.queue.send(link.socket.get()));
}

void SendPath::note(ports::LinkId id, Link& link, int sys_errno) {
  if (std::exchange(link.last_errno, sys_errno) != sys_errno) untold_.push_back({id, sys_errno});
}

void SendPath::tell_errors(Instant now, NetworkSink& sink) {
  for (const Untold& error : std::exchange(untold_, {})) sink.on_send_error(now, error.link, error.sys_errno);
}

}  // namespace baton::linux
