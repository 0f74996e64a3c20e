#include "steward/clients.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "posix/unix_socket.h"
#include "steward/documents.h"

namespace baton::steward {
namespace {

constexpr int kAcceptsPerTurn = 16;

/// For somebody who gets no connection: best effort, the socket is closed right after.
void turn_away(int socket, ExitCode exit, const std::string& why) {
  const std::string line = refusal_line(exit, why) + "\n";
  // What does not fit into an empty socket buffer is not worth waiting for.
  static_cast<void>(::send(socket, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
}

}  // namespace

Clients::Clients(posix::EventLoop& loop, posix::Fd listener, AuthorityGroups groups, ClientLimits limits,
                 Handler handler, std::function<Instant()> clock)
    : loop_(loop),
      listener_(std::move(listener)),
      groups_(groups),
      limits_(limits),
      handler_(std::move(handler)),
      clock_(std::move(clock)) {}

Clients::~Clients() {
  for (auto& [id, client] : clients_) loop_.remove(client.socket.get());
  if (listener_.valid()) loop_.remove(listener_.get());
}

Result<void> Clients::start() {
  return loop_.add(listener_.get(), EPOLLIN, [this](std::uint32_t) { on_accept(); });
}

void Clients::on_accept() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    auto accepted = posix::accept_stream(listener_.get());
    if (!accepted || !*accepted) return;
    admit(std::move(**accepted));
  }
}

void Clients::admit(posix::Fd socket) {
  const auto credentials = posix::peer_credentials(socket.get());
  const Authority authority = credentials ? authority_of(*credentials, groups_) : Authority::kNone;
  if (authority == Authority::kNone) {
    return turn_away(socket.get(), ExitCode::kNotPermitted,
                     "not permitted: reading needs group baton-view, changing needs root or group baton-admin");
  }
  const auto readers = std::count_if(clients_.begin(), clients_.end(),
                                     [](const auto& entry) { return entry.second.authority == Authority::kRead; });
  const bool full = clients_.size() >= limits_.all ||
                    (authority == Authority::kRead && static_cast<std::size_t>(readers) >= limits_.readers);
  if (full) return turn_away(socket.get(), ExitCode::kFailed, "too many clients at once; try again");
  const Id id = next_id_++;
  const int fd = socket.get();
  Client client;
  client.socket = std::move(socket);
  client.authority = authority;
  client.deadline = clock_() + limits_.silence;
  clients_.emplace(id, std::move(client));
  if (!loop_.add(fd, EPOLLIN, [this, id](std::uint32_t events) { on_event(id, events); })) clients_.erase(id);
}

void Clients::on_event(Id id, std::uint32_t events) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  Client& client = found->second;
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return drop(id);
  if ((events & EPOLLOUT) != 0 && !write_some(client)) return drop(id);
  if ((events & EPOLLIN) != 0 && !read_some(client)) return drop(id);
  serve(id);
}

bool Clients::read_some(Client& client) {
  std::array<char, 16 * 1024> buffer;
  const ssize_t size = ::recv(client.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (client.streaming) return size > 0;  // a stream only listens; what it says is ignored, that it hangs up is not
  if (size == 0) client.ended = true;
  client.in.append({buffer.data(), static_cast<std::size_t>(size)});
  return true;
}

bool Clients::write_some(Client& client) {
  while (!client.out.empty()) {
    const ssize_t size = ::send(client.socket.get(), client.out.data(), client.out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    client.out.erase(0, static_cast<std::size_t>(size));
    client.deadline = clock_() + limits_.silence;
  }
  return true;
}

/// Hands over the next request if the client is free for one; then settles what to wait for.
void Clients::serve(Id id) {
  auto found = clients_.find(id);
  while (found != clients_.end()) {
    Client& client = found->second;
    if (client.busy || client.streaming || client.closing || !client.out.empty()) break;
    const std::optional<std::string> line = client.in.next();
    if (!line) {
      if (client.in.overflown()) {
        client.closing = true;
        client.out =
            refusal_line(ExitCode::kUsage, "request longer than " + std::to_string(kMaxRequest) + " bytes") + "\n";
        if (!write_some(client)) return drop(id);
      }
      break;
    }
    client.busy = true;
    client.deadline = kNever;  // the work has its own deadline
    in_handler_ = true;
    handler_(id, client.authority, *line);
    in_handler_ = false;
    found = clients_.find(id);
  }
  settle(id);
}

void Clients::settle(Id id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  Client& client = found->second;
  const bool idle = !client.busy && client.out.empty();
  if (idle && !client.streaming && (client.closing || client.ended)) return drop(id);
  const bool listen = !client.ended && !client.closing && (client.streaming || (!client.busy && client.out.empty()));
  const std::uint32_t events =
      (listen ? std::uint32_t{EPOLLIN} : 0) | (client.out.empty() ? 0 : std::uint32_t{EPOLLOUT});
  if (client.streaming && client.out.empty()) client.deadline = kNever;
  if (!loop_.modify(client.socket.get(), events)) drop(id);
}

void Clients::answer(Id id, const std::string& line) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  Client& client = found->second;
  client.busy = false;
  client.out += line;
  client.out += '\n';
  client.deadline = clock_() + limits_.silence;
  if (!write_some(client)) return drop(id);
  if (!in_handler_) serve(id);  // the next request may be here already
}

void Clients::stream(Id id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  found->second.busy = false;
  found->second.streaming = true;
  settle(id);
}

void Clients::send(Id id, const std::string& line) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  Client& client = found->second;
  if (client.out.size() + line.size() > limits_.stream_backlog) return drop(id);
  if (client.out.empty()) client.deadline = clock_() + limits_.silence;
  client.out += line;
  client.out += '\n';
  if (!write_some(client)) return drop(id);
  settle(id);
}

void Clients::drop(Id id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  loop_.remove(found->second.socket.get());
  clients_.erase(found);
}

void Clients::expire(Instant now) {
  std::vector<Id> late;
  for (const auto& [id, client] : clients_) {
    if (client.deadline <= now) late.push_back(id);
  }
  for (const Id id : late) drop(id);
}

std::optional<Instant> Clients::next_deadline() const {
  std::optional<Instant> next;
  for (const auto& [id, client] : clients_) {
    if (client.deadline != kNever) next = std::min(next.value_or(client.deadline), client.deadline);
  }
  return next;
}

}  // namespace baton::steward
