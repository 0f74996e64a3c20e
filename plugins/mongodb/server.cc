// libmongoc with a direct connection, and what its errors mean: see server.h.
#include "mongodb/server.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

namespace baton::mongodb {
namespace {

using plugin::Status;
using std::chrono::milliseconds;

struct UriFree {
  void operator()(mongoc_uri_t* uri) const { mongoc_uri_destroy(uri); }
};
using Uri = std::unique_ptr<mongoc_uri_t, UriFree>;

struct Meaning {
  std::string_view words;  ///< in small letters, of libmongoc's message
  Status status;
  const char* cause;
};
/// In this order: a timeout of a TLS handshake is a matter of TLS.
constexpr std::array<Meaning, 12> kMeanings{{
    {"tls handshake failed", Status::kConfig, "tls"},
    {"certificate", Status::kConfig, "tls"},
    {"authentication failed", Status::kConfig, "auth"},
    {"scram failure", Status::kConfig, "auth"},
    {"failed to resolve", Status::kTransient, "dns"},
    {"connection refused", Status::kTransient, "refused"},
    {"connection reset", Status::kTransient, "reset"},
    {"connection closed", Status::kTransient, "reset"},
    {"closed connection", Status::kTransient, "reset"},
    {"no route to host", Status::kTransient, "unreachable"},
    {"network is unreachable", Status::kTransient, "unreachable"},
    {"timeout", Status::kTransient, "timeout"},
}};

struct CodeMeaning {
  int code;
  Status status;
  const char* cause;
};
constexpr std::array<CodeMeaning, 12> kCodes{{
    {18, Status::kConfig, "auth"},   // AuthenticationFailed
    {11, Status::kConfig, "auth"},   // UserNotFound
    {334, Status::kConfig, "auth"},  // MechanismUnavailable
    {kUnauthorized, Status::kConfig, "privilege"},
    {kNoReplicationEnabled, Status::kConfig, "standalone"},
    {kNotYetInitialized, Status::kConfig, "not_initiated"},
    {93, Status::kConfig, "removed"},      // InvalidReplicaSetConfig: not a member (any more)
    {91, Status::kTransient, "stopping"},  // ShutdownInProgress
    {11600, Status::kTransient, "stopping"},
    {kNotWritablePrimary, Status::kTransient, "not_primary"},
    {kNotPrimaryNoSecondaryOk, Status::kTransient, "not_primary"},
    {211, Status::kTransient, "loading"},  // KeyNotFound while keys are not there yet
}};

void quiet(mongoc_log_level_t, const char*, const char*, void*) {}

std::string small(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char letter) { return std::tolower(letter); });
  return text;
}

void check(bool good, const char* what) {
  if (!good) throw ServerTrouble(Status::kConfig, "settings", std::string{what} + " cannot be used with libmongoc");
}

Uri make_uri(const ServerSettings& settings, const std::string& address, Login login, milliseconds left) {
  bson_error_t error{};
  Uri uri{mongoc_uri_new_with_error(("mongodb://" + address + "/").c_str(), &error)};
  if (!uri) throw ServerTrouble(Status::kConfig, "settings", address + " is no address: " + error.message);
  const auto within = [left](std::chrono::nanoseconds wanted) {
    return static_cast<std::int32_t>(
        std::clamp<std::int64_t>(std::chrono::duration_cast<milliseconds>(wanted).count(), 1, left.count()));
  };
  mongoc_uri_set_option_as_bool(uri.get(), MONGOC_URI_DIRECTCONNECTION, true);
  mongoc_uri_set_option_as_int32(uri.get(), MONGOC_URI_CONNECTTIMEOUTMS, within(settings.connect_timeout));
  mongoc_uri_set_option_as_int32(uri.get(), MONGOC_URI_SOCKETTIMEOUTMS, within(settings.query_timeout));
  mongoc_uri_set_option_as_int32(uri.get(), MONGOC_URI_SERVERSELECTIONTIMEOUTMS, within(settings.connect_timeout));
  mongoc_uri_set_option_as_bool(uri.get(), MONGOC_URI_SERVERSELECTIONTRYONCE, true);
  mongoc_uri_set_option_as_utf8(uri.get(), MONGOC_URI_APPNAME, "baton");
  if (settings.tls) mongoc_uri_set_option_as_bool(uri.get(), MONGOC_URI_TLS, true);
  if (login == Login::kNo) return uri;
  if (!settings.auth_mechanism.empty()) {
    check(mongoc_uri_set_auth_mechanism(uri.get(), settings.auth_mechanism.c_str()), "auth_mechanism");
  }
  if (settings.username.empty()) return uri;
  check(mongoc_uri_set_username(uri.get(), settings.username.c_str()), "username");
  check(mongoc_uri_set_password(uri.get(), settings.password.c_str()), "password_file");
  check(mongoc_uri_set_auth_source(uri.get(), settings.auth_source.c_str()), "auth_source");
  return uri;
}

void set_tls(mongoc_client_t* client, const ServerSettings& settings) {
  for (const std::string* path : {&settings.tls_ca, &settings.tls_cert}) {
    if (!path->empty() && ::access(path->c_str(), R_OK) != 0) {
      throw ServerTrouble(Status::kConfig, "tls", "the plugin's user cannot read " + *path);
    }
  }
  mongoc_ssl_opt_t options = *mongoc_ssl_opt_get_default();
  if (!settings.tls_ca.empty()) options.ca_file = settings.tls_ca.c_str();
  if (!settings.tls_cert.empty()) options.pem_file = settings.tls_cert.c_str();
  options.weak_cert_validation = !settings.verify;
  options.allow_invalid_hostname = !settings.verify;
  mongoc_client_set_ssl_opts(client, &options);
}

}  // namespace

Server::Server(const ServerSettings& settings, std::string address, Login login, Clock::time_point until)
    : address_(std::move(address)), username_(settings.username) {
  static const bool ready = [] {
    mongoc_init();
    mongoc_log_set_handler(&quiet, nullptr);
    return true;
  }();
  static_cast<void>(ready);
  const auto left = std::chrono::duration_cast<milliseconds>(until - Clock::now());
  if (left.count() < 1) throw ServerTrouble(Status::kTransient, "timeout", "no time was left to ask " + address_);
  const Uri uri = make_uri(settings, address_, login, left);
  client_.reset(mongoc_client_new_from_uri(uri.get()));
  if (!client_) throw ServerTrouble(Status::kConfig, "settings", "libmongoc refuses the settings for " + address_);
  mongoc_client_set_error_api(client_.get(), MONGOC_ERROR_API_VERSION_2);
  if (settings.tls) set_tls(client_.get(), settings);
}

Document Server::command(const Document& command) { return run("admin", command); }

Document Server::run(const char* database, const Document& command) {
  bson_error_t error{};
  bson_t reply{};
  const bool good = mongoc_client_command_simple(client_.get(), database, command.raw(), nullptr, &reply, &error);
  const Document answer{&reply};
  bson_destroy(&reply);
  if (!good) fail(error, answer);
  return answer;
}

Document Server::find_one(const char* collection, const Document& query) {
  Document find;
  BSON_APPEND_UTF8(find.raw(), "find", collection);
  BSON_APPEND_DOCUMENT(find.raw(), "filter", query.raw());
  BSON_APPEND_INT32(find.raw(), "limit", 1);
  BSON_APPEND_BOOL(find.raw(), "singleBatch", true);
  const std::vector<Document> batch = run("baton", find).documents("cursor.firstBatch");
  return batch.empty() ? Document{} : batch.front();
}

void Server::upsert(const char* collection, const Document& query, const Document& change,
                    std::chrono::milliseconds within) {
  Document one;
  BSON_APPEND_DOCUMENT(one.raw(), "q", query.raw());
  BSON_APPEND_DOCUMENT(one.raw(), "u", change.raw());
  BSON_APPEND_BOOL(one.raw(), "upsert", true);
  Document update;
  BSON_APPEND_UTF8(update.raw(), "update", collection);
  bson_t list{};
  BSON_APPEND_ARRAY_BEGIN(update.raw(), "updates", &list);
  BSON_APPEND_DOCUMENT(&list, "0", one.raw());
  bson_append_array_end(update.raw(), &list);
  const Document concern{R"({"w": "majority", "wtimeout": )" + std::to_string(within.count()) + "}"};
  BSON_APPEND_DOCUMENT(update.raw(), "writeConcern", concern.raw());
  const Document answer = run("baton", update);
  for (const char* trouble : {"writeErrors", "writeConcernError"}) {
    if (!answer.has(trouble)) continue;
    throw ServerTrouble(Status::kTransient, "write",
                        address_ + " has not written for the majority: " + answer.text("writeConcernError.errmsg"));
  }
}

void Server::fail(const bson_error_t& error, const Document& reply) const {
  const std::string message = error.message;
  const int code = error.domain == MONGOC_ERROR_SERVER ? static_cast<int>(reply.number("code", error.code)) : 0;
  const std::string said = address_ + ": " + (message.empty() ? "it does not answer as MongoDB does" : message);
  if (error.domain == MONGOC_ERROR_CLIENT && error.code == MONGOC_ERROR_CLIENT_AUTHENTICATE) {
    throw ServerTrouble(Status::kConfig, "auth", address_ + " does not let in " + username_ + ": " + message);
  }
  for (const CodeMeaning& meaning : kCodes) {
    if (code == meaning.code) throw ServerTrouble(meaning.status, meaning.cause, said, code);
  }
  const std::string words = small(message);
  for (const Meaning& meaning : kMeanings) {
    if (code == 0 && words.find(meaning.words) != std::string::npos) {
      throw ServerTrouble(meaning.status, meaning.cause, said);
    }
  }
  throw ServerTrouble(Status::kTransient, code == 0 ? "protocol" : "server", said, code);
}

}  // namespace baton::mongodb
