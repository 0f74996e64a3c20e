#include "cli/load.h"

#include <unistd.h>

#include <array>
#include <cstdlib>

#include "cli/output.h"
#include "cli/render.h"
#include "linux/host_facts.h"
#include "posix/rights.h"
#include "steward/exit_code.h"

namespace baton::cli {
namespace {

using steward::ExitCode;

constexpr Nanos kPatience = std::chrono::seconds{10};

/// What `hostname -s` says; "" if it cannot be told.
std::string short_host_name() {
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0) return {};
  const std::string name = buffer.data();
  return name.substr(0, name.find('.'));
}

}  // namespace

config::Loaded load_file(const FileArguments& arguments, config::ModuleSource& modules) {
  config::LoadOptions request;
  request.path = arguments.file;
  request.parse.host = arguments.host.empty() ? short_host_name() : arguments.host;
  request.parse.host_from_command_line = !arguments.host.empty();
  request.parse.modules = &modules;
  request.parse.user_exists = [](const std::string& user) { return posix::find_user(user).has_value(); };
  if (const char* directory = std::getenv("CREDENTIALS_DIRECTORY"); directory != nullptr) {
    request.parse.credentials_directory = directory;
  }
  if (auto facts = linux::interface_facts()) request.parse.interfaces = std::move(*facts);
  // An ordinary user may check a file whose secrets only root can read.
  request.skip_secrets = ::geteuid() != 0;
  return config::load(request);
}

Expected<Json, Trouble> running_configuration(const Options& options, Json& refusal) {
  auto connection = Connection::open(options.runtime_dir);
  if (!connection) return Unexpected<Trouble>{connection.error()};
  auto answer = connection->ask({{"verb", "config"}}, kPatience);
  if (!answer) return answer;
  if (!is_true(*answer, "ok")) {
    refusal = *answer;
    return Unexpected<Trouble>{Trouble{static_cast<ExitCode>(number_of(*answer, "exit")), text_of(*answer, "error")}};
  }
  return answer->value("result", Json::object());
}

Expected<config::Config, Trouble> parse_running(const Json& running, config::ModuleSource& modules) {
  config::ParseOptions parse;
  parse.host = text_of(running, "host");
  parse.judge = false;  // it was, before it ran
  parse.modules = &modules;
  const config::SourceText text{"running configuration", text_of(running, "text")};
  config::Loaded loaded = config::parse({text}, parse);
  if (!loaded.config) {
    // A module may have lost a key, or be gone: its keys still read as they stand.
    parse.modules = nullptr;
    loaded = config::parse({text}, parse);
  }
  if (loaded.config) return std::move(*loaded.config);
  return Unexpected<Trouble>{Trouble{ExitCode::kFailed, "the running configuration cannot be read back"}};
}

int report_invalid(const Options& options, const config::Loaded& loaded, Json document) {
  if (options.json) {
    document["ok"] = false;
    document["exit"] = static_cast<int>(ExitCode::kConfigInvalid);
    print_json(document);
  } else {
    print(config::render_all(loaded.diagnostics, {.colour = options.colour}));
  }
  return static_cast<int>(ExitCode::kConfigInvalid);
}

}  // namespace baton::cli
