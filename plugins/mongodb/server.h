// One mongod, spoken to directly (never through the driver's own search for a primary): a new connection, commands with
// a deadline, and causes of failure told apart.
#pragma once

#include <mongoc/mongoc.h>

#include <chrono>
#include <memory>
#include <string>

#include "common/trouble.h"
#include "mongodb/document.h"

namespace baton::mongodb {

using Clock = std::chrono::steady_clock;

/// MongoDB's own error numbers that decisions hang on.
constexpr int kUnauthorized = 13;
constexpr int kCommandNotFound = 59;
constexpr int kNoReplicationEnabled = 76;
constexpr int kNotYetInitialized = 94;
constexpr int kNotWritablePrimary = 10107;
constexpr int kNotPrimaryNoSecondaryOk = 13435;

class ServerTrouble : public plugin::Trouble {
 public:
  ServerTrouble(plugin::Status status, std::string cause, const std::string& sentence, int code = 0)
      : Trouble(status, std::move(cause), sentence), code_(code) {}
  int code() const { return code_; }
  /// The command was refused because it is no primary (any more).
  bool not_primary() const { return code_ == kNotWritablePrimary || code_ == kNotPrimaryNoSecondaryOk; }
  /// Nobody knows whether the command was carried out.
  bool unknown() const { return code_ == 0 && status() == plugin::Status::kTransient; }

 private:
  int code_;
};

struct ServerSettings {
  std::string username;  ///< "": no authentication
  std::string password;
  std::string auth_source;
  std::string auth_mechanism;  ///< "": what the server prefers
  bool tls = false;
  bool verify = true;
  std::string tls_ca;
  std::string tls_cert;  ///< path of certificate and key
  std::chrono::nanoseconds connect_timeout;
  std::chrono::nanoseconds query_timeout;
};

enum class Login { kYes, kNo };

class Server {
 public:
  /// Connects at the first command. `address` is "10.0.0.1:27017", or "[fd00::1]:27017".
  Server(const ServerSettings& settings, std::string address, Login login, Clock::time_point until);

  /// Of the admin database.
  Document command(const Document& command);
  /// Of the database `baton`: one document ({} if there is none), and a write that the majority has acknowledged.
  Document find_one(const char* collection, const Document& query);
  void upsert(const char* collection, const Document& query, const Document& change, std::chrono::milliseconds within);
  const std::string& address() const { return address_; }

 private:
  struct ClientFree {
    void operator()(mongoc_client_t* client) const { mongoc_client_destroy(client); }
  };
  Document run(const char* database, const Document& command);
  [[noreturn]] void fail(const bson_error_t& error, const Document& reply) const;

  std::string address_;
  std::string username_;
  std::unique_ptr<mongoc_client_t, ClientFree> client_;
};

}  // namespace baton::mongodb
