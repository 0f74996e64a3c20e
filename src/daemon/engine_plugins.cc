#include "daemon/engine_plugins.h"

#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ipc/host_order.h"
#include "ipc/plain_text.h"
#include "log/log.h"
#include "posix/clock.h"
#include "posix/unix_socket.h"

namespace baton::daemon {
namespace {

/// Sections that the guardian may speak of.
constexpr std::size_t kMaxSections = 4096;
constexpr std::size_t kSentenceLimit = 200;  ///< bytes that ports::Sentence takes

/// A plugin's words for people.
std::string clean(std::string_view text) { return ipc::plain_sentence(text, kSentenceLimit); }

/// Takes the rings off the bell; false: there were none. The plugin shares the descriptor's flags and could make it
/// block, so the read itself says that it must not.
bool take_rings(int bell) {
  std::uint64_t rings = 0;
  iovec part{&rings, sizeof rings};
  return ::preadv2(bell, &part, 1, -1, RWF_NOWAIT) == sizeof rings;
}

/// "its process was killed by signal 11"
std::string obituary(const ipc::PluginHostDown& down) {
  return (down.sentence.starts_with("killed") ? "its process was " : "its process ") + clean(down.sentence);
}

std::string in_words(Nanos time) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : std::to_string(ms) + " ms";
}

}  // namespace

EnginePlugins::EnginePlugins(posix::EventLoop& loop, EndHost end_host) : loop_(loop), end_host_(std::move(end_host)) {
  // A plugin must not guess what comes next; that the kernel has no randomness yet is no reason to wait.
  if (::getrandom(&next_nonce_, sizeof next_nonce_, GRND_NONBLOCK) != sizeof next_nonce_) {
    next_nonce_ = static_cast<std::uint64_t>(posix::now().time_since_epoch().count());
  }
}

EnginePlugins::~EnginePlugins() {
  for (auto& [name, section] : sections_) {
    disarm(section);
    close_channel(section);
  }
}

EnginePlugins::Section* EnginePlugins::by_id(ports::PluginId id) { return id < by_id_.size() ? by_id_[id] : nullptr; }

void EnginePlugins::use_plugin(ports::PluginId id, const config::Plugin& plugin) {
  Section& section = sections_[plugin.name];
  section.name = plugin.name;
  section.id = id;
  section.deadline = plugin.deadline;
  if (id >= by_id_.size()) by_id_.resize(id + 1, nullptr);
  by_id_[id] = &section;
  section.probe.rung = true;  // what its page says already
  soon(Instant{});
}

void EnginePlugins::forget_plugin(ports::PluginId id) {
  Section* section = by_id(id);
  if (section == nullptr) return;
  settle(*section, VerbStatus::kNotRunning, "the section is no longer used", Nanos{0});
  settle_queue(*section, VerbStatus::kNotRunning, "the section is no longer used");
  disarm(*section);
  close_channel(*section);
  for (const auto& [kind, incarnation] : {std::pair{ipc::HostKind::kProbe, section->probe.incarnation},
                                          std::pair{ipc::HostKind::kAct, section->act.incarnation}}) {
    if (incarnation != 0) end_host_({section->name, kind, incarnation, "no longer used"});
  }
  by_id_[id] = nullptr;
  sections_.erase(sections_.find(section->name));
}

// --- Hosts come and go ---------------------------------------------------------------------------------------------

void EnginePlugins::on_host(Instant now, ipc::PluginHost host, std::vector<posix::Fd> fds) {
  if (sections_.count(host.section) == 0 && sections_.size() >= kMaxSections) return;
  Section& section = sections_[host.section];
  section.name = host.section;
  if (host.kind == ipc::HostKind::kProbe) {
    on_probe_host(now, section, host.incarnation, std::move(fds));
  } else {
    on_act_host(section, host.incarnation, std::move(fds));
  }
  soon(Instant{});
}

void EnginePlugins::on_probe_host(Instant now, Section& section, std::uint64_t incarnation,
                                  std::vector<posix::Fd> fds) {
  if (fds.size() < 2) return;
  auto page = posix::Mapping::read_only(fds[0].get());
  if (!page || page->bytes().size() < ipc::kProbePageSize) {
    log::error("plugin_page_lost", {{"plugin", section.name}}, page ? "it is too small" : page.error().message());
    return;
  }
  Probe& probe = section.probe;
  disarm(section);
  // Not every host comes as far as an outcome: the one that is there counts until the new host has one.
  ipc::ProbeOutcome outcome;
  if (look(section, outcome) == Look::kGood) probe.previous = outcome.incarnation;
  probe.incarnation = incarnation;
  probe.inherited = !started_;
  probe.page = std::move(*page);
  probe.bell = std::move(fds[1]);
  take_rings(probe.bell.get());
  probe.rung = true;  // it may have rung before we listened
  probe.rings = 0;
  probe.rings_since = now;
  arm(section);
}

void EnginePlugins::on_act_host(Section& section, std::uint64_t incarnation, std::vector<posix::Fd> fds) {
  if (fds.empty()) return;
  Act& act = section.act;
  if (act.channel.valid()) receive(section);  // the old one's last word
  if (act.running) settle(section, VerbStatus::kCrashed, "its process was replaced", Nanos{0});
  close_channel(section);
  act.ended.reset();
  act.doomed.reset();
  act.given_up.clear();
  act.incarnation = incarnation;
  act.ever = true;
  act.inherited = !started_;
  act.channel = std::move(fds[0]);
  const auto added = loop_.add(act.channel.get(), EPOLLIN, [this, &section](std::uint32_t) { receive(section); });
  if (added) return;
  log::error("plugin_channel_lost", {{"plugin", section.name}}, added.error().message());
  act.channel.reset();
}

void EnginePlugins::on_host_down(Instant, const ipc::PluginHostDown& down) {
  const auto found = sections_.find(down.section);
  if (found == sections_.end()) return;
  Section& section = found->second;
  soon(Instant{});
  const std::string sentence = clean(down.sentence);
  if (down.kind == ipc::HostKind::kAct) {
    Act& act = section.act;
    act.ever = true;
    if (down.incarnation == act.incarnation || act.incarnation == 0) {
      if (act.channel.valid()) receive(section);  // an answer that it gave before it died counts
      settle(section, VerbStatus::kCrashed, obituary(down), Nanos{0});
      close_channel(section);
      act.ended.reset();
      act.doomed.reset();
    }
    act.given_up = down.given_up ? sentence : "";
    return;
  }
  Probe& probe = section.probe;
  // One that could not be started was never announced.
  const bool never_ran = down.wait_status < 0;
  if (!never_ran && probe.incarnation != 0 && down.incarnation != probe.incarnation) return;
  ipc::ProbeOutcome outcome;
  const bool good = look(section, outcome) == Look::kGood;
  probe.rung = true;
  // A host that had to be killed says so on the page before: that is told already. What the guardian could not start
  // has no wait status.
  const bool its_own = good && outcome.incarnation == down.incarnation;
  // Why it refuses to work, or was late: better words than that it was.
  if (its_own && ipc::host_said_why(down.wait_status, outcome.status)) return;
  const bool told = its_own && outcome.status >= VerbStatus::kTimeout;
  if (down.given_up || never_ran) {
    probe.loss = Loss{VerbStatus::kNotRunning, sentence};
  } else if (!told && probe.distrusted != down.incarnation) {
    probe.loss = Loss{VerbStatus::kCrashed, obituary(down)};
  }
}

// --- Probes --------------------------------------------------------------------------------------------------------

void EnginePlugins::arm(Section& section) {
  Probe& probe = section.probe;
  probe.armed = true;
  const auto added = loop_.watches(probe.bell.get())
                         ? loop_.modify(probe.bell.get(), EPOLLIN)
                         : loop_.add(probe.bell.get(), EPOLLIN, [this, &section](std::uint32_t) { on_bell(section); });
  if (!added) log::error("plugin_bell_lost", {{"plugin", section.name}}, added.error().message());
}

void EnginePlugins::disarm(Section& section) {
  Probe& probe = section.probe;
  if (probe.bell.valid()) loop_.remove(probe.bell.get());
  probe.bell.reset();
  probe.armed = false;
}

/// Looked at once, then not again for kBellPause, however it rings.
void EnginePlugins::on_bell(Section& section) {
  Probe& probe = section.probe;
  const Instant now = posix::now();
  take_rings(probe.bell.get());
  if (probe.distrusted != probe.incarnation) probe.distrusted = 0;  // a new host speaks: it is believed or found out
  probe.rung = true;
  probe.armed = false;
  probe.armed_again = now + kBellPause;
  if (const auto changed = loop_.modify(probe.bell.get(), 0); !changed) {
    log::error("plugin_bell_lost", {{"plugin", section.name}}, changed.error().message());
  }
  if (now - probe.rings_since >= kFloodWindow) {
    probe.rings = 0;
    probe.rings_since = now;
  }
  if (++probe.rings > kFloodLimit) flooded(section);
  soon(Instant{});
}

void EnginePlugins::flooded(Section& section) {
  Probe& probe = section.probe;
  disarm(section);
  if (probe.distrusted == probe.incarnation) return;
  tell_garbage(section,
               "floods results: more than " + std::to_string(kFloodLimit) + " within " + in_words(kFloodWindow));
}

/// Once an incarnation.
void EnginePlugins::tell_garbage(Section& section, const std::string& sentence) {
  Probe& probe = section.probe;
  probe.distrusted = probe.incarnation;
  probe.stranger_since.reset();
  probe.loss = Loss{VerbStatus::kGarbage, sentence};
  log::warning("plugin_garbage", {{"plugin", section.name}, {"kind", "probe"}}, sentence);
  end_host_({section.name, ipc::HostKind::kProbe, probe.incarnation, sentence});
  soon(Instant{});
}

/// Why it may not be believed; "" if it may.
std::string EnginePlugins::complaint_about(const Probe& probe, const ipc::PageReading& reading) const {
  if (reading.state == ipc::PageState::kGarbage) return "what its process wrote is no outcome of a probe";
  if (reading.outcome.finished > posix::now()) return "its process wrote an outcome from the future";
  if (reading.outcome.incarnation == probe.incarnation) return "";
  if (probe.previous != 0 && reading.outcome.incarnation == probe.previous) return "";
  return "its process wrote an outcome that belongs to another one";
}

/// For a moment after a stranger's outcome was seen; then it is looked at again.
bool EnginePlugins::may_be_announced(Probe& probe) {
  const Instant now = posix::now();
  if (!probe.stranger_since) probe.stranger_since = now;
  const Instant limit = *probe.stranger_since + kStrangerPatience;
  if (now >= limit) return false;
  soon(limit);
  return true;
}

/// What the page says, if it may be believed.
EnginePlugins::Look EnginePlugins::look(Section& section, ipc::ProbeOutcome& outcome) {
  Probe& probe = section.probe;
  if (probe.page.bytes().empty()) return Look::kNothing;
  ipc::PageReading reading = ipc::read_outcome(probe.page.const_bytes());
  if (reading.state == ipc::PageState::kEmpty) return Look::kNothing;
  const std::string complaint = complaint_about(probe, reading);
  if (complaint.empty()) {
    if (reading.outcome.incarnation == probe.distrusted) return Look::kNothing;
    if (reading.outcome.incarnation == probe.incarnation) probe.distrusted = 0;
    probe.stranger_since.reset();
    outcome = std::move(reading.outcome);
    return Look::kGood;
  }
  // Left by a host before the one that this engine was told of first, or by one that was found out already.
  const bool foreign = reading.state == ipc::PageState::kGood && reading.outcome.incarnation != probe.incarnation;
  if (probe.distrusted != 0 || (probe.inherited && probe.previous == 0 && foreign)) return Look::kNothing;
  if (foreign && may_be_announced(probe)) return Look::kNothing;
  tell_garbage(section, complaint);
  return Look::kGarbage;
}

ports::ProbeReading EnginePlugins::read_probe(ports::PluginId id) {
  ports::ProbeReading reading;
  Section* section = by_id(id);
  if (section == nullptr) return reading;
  ipc::ProbeOutcome outcome;
  if (look(*section, outcome) != Look::kGood) return reading;
  reading.sequence = outcome.sequence;
  reading.streak = outcome.streak;
  reading.state = outcome.state;
  reading.role = outcome.role;
  reading.warning = outcome.warning;
  reading.status = outcome.status;
  reading.generation = outcome.generation;
  reading.finished = outcome.finished;
  reading.sentence = ports::Sentence{clean(outcome.sentence)};
  return reading;
}

void EnginePlugins::serve_probe(Instant now, Section& section, PluginSink& sink) {
  Probe& probe = section.probe;
  if (probe.bell.valid() && !probe.armed) {
    if (now >= probe.armed_again) {
      arm(section);
    } else {
      soon(probe.armed_again);
    }
  }
  if (!section.id) return;
  const ports::PluginId id = *section.id;
  if (std::exchange(probe.rung, false) || probe.stranger_since) {
    ipc::ProbeOutcome outcome;
    if (look(section, outcome) == Look::kGood && outcome.sequence != probe.told) {
      probe.told = outcome.sequence;
      sink.on_plugin_news(now, id);
      if (by_id(id) != &section) return;
    }
  }
  if (!probe.loss) return;
  const Loss loss = *std::exchange(probe.loss, std::nullopt);
  sink.on_probe_lost(now, id, loss.status, loss.sentence);
}

// --- Acts ----------------------------------------------------------------------------------------------------------

void EnginePlugins::act(const ports::ActOrder& order) {
  Section* section = by_id(order.plugin);
  if (section == nullptr) {
    if (order.ticket != 0) {
      results_.push_back(
          {.ticket = order.ticket, .status = VerbStatus::kNotRunning, .sentence = ports::Sentence{"no such section"}});
    }
    soon(Instant{});
    return;
  }
  Waiting waiting{order.ticket,    order.verb,     std::string{order.instance},
                  order.from,      order.to,       order.reason,
                  order.deadline,  posix::now(),   posix::wall_clock_ns(),
                  order.target,    order.position, order.position_age,
                  order.planned,   order.forced,   order.resumes,
                  order.generation};
  std::deque<Waiting>& queue = section->act.queue;
  soon(Instant{});
  if (order.ticket == 0) {
    const auto older = std::find_if(queue.begin(), queue.end(), [&](const Waiting& each) {
      return each.ticket == 0 && each.instance == waiting.instance;
    });
    if (older != queue.end()) queue.erase(older);
  }
  if (queue.size() < kMaxQueued) {
    queue.push_back(std::move(waiting));
  } else if (order.ticket != 0) {
    results_.push_back({.ticket = order.ticket,
                        .status = VerbStatus::kNotRunning,
                        .sentence = ports::Sentence{"too many acts wait for it"}});
  } else {
    log::warning("notify_dropped", {{"plugin", section->name}, {"instance", waiting.instance}},
                 "too many acts wait for it");
  }
}

void EnginePlugins::close_channel(Section& section) {
  posix::Fd& channel = section.act.channel;
  if (channel.valid()) loop_.remove(channel.get());
  channel.reset();
}

/// The act that runs, if one does, has this result.
void EnginePlugins::settle(Section& section, const ipc::ActAnswer& answer) {
  if (!section.act.running) return;
  const Running done = *std::exchange(section.act.running, std::nullopt);
  if (done.ticket != 0) {
    ports::ActResult result;
    result.ticket = done.ticket;
    result.status = answer.status;
    result.took = answer.took == Nanos{0} ? posix::now() - done.started : answer.took;
    result.sentence = ports::Sentence{clean(answer.sentence)};
    result.role = answer.role;
    result.generation = answer.generation;
    result.token = answer.token;
    result.lease = answer.lease;
    result.position = answer.position;
    for (const auto& [key, value] : answer.facts) {
      if (key == "lost_at_most") result.lost = ports::LostText{clean(value)};
    }
    results_.push_back(std::move(result));
  } else if (answer.status != VerbStatus::kOk) {
    const std::string token{status_token(answer.status)};
    log::warning("notify_failed", {{"plugin", section.name}, {"instance", done.instance}, {"result", token}},
                 clean(answer.sentence));
  }
  soon(Instant{});
}

void EnginePlugins::settle(Section& section, VerbStatus status, std::string_view sentence, Nanos took) {
  ipc::ActAnswer answer;
  answer.status = status;
  answer.sentence = sentence;
  answer.took = took;
  settle(section, answer);
}

void EnginePlugins::settle_queue(Section& section, VerbStatus status, std::string_view sentence) {
  for (const Waiting& waiting : std::exchange(section.act.queue, {})) {
    if (waiting.ticket == 0) continue;
    results_.push_back({.ticket = waiting.ticket, .status = status, .sentence = ports::Sentence{clean(sentence)}});
  }
  soon(Instant{});
}

void EnginePlugins::end_act_host(Section& section, const std::string& sentence) {
  close_channel(section);
  end_host_({section.name, ipc::HostKind::kAct, section.act.incarnation, sentence});
}

void EnginePlugins::receive(Section& section) {
  std::array<std::uint8_t, ipc::kMaxHostMessage> buffer;
  // One answer is owed at most; who sends more is ended with the second.
  while (section.act.channel.valid()) {
    const auto received = posix::receive_message(section.act.channel.get(), buffer);
    if (received && received->status == posix::IoStatus::kWouldBlock) return;
    if (!received || received->status == posix::IoStatus::kClosed) {
      end_act_host(section, "its channel is at its end");
      section.act.ended = posix::now();
      soon(*section.act.ended + kObituaryPatience);
      return;
    }
    if (received->message.truncated || !received->message.fds.empty()) {
      on_answer(section, {});
    } else {
      on_answer(section, ConstBytes{buffer}.first(received->message.size));
    }
  }
}

void EnginePlugins::on_answer(Section& section, ConstBytes bytes) {
  Act& act = section.act;
  const auto answer = ipc::decode_answer(bytes);
  if (answer && act.running && answer->nonce == act.running->nonce) {
    act.inherited = false;
    settle(section, *answer);
    if (answer->status != VerbStatus::kTimeout) return;
    // It ends now, with what hangs in it: the next act is for the one that follows.
    close_channel(section);
    act.doomed = posix::now() + kDoomPatience;
    return;
  }
  // What the engine before this one asked.
  if (answer && std::exchange(act.inherited, false)) return;
  const std::string sentence = !answer       ? "what its process answered is no answer: " + answer.error().message()
                               : act.running ? "its process answered another question than was asked"
                                             : "its process answered without being asked";
  log::warning("plugin_garbage", {{"plugin", section.name}, {"kind", "act"}}, clean(sentence));
  settle(section, VerbStatus::kGarbage, sentence, Nanos{0});
  end_act_host(section, sentence);
}

void EnginePlugins::send_next(Instant now, Section& section) {
  Act& act = section.act;
  const Waiting& next = act.queue.front();
  ipc::ActRequest request;
  request.nonce = ++next_nonce_;
  request.verb = next.verb;
  request.timeout = next.deadline;
  request.instance = next.instance;
  request.from_state = vrrp::state_token(next.from);
  request.to_state = vrrp::state_token(next.to);
  request.reason = reason_token(next.reason);
  request.reason_words = reason_words(next.reason);
  request.wall_clock_ns = next.wall_clock_ns;
  request.target = next.target;
  request.position = next.position;
  request.position_age = next.position_age;
  request.planned = next.planned;
  request.forced = next.forced;
  request.resumes = next.resumes;
  request.generation = next.generation;
  act.running = Running{
      next.ticket, request.nonce, next.verb, next.instance, next.deadline, now, now + next.deadline + kAnswerGrace};
  // It may be at work for the engine before this one, up to that act's own deadline.
  if (act.inherited) act.running->limit += section.deadline;
  soon(act.running->limit);
  const auto sent = posix::send_message(act.channel.get(), ipc::encode(request));
  if (sent && *sent == posix::IoStatus::kClosed) {
    // Nobody has read it: it waits for the host that follows.
    act.running.reset();
    return receive(section);
  }
  act.queue.pop_front();
  if (sent && *sent == posix::IoStatus::kDone) return;
  const std::string sentence = sent ? "its process takes no requests" : sent.error().message();
  settle(section, VerbStatus::kNotRunning, sentence, Nanos{0});
  end_act_host(section, sentence);
}

void EnginePlugins::call_off(std::uint64_t ticket) {
  for (auto& [name, section] : sections_) {
    std::optional<Running>& running = section.act.running;
    if (!running || running->ticket != ticket) continue;
    running->limit = Instant{};
    soon(Instant{});
  }
}

void EnginePlugins::serve_act(Instant now, Section& section) {
  Act& act = section.act;
  if (act.ended && now >= *act.ended + kObituaryPatience) {
    act.ended.reset();
    settle(section, VerbStatus::kCrashed, "its process hung up", Nanos{0});
  } else if (act.ended) {
    soon(*act.ended + kObituaryPatience);
    return;
  }
  if (act.doomed && now >= *act.doomed) {
    act.doomed.reset();
    end_act_host(section, "it said that a call was late, and did not end");
  }
  if (act.doomed) soon(*act.doomed);
  if (act.running && now >= act.running->limit) {
    const bool called_off = act.running->limit == Instant{};
    const std::string sentence = called_off ? "called off: its grant ends, or it is not wanted any more"
                                            : "no answer within " + in_words(act.running->deadline);
    settle(section, VerbStatus::kTimeout, sentence, Nanos{0});
    end_act_host(section, sentence);
  }
  if (act.running) {
    soon(act.running->limit);
    return;
  }
  if (act.queue.empty()) return;
  if (act.channel.valid()) return send_next(now, section);
  if (!act.given_up.empty()) return settle_queue(section, VerbStatus::kNotRunning, act.given_up);
  // A host that died is started anew: an act that came meanwhile waits for it.
  const auto limit = [&](const Waiting& each) { return each.since + (act.ever ? each.deadline : kHostPatience); };
  for (auto each = act.queue.begin(); each != act.queue.end();) {
    if (now < limit(*each)) {
      soon(limit(*each));
      ++each;
      continue;
    }
    if (each->ticket != 0) {
      results_.push_back({each->ticket, VerbStatus::kNotRunning, now - each->since,
                          ports::Sentence{"its process did not start in time"}});
      soon(Instant{});
    }
    each = act.queue.erase(each);
  }
}

// --- The turn ------------------------------------------------------------------------------------------------------

bool EnginePlugins::owes_word() const {
  return std::any_of(sections_.begin(), sections_.end(), [](const auto& each) {
    const auto& queue = each.second.act.queue;
    return std::any_of(queue.begin(), queue.end(), [](const Waiting& one) { return one.ticket == 0; });
  });
}

void EnginePlugins::dispatch(Instant now, PluginSink& sink) {
  started_ = true;
  if (now < due_) return;
  due_ = kNever;
  // Whom the news go to may forget sections and use new ones meanwhile: by id, and looked up each time.
  for (auto& [name, section] : sections_) serve_act(now, section);
  for (std::size_t id = 0; id < by_id_.size(); ++id) {
    if (by_id_[id] != nullptr) serve_probe(now, *by_id_[id], sink);
  }
  for (const ports::ActResult& result : std::exchange(results_, {})) sink.on_act_result(now, result);
}

std::optional<Instant> EnginePlugins::next_deadline() const {
  return due_ == kNever ? std::nullopt : std::optional{due_};
}

}  // namespace baton::daemon
