#include "ipc/channel.h"

#include <fcntl.h>

#include <array>

#include "base/check.h"
#include "posix/unix_socket.h"

namespace baton::ipc {

Channel::Channel(posix::Fd socket, Process self, Process peer, ChannelLimits limits)
    : socket_(std::move(socket)), self_(self), peer_(peer), limits_(limits) {}

SendStatus Channel::write(ConstBytes bytes, std::span<const int> fds) {
  const auto status = posix::send_message(socket_.get(), bytes, fds);
  if (!status || *status == posix::IoStatus::kClosed) return SendStatus::kClosed;
  return *status == posix::IoStatus::kDone ? SendStatus::kSent : SendStatus::kQueued;
}

SendStatus Channel::send(const Message& message, std::span<const int> fds) {
  if (!open()) return SendStatus::kClosed;
  CHECK(allowed(self_, peer_, message));
  std::vector<std::uint8_t> bytes = encode(message);
  if (queue_.empty()) {
    const SendStatus status = write(bytes, fds);
    if (status != SendStatus::kQueued) return status;
  }
  if (queue_.size() >= limits_.queue) {
    ++dropped_;
    return SendStatus::kDropped;
  }
  Queued queued{std::move(bytes), {}};
  for (const int fd : fds) queued.fds.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  queue_.push_back(std::move(queued));
  return SendStatus::kQueued;
}

bool Channel::flush() {
  while (open() && !queue_.empty()) {
    std::vector<int> fds;
    for (const posix::Fd& fd : queue_.front().fds) fds.push_back(fd.get());
    const SendStatus status = write(queue_.front().bytes, fds);
    if (status == SendStatus::kQueued) return false;
    if (status == SendStatus::kClosed) {
      queue_.clear();
      return true;
    }
    queue_.pop_front();
  }
  return true;
}

Incoming Channel::receive() {
  Incoming incoming;
  if (!open()) {
    incoming.status = ReceiveStatus::kClosed;
    return incoming;
  }
  std::array<std::uint8_t, kMaxMessage> buffer;
  auto received = posix::receive_message(socket_.get(), buffer);
  if (!received || received->status == posix::IoStatus::kClosed) {
    incoming.status = ReceiveStatus::kClosed;
    return incoming;
  }
  if (received->status == posix::IoStatus::kWouldBlock) return incoming;
  incoming.status = ReceiveStatus::kMalformed;
  if (received->message.truncated) {
    incoming.error = "message too long";
    return incoming;
  }
  auto message = decode(ConstBytes{buffer}.first(received->message.size));
  if (!message) {
    incoming.error = message.error().message();
    return incoming;
  }
  if (!allowed(peer_, self_, *message)) {
    incoming.error = "message of a type that does not belong here";
    return incoming;
  }
  incoming.status = ReceiveStatus::kMessage;
  incoming.message = std::move(*message);
  incoming.fds = std::move(received->message.fds);
  return incoming;
}

}  // namespace baton::ipc
