// Client: see client.h.
#include "redis/client.h"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "common/pattern.h"

namespace baton::redis {
namespace {

using plugin::net::Connection;
using plugin::net::Outcome;
using plugin::net::Target;

constexpr std::size_t kChunk = 65536;
constexpr std::size_t kQuoted = 120;  // bytes of a server's words in a sentence

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};

Reply take(const redisReply& from) {
  Reply reply;
  switch (from.type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS: reply.type = Reply::Type::kText; break;
    case REDIS_REPLY_ERROR: reply.type = Reply::Type::kError; break;
    case REDIS_REPLY_INTEGER: reply.type = Reply::Type::kInteger; break;
    case REDIS_REPLY_ARRAY: reply.type = Reply::Type::kArray; break;
    default: return reply;
  }
  reply.integer = from.integer;
  if (from.str != nullptr) reply.text.assign(from.str, static_cast<std::size_t>(from.len));
  for (std::size_t i = 0; reply.type == Reply::Type::kArray && i < from.elements; ++i) {
    if (from.element[i] != nullptr) reply.elements.push_back(take(*from.element[i]));
  }
  return reply;
}

std::string formatted(const Words& words) {
  std::vector<const char*> argv;
  std::vector<std::size_t> lengths;
  for (const std::string& word : words) {
    argv.push_back(word.data());
    lengths.push_back(word.size());
  }
  char* text = nullptr;
  const int length = redisFormatCommandArgv(&text, static_cast<int>(argv.size()), argv.data(), lengths.data());
  if (length < 0 || text == nullptr) throw Trouble(Status::kTransient, "memory", "no memory for a command");
  std::string out{text, static_cast<std::size_t>(length)};
  redisFreeCommand(text);
  return out;
}

struct Meaning {
  std::string_view code;
  Status status;
  const char* cause;
  const char* words;
};

// What Redis says before it has looked at a command's arguments. NOAUTH and the like are for a person to mend; the
// others pass.
constexpr auto kMeanings = std::to_array<Meaning>({
    {"NOAUTH", Status::kConfig, "auth", "wants a password, and none is configured (username, password_file)"},
    {"WRONGPASS", Status::kConfig, "auth", "does not accept the user or the password"},
    {"DENIED", Status::kConfig, "privilege", "is in protected mode: it accepts only connections of its own host"},
    {"LOADING", Status::kTransient, "loading", "is loading its data from disk"},
    {"BUSY", Status::kTransient, "busy", "is busy with a script or function that does not end"},
    {"MASTERDOWN", Status::kTransient, "broken_link",
     "answers nothing: its upstream is down and replica-serve-stale-data is no"},
    {"MISCONF", Status::kTransient, "disk", "takes no writes: it cannot save to its disk"},
    {"NOREPLICAS", Status::kTransient, "replicas", "takes no writes: too few replicas follow (min-replicas-to-write)"},
    {"READONLY", Status::kTransient, "read_only", "takes no writes: it is a replica"},
    {"OOM", Status::kTransient, "memory", "takes no writes: it has used its maxmemory"},
    {"UNBLOCKED", Status::kTransient, "role_change", "broke off the command: its role changes"},
});

std::string in_configuration_words(std::string sentence) {
  // The shared connection speaks of keys as its first user named them.
  static constexpr std::array<std::array<std::string_view, 2>, 4> kNames{{{"client_certificate", "tls_cert"},
                                                                          {"client_key", "tls_key"},
                                                                          {"server_name", "tls_server_name"},
                                                                          {"ca_file", "tls_ca"}}};
  for (const auto& [from, to] : kNames) {
    for (std::size_t at = sentence.find(from); at != std::string::npos; at = sentence.find(from, at + to.size())) {
      sentence.replace(at, from.size(), to);
    }
  }
  return sentence;
}

}  // namespace

std::string Server::endpoint() const {
  if (!unix_socket.empty()) return unix_socket;
  const bool six = address.find(':') != std::string::npos;
  return (six ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

void Client::FreeReader::operator()(redisReader* reader) const { redisReaderFree(reader); }

Client::Client(const Server& server, const Access& access, plugin::Resolver& resolver, Clock::time_point until)
    : access_(access),
      until_(until),
      place_(server.host.empty() ? server.endpoint() : server.host + " (" + server.endpoint() + ")"),
      reader_(redisReaderCreate()) {
  connect(server, resolver);
  authenticate();
}

Client::~Client() = default;

void Client::connect(const Server& server, plugin::Resolver& resolver) {
  const auto until = std::min(until_, Clock::now() + access_.connect_timeout);
  Target target;
  target.name = server.address;
  target.port = server.port;
  target.unix_socket = server.unix_socket;
  if (server.unix_socket.empty()) {
    const plugin::Resolved resolved = resolver.resolve(server.address, until - Clock::now());
    if (resolved.addresses.empty()) {
      throw Trouble(Status::kTransient, "dns", "no address for " + server.address + ": " + resolved.error);
    }
    target.addresses = resolved.addresses;
  }
  connection_ = std::make_unique<Connection>(std::move(target), until);
  check(connection_->connect());
  if (access_.tls) check(connection_->start_tls(access_.tls_settings));
}

void Client::check(const Outcome& outcome) const {
  if (!outcome) return;
  const bool tls_may_pass = outcome->tls_error == "stalled" || outcome->tls_error == "closed";
  const bool person = outcome->local || (outcome->cause == "tls" && !tls_may_pass);
  std::string cause = outcome->cause;
  if (cause == "connect_timeout")
    cause = "timeout";
  else if (cause == "timeout" && awaiting_)
    cause = "hung";
  throw Trouble(person ? Status::kConfig : Status::kTransient, cause, in_configuration_words(outcome->sentence));
}

void Client::authenticate() {
  if (access_.password.empty()) return;
  const std::string as = access_.username.empty() ? "with the password alone" : "as user " + access_.username;
  Words words{"AUTH"};
  if (!access_.username.empty()) words.push_back(access_.username);
  words.push_back(access_.password);
  const Reply reply = ask(words);
  if (!reply.failed()) return;
  const bool busy =
      reply.code() == "LOADING" || reply.code() == "BUSY" || reply.text.find("max number") != std::string::npos;
  if (busy) raise(reply, "AUTH");
  // Never the server's words: some errors repeat the arguments.
  const bool none_set = reply.text.find("no password is set") != std::string::npos ||
                        reply.text.find("without any password configured") != std::string::npos;
  throw Trouble(Status::kConfig, "auth",
                place_ + " does not let us log in " + as +
                    (none_set ? ": its default user has no password, take password_file away or give a username"
                              : ": wrong user name or password, or the user is off (username, password_file)"));
}

Reply Client::next_reply() {
  for (;;) {
    void* raw = nullptr;
    if (redisReaderGetReply(reader_.get(), &raw) != REDIS_OK) {
      throw Trouble(Status::kConfig, "protocol", place_ + " does not speak the protocol of Redis");
    }
    if (raw != nullptr) {
      const std::unique_ptr<redisReply, FreeReply> reply{static_cast<redisReply*>(raw)};
      return take(*reply);
    }
    std::string bytes;
    awaiting_ = true;
    check(connection_->receive(bytes, kChunk));
    awaiting_ = false;
    if (bytes.empty()) {
      throw Trouble(Status::kTransient, "closed", place_ + " closed the connection before it answered");
    }
    redisReaderFeed(reader_.get(), bytes.data(), bytes.size());
  }
}

std::vector<Reply> Client::ask_all(const std::vector<Words>& commands) {
  connection_->set_deadline(std::min(until_, Clock::now() + access_.query_timeout));
  std::string text;
  for (const Words& words : commands) text += formatted(words);
  check(connection_->send(text));
  std::vector<Reply> replies;
  replies.reserve(commands.size());
  while (replies.size() < commands.size()) {
    replies.push_back(next_reply());
    // A server that is full says so once and closes.
    if (replies.back().text.find("max number of clients") != std::string::npos) raise(replies.back(), "");
  }
  return replies;
}

Reply Client::ask(const Words& words) { return ask_all({words}).front(); }

Reply Client::command(const Words& words) {
  Reply reply = ask(words);
  if (reply.failed())
    raise(reply, words.front() + (words.front() == "CONFIG" || words.front() == "CLIENT" ? " " + words[1] : ""));
  return reply;
}

Reply Client::secret_command(const Words& words) {
  Reply reply = ask(words);
  if (reply.code() == "NOPERM") raise(reply, words.front());
  if (reply.failed())
    throw Trouble(Status::kConfig, "refused", place_ + " refused " + words[0] + " " + words[1] + " " + words[2]);
  return reply;
}

void Client::raise(const Reply& reply, const std::string& verb) const {
  const std::string code = reply.code();
  if (code == "NOPERM") {
    const std::string user = access_.username.empty() ? "the user" : "user " + access_.username;
    throw Trouble(Status::kConfig, "privilege",
                  place_ + " does not permit " + verb + " to " + user + ": give it the rights that the manual lists");
  }
  for (const Meaning& meaning : kMeanings) {
    if (code == meaning.code) throw Trouble(meaning.status, meaning.cause, place_ + " " + meaning.words);
  }
  if (reply.text.find("max number of clients") != std::string::npos) {
    throw Trouble(Status::kTransient, "connections", place_ + " takes no more connections: maxclients is reached");
  }
  const bool unknown = reply.text.find("unknown command") != std::string::npos ||
                       reply.text.find("nknown subcommand") != std::string::npos;
  if (unknown) {
    throw Trouble(Status::kConfig, "version", place_ + " does not know the command " + verb + ": too old, or renamed");
  }
  throw Trouble(Status::kFatal, "refused",
                place_ + " answered " + verb + " with: " + plugin::excerpt(reply.text, kQuoted));
}

}  // namespace baton::redis
