// What an operator may ask for, and what is said in return.
#include <algorithm>
#include <utility>

#include "engine/engine_impl.h"

namespace baton::engine {
namespace {

std::string after(const std::string& name, const std::string& what) { return name + ": " + what; }

std::string switchover_line(const Mover& mover, bool dry_run) {
  const std::string gives = dry_run ? "would give up" : "gives up";
  const std::string stays = dry_run ? "would stay" : "stays";
  return after(mover.plan().name, gives + " the Active role (addresses away, then priority 0) and " + stays +
                                      " Backup until the other router is lost or undrain");
}

/// With data it takes both hosts: what is said here is only that it has begun.
CommandResult hand_over(Instant now, const Command& command, const std::vector<Mover*>& concerned) {
  CommandResult result;
  result.refused_by_safety = true;
  Mover& mover = *concerned.front();
  const std::string& name = mover.plan().name;
  if (command.instance.empty() && concerned.size() > 1) {
    result.lines.push_back("refused: databases are moved one by one: name the instance");
  } else if (command.to.empty() || command.number == 0) {
    result.lines.push_back(
        "refused: a database is moved over the peer channel (peer_key_file), and there is none; `batonctl "
        "drain` demotes it here and lets another host promote");
  } else if (!mover.offer(now, command.to, command.number, command.dry_run)) {
    result.lines.push_back("refused: " + name + " is not settled as the writable one here, or a move is under way");
  } else {
    result.accepted = true;
    result.refused_by_safety = false;
    result.lines.push_back(after(name, command.to + (command.dry_run ? " is asked" : " is asked to take over")));
  }
  return result;
}

/// Only an Active has something to give.
CommandResult give_up(Instant now, const Command& command, std::vector<Mover*> concerned) {
  CommandResult result;
  std::erase_if(concerned, [](const Mover* each) { return each->state() != vrrp::State::kActive; });
  if (concerned.empty()) {
    result.refused_by_safety = true;
    result.lines.push_back(command.instance.empty() ? "refused: this host is Active for nothing"
                                                    : "refused: " + command.instance + " is not Active here");
    return result;
  }
  // A database that elects for itself may be writable over there already: then a HOST is named, but no number.
  const bool addresses_only = !command.to.empty() && command.number == 0;
  const auto moves_data = [&](const Mover* each) {
    return each->promotes() || (each->moves_data() && !addresses_only);
  };
  if (std::any_of(concerned.begin(), concerned.end(), moves_data)) return hand_over(now, command, concerned);
  result.accepted = true;
  for (Mover* each : concerned) {
    result.lines.push_back(switchover_line(*each, command.dry_run));
    if (!command.dry_run) each->switchover(now);
  }
  const std::string known = command.to.empty()
                                ? "Backups are silent, so it is not known here whether one is there to take over"
                                : command.to + " is heard on the peer channel and nothing speaks against it";
  result.lines.push_back(known + "; if nobody takes over within Active_Down_Interval, this host takes the role back");
  return result;
}

/// Words of an operator that concern data: instance by instance, never all at once.
CommandResult take_responsibility(Instant now, const Command& command, const std::vector<Mover*>& concerned) {
  CommandResult result;
  if (command.instance.empty() || concerned.empty() || !concerned.front()->promotes()) {
    result.refused_by_safety = true;
    result.lines.push_back(command.instance.empty() ? "refused: name the instance that it is about"
                                                    : "refused: " + command.instance + " promotes nothing");
    return result;
  }
  Mover& mover = *concerned.front();
  const bool forgives = command.verb == Verb::kForgive;
  if (!forgives && mover.state() != vrrp::State::kActive && mover.hears_holder(now)) {
    result.refused_by_safety = true;
    result.lines.push_back("refused: another host is Active for " + command.instance + "; use switchover there");
    return result;
  }
  const ReasonSet against = mover.promotion_against(now);
  if (!forgives && (against.has(Reason::kNeedsRejoin) || against.has(Reason::kFenced))) {
    const Reason why = against.has(Reason::kFenced) ? Reason::kFenced : Reason::kNeedsRejoin;
    result.refused_by_safety = true;
    result.lines.push_back("refused: " + std::string{reason_words(why)} +
                           "; to give up what only this host has: forgive " + command.instance + " --i-accept-loss");
    return result;
  }
  result.accepted = true;
  const std::string would = command.dry_run ? "would be" : "is";
  result.lines.push_back(after(command.instance, forgives ? "what its record holds against this host " + would + " void"
                                                          : "this host " + would + " allowed to promote once"));
  result.lines.push_back(forgives ? "writes that only this host has are lost if its data is replaced"
                                  : "writes that had not reached this host are lost");
  if (mover.demotes()) {
    result.lines.push_back("its data is being demoted, and that has to succeed first: see explain " + command.instance);
  }
  if (command.dry_run) return result;
  if (forgives) {
    mover.forgive(now);
  } else {
    mover.permit(now);
  }
  return result;
}

/// Of thaw and undrain: what they ended, and what they did not.
std::string again_line(const Mover& mover, const std::string& was, bool dry_run) {
  const std::string ends = dry_run ? "would no longer be " : "is no longer ";
  std::string line = after(mover.plan().name, was.empty() ? "nothing to end" : ends + was);
  if (dry_run) return line;
  std::string still;
  for (unsigned number = 1; number < 64; ++number) {
    const auto reason = static_cast<Reason>(number);
    if (!mover.against().has(reason)) continue;
    still += (still.empty() ? "; it still takes no part: " : "; ") + std::string{reason_words(reason)};
  }
  return line + (still.empty() ? ", takes part" : still);
}

}  // namespace

CommandResult Engine::Impl::on_command(Instant now, const Command& command) {
  CommandResult result;
  if (leaving) {
    result.lines.push_back("the daemon is stopping");
    return result;
  }
  std::vector<Mover*> concerned;
  for (const auto& each : movers) {
    if (each && !each->stopping() && (command.instance.empty() || each->plan().name == command.instance)) {
      concerned.push_back(each.get());
    }
  }
  if (concerned.empty() && !command.instance.empty()) {
    result.lines.push_back("no instance or group is named '" + command.instance + "'");
    return result;
  }
  const auto end = [&](auto&& was, auto&& what) {
    result.accepted = true;
    for (Mover* each : concerned) {
      const std::string ended = was(*each);
      if (!command.dry_run) what(*each);
      result.lines.push_back(again_line(*each, ended, command.dry_run));
    }
  };
  const auto act = [&](const std::string& would, const std::string& does, auto&& what) {
    result.accepted = true;
    for (Mover* each : concerned) {
      result.lines.push_back(after(each->plan().name, command.dry_run ? would : does));
      if (!command.dry_run) what(*each);
    }
  };
  switch (command.verb) {
    case Verb::kForgive:
    case Verb::kFailover: return take_responsibility(now, command, concerned);
    case Verb::kSwitchover: return give_up(now, command, std::move(concerned));
    case Verb::kFreeze:
      if (command.duration <= Nanos{0}) {
        result.lines.push_back("a freeze needs a time after which it ends");
        return result;
      }
      if (!command.dry_run) context.ports.intents.record("", "freeze " + std::to_string(command.duration.count()));
      act("would take and give nothing by itself until the freeze ends",
          "takes and gives nothing by itself until the freeze ends",
          [&](Mover& each) { each.freeze(now, now + command.duration); });
      return result;
    case Verb::kThaw:
      if (!command.dry_run) context.ports.intents.record("", "thaw");
      end([](const Mover& each) { return each.frozen()          ? "frozen"
                                         : each.switched_over() ? "yielded"
                                                                : ""; },
          [&](Mover& each) { each.thaw(now); });
      return result;
    case Verb::kDrain:
    case Verb::kUndrain: {
      const bool drain = command.verb == Verb::kDrain;
      if (!command.dry_run && command.instance.empty()) {
        host_facts.drained = drain;
        context.ports.intents.record("", drain ? "drain" : "undrain");
      } else if (!command.dry_run) {
        context.ports.intents.record(command.instance, drain ? "drain" : "undrain");
      }
      if (drain) {
        act("would give up its role and stay Backup until undrain", "gives up its role and stays Backup until undrain",
            [&](Mover& each) { each.set_drained(now, true); });
      } else {
        end([](const Mover& each) { return each.drained()         ? "drained"
                                           : each.switched_over() ? "yielded"
                                                                  : ""; },
            [&](Mover& each) { each.set_drained(now, false); });
      }
      if (concerned.empty()) result.lines.push_back("no instance is running");
      return result;
    }
  }
  return result;
}

}  // namespace baton::engine
