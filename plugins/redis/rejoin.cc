// rejoin: an ex-primary follows the new one if its data is proven to be part of the new one's history. If it is not, it
// stays detached with all it has; with `rejoin = rebuild` it first keeps a snapshot beside its data. Nothing is
// deleted.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "redis/redis.h"

namespace baton::redis {
namespace {

using plugin::Role;
using std::chrono::milliseconds;

constexpr milliseconds kPoll{20};

/// NAME.pre-rejoin.GENERATION, with a number if that is taken.
std::filesystem::path free_name(const std::filesystem::path& file, std::uint64_t generation) {
  const std::string base = file.string() + ".pre-rejoin." + std::to_string(generation);
  std::filesystem::path name = base;
  for (int number = 2; std::filesystem::exists(std::filesystem::symlink_status(name)); ++number) {
    name = base + "." + std::to_string(number);
  }
  return name;
}

/// A second name for the file costs nothing, and Redis replaces its snapshots, it does not write into them.
void link_or_copy(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  std::filesystem::create_hard_link(from, to, error);
  if (!error) return;
  const std::filesystem::path partial = to.string() + ".partial";
  std::filesystem::copy_file(from, partial, std::filesystem::copy_options::overwrite_existing, error);
  if (!error) std::filesystem::rename(partial, to, error);
  if (!error) return;
  const int number = error.value();
  throw Trouble(Status::kConfig, "keep",
                from.string() + " cannot be kept as " + to.string() + ": " + std::strerror(number) +
                    ". The section needs `user = redis` for rejoin = rebuild. Nothing was changed");
}

void snapshot(Client& client, Clock::time_point until) {
  const Reply begun = client.ask({"BGSAVE"});
  const bool runs_already = begun.text.find("Background save already") != std::string::npos;
  if (begun.failed() && !runs_already) {
    if (begun.text.find("in progress") == std::string::npos) client.raise(begun, "BGSAVE");
    throw Trouble(Status::kTransient, "busy",
                  client.place() + " rewrites its append-only file and can take no snapshot now");
  }
  Info info = read_info(client);
  while (info.number("rdb_bgsave_in_progress", 0) != 0) {
    if (!pause_until(until, kPoll)) {
      throw Trouble(Status::kTransient, "snapshot", client.place() + " has not ended its snapshot yet; it goes on");
    }
    info = read_info(client);
  }
  if (info.text("rdb_last_bgsave_status") != "ok") {
    throw Trouble(Status::kTransient, "disk", client.place() + " cannot take a snapshot of what it holds: see its log");
  }
}

}  // namespace

/// A snapshot of all that the server holds, under a name that Redis does not know.
Redis::Kept Redis::keep_aside(Client& client, const Call& call, Clock::time_point until) {
  snapshot(client, until);
  const std::string directory = setting(client, "dir");
  const std::string name = setting(client, "dbfilename");
  const std::filesystem::path file = std::filesystem::path{directory} / name;
  const std::filesystem::path kept = free_name(file, call.generation());
  link_or_copy(file, kept);
  std::error_code error;
  const auto size = std::filesystem::file_size(kept, error);
  return {kept.string(), error ? 0 : static_cast<std::int64_t>(size)};
}

Result Redis::rebuild(const Call& call, Client& client, const Server& target, const Sight& sight,
                      Clock::time_point until) {
  const Info own = read_info(client);
  const std::optional<std::int64_t> alone = sight.info->lacks(own.position());
  if (!detached(own)) detach(client);
  const Kept kept = keep_aside(client, call, until);
  const std::string words = "what it held (" + own.position().text() + ", " + std::to_string(own.keys()) + " keys, " +
                            (alone ? bytes_words(*alone) + " of writes of its own" : std::string{"another history"}) +
                            ") is kept as " + kept.file + " (" + bytes_words(kept.bytes) + ")";
  host_.log(BATON_LOG_WARNING, client.place() + ": " + words + "; now it copies about " +
                                   bytes_words(sight.info->number("used_memory", 0)) + " from " + target.host);
  Result result = attach(client, target, sight, until);
  result.sentence += "; " + words;
  result.fact("kept", kept.file).fact("kept_bytes", std::to_string(kept.bytes));
  return result;
}

/// Only a link that is up ends a rejoin; until then it is asked again.
Result Redis::rejoined(Result result) {
  for (const auto& [name, value] : result.facts) {
    if (name == "link" && value != "up") result.status = Status::kTransient;
  }
  return result;
}

Result Redis::rejoin(const Call& call) {
  return typed([&] {
    const auto until = end_of(call);
    const Server& target = target_of(call);
    Client client = connect(own_, until);
    const Info before = read_info(client);
    if (follows(before, target, until)) return rejoined(report_link(client, target, until));
    if (before.primary()) block(client);
    const Sight sight = look_at(target, until);
    if (!sight.info || !sight.info->primary()) {
      if (before.primary()) detach(client);
      return plugin::failed(Status::kTransient,
                            sight.info ? target.host + " is no primary: there is nothing to join" : sight.trouble)
          .fact("cause", "unreachable_target");
    }
    if (call.generation() != 0 && sight.stamp.generation < call.generation()) {
      if (before.primary()) detach(client);
      return plugin::failed(Status::kRefused, target.host + " is a primary of generation " +
                                                  std::to_string(sight.stamp.generation) + ", older than " +
                                                  std::to_string(call.generation()));
    }
    const std::string policy = host_.text("rejoin");
    const bool clean = holds_all(sight, read_info(client), client);
    if (policy == "manual") {
      if (before.primary()) detach(client);
      if (!clean) return stay_detached(client, target, sight);
      return plugin::failed(Status::kRefused,
                            client.place() + " could follow " + target.host +
                                ", which holds all of its data: rejoin = manual leaves that to a person");
    }
    if (clean) return rejoined(attach(client, target, sight, until));
    if (policy == "rebuild") return rejoined(rebuild(call, client, target, sight, until));
    return stay_detached(client, target, sight);
  });
}

}  // namespace baton::redis
