// What a host has for its databases: records that reach the disk and come back, results of acts, words from the peers.
#include "tests/sim/host.h"
#include "tests/sim/world.h"

namespace baton::sim {

using std::chrono::microseconds;
using std::chrono::milliseconds;

void Host::power_on() {
  ++life_;
  world_.data_checker().starting(*this, board_.instances.front().has_value());
  if (world_.scenario().data.empty()) return;
  if (!powered_) {
    powered_ = true;
    ++boot_;
    world_.start_databases(index_);
  }
  world_.schedule(world_.now() + world_.random().between(Nanos{milliseconds{1}}, Nanos{milliseconds{30}}),
                  EventType::kRecall, index_, static_cast<std::uint32_t>(life_));
}

void Host::act_done(const ports::ActResult& result) { tell(result, microseconds{20}); }

void Host::plugin_news(ports::PluginId plugin) {
  if (running()) tell(PluginNews{plugin}, microseconds{20});
}

std::uint64_t Host::remember(const ports::DataRecord& record) {
  const std::uint64_t ticket = ++tickets_;
  recorded_in_[record.instance] = boot_;
  world_.trace().add(world_.now(), index_, What::kRecord, static_cast<std::uint64_t>(record.role), record.generation,
                     record.dirty);
  world_.data_checker().recorded(*this, record);
  const Nanos done = scribe_.remember(world_.now(), world_.fsync_time(index_), ticket, record, life_);
  world_.schedule(done, EventType::kScribe, index_);
  return ticket;
}

/// The scribe is a process of its own: an engine that is dead or stands still does not hinder it.
void Host::save_records() {
  if (paused()) return world_.schedule(stalled_until_, EventType::kScribe, index_);
  Scribe::Pending done;
  while (scribe_.take_done(world_.now(), done)) {
    world_.trace().add(world_.now(), index_, What::kOnDisk, static_cast<std::uint64_t>(done.record.role),
                       done.record.generation);
    if (running() && done.life == life_) tell(IntentDone{done.ticket}, microseconds{20});
  }
}

void Host::recall(int life) {
  if (!running() || life != life_) return;
  for (auto [instance, record] : scribe_.memory()) {
    record.same_boot = recorded_in_[instance] == boot_;
    tell(std::move(record), microseconds{20});
  }
  tell(AllRecalled{}, microseconds{20});
}

std::optional<ports::PeerFact> Host::word_about(int unit) const {
  const DataUnit& data = world_.scenario().data[static_cast<std::size_t>(unit)];
  for (std::size_t slot = 0; slot < board_.instances.size(); ++slot) {
    const auto& state = board_.instances[slot];
    if (!state || data.instance != state->name.data() || state->data_role == ports::DataRole::kNone) continue;
    ports::PeerFact fact;
    fact.host = config_.host;
    fact.instance = data.instance;
    fact.state = state->state;
    fact.data_role = state->data_role;
    fact.step = static_cast<ports::PromotionStep>(state->promotion_step);
    fact.generation = state->generation;
    fact.promoted = state->promoted;
    fact.dirty = state->data_dirty;
    fact.against = ReasonSet::from_bits(state->against);
    fact.handover = board_.word(slot);
    fact.promise = ports::promise_of(state->handover);
    const Database& own = world_.databases().at(unit, 0, index_);
    if (own.running()) {
      fact.role = own.writable() ? ApplicationRole::kPrimary : ApplicationRole::kReplica;
      fact.position = position_text(own.history());
    }
    return fact;
  }
  return std::nullopt;
}

void Host::hear_word(const ports::PeerFact& fact) { tell(fact, Nanos{0}); }

void Host::deliver_data(Instant now, const Fact& fact) {
  Trace& trace = world_.trace();
  const Nanos at = world_.now();
  world_.checker().timed();
  if (const auto* result = std::get_if<ports::ActResult>(&fact)) {
    engine_->on_act_result(now, *result);
  } else if (const auto* news = std::get_if<PluginNews>(&fact)) {
    trace.add(at, index_, What::kNews, news->plugin);
    engine_->on_plugin_news(now, news->plugin);
  } else if (const auto* word = std::get_if<ports::PeerFact>(&fact)) {
    const std::uint64_t step = static_cast<std::uint64_t>(word->step);
    const std::uint64_t phase = static_cast<std::uint64_t>(word->handover.phase);
    const std::uint64_t promised = word->promise.to.empty() ? 0 : word->promise.to.back() - '0' + 1u;
    trace.add(at, index_, What::kWord, static_cast<std::uint64_t>(word->host.back() - '0'),
              step | phase << 8 | promised << 16, word->generation);
    world_.data_checker().heard(*this, *word);
    engine_->on_peer(now, *word);
  } else if (const auto* record = std::get_if<ports::DataRecord>(&fact)) {
    engine_->on_recalled(now, *record);
  } else if (std::holds_alternative<AllRecalled>(fact)) {
    trace.add(at, index_, What::kRecalled);
    engine_->on_all_recalled(now);
  }
}

}  // namespace baton::sim
