// Planned moves across the hosts' border: what an operator asks for here and another host has to give, and the other
// way round.
#include <algorithm>

#include "log/log.h"
#include "posix/clock.h"
#include "steward/move_plan.h"
#include "steward/steward_process.h"

namespace baton::steward {
namespace {

ports::HandoverWord own_word(const HostView& host, const std::string& instance) {
  for (const InstanceView& each : host.instances) {
    if (each.name() == instance) return each.word;
  }
  return {};
}

}  // namespace

void StewardProcess::wish_for(Clients::Id client, const Request& request, const HostView& host,
                              const std::string& holder) {
  if (own_wish_) {
    return answer(client,
                  refusal_line(ExitCode::kRefused, "refused: " + own_wish_->wish.of +
                                                       " is being asked for a move already: wait until that is over"));
  }
  OwnWish own;
  own.client = client;
  own.asked = posix::now();
  own.wish = {.of = holder,
              .session = peer_channel_.peers().at(holder).session,
              .number = static_cast<std::uint64_t>(posix::wall_clock_ns()),
              .instance = request.instance,
              .to = request.to.empty() ? host.host : request.to,
              .dry_run = request.dry_run};
  own.instance = request.instance;
  if (own.instance.empty() && host.instances.size() == 1) own.instance = host.instances.front().name();
  own.move_before = own_word(host, own.instance).number;
  own_wish_ = std::move(own);
  peer_channel_.hurry();
}

void StewardProcess::look_at_own_wish(Instant now) {
  if (!own_wish_) return;
  const auto& peers = peer_channel_.peers();
  const auto holder = peers.find(own_wish_->wish.of);
  const auto said = outcome(*own_wish_, holder == peers.end() ? nullptr : &holder->second,
                            own_word(view(), own_wish_->instance), now);
  if (!said) return;
  const Clients::Id client = own_wish_->client;
  own_wish_.reset();
  if (said->exit == ExitCode::kOk) return answer(client, answer_line(Verb::kSwitchover, {{"lines", said->lines}}));
  Json result;
  if (!said->lines.empty()) result["preflight"] = said->lines;
  answer(client, refusal_line(said->exit, said->error, result));
}

/// An operator was permitted to ask there, and the packet is signed with the hosts' key.
void StewardProcess::hear_wishes() {
  for (const auto& [name, peer] : peer_channel_.peers()) {
    const WishDesk::Asker asker = desk_.heard(name, peer.wish, peer.wish_at, peer_channel_.session());
    if (asker == 0) continue;
    log::info("move_wished", {{"peer", name}}, "a planned move is asked for over there");
    perform(
        asker,
        {.verb = Verb::kSwitchover, .instance = peer.wish.instance, .dry_run = peer.wish.dry_run, .to = peer.wish.to});
    peer_channel_.hurry();
  }
}

}  // namespace baton::steward
