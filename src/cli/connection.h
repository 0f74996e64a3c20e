// The line to the steward: RUNTIME_DIR/control.sock, one JSON object a line each way. Blocks, but never without a
// deadline.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "posix/fd.h"
#include "steward/exit_code.h"

namespace baton::cli {

using Json = nlohmann::ordered_json;

/// Why there is no answer.
struct Trouble {
  steward::ExitCode exit = steward::ExitCode::kFailed;
  std::string text;
};

class Connection {
 public:
  static Expected<Connection, Trouble> open(const std::string& runtime_dir);

  Expected<void, Trouble> send(const Json& request);
  /// The next line; `patience` 0 = for ever (streams). Lines longer than 256 MiB are trouble.
  Expected<Json, Trouble> receive(Nanos patience);
  /// send and receive.
  Expected<Json, Trouble> ask(const Json& request, Nanos patience);

 private:
  explicit Connection(posix::Fd socket) : socket_(std::move(socket)) {}
  posix::Fd socket_;
  std::string buffer_;
};

}  // namespace baton::cli
