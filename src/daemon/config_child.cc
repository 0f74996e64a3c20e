#include "daemon/config_child.h"

#include <linux/capability.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "config/diff.h"
#include "config/reader.h"
#include "config/serialize.h"
#include "daemon/config_report.h"
#include "daemon/fleet.h"
#include "daemon/stop_limit.h"
#include "ipc/module_catalog.h"
#include "linux/host_facts.h"
#include "posix/clock.h"
#include "posix/memfd.h"
#include "posix/unix_socket.h"

namespace baton::daemon {
namespace {

constexpr std::size_t kMaxConfigBytes = 64u << 20;
constexpr std::size_t kMaxAnswer = 4096;
constexpr std::size_t kMaxInterfaceName = 15;

ConstBytes as_bytes(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

config::Loaded load(const Options& options) {
  config::LoadOptions request;
  request.path = options.config_path;
  request.parse.host = options.host;
  request.parse.host_from_command_line = options.host_from_command_line;
  if (auto facts = linux::interface_facts()) request.parse.interfaces = std::move(*facts);
  ipc::ModuleCatalog modules{ipc::find_places(options.plugin_dir)};
  request.parse.modules = &modules;
  request.parse.user_exists = [](const std::string& user) { return posix::find_user(user).has_value(); };
  // systemd's LoadCredential=; none of its own, and a secret that is only named cannot be there.
  const char* credentials = std::getenv("CREDENTIALS_DIRECTORY");
  if (credentials != nullptr || !options.check_only)
    request.parse.credentials_directory = credentials == nullptr ? "" : credentials;
  return config::load(request);
}

void log_diagnostics(std::span<const config::Diagnostic> diagnostics) {
  for (const config::Diagnostic& one : diagnostics) {
    const log::Level level = one.severity == config::Severity::kError ? log::Level::kError : log::Level::kWarning;
    log::write(level, "config_diagnostic",
               {{"code", one.code},
                {"file", one.file},
                {"line", std::to_string(one.line)},
                {"column", std::to_string(one.column)}},
               one.message);
  }
}

std::vector<config::ObjectChange> changes_since(int running, const config::Config& fresh) {
  const auto before = read_back(running);
  return before ? config::diff(*before, fresh) : std::vector<config::ObjectChange>{};
}

std::vector<std::string> recorded_interfaces(const config::Config& config) {
  std::set<std::string> names;
  for (const config::Instance& instance : config.instances) {
    if (names.size() < kMaxRecorded) names.insert(instance.interface);
  }
  return {names.begin(), names.end()};
}

/// In the child: reads, reports, sends.
Result<void> answer(const ConfigRequest& request, int channel) {
  config::Loaded loaded = load(request.options);
  if (request.to_stderr) {
    const std::string text = config::render_all(loaded.diagnostics);
    std::fwrite(text.data(), 1, text.size(), stderr);
  } else {
    log_diagnostics(loaded.diagnostics);
  }
  std::vector<config::ObjectChange> changes;
  if (loaded.config && request.running >= 0) changes = changes_since(request.running, *loaded.config);
  auto report = posix::sealed_memfd("baton-config-report", as_bytes(config_report(loaded.diagnostics, changes)));
  if (!report) return Unexpected<Error>{report.error()};
  std::array<std::uint8_t, kMaxAnswer> buffer;
  ByteWriter out{buffer};
  out.u8(loaded.config ? 1 : 0);
  std::vector<int> fds{report->get()};
  posix::Fd configuration;
  posix::Fd fleet;
  posix::Fd for_steward;
  if (loaded.config) {
    const config::Daemon& daemon = loaded.config->daemon;
    out.u8(static_cast<std::uint8_t>(daemon.log_level));
    out.u32(daemon.history_limit);
    out.text(daemon.log_file);
    out.i64(leaving_limit(*loaded.config).count());
    out.text(daemon.watchdog);
    out.i64(daemon.watchdog_timeout.count());
    out.i64(daemon.recorder.count());
    const std::vector<std::string> interfaces = recorded_interfaces(*loaded.config);
    out.u8(static_cast<std::uint8_t>(interfaces.size()));
    for (const std::string& interface : interfaces) out.text(interface);
    auto hosts = posix::sealed_memfd("baton-fleet", ipc::encode_fleet(host_orders(*loaded.config)));
    if (!hosts) return Unexpected<Error>{hosts.error()};
    fleet = std::move(*hosts);
    strip_secrets(*loaded.config);
    auto with_keys = posix::sealed_memfd("baton-config-steward", config::serialize(*loaded.config));
    if (!with_keys) return Unexpected<Error>{with_keys.error()};
    for_steward = std::move(*with_keys);
    strip_peer_keys(*loaded.config);
    auto memory = posix::sealed_memfd("baton-config", config::serialize(*loaded.config));
    if (!memory) return Unexpected<Error>{memory.error()};
    configuration = std::move(*memory);
    fds.push_back(configuration.get());
    fds.push_back(fleet.get());
    fds.push_back(for_steward.get());
  }
  if (!out.ok()) return fail("answer: log_file or watchdog is too long");
  const auto sent = posix::send_message(channel, out.written(), fds);
  return sent ? Result<void>{} : Unexpected<Error>{sent.error()};
}

int child_main(const ConfigRequest& request, int channel, pid_t guardian) {
  posix::reset_signals();
  std::vector<int> keep = log::descriptors();
  keep.insert(keep.end(), {channel, request.running});
  posix::close_all_but(keep);
  posix::set_process_name("baton-config");
  log::open({"config"});
  // Password files are root's: reading them is the one right that is kept, and this process lives for a moment.
  if (auto dropped = posix::drop_to_user(request.user, {CAP_DAC_READ_SEARCH}); !dropped) {
    log::error("config_reader_failed", {{"error", dropped.error().message()}});
    return 1;
  }
  posix::die_with_parent(guardian);
  if (auto done = answer(request, channel); !done) {
    log::error("config_reader_failed", {{"error", done.error().message()}});
    return 1;
  }
  return 0;
}

Result<ConfigAnswer> take_apart(posix::ReceivedMessage message, ConstBytes bytes) {
  ByteReader in{bytes};
  ConfigAnswer answer;
  answer.valid = in.u8() == 1;
  if (answer.valid) {
    answer.facts.log_level = static_cast<log::Level>(std::min<std::uint8_t>(in.u8(), 4));
    answer.facts.history_limit = in.u32();
    answer.facts.log_file = in.text();
    answer.facts.leaving_limit = std::clamp(Nanos{in.i64()}, Nanos{0}, kLongestStop);
    answer.facts.watchdog = in.text();
    answer.facts.watchdog_timeout = std::clamp<Nanos>(Nanos{in.i64()}, std::chrono::seconds{2}, std::chrono::hours{1});
    answer.facts.recorder = std::clamp<Nanos>(Nanos{in.i64()}, Nanos{0}, std::chrono::hours{1});
    const std::size_t count = std::min<std::size_t>(in.u8(), kMaxRecorded);
    for (std::size_t i = 0; i < count; ++i) {
      answer.facts.interfaces.push_back(in.text().substr(0, kMaxInterfaceName));
    }
  }
  if (!in.ok() || message.truncated || message.fds.size() != (answer.valid ? 4U : 1U)) {
    return fail("read configuration: the reader's answer makes no sense");
  }
  answer.report = std::move(message.fds[0]);
  if (answer.valid) answer.configuration = std::move(message.fds[1]);
  if (answer.valid) answer.fleet = std::move(message.fds[2]);
  if (answer.valid) answer.for_steward = std::move(message.fds[3]);
  return answer;
}

}  // namespace

Result<config::Config> read_back(int configuration) {
  const auto bytes = posix::read_sealed(configuration, kMaxConfigBytes);
  if (!bytes) return Unexpected<Error>{bytes.error()};
  return config::deserialize(*bytes);
}

Result<ConfigChild> ConfigChild::start(const ConfigRequest& request) {
  auto ends = posix::seqpacket_pair();
  if (!ends) return Unexpected<Error>{ends.error()};
  const int channel = ends->second.get();
  const pid_t guardian = ::getpid();
  auto child = posix::spawn([&] { return child_main(request, channel, guardian); });
  if (!child) return Unexpected<Error>{child.error()};
  return ConfigChild{std::move(*child), std::move(ends->first)};
}

Result<ConfigAnswer> ConfigChild::finish() {
  std::array<std::uint8_t, kMaxAnswer> buffer;
  auto received = posix::receive_message(channel_.get(), buffer);
  child_.signal(SIGKILL);
  const int status = child_.wait();
  if (!received) return Unexpected<Error>{received.error()};
  if (received->status == posix::IoStatus::kWouldBlock) return fail("read configuration: took longer than 5 s");
  if (received->status == posix::IoStatus::kClosed) {
    return fail("read configuration: the reader " + posix::describe_wait_status(status));
  }
  const std::size_t size = received->message.size;
  return take_apart(std::move(received->message), ConstBytes{buffer}.first(size));
}

Result<ConfigAnswer> read_configuration(const ConfigRequest& request) {
  auto child = ConfigChild::start(request);
  if (!child) return Unexpected<Error>{child.error()};
  const Instant limit = posix::now() + kConfigChildLimit;
  pollfd ready{child->fd(), POLLIN, 0};
  for (Nanos rest = kConfigChildLimit; rest > Nanos{0}; rest = limit - posix::now()) {
    const auto rest_ms = std::chrono::duration_cast<std::chrono::milliseconds>(rest).count() + 1;
    if (::poll(&ready, 1, static_cast<int>(rest_ms)) > 0) break;
  }
  return child->finish();
}

bool check_configuration(const Options& options) {
  const config::Loaded loaded = load(options);
  const std::string text = config::render_all(loaded.diagnostics);
  std::fwrite(text.data(), 1, text.size(), stderr);
  if (loaded.config) std::printf("%s: valid\n", options.config_path.c_str());
  return loaded.config.has_value();
}

}  // namespace baton::daemon
