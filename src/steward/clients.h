// The clients of the control socket: accepting, who they are, lines in, lines out. Decides how much a client may cost:
// how many, how long a request, how long it may be silent or refuse to read. Never blocks; a client that breaks the
// rules loses its connection.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "posix/event_loop.h"
#include "posix/fd.h"
#include "steward/authority.h"
#include "steward/line_buffer.h"

namespace baton::steward {

struct ClientLimits {
  std::size_t readers = 24;                  ///< clients that may only read
  std::size_t all = 32;                      ///< so administrators always find room beside readers
  Nanos silence = std::chrono::seconds{10};  ///< without a whole request, or without reading what was sent
  std::size_t stream_backlog = 1 << 20;      ///< bytes that a stream may leave unread
};

class Clients {
 public:
  using Id = std::uint64_t;
  /// One request line of a client that has some authority. Answer with `answer` (once) or `stream`, now or later.
  using Handler = std::function<void(Id, Authority, const std::string& line)>;

  /// `loop` must outlive this object. `clock`: the loop's idea of now, so that tests own it.
  Clients(posix::EventLoop& loop, posix::Fd listener, AuthorityGroups groups, ClientLimits limits, Handler handler,
          std::function<Instant()> clock);
  ~Clients();
  Result<void> start();

  /// The whole answer to the request being worked on. Unknown ids (gone meanwhile) are ignored.
  void answer(Id id, const std::string& line);
  /// Makes the client a stream; from now on it only receives.
  void stream(Id id);
  /// One line of a stream.
  void send(Id id, const std::string& line);
  bool knows(Id id) const { return clients_.count(id) != 0; }
  std::size_t count() const { return clients_.size(); }

  /// Drops who was silent for too long. Call at next_deadline().
  void expire(Instant now);
  std::optional<Instant> next_deadline() const;

 private:
  struct Client {
    posix::Fd socket;
    Authority authority = Authority::kNone;
    LineBuffer in;
    std::string out;
    bool busy = false;  ///< a request is being worked on
    bool streaming = false;
    bool ended = false;    ///< nothing more will come from it
    bool closing = false;  ///< close when `out` is gone
    Instant deadline = kNever;
  };
  void on_accept();
  void admit(posix::Fd socket);
  void on_event(Id id, std::uint32_t events);
  bool read_some(Client& client);
  bool write_some(Client& client);
  void serve(Id id);
  void settle(Id id);
  void drop(Id id);

  posix::EventLoop& loop_;
  posix::Fd listener_;
  AuthorityGroups groups_;
  ClientLimits limits_;
  Handler handler_;
  std::function<Instant()> clock_;
  std::map<Id, Client> clients_;
  Id next_id_ = 1;
  bool in_handler_ = false;
};

}  // namespace baton::steward
