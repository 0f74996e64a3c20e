// What a server says of itself in INFO, and where its data stands: a position is `REPLID:OFFSET`, and a history is what
// replid, replid2 and the offset of the change tell of the writes that a server holds.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "redis/client.h"

namespace baton::redis {

struct Position {
  std::string history;  ///< the 40 hexadecimal digits of a replication id
  std::int64_t offset = 0;

  std::string text() const { return history + ":" + std::to_string(offset); }
  /// Nothing if the text is no position.
  static std::optional<Position> parse(const std::string& text);
};

/// "*1\r\n$4\r\nPING\r\n" in the stream to replicas: the shortest there is, shorter than any write. A primary sends it
/// every repl-ping-replica-period even while writes are paused, and it counts as 14 bytes of its offset.
inline constexpr std::int64_t kPing = 14;

class Info {
 public:
  Info() = default;
  explicit Info(const std::string& text);

  /// "" if the server does not say it.
  std::string text(const std::string& field) const;
  std::int64_t number(const std::string& field, std::int64_t fallback = -1) const;
  bool has(const std::string& field) const { return fields_.contains(field); }

  bool primary() const { return text("role") == "master"; }
  bool replica() const { return text("role") == "slave"; }
  bool loading() const { return number("loading", 0) != 0 || number("async_loading", 0) != 0; }
  bool link_up() const { return text("master_link_status") == "up"; }
  bool syncing() const { return number("master_sync_in_progress", 0) != 0; }
  std::string upstream_host() const { return text("master_host"); }
  std::int64_t upstream_port() const { return number("master_port", 0); }
  std::string version() const;
  /// Whether the version is at least MAJOR.MINOR.
  bool at_least(int major, int minor) const;
  /// Keys of all databases.
  std::int64_t keys() const;

  /// What has been applied.
  Position position() const;
  /// Bytes that have been received from the upstream and are not applied yet.
  std::int64_t received_not_applied() const;

  /// Whether every write up to `position` is part of this server's data.
  bool contains(const Position& position) const;
  /// The same for a position that a primary reached while its writes were paused: a PING to replicas may have moved it.
  bool holds(const Position& position) const;
  /// How many bytes of writes this server lacks of `position`: 0 if it contains it, nothing if the histories do not
  /// meet.
  std::optional<std::int64_t> lacks(const Position& position) const;
  /// Became a primary, and nothing has been written since.
  bool untouched_since_promotion() const;

  struct Replica {
    std::string address;
    std::int64_t port = 0;
    std::string state;
    std::int64_t offset = 0;
  };
  std::vector<Replica> replicas() const;

 private:
  std::map<std::string, std::string> fields_;
};

/// INFO of a server.
Info read_info(Client& client);

}  // namespace baton::redis
