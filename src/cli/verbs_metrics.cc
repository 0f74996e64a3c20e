// The verb for monitoring systems: the daemon's metrics on standard output, or in a file for node_exporter.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "cli/output.h"
#include "cli/render.h"
#include "cli/verbs.h"
#include "posix/file.h"

namespace baton::cli {
namespace {

using namespace std::chrono_literals;
using steward::ExitCode;

constexpr Nanos kPatience = 10s;
constexpr mode_t kForEverybody = 0644;  // node_exporter runs as another user

Expected<Json, Trouble> ask_metrics(const Options& options, const MetricsArguments& arguments) {
  auto connection = Connection::open(options.runtime_dir);
  if (!connection) return Unexpected<Trouble>{connection.error()};
  const std::string standard = arguments.textfile.empty() ? "openmetrics" : "text";
  const std::string format = arguments.format.empty() ? standard : arguments.format;
  return connection->ask({{"verb", "metrics"}, {"names", arguments.names}, {"format", format}}, kPatience);
}

Result<void> replace_file(const std::string& path, const std::string& text) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty()) return fail("write file", EISDIR, path);
  ::umask(0022);  // whatever the one of who asks is
  const posix::Fd opened{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!opened.valid()) return fail("open directory", errno, directory);
  const ConstBytes bytes{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  return posix::write_file_atomically(opened.get(), name, bytes, kForEverybody);
}

/// A file that goes on telling of a dead daemon would be worse than none.
std::string down_text(const MetricsArguments& arguments) {
  const bool own = arguments.names == "baton";
  const std::string name = own ? "baton_up" : "keepalived_up";
  const std::string end = arguments.format == "openmetrics" ? "# EOF\n" : "";
  return "# HELP " + name + " 0: no daemon answers.\n# TYPE " + name + " gauge\n" + name + " 0\n" + end;
}

}  // namespace

int metrics(const Options& options, const MetricsArguments& arguments) {
  const auto answer = ask_metrics(options, arguments);
  const bool to_file = !arguments.textfile.empty();
  const bool good = answer && is_true(*answer, "ok");
  const Json result = good ? answer->value("result", Json::object()) : Json::object();
  if (to_file) {
    const std::string text = good ? text_of(result, "text") : down_text(arguments);
    if (const auto written = replace_file(arguments.textfile, text); !written) {
      return report_trouble({ExitCode::kFailed, written.error().message()}, options);
    }
  }
  if (!answer) return report_trouble(answer.error(), options);
  if (!good) return report_refusal(*answer, "", options);
  if (options.json) {
    print_json(result);
  } else if (!to_file) {
    print(text_of(result, "text"));
  }
  return 0;
}

}  // namespace baton::cli
