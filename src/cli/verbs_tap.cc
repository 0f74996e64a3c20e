// batonctl tap: what passes on the wire, and what Baton makes of it. Reads the configuration once, the host's addresses
// each second; ends by --count or a signal. What the kernel had no room for is counted and said.
#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <set>

#include "base/pcapng.h"
#include "cli/load.h"
#include "cli/output.h"
#include "cli/render.h"
#include "cli/verbs.h"
#include "cli/verdict.h"
#include "config/reader.h"
#include "ipc/module_catalog.h"
#include "linux/host_facts.h"
#include "linux/wire_tap.h"
#include "posix/clock.h"
#include "posix/process.h"

namespace baton::cli {
namespace {

using namespace std::chrono_literals;
using steward::ExitCode;

constexpr Nanos kLookAgain = 1s;
constexpr std::size_t kFramesPerRead = 256;
constexpr int kMostMemory = 32 << 20;  ///< of the kernel, for all interfaces
constexpr int kMostBuffer = 2 << 20;
constexpr int kLeastBuffer = 256 << 10;

Unexpected<Trouble> trouble(ExitCode exit, std::string text) {
  return Unexpected<Trouble>{Trouble{exit, std::move(text)}};
}

/// What the daemon runs, but for VRRPv2 passwords: they do not travel.
Expected<config::Config, Trouble> running_config(const Options& options) {
  Json refusal;
  const auto running = running_configuration(options, refusal);
  if (!running) {
    Trouble why = running.error();
    if (why.exit == ExitCode::kNoDaemon) why.text += "; --config FILE needs none";
    return Unexpected<Trouble>{std::move(why)};
  }
  ipc::ModuleCatalog modules{ipc::find_places(options.plugin_dir)};
  return parse_running(*running, modules);
}

/// What is to be watched and shown.
struct Wanted {
  std::set<std::string> interfaces;
  std::string instance;  ///< "" = everything
};

Expected<Wanted, Trouble> find_wanted(const config::Config& config, const std::string& what,
                                      const std::vector<config::InterfaceFact>& facts) {
  Wanted wanted;
  std::string known;
  for (const config::Instance& instance : config.instances) {
    const std::string& name = instance.group.empty() ? instance.name : instance.group;
    if (what.empty() || what == instance.name || what == name) {
      wanted.interfaces.insert(instance.interface);
      if (!what.empty()) wanted.instance = name;
    }
    if (known.find(instance.name) == std::string::npos) known += (known.empty() ? "" : ", ") + instance.name;
  }
  if (!wanted.interfaces.empty()) return wanted;
  if (what.empty()) return trouble(ExitCode::kFailed, "no instance is configured: name an interface");
  const auto interface = std::find_if(facts.begin(), facts.end(), [&](const auto& fact) { return fact.name == what; });
  if (interface == facts.end()) {
    return trouble(ExitCode::kFailed, "'" + what + "' is no instance, group or interface here" +
                                          (known.empty() ? "" : "; instances: " + known));
  }
  wanted.interfaces.insert(what);
  return wanted;
}

/// The file that --write asks for: complete up to the last packet, whenever it is looked at.
class CaptureFile {
 public:
  static Expected<CaptureFile, Trouble> create(const std::string& path, const std::set<std::string>& interfaces) {
    CaptureFile file;
    if (path.empty()) return file;
    file.path_ = path;
    // Root writes it: nothing that somebody else has put in the way is followed.
    file.fd_.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.fd_.valid()) return trouble(ExitCode::kFailed, path + ": " + std::strerror(errno));
    pcapng::append_head(file.waiting_, "batonctl tap");
    for (const std::string& interface : interfaces) {
      pcapng::append_interface(file.waiting_, interface, ports::kSnapLength);
    }
    return file;
  }

  void add(std::uint32_t interface, const ports::CapturedFrame& frame, const std::string& verdict) {
    if (!fd_.valid()) return;
    pcapng::append_packet(waiting_, {.interface = interface,
                                     .wall_clock_ns = frame.wall_clock_ns,
                                     .length = frame.length,
                                     .outgoing = frame.outgoing,
                                     .bytes = frame.bytes,
                                     .comment = verdict});
  }

  std::optional<Trouble> flush() {
    ConstBytes rest = waiting_;
    while (fd_.valid() && !rest.empty()) {
      const ssize_t size = ::write(fd_.get(), rest.data(), rest.size());
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return Trouble{ExitCode::kFailed, path_ + ": " + std::strerror(errno)};
      rest = rest.subspan(static_cast<std::size_t>(size));
    }
    waiting_.clear();
    return std::nullopt;
  }

 private:
  posix::Fd fd_;
  std::string path_;
  pcapng::Bytes waiting_;
};

class Session {
 public:
  Session(const Options& options, const TapArguments& arguments, Wanted wanted, Judge& judge)
      : options_(options), arguments_(arguments), wanted_(std::move(wanted)), judge_(judge) {}

  /// Also makes the file, but none for who may not listen.
  std::optional<Trouble> listen() {
    const int share = kMostMemory / static_cast<int>(2 * wanted_.interfaces.size());
    for (const std::string& interface : wanted_.interfaces) {
      auto tap = linux::WireTap::open(interface, std::clamp(share, kLeastBuffer, kMostBuffer));
      if (tap) {
        taps_.push_back(std::move(*tap));
      } else if (tap.error().sys_errno == EPERM) {
        return Trouble{ExitCode::kNotPermitted,
                       "not permitted: tap needs root (CAP_NET_RAW) to listen on " + interface};
      } else {
        return Trouble{ExitCode::kFailed, tap.error().message()};
      }
    }
    auto file = CaptureFile::create(arguments_.write, wanted_.interfaces);
    if (!file) return file.error();
    file_ = std::move(*file);
    return std::nullopt;
  }

  /// Until --count, a signal, or trouble.
  std::optional<Trouble> run(int signals) {
    std::vector<pollfd> waiting{{signals, POLLIN, 0}};
    for (const linux::WireTap& tap : taps_) {
      for (const int fd : tap.fds()) waiting.push_back({fd, POLLIN, 0});
    }
    Instant look_at = posix::now() + kLookAgain;
    while (!done()) {
      const auto left = std::max(look_at - posix::now(), Nanos{0});
      if (::poll(waiting.data(), waiting.size(), static_cast<int>(left / 1ms) + 1) < 0 && errno != EINTR) {
        return Trouble{ExitCode::kFailed, std::string{"wait for packets: "} + std::strerror(errno)};
      }
      if (waiting.front().revents != 0) return std::nullopt;
      if (auto failed = take()) return failed;
      if (posix::now() < look_at) continue;
      look_at = posix::now() + kLookAgain;
      if (auto facts = linux::interface_facts()) judge_.renew(*facts);
      say_left_out();
    }
    return std::nullopt;
  }

  void summary() const {
    const std::uint64_t left_out = count_left_out();
    if (options_.json) {
      print_json({{"summary", {{"shown", shown_}, {"left_out", left_out}}}});
    } else {
      std::fprintf(stderr, "%llu packet%s shown, %llu left out\n", static_cast<unsigned long long>(shown_),
                   shown_ == 1 ? "" : "s", static_cast<unsigned long long>(left_out));
    }
  }

 private:
  bool done() const { return arguments_.count != 0 && shown_ >= arguments_.count; }

  std::optional<Trouble> take() {
    std::uint32_t number = 0;
    for (linux::WireTap& tap : taps_) {
      const auto read = tap.read(kFramesPerRead, [&](const ports::CapturedFrame& frame) {
        const Judged judged = judge_.judge(tap.interface(), frame);
        if (done() || (!wanted_.instance.empty() && judged.instance != wanted_.instance)) return;
        ++shown_;
        file_.add(number, frame, verdict_words(judged));
        text_ += options_.json ? tap_json(judged).dump() : tap_line(judged);
        text_ += '\n';
      });
      if (!read) return Trouble{ExitCode::kFailed, read.error().message()};
      ++number;
    }
    if (!text_.empty()) print(text_);
    text_.clear();
    return file_.flush();
  }

  std::uint64_t count_left_out() const {
    std::uint64_t total = 0;
    for (const linux::WireTap& tap : taps_) total += tap.left_out();
    return total;
  }

  void say_left_out() {
    const std::uint64_t total = count_left_out();
    if (total == told_) return;
    const std::uint64_t fresh = total - told_;
    told_ = total;
    if (options_.json) return print_json({{"left_out", fresh}});
    print("... " + std::to_string(fresh) + " packets left out: more than can be shown\n");
  }

  const Options& options_;
  const TapArguments& arguments_;
  Wanted wanted_;
  Judge& judge_;
  CaptureFile file_;
  std::vector<linux::WireTap> taps_;
  std::string text_;
  std::uint64_t shown_ = 0;
  std::uint64_t told_ = 0;
};

}  // namespace

int tap(const Options& options, const TapArguments& arguments) {
  config::Config config;
  if (arguments.config.is_named) {
    ipc::ModuleCatalog modules{ipc::find_places(options.plugin_dir)};
    config::Loaded loaded = load_file(arguments.config, modules);
    if (!loaded.config) return report_invalid(options, loaded, {{"diagnostics", diagnostics_json(loaded.diagnostics)}});
    config = std::move(*loaded.config);
  } else {
    auto running = running_config(options);
    if (!running) return report_trouble(running.error(), options);
    config = std::move(*running);
  }
  const auto facts = linux::interface_facts();
  if (!facts) return report_trouble({ExitCode::kFailed, facts.error().message()}, options);
  auto wanted = find_wanted(config, arguments.what, *facts);
  if (!wanted) return report_trouble(wanted.error(), options);
  auto signals = posix::signal_fd({SIGTERM, SIGINT, SIGHUP});
  if (!signals) return report_trouble({ExitCode::kFailed, signals.error().message()}, options);
  Judge judge{config, *facts};
  Session session{options, arguments, std::move(*wanted), judge};
  if (const auto failed = session.listen()) return report_trouble(*failed, options);
  const auto failed = session.run(signals->get());
  session.summary();
  return failed ? report_trouble(*failed, options) : 0;
}

}  // namespace baton::cli
