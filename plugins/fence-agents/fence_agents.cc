// SPDX-License-Identifier: GPL-2.0-or-later
//
// fence-agents: makes sure that another host is off, by one of the fence_* programs that know power switches, BMCs and
// hypervisors. Off is what a second question confirms; everything else is no success. Never fences the own host.
#include <poll.h>

#include <algorithm>
#include <string>

#include "common/command.h"
#include "fence-agents/agent.h"
#include "plugin.hpp"

namespace baton::fence_agents {
namespace {

using plugin::Call;
using plugin::Host;
using plugin::Result;
using plugin::State;
using plugin::Status;
using namespace std::chrono_literals;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::size_t kMaximumInput = 4000;  // bytes of options on stdin

constexpr baton_key kKeys[] = {
    plugin::key("agent", BATON_KEY_TEXT, "The fence agent: the name of a program in /usr/sbin, or its path.", nullptr,
                BATON_KEY_REQUIRED, "fence_ipmilan"),
    plugin::key("member", BATON_KEY_TEXT, "A HOST and the agent's options for it.", nullptr,
                BATON_KEY_LIST | BATON_KEY_REQUIRED, "HOST KEY=VALUE ..."),
    plugin::key("option", BATON_KEY_TEXT, "An option of the agent for all hosts.", nullptr, BATON_KEY_LIST,
                "KEY=VALUE"),
    plugin::key("action", BATON_KEY_WORD, "reboot: after it was proved to be off, the host is switched on again.",
                "off", 0, "off|reboot"),
    plugin::key("delay", BATON_KEY_DURATION,
                "Wait before fencing; longer on one host than on the other, so that they do not end each other.", "0s",
                0, nullptr, 0, 60 * kSecond),
    plugin::key("probe", BATON_KEY_WORD,
                "What a check asks: the status of every other host, or whether the device can be reached at all.",
                "status", 0, "status|monitor"),
    plugin::key("password_file", BATON_KEY_SECRET, "File with the agent's option `password`."),
    plugin::key("secrets_file", BATON_KEY_SECRET,
                "File with lines KEY=VALUE or HOST KEY=VALUE: options to keep secret."),
};

class Fence {
 public:
  explicit Fence(const Host& host)
      : self_(host.host_name()),
        action_(host.text("action")),
        probe_action_(host.text("probe")),
        delay_(host.duration("delay")),
        wanted_(host.text("agent")),
        agent_(find_agent(wanted_), read_members(host)) {}

  static void check_settings(const Host& host);
  Result probe(const Call& call);
  Result fence(const Call& call);

 private:
  Result missing() const;
  Result confirm(const Call& call, const std::string& host, const Said& off);
  Result switch_on(const Call& call, const std::string& host, Result result);
  void delay(const Call& call) const;

  std::string self_;
  std::string action_;
  std::string probe_action_;
  std::chrono::nanoseconds delay_;
  std::string wanted_;
  Agent agent_;
};

void Fence::check_settings(const Host& host) {
  const std::string agent = host.text("agent");
  const bool plain = agent.find('/') == std::string::npos;
  if (!plain && !agent.starts_with('/')) host.complain("agent", agent + " is neither a name nor an absolute path");
  if (plain && agent.find_first_of(" \t") != std::string::npos) {
    host.complain("agent", "arguments do not belong here: use `option` and `member`");
  }
  const Members members = read_members(host);
  for (const std::string& error : members.errors) {
    const std::size_t colon = error.find(": ");
    host.complain(error.substr(0, colon).c_str(), error.substr(colon + 2));
  }
  bool other = false;
  for (const auto& [name, options] : members.hosts) {
    other = other || name != host.host_name();
    std::size_t size = 0;
    for (const auto& [option, value] : members.options_of(name)) size += option.size() + value.size() + 2;
    if (size > kMaximumInput) host.complain("member", name + " has more than 4000 bytes of options");
  }
  if (members.errors.empty() && !other) host.complain("member", "names no host but this one: whom to fence?");
  for (const auto& [name, options] : members.own_secrets) {
    if (!members.hosts.contains(name)) host.complain("secrets_file", name + " is no member");
  }
}

Result Fence::missing() const {
  return plugin::failed(Status::kConfig, "there is no fence agent " + wanted_ + " that this user may run" +
                                             (wanted_.starts_with('/') ? "" : " (package fence-agents?)"))
      .fact("cause", "missing");
}

void Fence::delay(const Call& call) const {
  const auto end = call.remaining() - delay_;
  while (delay_ > 0ns && call.remaining() > end && call.remaining() > 0ns) {
    const auto left = std::min(call.remaining() - end, call.remaining());
    ::poll(nullptr, 0, static_cast<int>(std::max<std::int64_t>(1, left / 1ms)));
  }
}

Result Fence::fence(const Call& call) {
  const std::string host = call.target();
  if (agent_.name().empty()) return missing();
  if (host == self_) return plugin::failed(Status::kRefused, "this host does not fence itself").fact("cause", "self");
  if (!agent_.members().hosts.contains(host)) {
    const std::string who = host.empty() ? "whom to fence is not known" : "there is no `member` line for " + host;
    return plugin::failed(Status::kConfig, who + ": nothing was done").fact("cause", "member");
  }
  if (delay_ >= call.remaining()) {
    return plugin::failed(Status::kConfig,
                          "the delay of " + plugin::duration_words(delay_) + " is longer than the deadline of the act")
        .fact("cause", "delay");
  }
  delay(call);
  // The last third is for asking whether it worked.
  const Said off = agent_.run("off", host, call.remaining() * 2 / 3);
  const bool useless = off.status == Status::kConfig && off.cause != "plug";
  Result result = useless
                      ? plugin::failed(off.status, agent_.name() + " cannot switch " + host + " off: " + off.sentence)
                      : confirm(call, host, off);
  if (result.status == Status::kOk && action_ == "reboot") result = switch_on(call, host, std::move(result));
  if (result.status != Status::kOk) result.fact("cause", off.status == Status::kOk ? "not_confirmed" : off.cause);
  result.fact("agent", agent_.name()).fact("host", host).fact("confirmed", result.status == Status::kOk ? "yes" : "no");
  return result;
}

/// Asks until it is off: power supplies take a moment. What the agent said of its own success is not enough, and what
/// it said of its failure does not matter if the host is off.
Result Fence::confirm(const Call& call, const std::string& host, const Said& off) {
  const std::string first = off.status == Status::kOk ? "" : "; before, it " + off.sentence;
  Said status;
  do {
    status = agent_.run("status", host, std::min<std::chrono::nanoseconds>(call.remaining() * 2 / 3, 20s));
    if (status.power == Power::kOff) return plugin::done(host + " is off, as " + agent_.name() + " confirms" + first);
    if (status.status == Status::kConfig) break;
    ::poll(nullptr, 0, static_cast<int>(std::clamp<std::int64_t>(call.remaining() / 1ms / 8, 1, 500)));
  } while (call.remaining() > 200ms);
  const bool on = status.power == Power::kOn;
  const Status type = on ? Status::kFatal : status.status == Status::kConfig ? Status::kConfig : Status::kTransient;
  return plugin::failed(
      type, on ? host + " is still on, says " + agent_.name() + first
               : "it is not known whether " + host + " is off: " + agent_.name() + " " + status.sentence + first);
}

/// That it does not come up again takes nothing from the proof that it was off.
Result Fence::switch_on(const Call& call, const std::string& host, Result result) {
  const Said on = agent_.run("on", host, call.remaining() * 9 / 10);
  result.sentence +=
      on.status == Status::kOk ? "; it was switched on again" : "; switching it on again failed: " + on.sentence;
  result.fact("switched_on", on.status == Status::kOk ? "yes" : "no");
  return result;
}

Result Fence::probe(const Call& call) {
  if (agent_.name().empty()) return missing();
  Result result = plugin::pass("");
  std::vector<std::string> others;
  for (const auto& [host, options] : agent_.members().hosts) {
    if (host != self_) others.push_back(host);
  }
  for (std::size_t i = 0; i < others.size(); ++i) {
    const auto share = call.remaining() / static_cast<int>(others.size() - i);
    const Said said = agent_.run(probe_action_, others[i], share * 9 / 10);
    if (said.status != Status::kOk) {
      Result failed =
          plugin::failed(said.status, agent_.name() + " could not fence " + others[i] + " now: it " + said.sentence);
      failed.state = said.status == Status::kConfig ? State::kUnknown : State::kFail;
      return std::move(failed.fact("cause", said.cause).fact("host", others[i]));
    }
    const bool off = said.power == Power::kOff;
    result.sentence += (i == 0 ? agent_.name() + " reaches " : ", ") + others[i];
    if (probe_action_ == "status") result.sentence += off ? " (off)" : " (on)";
    if (i < 8 && probe_action_ == "status") result.fact("power_" + others[i], off ? "off" : "on");
  }
  return result;
}

constexpr const char* kManual =
    "Ends another host by one of the fence_* programs of the package fence-agents (IPMI, power switches, hypervisors, "
    "clouds), so that a promotion may begin without its word. The agent gets its options on stdin, `option` and the "
    "`member` line of that HOST; passwords come from files.\n\n"
    "fence answers ok only if, after the agent's `off`, its `status` says that the host is off. A reboot is off, that "
    "proof, and on.\n\n"
    "Facts: agent, host, confirmed, switched_on, cause; of probe: power_HOST, cause, host.";

}  // namespace
}  // namespace baton::fence_agents

BATON_PLUGIN(baton::fence_agents::Fence, baton::plugin::About{.name = "fence-agents",
                                                              .version = "1",
                                                              .summary = "Switches another host off by a fence agent",
                                                              .manual = baton::fence_agents::kManual,
                                                              .keys = baton::fence_agents::kKeys})
