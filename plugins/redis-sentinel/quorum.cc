// Sentinels: see quorum.h.
#include "redis-sentinel/quorum.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace baton::redis {
namespace {

/// The value of `name` in [name, value, name, value, ...].
std::string field(const Reply& reply, const std::string& name) {
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    if (reply.elements[i].text == name) return reply.elements[i + 1].text;
  }
  return {};
}

bool same(const Vote& one, const Vote& other) { return one.address == other.address && one.port == other.port; }

std::optional<Vote> majority_of(const std::vector<Vote>& votes, std::size_t needed) {
  for (const Vote& candidate : votes) {
    std::size_t count = 0;
    Vote best = candidate;
    for (const Vote& other : votes) {
      if (!same(candidate, other)) continue;
      ++count;
      if (other.epoch > best.epoch) best = other;
      best.can_fail_over = best.can_fail_over || other.can_fail_over;
    }
    if (count >= needed) return best;
  }
  return std::nullopt;
}

}  // namespace

Vote Sentinels::ask(const Server& server, plugin::Resolver& resolver, Clock::time_point until) const {
  Client client{server, access_, resolver, until};
  const std::vector<Reply> replies = client.ask_all(
      {{"SENTINEL", "GET-MASTER-ADDR-BY-NAME", name_}, {"SENTINEL", "MASTER", name_}, {"SENTINEL", "CKQUORUM", name_}});
  if (replies[0].failed()) client.raise(replies[0], "SENTINEL GET-MASTER-ADDR-BY-NAME");
  if (replies[0].elements.size() != 2) {
    throw Trouble(Status::kConfig, "unknown_name",
                  "the Sentinel " + client.place() + " knows no \"" + name_ + "\" (master_name)");
  }
  if (replies[1].failed()) client.raise(replies[1], "SENTINEL MASTER");
  if (replies[2].code() == "NOPERM") client.raise(replies[2], "SENTINEL CKQUORUM");
  Vote vote;
  vote.address = replies[0].elements[0].text;
  vote.port = static_cast<std::uint16_t>(std::atoi(replies[0].elements[1].text.c_str()));
  vote.epoch = std::atoll(field(replies[1], "config-epoch").c_str());
  vote.flags = field(replies[1], "flags");
  vote.can_fail_over = !replies[2].failed();
  if (replies[2].failed()) vote.trouble = replies[2].text;
  return vote;
}

Quorum Sentinels::poll(plugin::Resolver& resolver, Clock::time_point until) {
  Quorum quorum;
  quorum.needed = majority();
  std::vector<Vote> votes;
  std::vector<Server> good;
  std::vector<Server> bad;
  std::size_t configuration = 0;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if (quorum.agreed) {  // enough: the others keep their place
      good.push_back(servers_[i]);
      continue;
    }
    ++quorum.asked;
    const auto now = Clock::now();
    const auto share = (until - now) / static_cast<std::int64_t>(servers_.size() - i);
    try {
      votes.push_back(ask(servers_[i], resolver, now + share));
      ++quorum.answered;
      quorum.highest_epoch = std::max(quorum.highest_epoch, votes.back().epoch);
      quorum.agreed = majority_of(votes, quorum.needed);
      good.push_back(servers_[i]);
    } catch (const Trouble& trouble) {
      quorum.troubles.emplace_back(trouble.what());
      quorum.cause = trouble.cause();
      if (trouble.status() == Status::kConfig) ++configuration;
      bad.push_back(servers_[i]);
    }
  }
  quorum.configuration = !quorum.agreed && quorum.answered + configuration >= quorum.needed && configuration > 0;
  servers_ = std::move(good);
  servers_.insert(servers_.end(), bad.begin(), bad.end());
  return quorum;
}

Reply Sentinels::ask_one(const Words& command, plugin::Resolver& resolver, Clock::time_point until) {
  std::optional<Trouble> last;
  Reply refused;
  for (const Server& server : servers_) {
    try {
      Client client{server, access_, resolver, until};
      Reply reply = client.ask(command);
      if (reply.code() == "NOPERM") client.raise(reply, command[0] + " " + command[1]);
      if (!reply.failed()) return reply;
      refused = std::move(reply);
    } catch (const Trouble& trouble) {
      last.emplace(trouble);
    }
  }
  if (refused.failed()) return refused;
  if (last) throw Trouble{*last};
  throw Trouble(Status::kConfig, "no_quorum", "no Sentinel is configured");
}

}  // namespace baton::redis
