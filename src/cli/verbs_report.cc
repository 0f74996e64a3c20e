// The verb report: one archive for whoever helps, that anybody may see. Decides that what cannot be had is said in it
// and does not keep the rest from being there.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>

#include "base/version.h"
#include "cli/bundle.h"
#include "cli/load.h"
#include "cli/output.h"
#include "cli/render.h"
#include "cli/report_sources.h"
#include "cli/verbs.h"
#include "posix/fd.h"
#include "steward/format.h"

namespace baton::cli {
namespace {

using namespace std::chrono_literals;
using steward::ExitCode;

std::string host_name() {
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0) return "host";
  const std::string name = buffer.data();
  return name.substr(0, name.find('.'));
}

/// 20261122T100501Z
std::string stamp(std::time_t seconds) {
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &utc);
  return text.data();
}

/// The file while it is being written: beside its place, for its owner alone, gone unless it was kept.
class NewFile {
 public:
  explicit NewFile(std::string path)
      : path_(std::move(path)), partial_(path_ + ".partial." + std::to_string(::getpid())) {
    fd_.reset(::open(partial_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    errno_ = fd_.valid() ? 0 : errno;
  }
  ~NewFile() {
    if (fd_.valid()) ::unlink(partial_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  Result<void> opened() const { return errno_ == 0 ? Result<void>{} : fail("create", errno_, partial_); }
  int fd() const { return fd_.get(); }

  /// A link, unlike a rename, takes nobody's place.
  Result<void> keep(bool force) {
    if (::fchmod(fd_.get(), 0600) != 0 || ::fsync(fd_.get()) != 0) return fail("write", errno, partial_);
    const bool done = force ? ::rename(partial_.c_str(), path_.c_str()) == 0
                            : ::link(partial_.c_str(), path_.c_str()) == 0 && ::unlink(partial_.c_str()) == 0;
    if (!done) return fail("create", errno, path_);
    fd_.reset();
    return {};
  }

 private:
  std::string path_;
  std::string partial_;
  posix::Fd fd_;
  int errno_ = 0;
};

bool is_there(const std::string& path) {
  struct stat facts {};
  return ::lstat(path.c_str(), &facts) == 0;
}

/// The daemon's own file and host, where there is a daemon and nobody said otherwise.
void ask_for_file(const Options& options, FileArguments& file) {
  if (file.is_named) return;
  Json refusal;
  const auto running = running_configuration(options, refusal);
  if (!running) return;
  if (!text_of(*running, "path").empty()) file.file = text_of(*running, "path");
  if (file.host.empty()) file.host = text_of(*running, "host");
}

std::string head_of(const std::string& host, std::time_t now) {
  std::string text = "Baton " + std::string{kVersion} + ": report of host " + host + ", " + stamp(now) + "\n";
  if (::geteuid() != 0) text += "Made by an ordinary user: root can see more.\n";
  text +=
      "Secrets are left out: contents of password and key files, what a name such as password or token announces,\n"
      "variables of programs, and whatever stands before the @ of a URL. Addresses and names of hosts are not.\n";
  return text;
}

/// What was made, for people.
std::string summary(const std::string& path, const Json& manifest) {
  std::string text = path + ": ";
  std::string missing;
  std::size_t files = 0;
  for (const Json& one : manifest) {
    if (!one["bytes"].is_null()) ++files;
    if (one["trouble"].is_string()) missing += "  " + text_of(one, "name") + ": " + text_of(one, "trouble") + "\n";
  }
  text += std::to_string(files) + " files\n";
  return missing.empty() ? text : text + "not to be had, or not all of it:\n" + missing;
}

}  // namespace

int make_report(const Options& options, const ReportArguments& arguments) {
  const std::time_t now = std::time(nullptr);
  const std::string host = host_name();
  const std::string name = "baton-report-" + host + "-" + stamp(now);
  const std::string path = arguments.output.empty() ? name + ".tar.gz" : arguments.output;
  if (!arguments.force && is_there(path)) {
    return report_trouble({ExitCode::kRefused, path + " is there already: another name, or --force"}, options);
  }
  NewFile file{path};
  if (const auto opened = file.opened(); !opened) {
    return report_trouble({ExitCode::kFailed, opened.error().message()}, options);
  }
  FileArguments config = arguments.file;
  ask_for_file(options, config);
  ipc::ModuleCatalog catalog{ipc::find_places(options.plugin_dir)};
  const config::Loaded loaded = load_file(config, catalog);
  Bundle bundle{name, Scrubber{known_secrets(loaded)}};
  const std::optional<Trouble> no_daemon = add_daemon(bundle, options);
  add_configuration(bundle, loaded, config.file);
  add_plugins(bundle, catalog);
  add_host(bundle);
  auto written = write_archive(file.fd(), path, bundle.files(head_of(host, now)), now,
                               path.ends_with(".tar") ? Compression::kNone : Compression::kGzip);
  if (written) written = file.keep(arguments.force);
  if (!written) return report_trouble({ExitCode::kFailed, written.error().message()}, options);
  const ExitCode exit = no_daemon ? no_daemon->exit : ExitCode::kOk;
  if (options.json) {
    print_json({{"ok", exit == ExitCode::kOk},
                {"exit", static_cast<int>(exit)},
                {"file", path},
                {"entries", bundle.manifest_json()}});
  } else {
    print(summary(path, bundle.manifest_json()));
  }
  return static_cast<int>(exit);
}

}  // namespace baton::cli
