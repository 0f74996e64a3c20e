#include "daemon/plugin_hosts.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "ipc/probe_page.h"
#include "log/log.h"
#include "plugin_api/plugin.h"
#include "posix/clock.h"
#include "posix/memfd.h"
#include "posix/program.h"
#include "posix/unix_socket.h"

namespace baton::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kSettingsChanged = "its settings have changed";
constexpr const char* kRenewed = "it goes over to the program that is on disk now";
constexpr int kNotStarted = -1;  ///< PluginHostDown's wait status of what never ran
/// Whoever ends in a way that is no death starts again at once, but not in a circle that only starts processes.
constexpr Nanos kShortestLife = milliseconds{500};
/// For a plugin's close(): a webhook delivers what waits (plugins/webhook, close_wait).
constexpr Nanos kCloseGrace = seconds{3};
constexpr Nanos kStrayPause = milliseconds{20};
/// Starting takes no longer than this in one turn, however fast kStartsPerTurn would be.
constexpr Nanos kStartBudget = milliseconds{5};

std::uint64_t fresh_incarnation() {
  std::uint64_t value = 0;
  if (::getrandom(&value, sizeof value, GRND_NONBLOCK) != sizeof value || value == 0) {
    value = static_cast<std::uint64_t>(posix::now().time_since_epoch().count());
  }
  return value;
}

bool same_order(ipc::HostOrder a, ipc::HostOrder b) {
  a.incarnation = b.incarnation = 0;
  return a == b;
}

std::string in_seconds(Nanos time) { return std::to_string(time / seconds{1}) + " s"; }

/// Also what the first process has started, as long as it stayed in the group.
void signal_group(const posix::Child& child, int number) {
  if (!child.running()) return;
  ::kill(-child.pid(), number);
  child.signal(number);
}

std::string how_it_ended(int status) {
  if (!WIFEXITED(status)) return posix::describe_wait_status(status);
  switch (WEXITSTATUS(status)) {
    case 126: return "could not be given its rights and descriptors";
    case 127: return "could not be executed";
    case ipc::kHostRefused: return "refused to work: its own log line says why";
    case ipc::kHostLate: return "ended itself because a call was not back in time";
    case ipc::kHostLeft: return "ended because the plugin called exit()";
    default: return posix::describe_wait_status(status);
  }
}

}  // namespace

PluginHosts::PluginHosts(posix::EventLoop& loop, Setting setting, Tell tell)
    : loop_(loop), setting_(std::move(setting)), tell_(std::move(tell)) {}

PluginHosts::~PluginHosts() {
  for (auto& [key, place] : places_) {
    if (!place.child.running()) continue;
    signal_group(place.child, SIGKILL);
    loop_.remove(place.child.pidfd());
    place.child.wait();
  }
}

// --- What there should be ------------------------------------------------------------------------------------------

void PluginHosts::set_fleet(Instant now, std::vector<ipc::HostOrder> orders) {
  std::set<Key> wanted;
  for (ipc::HostOrder& order : orders) {
    const Key key{order.section, order.kind};
    wanted.insert(key);
    Place& place = places_[key];
    place.unwanted_until.reset();
    const bool fresh = place.order.section.empty();
    if (!fresh && same_order(place.order, order)) continue;
    const Nanos longest_act = place.order.deadline;
    place.order = std::move(order);
    // Other settings, another chance.
    place.given_up = false;
    place.deaths.clear();
    place.back_off = Nanos{0};
    if (place.child.running() && key.second == ipc::HostKind::kAct) {
      let_finish(now, place, longest_act, kSettingsChanged);
    } else if (place.child.running()) {
      begin_end(now, place, kSettingsChanged);
    } else {
      place.start_at = now;
    }
  }
  for (auto place = places_.begin(); place != places_.end();) {
    const auto each = place++;
    if (wanted.contains(each->first) || each->second.unwanted_until) continue;
    if (each->first.second == ipc::HostKind::kProbe) {
      remove(each);  // nobody asks for its outcomes any more
    } else {
      each->second.unwanted_until = now + kLongestFarewell;  // it may still have to leave
    }
  }
}

void PluginHosts::remove(std::map<Key, Place>::iterator place) {
  Place& gone = place->second;
  if (gone.child.running()) {
    gone.unwanted_until = Instant{};
    begin_end(posix::now(), gone, "no longer configured");
    return;
  }
  places_.erase(place);
}

void PluginHosts::end(Instant now, const ipc::PluginHostEnd& end) {
  const auto found = places_.find({end.section, end.kind});
  if (found == places_.end()) return;
  Place& place = found->second;
  if (place.unwanted_until) return remove(found);
  if (!place.child.running() || place.incarnation != end.incarnation || place.kill_at) return;
  begin_end(now, place, end.sentence);
}

/// It is asked nothing any more, and ends by itself when the act that it is at is done: what is half-way would be worse
/// than what was right a moment ago. The engine asks the next one.
void PluginHosts::let_finish(Instant now, Place& place, Nanos longest_act, const char* why) {
  if (place.kill_at) return;
  log::info("plugin_host_ended",
            {{"plugin", place.order.section}, {"kind", "act"}, {"pid", std::to_string(place.child.pid())}},
            why + std::string{": it ends when what it does is done"});
  ::shutdown(place.engine_end.get(), SHUT_WR);
  place.kill_at = now + longest_act + kCloseGrace;
  place.why_ended = why;
}

void PluginHosts::begin_end(Instant now, Place& place, const std::string& why, Nanos grace) {
  if (place.kill_at) return;
  log::info("plugin_host_ended",
            {{"plugin", place.order.section},
             {"kind", std::string{ipc::host_kind_token(place.order.kind)}},
             {"pid", std::to_string(place.child.pid())}},
            why);
  signal_group(place.child, SIGTERM);
  place.kill_at = now + grace;
  place.why_ended = why;
}

// --- Starting ------------------------------------------------------------------------------------------------------

/// Page and bell stay the same for all hosts of a section.
Result<void> PluginHosts::prepare(Place& place) {
  if (place.order.kind != ipc::HostKind::kProbe || place.page.valid()) return {};
  auto page = posix::shared_memfd("baton-probe", ipc::kProbePageSize);
  if (!page) return Unexpected<Error>{page.error()};
  auto reader = posix::reopen_read_only(page->get());
  if (!reader) return Unexpected<Error>{reader.error()};
  posix::Fd bell{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!bell.valid()) return fail("make an eventfd", errno);
  place.page = std::move(*page);
  place.page_reader = std::move(*reader);
  place.bell = std::move(bell);
  return {};
}

Result<posix::User> PluginHosts::user_of(const std::string& name) {
  const auto known = users_.find(name);
  if (known != users_.end()) return known->second;
  auto user = posix::find_user(name);
  if (!user && user.error().sys_errno == ENOENT) {
    return fail("there is no user " + name +
                "; create it with: useradd --system --user-group --no-create-home --shell /usr/sbin/nologin " + name);
  }
  if (user) users_.emplace(name, *user);
  return user;
}

Result<posix::Fd> PluginHosts::order_memory(const Place& place) {
  ipc::HostOrder order = place.order;
  order.incarnation = place.incarnation;
  return posix::sealed_memfd("baton-order", ipc::encode(order));
}

Result<void> PluginHosts::launch(Place& place) {
  if (auto prepared = prepare(place); !prepared) return prepared;
  auto order = order_memory(place);
  if (!order) return Unexpected<Error>{order.error()};
  posix::Program program;
  program.path = setting_.program;
  program.environment = setting_.environment;
  program.descriptors.emplace_back(order->get(), ipc::kOrderDescriptor);
  posix::Fd host_end;
  if (place.order.kind == ipc::HostKind::kAct) {
    auto pair = posix::seqpacket_pair();
    if (!pair) return Unexpected<Error>{pair.error()};
    place.engine_end = std::move(pair->first);
    host_end = std::move(pair->second);
    program.descriptors.emplace_back(host_end.get(), ipc::kWorkDescriptor);
  } else {
    program.descriptors.emplace_back(place.page.get(), ipc::kWorkDescriptor);
    program.descriptors.emplace_back(place.bell.get(), ipc::kBellDescriptor);
  }
  const posix::Fd log = setting_.open_log ? setting_.open_log() : posix::Fd{};
  if (log.valid()) program.descriptors.emplace_back(log.get(), ipc::kLogDescriptor);
  if (setting_.switch_user) {
    auto user = user_of(place.order.user);
    if (!user) return Unexpected<Error>{user.error()};
    program.user = *user;
    program.raw_network = place.order.own_module && (place.order.needs & BATON_NEEDS_NET_RAW) != 0;
  }
  auto child = posix::start_program(program);
  if (!child) return Unexpected<Error>{child.error()};
  place.child = std::move(*child);
  place.started = posix::now();
  const Key key{place.order.section, place.order.kind};
  return loop_.add(place.child.pidfd(), EPOLLIN, [this, key](std::uint32_t) { on_end(key); });
}

void PluginHosts::start(Instant now, Place& place) {
  place.start_at.reset();
  place.kill_at.reset();
  place.why_ended.clear();
  place.incarnation = fresh_incarnation();
  if (auto launched = launch(place); !launched) {
    if (place.child.running()) {
      signal_group(place.child, SIGKILL);
      place.child.wait();
    }
    const Error& error = launched.error();
    const std::string reason =
        error.sys_errno == EAGAIN || error.sys_errno == ENOMEM ? std::strerror(error.sys_errno) : error.message();
    return failed(now, place, kNotStarted, "cannot be started: " + reason);
  }
  const log::Level level = std::exchange(place.late, false) ? log::Level::kDebug : log::Level::kInfo;
  log::write(level, "plugin_host_started",
             {{"plugin", place.order.section},
              {"kind", std::string{ipc::host_kind_token(place.order.kind)}},
              {"pid", std::to_string(place.child.pid())},
              {"user", place.order.user}});
  for (const ipc::Process process : {ipc::Process::kEngine, ipc::Process::kSteward}) introduce(process, place);
}

/// The steward shows what probes said; it has no business with bells and acts.
void PluginHosts::introduce(ipc::Process process, const Place& place) {
  const ipc::PluginHost news{place.order.section, place.order.kind, place.incarnation};
  const bool probe = place.order.kind == ipc::HostKind::kProbe;
  if (process == ipc::Process::kSteward) {
    const int fds[] = {place.page_reader.get()};
    tell_(process, news, probe ? std::span<const int>{fds} : std::span<const int>{});
  } else if (probe) {
    const int fds[] = {place.page_reader.get(), place.bell.get()};
    tell_(process, news, fds);
  } else {
    const int fds[] = {place.engine_end.get()};
    tell_(process, news, fds);
  }
}

void PluginHosts::introduce(ipc::Process process) {
  for (const auto& [key, place] : places_) {
    if (place.child.running()) introduce(process, place);
  }
}

std::vector<int> PluginHosts::held_descriptors() const {
  std::vector<int> all;
  for (const auto& [key, place] : places_) {
    if (!place.child.running()) continue;
    if (place.engine_end.valid()) all.push_back(place.engine_end.get());
    if (place.page_reader.valid()) all.insert(all.end(), {place.page_reader.get(), place.bell.get()});
  }
  return all;
}

std::vector<HeldPlugin> PluginHosts::take_held() {
  std::vector<HeldPlugin> all;
  for (auto& [key, place] : places_) {
    if (!place.child.running()) continue;
    HeldPlugin held;
    held.host = {place.order.section, place.order.kind, place.incarnation};
    if (place.order.kind == ipc::HostKind::kProbe) {
      held.fds.push_back(std::move(place.page_reader));
      held.fds.push_back(std::move(place.bell));
    } else {
      held.fds.push_back(std::move(place.engine_end));
    }
    all.push_back(std::move(held));
  }
  return all;
}

// --- A re-exec -----------------------------------------------------------------------------------------------------

std::vector<LeftHost> PluginHosts::leave() const {
  std::vector<LeftHost> all;
  for (const auto& [key, place] : places_) {
    all.push_back({.order = place.order,
                   .child = {place.child.pid(), place.child.pidfd()},
                   .page = place.page.get(),
                   .page_reader = place.page_reader.get(),
                   .bell = place.bell.get(),
                   .engine_end = place.engine_end.get(),
                   .incarnation = place.incarnation,
                   .started = place.started,
                   .back_off = place.back_off,
                   .unwanted_until = place.unwanted_until,
                   .start_at = place.start_at,
                   .kill_at = place.kill_at,
                   .why_ended = place.why_ended,
                   .deaths = {place.deaths.begin(), place.deaths.end()},
                   .given_up = place.given_up,
                   .late = place.late});
  }
  return all;
}

void PluginHosts::inherit(std::vector<LeftHost> hosts) {
  for (LeftHost& left : hosts) {
    const Key key{left.order.section, left.order.kind};
    Place& place = places_[key];
    place.order = std::move(left.order);
    place.unwanted_until = left.unwanted_until;
    place.page.reset(left.page);
    place.page_reader.reset(left.page_reader);
    place.bell.reset(left.bell);
    place.engine_end.reset(left.engine_end);
    place.child = posix::Child{left.child.pid, posix::Fd{left.child.pidfd}};
    place.started = left.started;
    place.incarnation = left.incarnation;
    place.start_at = left.start_at;
    place.kill_at = left.kill_at;
    place.why_ended = std::move(left.why_ended);
    place.deaths.assign(left.deaths.begin(), left.deaths.end());
    place.given_up = left.given_up;
    place.late = left.late;
    place.back_off = left.back_off;
    if (!place.child.running()) continue;
    const auto added = loop_.add(place.child.pidfd(), EPOLLIN, [this, key](std::uint32_t) { on_end(key); });
    if (!added) log::error("process_lost", {}, added.error().message());
  }
}

void PluginHosts::renew(Instant now) {
  for (auto& [key, place] : places_) {
    if (!place.child.running() || place.unwanted_until) continue;
    if (key.second == ipc::HostKind::kAct) {
      let_finish(now, place, place.order.deadline, kRenewed);
    } else {
      begin_end(now, place, kRenewed);
    }
  }
}

// --- Ending --------------------------------------------------------------------------------------------------------

void PluginHosts::on_end(const Key& key) {
  const auto found = places_.find(key);
  if (found == places_.end()) return;
  Place& place = found->second;
  const int pidfd = place.child.pidfd();
  const pid_t group = place.child.pid();
  // As long as it is not reaped, nobody else can have its number, and so its group's.
  ::kill(-group, SIGKILL);
  const auto status = place.child.reap();
  if (!status) return;
  loop_.remove(pidfd);
  const Instant now = posix::now();
  place.kill_at.reset();
  place.engine_end.reset();
  end_strays(now);
  if (stopping_) return;
  buried(now, place, *status);
  if (place.unwanted_until && *place.unwanted_until <= now) places_.erase(found);
}

void PluginHosts::buried(Instant now, Place& place, int status) {
  const bool exited = WIFEXITED(status);
  const Nanos lived = now - place.started;
  if (place.unwanted_until && *place.unwanted_until <= now) return;
  if (exited && WEXITSTATUS(status) == ipc::kHostRecycled && lived >= kShortestLife) {
    place.start_at = now;
    return;
  }
  if (place.why_ended == kRenewed) {
    place.start_at = now;
    return;
  }
  // It may have been dead already when its end was asked for.
  const bool by_us = exited || WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGKILL;
  const bool asked = by_us && !place.why_ended.empty();
  failed(now, place, status, asked ? "ended: " + place.why_ended : how_it_ended(status));
}

/// It died or could not be started: when is it tried again, and who has to know.
void PluginHosts::failed(Instant now, Place& place, int wait_status, const std::string& sentence) {
  const bool ran = wait_status != kNotStarted;
  // The hang of a plugin is an answer of its check, not a death; new settings are no fault of the old host.
  const bool late = ran && WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == ipc::kHostLate;
  const bool asked = place.why_ended == kSettingsChanged;
  if (ran && now - place.started >= kGoodLife) {
    place.deaths.clear();
    place.back_off = Nanos{0};
    place.given_up = false;
  }
  if (late || asked) {
    place.late = late;
    place.start_at = late ? std::max(now, place.started + kShortestLife) : now;
  } else {
    place.deaths.push_back(now);
    while (place.deaths.size() > kBreakerDeaths || now - place.deaths.front() > kBreakerWindow) {
      place.deaths.pop_front();
    }
    // Once broken, one more death is enough.
    place.given_up = place.given_up || place.deaths.size() >= kBreakerDeaths;
    const bool wait_at_once = !ran && place.back_off == Nanos{0};
    if (wait_at_once) place.back_off = kFirstBackOff;
    place.start_at = now + (place.given_up ? kBreakerPause : place.back_off);
    place.back_off = place.back_off == Nanos{0} ? kFirstBackOff : std::min(place.back_off * 2, kLongestBackOff);
  }
  ipc::PluginHostDown down;
  down.section = place.order.section;
  down.kind = place.order.kind;
  down.incarnation = place.incarnation;
  down.given_up = place.given_up;
  down.wait_status = wait_status;
  down.sentence = sentence;
  if (place.given_up) {
    down.sentence = "it died " + std::to_string(kBreakerDeaths) + " times within a minute, the last time: " + sentence +
                    "; it is tried again every " + in_seconds(kBreakerPause);
  }
  const std::string kind{ipc::host_kind_token(place.order.kind)};
  if (place.given_up) {
    log::error("plugin_given_up", {{"plugin", place.order.section}, {"kind", kind}}, down.sentence);
  } else {
    log::write(late    ? log::Level::kDebug
               : asked ? log::Level::kInfo
                       : log::Level::kWarning,
               "plugin_host_died",
               {{"plugin", place.order.section},
                {"kind", kind},
                {"next_try_ms", std::to_string((*place.start_at - now) / milliseconds{1})}},
               sentence);
  }
  for (const ipc::Process process : {ipc::Process::kEngine, ipc::Process::kSteward}) tell_(process, down, {});
}

// --- What they leave behind ----------------------------------------------------------------------------------------

/// Processes that were left to us, as the reaper of all our descendants.
std::vector<pid_t> PluginHosts::strays() const {
  std::set<pid_t> own;
  if (setting_.own) own = setting_.own();
  for (const auto& [key, place] : places_) {
    if (place.child.running()) own.insert(place.child.pid());
  }
  const std::string path = "/proc/self/task/" + std::to_string(::getpid()) + "/children";
  posix::Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::string text;
  std::array<char, 4096> buffer;
  for (ssize_t size = 0; file.valid() && (size = ::read(file.get(), buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
  std::vector<pid_t> found;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t space = std::min(text.find(' ', at), text.size());
    const pid_t pid = std::atoi(text.substr(at, space - at).c_str());
    if (pid > 0 && !own.contains(pid)) found.push_back(pid);
    at = space + 1;
  }
  return found;
}

void PluginHosts::end_strays(Instant now) {
  strays_at_.reset();
  for (const pid_t pid : strays()) {
    ::kill(pid, SIGKILL);
    if (::waitpid(pid, nullptr, WNOHANG) != pid) strays_at_ = now + kStrayPause;
  }
}

void PluginHosts::reap_strays() {
  for (const pid_t pid : strays()) ::waitpid(pid, nullptr, WNOHANG);
}

// --- The turn ------------------------------------------------------------------------------------------------------

std::optional<Instant> PluginHosts::next_deadline() const {
  Instant next = strays_at_.value_or(kNever);
  for (const auto& [key, place] : places_) {
    if (place.start_at) next = std::min(next, *place.start_at);
    if (place.kill_at) next = std::min(next, *place.kill_at);
    if (place.unwanted_until && !place.kill_at) next = std::min(next, *place.unwanted_until);
  }
  return next == kNever ? std::nullopt : std::optional{next};
}

void PluginHosts::tick(Instant now) {
  if (strays_at_ && now >= *strays_at_) end_strays(now);
  int starts = 0;
  for (auto each = places_.begin(); each != places_.end();) {
    const auto at = each++;
    Place& place = at->second;
    if (place.kill_at && now >= *place.kill_at) {
      signal_group(place.child, SIGKILL);
      place.kill_at = now + seconds{1};  // the kernel has to take it apart
    }
    if (place.unwanted_until && now >= *place.unwanted_until && !place.kill_at) {
      remove(at);
      continue;
    }
    if (stopping_ || place.child.running() || !place.start_at || now < *place.start_at) continue;
    if (starts >= kStartsPerTurn || posix::now() - now > kStartBudget) continue;
    ++starts;
    start(now, place);
  }
}

void PluginHosts::stop() {
  stopping_ = true;
  const auto wait_all = [&](Nanos limit) {
    const Instant until = posix::now() + limit;
    for (auto& [key, place] : places_) {
      if (!place.child.running()) continue;
      const Nanos left = std::max(until - posix::now(), Nanos{0});
      pollfd ended{place.child.pidfd(), POLLIN, 0};
      ::poll(&ended, 1, static_cast<int>(left / milliseconds{1}));
      if (ended.revents != 0) on_end(key);
    }
  };
  for (auto& [key, place] : places_) {
    place.engine_end.reset();
    place.start_at.reset();
    // An act host ends by itself when nobody can ask it any more: what it still has to deliver gets a moment.
    if (place.order.kind == ipc::HostKind::kProbe) signal_group(place.child, SIGTERM);
  }
  wait_all(kCloseGrace);
  for (auto& [key, place] : places_) signal_group(place.child, SIGTERM);
  wait_all(kStopGrace);
  for (auto& [key, place] : places_) signal_group(place.child, SIGKILL);
  wait_all(seconds{1});
  const Instant limit = posix::now() + seconds{1};
  for (end_strays(posix::now()); strays_at_ && posix::now() < limit; end_strays(posix::now())) {
    ::poll(nullptr, 0, 2);
  }
}

std::size_t PluginHosts::running() const {
  return static_cast<std::size_t>(
      std::count_if(places_.begin(), places_.end(), [](const auto& each) { return each.second.child.running(); }));
}

}  // namespace baton::daemon
