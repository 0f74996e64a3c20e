#include "tests/sim/act_hosts.h"

#include <algorithm>

#include "tests/sim/world.h"

namespace baton::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr unsigned kSerialBits = 24;

}  // namespace

ActHosts::ActHosts(World& world, Host& host) : world_(world), host_(host) {
  const auto add = [&](Row row, int unit, const std::vector<std::string>& names) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      Section section;
      section.name = names[i];
      section.row = row;
      section.unit = unit;
      section.index = static_cast<int>(i);
      sections_.push_back(std::move(section));
    }
  };
  const config::Config& config = world.scenario().configs[static_cast<std::size_t>(host.index())];
  for (std::size_t unit = 0; unit < world.scenario().data.size(); ++unit) {
    const auto place = static_cast<std::size_t>(world.scenario().data[unit].unit);
    const config::Election& election = config.instances[place].election;
    add(Row::kDatabase, static_cast<int>(unit), election.promote);
    add(Row::kWitness, static_cast<int>(unit), election.witness);
    add(Row::kFence, static_cast<int>(unit), election.fence);
  }
}

void ActHosts::use(ports::PluginId id, const config::Plugin& plugin) {
  const auto found = std::find_if(sections_.begin(), sections_.end(),
                                  [&](const Section& section) { return section.name == plugin.name; });
  if (found != sections_.end()) ids_[id] = static_cast<std::size_t>(found - sections_.begin());
}

ActHosts::Section* ActHosts::by_id(ports::PluginId id) {
  const auto found = ids_.find(id);
  return found == ids_.end() ? nullptr : &sections_[found->second];
}

ports::ProbeReading ActHosts::read(ports::PluginId id) const {
  const auto found = ids_.find(id);
  return found == ids_.end() ? ports::ProbeReading{} : sections_[found->second].page;
}

// ---- Acts -----------------------------------------------------------------------------------------------------------

void ActHosts::act(const ports::ActOrder& order) {
  Section* section = by_id(order.plugin);
  if (section == nullptr) {
    ports::ActResult result;
    result.ticket = order.ticket;
    result.status = VerbStatus::kNotRunning;
    return host_.act_done(result);
  }
  world_.trace().add(world_.now(), host_.index(), What::kActAsked, static_cast<std::uint64_t>(order.verb),
                     order.generation, static_cast<std::uint64_t>(section - sections_.data()));
  world_.data_checker().asked(host_, section->unit, section->index, order);
  Order asked{order, std::string{order.instance}};
  asked.order.instance = {};
  section->queue.push_back(std::move(asked));
  if (!section->running) start_next(*section);
}

/// Its process is ended, as at its deadline.
void ActHosts::call_off(std::uint64_t ticket) {
  for (Section& section : sections_) {
    if (!section.running || section.running->asked.order.ticket != ticket || section.running->result) continue;
    section.running->killed_at = world_.now();
    schedule(section, world_.now());
  }
}

ActHosts::Mishap ActHosts::draw_mishap(PluginVerb verb) {
  if (!world_.random().permille(world_.act_trouble(host_.index()))) return Mishap::kNone;
  const auto drawn = static_cast<Mishap>(world_.random().between(1, static_cast<int>(Mishap::kCount) - 1));
  const bool asks = verb == PluginVerb::kCanPromote || verb == PluginVerb::kPromote;
  if (drawn == Mishap::kRefused && !asks) return Mishap::kTransient;
  // Evidence of a split brain stops everything until an operator comes: seldom.
  if (drawn == Mishap::kConflict && (verb != PluginVerb::kPromote || !world_.random().permille(100))) {
    return Mishap::kTransient;
  }
  return drawn;
}

void ActHosts::start_next(Section& section) {
  if (section.queue.empty()) return;
  Running running;
  running.asked = std::move(section.queue.front());
  section.queue.pop_front();
  const ports::ActOrder& order = running.asked.order;
  running.mishap = draw_mishap(order.verb);
  running.killed_at = world_.now() + order.deadline;
  Nanos until_effect = world_.random().between(Nanos{microseconds{200}}, Nanos{milliseconds{20}});
  if (section.row == Row::kWitness) until_effect += world_.witness_delay(section.unit, host_.index());
  if (running.mishap == Mishap::kSlow) {
    until_effect += world_.random().between(Nanos{milliseconds{50}}, order.deadline + order.deadline / 4);
  }
  const Nanos at = std::min(world_.now() + until_effect, running.killed_at);
  section.running = std::move(running);
  schedule(section, at);
}

void ActHosts::schedule(Section& section, Nanos at) {
  section.serial = (section.serial + 1) & ((1u << kSerialBits) - 1);
  const auto index = static_cast<std::uint32_t>(&section - sections_.data());
  world_.schedule(at, EventType::kAct, host_.index(), index << kSerialBits | section.serial);
}

void ActHosts::on_event(std::uint32_t index) {
  Section& section = sections_[index >> kSerialBits];
  if (!section.running || section.serial != (index & ((1u << kSerialBits) - 1))) return;
  if (host_.paused()) return schedule(section, host_.stalled_until());
  if (section.running->result) {
    finish(section);
  } else {
    take_effect(section);
  }
}

/// What the act does to the world, and what will be said of it.
void ActHosts::take_effect(Section& section) {
  Running& running = *section.running;
  const Mishap mishap = running.mishap;
  const Nanos now = world_.now();
  const bool idle = mishap == Mishap::kTransient || mishap == Mishap::kHangs || mishap == Mishap::kDiesBefore ||
                    mishap == Mishap::kRefused || mishap == Mishap::kConflict || now >= running.killed_at;
  std::optional<ports::ActResult> result;
  if (!idle) result = carry_out(section, running.asked.order);
  // A drain waits until all is there, or its time is over.
  const Nanos again = now + world_.random().between(Nanos{milliseconds{10}}, Nanos{milliseconds{60}});
  const bool waits = running.asked.order.verb == PluginVerb::kDrain && result && result->status != VerbStatus::kOk;
  if (waits && again < running.killed_at) return schedule(section, again);
  if (!idle && mishap == Mishap::kAnswerLost) result.reset();
  Nanos at = now + world_.random().between(Nanos{microseconds{100}}, Nanos{milliseconds{5}});
  if (section.row == Row::kWitness) at += world_.witness_delay(section.unit, host_.index());
  ports::ActResult failure;
  switch (mishap) {
    case Mishap::kTransient: failure.status = VerbStatus::kTransient; break;
    case Mishap::kRefused: failure.status = VerbStatus::kRefused; break;
    case Mishap::kConflict: failure.status = VerbStatus::kConflict; break;
    case Mishap::kDiesBefore: failure.status = VerbStatus::kCrashed; break;
    case Mishap::kDiesAfter:
      failure.status = VerbStatus::kCrashed;
      result.reset();
      break;
    default:
      failure.status = VerbStatus::kTimeout;
      if (!result) at = running.killed_at;
      break;
  }
  if (at > running.killed_at) {
    at = running.killed_at;
    result.reset();
    failure.status = VerbStatus::kTimeout;
  }
  running.result = result ? std::move(*result) : std::move(failure);
  schedule(section, std::max(at, now));
}

std::optional<ports::ActResult> ActHosts::carry_out(const Section& section, const ports::ActOrder& order) {
  Databases& databases = world_.databases();
  const int host = host_.index();
  if (section.row == Row::kWitness) return databases.ask_witness(section.unit, section.index, host, order);
  if (section.row == Row::kFence) return databases.fence(section.unit, host, order);
  world_.data_checker().takes_effect(host_, section.unit, section.index, order);
  auto result = databases.perform(section.unit, section.index, host, order);
  world_.data_checker().took_effect(host_, section.unit, section.index, order);
  return result;
}

void ActHosts::finish(Section& section) {
  Running done = std::move(*section.running);
  section.running.reset();
  done.result->ticket = done.asked.order.ticket;
  const auto place = static_cast<std::uint64_t>(&section - sections_.data());
  world_.trace().add(world_.now(), host_.index(), What::kActDone, static_cast<std::uint64_t>(done.asked.order.verb),
                     static_cast<std::uint64_t>(done.result->status), done.orphan * 256u + place);
  if (!done.orphan && done.asked.order.ticket != 0) {
    world_.data_checker().answered(host_, section.unit, section.index, done.asked.order, done.result->status);
    host_.act_done(*done.result);
  }
  start_next(section);
}

void ActHosts::engine_died() {
  ids_.clear();
  for (Section& section : sections_) {
    section.queue.clear();
    if (section.running) section.running->orphan = true;
  }
}

void ActHosts::end_all() {
  engine_died();
  for (Section& section : sections_) {
    section.running.reset();
    section.page = {};
  }
}

// ---- Probes ---------------------------------------------------------------------------------------------------------

void ActHosts::probe() {
  for (Section& section : sections_) {
    if (section.row == Row::kDatabase) look(section);
  }
}

bool ActHosts::all_pass() const {
  return std::all_of(sections_.begin(), sections_.end(), [](const Section& section) {
    return section.row != Row::kDatabase || (section.page.state == ProbeState::kPass && section.page.streak >= 4);
  });
}

void ActHosts::look(Section& section) {
  const Database& there = world_.databases().at(section.unit, section.index, host_.index());
  ports::ProbeReading now;
  if (there.answers(world_.now())) {
    now.state = ProbeState::kPass;
    now.role = there.writable() ? ApplicationRole::kPrimary : ApplicationRole::kReplica;
    now.generation = there.generation();
  } else if (there.running()) {
    now.status = VerbStatus::kTimeout;
  } else {
    now.state = ProbeState::kFail;
  }
  ports::ProbeReading& page = section.page;
  const bool same = page.sequence > 0 && page.state == now.state;
  const bool news = !same || page.role != now.role || page.generation != now.generation || page.status != now.status;
  now.sequence = page.sequence + 1;
  now.streak = same ? page.streak + 1 : 1;
  now.finished = host_.local();
  page = now;
  if (!news) return;
  const auto place = static_cast<std::size_t>(&section - sections_.data());
  for (const auto& [id, index] : ids_) {
    if (index == place) host_.plugin_news(id);
  }
}

}  // namespace baton::sim
