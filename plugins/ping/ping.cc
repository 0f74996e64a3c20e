// SPDX-License-Identifier: GPL-2.0-or-later
//
// ping: a check that gateways or witnesses answer: N of M targets, all asked at once, by ARP (for IPv6 by neighbour
// solicitation) where they are on a link of ours, else by ICMP echo. Hearing a target is not enough: it has to answer
// us.
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "asker.h"
#include "local.h"
#include "plugin.hpp"

namespace {

using baton::plugin::Call;
using baton::plugin::Host;
using baton::plugin::Result;
using baton::plugin::Status;
using baton_ping::Asker;
using baton_ping::Ip;
using baton_ping::Way;
using std::chrono::nanoseconds;

constexpr std::size_t kMostTargets = 64;
constexpr std::size_t kMostTargetFacts = 13;
constexpr std::size_t kLongestFactName = 31;

constexpr baton_key kKeys[] = {
    baton::plugin::key("target", BATON_KEY_ADDRESS, "An address that is asked.", nullptr,
                       BATON_KEY_REQUIRED | BATON_KEY_LIST),
    baton::plugin::key("minimum", BATON_KEY_INTEGER, "So many targets have to answer. Without: all.", nullptr, 0,
                       nullptr, 1, kMostTargets),
    baton::plugin::key("method", BATON_KEY_WORD,
                       "arp: as neighbours (ARP; IPv6: neighbour solicitation). auto: so if they are on a link of this "
                       "host, else icmp.",
                       "auto", 0, "auto|icmp|arp"),
    baton::plugin::key("interface", BATON_KEY_TEXT, "Ask through this link only.", nullptr, 0, "eth0"),
    baton::plugin::key("source", BATON_KEY_ADDRESS, "Ask from this address (one for each family).", nullptr,
                       BATON_KEY_LIST),
    baton::plugin::key("count", BATON_KEY_INTEGER, "How often a silent target is asked, spread over the time there is.",
                       "2", 0, nullptr, 1, 16),
};

nanoseconds monotonic() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::seconds{now.tv_sec} + nanoseconds{now.tv_nsec};
}

std::string milliseconds_words(nanoseconds time) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f ms", static_cast<double>(time.count()) / 1e6);
  return text.data();
}

class Ping {
 public:
  explicit Ping(const Host& host)
      : targets_(host.list("target")),
        minimum_(host.has("minimum") ? static_cast<std::size_t>(host.number("minimum")) : targets_.size()),
        method_(host.text("method")),
        interface_(host.text("interface")),
        count_(static_cast<int>(host.number("count"))) {
    for (const std::string& text : host.list("source")) {
      if (const auto ip = baton_ping::ip_of(text)) sources_.push_back(*ip);
    }
  }

  static void check_settings(const Host& host);
  Result probe(const Call& call);

 private:
  std::vector<Asker> askers() const;
  Asker asker(const std::string& target, std::uint16_t id) const;
  void ask(std::vector<Asker>* askers, const Call& call, nanoseconds patience) const;
  Result answer(const std::vector<Asker>& askers, nanoseconds patience) const;

  std::vector<std::string> targets_;
  std::size_t minimum_;
  std::string method_;
  std::string interface_;
  int count_;
  std::vector<Ip> sources_;
};

/// Broadcast and multicast.
bool names_many(const Ip& ip) {
  const unsigned first = ip.bytes[0];
  const bool all_ones = std::all_of(ip.bytes.begin(), ip.bytes.begin() + 4, [](unsigned byte) { return byte == 255; });
  return ip.family == AF_INET ? (first >= 224 && first < 240) || all_ones : first == 255;
}

void Ping::check_settings(const Host& host) {
  const std::vector<std::string> targets = host.list("target");
  if (targets.size() > kMostTargets) host.complain("target", "at most " + std::to_string(kMostTargets) + " targets");
  if (host.has("minimum") && host.number("minimum") > static_cast<std::int64_t>(targets.size())) {
    host.complain("minimum", "is more than there are targets (" + std::to_string(targets.size()) + ")");
  }
  for (const std::string& text : targets) {
    const auto ip = baton_ping::ip_of(text);
    if (ip && ip->is_link_local() && !host.has("interface")) {
      host.complain("target", text + " is link-local: write the interface, too");
    }
    if (ip && names_many(*ip)) host.complain("target", text + " is no host: many would answer, or none");
    if (std::count(targets.begin(), targets.end(), text) > 1) {
      host.complain("target", text + " stands here twice");
      break;
    }
  }
  int v4 = 0;
  int v6 = 0;
  for (const std::string& text : host.list("source")) ++(text.find(':') == std::string::npos ? v4 : v6);
  if (v4 > 1 || v6 > 1) host.complain("source", "one for each family is enough");
}

Asker Ping::asker(const std::string& target, std::uint16_t id) const {
  const std::optional<Ip> ip = baton_ping::ip_of(target);
  if (!ip) throw baton::plugin::Failure(Status::kConfig, target + " is no address");
  std::optional<Ip> source;
  for (const Ip& one : sources_) {
    if (one.family == ip->family) source = one;
  }
  const baton_ping::Question question{target, *ip, interface_, source};
  const std::optional<Way> way = method_ == "icmp" ? std::nullopt : baton_ping::way_to(*ip, interface_, source);
  if (method_ == "arp" && !way) {
    throw baton::plugin::Failure(Status::kConfig, target + " cannot be asked as a neighbour: no Ethernet link" +
                                                      (interface_.empty() ? "" : " " + interface_) +
                                                      " that is up has an address of its network");
  }
  Asker first{question, way, id};
  // Without the right to send ARP there may still be the one to ping.
  if (method_ == "auto" && way && first.lacks_rights()) return Asker{question, std::nullopt, id};
  return first;
}

std::vector<Asker> Ping::askers() const {
  std::vector<Asker> all;
  auto id = static_cast<std::uint16_t>(::getpid());
  for (const std::string& target : targets_) all.push_back(asker(target, id++));
  return all;
}

/// Asks all, again and again those that are silent, until each has answered or the time is over.
void Ping::ask(std::vector<Asker>* askers, const Call& call, nanoseconds patience) const {
  const nanoseconds begin = monotonic();
  int sent = 0;
  for (;;) {
    nanoseconds now = monotonic();
    if (sent < count_ && now - begin >= patience * sent / count_) {
      for (Asker& asker : *askers) {
        if (!asker.answered()) asker.send(monotonic());
      }
      ++sent;
    }
    std::vector<pollfd> watched;
    for (const Asker& asker : *askers) watched.push_back({asker.answered() ? -1 : asker.descriptor(), POLLIN, 0});
    if (std::all_of(watched.begin(), watched.end(), [](const pollfd& one) { return one.fd < 0; })) return;
    now = monotonic();
    const nanoseconds next = begin + (sent < count_ ? patience * sent / count_ : patience);
    if (now - begin >= patience || call.remaining().count() == 0) return;
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(std::max<nanoseconds>(next - now, nanoseconds{0}));
    if (::poll(watched.data(), watched.size(), static_cast<int>(wait.count())) <= 0) continue;
    now = monotonic();
    for (std::size_t i = 0; i < watched.size(); ++i) {
      if (watched[i].revents != 0) (*askers)[i].receive(now);
    }
  }
}

std::string silence_words(const Asker& asker, nanoseconds patience) {
  const std::string method = std::string{" ("} + asker.method_name() + ")";
  switch (asker.error()) {
    case 0: return "no answer within " + std::to_string(patience / std::chrono::milliseconds{1}) + " ms" + method;
    case EPERM:
    case EACCES: return "a firewall of this host does not let the question out" + method;
    default: return std::string{std::strerror(asker.error())} + method;
  }
}

std::string cause_of(const Asker& asker) {
  switch (asker.error()) {
    case 0: return "timeout";
    case EPERM:
    case EACCES: return "firewall";
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case ECONNREFUSED: return "unreachable";
    default: return "error";
  }
}

Result Ping::answer(const std::vector<Asker>& askers, nanoseconds patience) const {
  std::size_t good = 0;
  std::string silent;
  std::string cause;
  nanoseconds slowest{0};
  std::vector<std::pair<std::string, std::string>> facts;
  for (const Asker& asker : askers) {
    const std::string words = asker.answered()
                                  ? milliseconds_words(asker.round_trip()) + " (" + asker.method_name() + ")"
                                  : silence_words(asker, patience);
    if (asker.answered()) {
      ++good;
      slowest = std::max(slowest, asker.round_trip());
    } else {
      silent += (silent.empty() ? "" : "; ") + asker.target() + ": " + words;
      if (cause.empty()) cause = cause_of(asker);
    }
    const std::string& name = asker.target();
    // The end of a long IPv6 address is what tells it from its neighbours.
    const std::size_t skip = name.size() - std::min(name.size(), kLongestFactName);
    if (facts.size() < kMostTargetFacts) facts.emplace_back(name.substr(skip), words);
  }
  std::string count = std::to_string(good) + " of " + std::to_string(askers.size()) + " targets answer";
  if (askers.size() == 1) count = askers.front().target() + (good == 1 ? " answers" : " does not answer");
  Result result;
  if (good >= minimum_) {
    result =
        baton::plugin::pass(count + " within " + milliseconds_words(slowest) + (silent.empty() ? "" : "; " + silent));
  } else {
    if (askers.size() > 1) count += ", " + std::to_string(minimum_) + " wanted";
    result = baton::plugin::fail(count + "; " + silent).fact("cause", cause);
  }
  result.fact("answered", std::to_string(good));
  for (auto& [name, value] : facts) result.fact(name, value);
  return result;
}

Result Ping::probe(const Call& call) {
  std::vector<Asker> all = askers();
  for (const Asker& asker : all) {
    if (!asker.lacks_rights()) {
      if (asker.descriptor() >= 0 || asker.error() != ENODEV) continue;
      return baton::plugin::failed(Status::kConfig, "there is no interface " + interface_).fact("cause", "missing");
    }
    return baton::plugin::failed(Status::kConfig,
                                 std::string{"may not ask by "} + asker.method_name() +
                                     ": the process needs CAP_NET_RAW, which Baton gives it only if the module lies in "
                                     "its own plugin directory; for ICMP net.ipv4.ping_group_range would do, too")
        .fact("cause", "permission");
  }
  const nanoseconds patience = std::max<nanoseconds>(call.remaining() * 9 / 10, std::chrono::milliseconds{1});
  ask(&all, call, patience);
  return answer(all, patience);
}

constexpr const char* kManual =
    "Passes if at least `minimum` of the targets answer (all, without it). All are asked at once, and the silent ones "
    "again, "
    "`count` times in the time there is.\n"
    "A target on a link of this host is asked as a neighbour: that works where ICMP is filtered, and fails when the "
    "way is "
    "cut in one direction only. The process has CAP_NET_RAW and nothing else.";

}  // namespace

BATON_PLUGIN(Ping, baton::plugin::About{.name = "ping",
                                        .version = "1",
                                        .summary = "Checks that gateways or witnesses answer ARP or ICMP",
                                        .manual = kManual,
                                        .keys = kKeys,
                                        .needs = BATON_NEEDS_NET_RAW})
