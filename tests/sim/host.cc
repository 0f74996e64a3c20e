#include "tests/sim/host.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "tests/sim/doors.h"
#include "tests/sim/world.h"

namespace baton::sim {
namespace {

constexpr std::size_t kReceiveBuffer = 4096;

}  // namespace

std::vector<ports::AdoptedInstance> Board::adoptable() const {
  std::vector<ports::AdoptedInstance> found;
  for (std::size_t slot = 0; slot < instances.size(); ++slot) {
    const auto& instance = instances[slot];
    if (!instance) continue;
    ports::AdoptedInstance adopted{*instance, {}, word(slot)};
    for (std::uint32_t i = 0; i < instance->router_count; ++i) {
      const auto& router = routers.at(instance->first_router_slot + i);
      if (router) adopted.routers.push_back(*router);
    }
    if (adopted.routers.size() == instance->router_count) found.push_back(std::move(adopted));
  }
  return found;
}

Host::Host(World& world, int index)
    : world_(world),
      index_(index),
      config_(world.scenario().configs[static_cast<std::size_t>(index)]),
      next_config_(config_),
      kernel_([this](const KernelChange& change) { kernel_changed(change); }),
      doors_(std::make_unique<Doors>(*this)),
      acts_(std::make_unique<ActHosts>(world, *this)) {
  const Scenario& scenario = world.scenario();
  send_errno_.assign(static_cast<std::size_t>(scenario.links), 0);
  for (int link = 0; link < scenario.links; ++link) {
    KernelLink made;
    made.ifindex = 10 + link;
    made.mac = host_mac(link, index);
    made.own = {{host_ipv4(scenario, link, index), 24}, {host_link_local(scenario, link, index), 64}};
    for (const config::Instance& instance : config_.instances) {
      if (!instance.owner || instance.interface != link_name(link) || index % 2 == 0) continue;
      made.own.insert(made.own.end(), instance.addresses.begin(), instance.addresses.end());
    }
    for (const Prefix& prefix : made.own) made.addresses.push_back({prefix, false, Nanos::max()});
    kernel_.links.push_back(std::move(made));
  }
}

Host::~Host() = default;

bool Host::stalled() const { return world_.now() < stalled_until_; }
Nanos Host::silent_since() const { return stalled() ? stall_began_ : world_.now(); }
bool Host::paused() const { return stalled() && stall_kind_ == Stall::kMachine; }

Instant Host::local(Nanos world_time) const {
  const auto i = static_cast<std::size_t>(index_);
  const Nanos drift{world_time.count() / 1'000'000 * world_.scenario().drift_ppm[i]};
  return Instant{world_.scenario().origins[i] + world_time + drift};
}
Instant Host::local() const { return local(world_.now()); }

// ---- What befalls it
// --------------------------------------------------------------------------------------------------

void Host::start(bool adopt) {
  if (running()) return;
  const std::vector<ports::AdoptedInstance> adopted =
      adopt ? board_.adoptable() : std::vector<ports::AdoptedInstance>{};
  if (!adopt) board_ = Board{};
  world_.trace().add(world_.now(), index_, What::kStarted, adopted.size());
  world_.checker().starting(*this, adopt);
  power_on();
  watched_.clear();
  calls_left_ = -1;
  stopping_ = false;
  lose_facts_until_ = Nanos{0};
  std::fill(send_errno_.begin(), send_errno_.end(), 0);
  in_turn_ = true;
  engine_ = std::make_unique<engine::Engine>(config_, doors_->ports(),
                                             engine::Engine::Board{Board::kInstanceSlots, Board::kRouterSlots});
  engine_->start(local(), adopted, false);
  engine_->begin_turn(local());
  engine_->end_turn(local());
  in_turn_ = false;
  world_.count_step();
  world_.checker().started(*this, adopt);
  world_.data_checker().started(*this, adopt);
  schedule_next();
}

/// What goes with the process: its queues. The kernel's table and the board stay.
void Host::forget_process() {
  engine_.reset();
  acts_->engine_died();
  world_.data_checker().engine_gone(*this);
  for (const std::uint32_t packet : frames_) world_.release(packet);
  for (const std::uint32_t packet : outgoing_) world_.release(packet);
  frames_.clear();
  outgoing_.clear();
  outgoing_to_.clear();
  facts_.clear();
  submitted_.clear();
  queue_.clear();
  working_ = false;
  wake_at_ = Nanos::max();
  stalled_until_ = Nanos{0};
  resumed_ = false;
}

void Host::die(bool adopt, Nanos restart_after) {
  if (!running()) return;
  const Nanos now = world_.now();
  // A second death within ten seconds is not adopted: the state itself may be what kills (design section 2).
  const bool again = last_death_ != Nanos::min() && now - last_death_ < std::chrono::seconds{10};
  if (stopping_ || again) adopt = false;
  last_death_ = now;
  world_.trace().add(now, index_, What::kCrashed, 0, adopt);
  world_.checker().died(*this, adopt);
  forget_process();
  world_.disturb();
  world_.schedule(now + restart_after, EventType::kStart, index_, adopt ? 1 : 0);
}

void Host::die_within_turn(int port_calls, bool adopt, Nanos restart_after) {
  if (!running() || stopping_) return die(adopt, restart_after);
  calls_left_ = port_calls + 1;
  adopt_after_death_ = adopt;
  restart_after_ = restart_after;
  request_wake(world_.now());
}

void Host::power_off() {
  if (running()) {
    world_.trace().add(world_.now(), index_, What::kCrashed, 1, 0);
    world_.checker().died(*this, false);
  }
  forget_process();
  kernel_.remove_ours();
  board_ = Board{};
  powered_ = false;
  acts_->end_all();
  scribe_.lose_memory();
  world_.databases().host_down(index_);
  world_.disturb();
}

void Host::stop() {
  if (!running() || stopping_) return;
  stopping_ = true;
  world_.trace().add(world_.now(), index_, What::kStopping);
  request_turn([this](Instant now) { engine_->shutdown(now); }, false);
  request_wake(world_.now());
}

void Host::stall(Nanos length, Stall kind) {
  if (!running() || stalled()) return;
  stall_began_ = world_.now();
  stalled_until_ = world_.now() + length;
  stall_kind_ = kind;
  resumed_ = true;
  if (paused()) kernel_.postpone_expiry(length);
  world_.data_checker().interrupted(*this);
  world_.trace().add(world_.now(), index_, What::kStalled, static_cast<std::uint64_t>(length.count()),
                     static_cast<std::uint64_t>(kind));
  world_.disturb();
  request_wake(stalled_until_);
}

void Host::reload(int kind, config::Config config) {
  if (!running() || stopping_ || stalled()) return;
  world_.trace().add(world_.now(), index_, What::kReload, static_cast<std::uint64_t>(kind));
  next_config_ = std::move(config);
  const bool same = next_config_ == config_;
  world_.checker().reloading(*this, next_config_);
  world_.data_checker().interrupted(*this);
  request_turn([this](Instant now) { engine_->reload(now, next_config_); }, same && acts_->all_pass());
  config_ = next_config_;
  world_.checker().reloaded(*this);
}

void Host::command(const engine::Command& command) {
  if (!running() || stopping_ || stalled()) return;
  engine::CommandResult result;
  world_.checker().commanding(*this, command);
  world_.data_checker().commanding(*this, command);
  request_turn([&](Instant now) { result = engine_->on_command(now, command); },
               command.dry_run && command.number == 0);
  world_.trace().add(world_.now(), index_, What::kOperator, static_cast<std::uint64_t>(command.verb), result.accepted);
  if (!result.accepted) world_.data_checker().refused(*this, command);
  if (!running()) world_.checker().command_lost(*this);
}

void Host::block_worker(Nanos until) { worker_blocked_until_ = std::max(worker_blocked_until_, until); }

bool Host::worker_blocked() const { return world_.now() < worker_blocked_until_; }

void Host::link_changed(int link) {
  const auto id = id_of(link);
  if (!id) return;
  const KernelLink& there = kernel_.links[static_cast<std::size_t>(link)];
  tell(ports::LinkState{.link = *id,
                        .present = there.present,
                        .up = there.present && there.up,
                        .ifindex = there.present ? there.ifindex : 0,
                        .mtu = there.present ? 1500u : 0u,
                        .mac = there.present ? there.mac : MacAddress{},
                        .arp = true,
                        .forwarding_v6 = index_ % 2 == 0},
       std::chrono::microseconds{20});
}

void Host::dump() {
  tell(DumpBegin{}, std::chrono::microseconds{30});
  for (std::size_t id = 0; id < watched_.size(); ++id) {
    if (watched_[id] < 0) continue;
    for (const KernelAddress& address : kernel_.links[static_cast<std::size_t>(watched_[id])].addresses) {
      tell(ports::AddressFact{static_cast<ports::LinkId>(id), address.prefix, true, address.ours, false, false},
           Nanos{0});
    }
  }
  tell(DumpEnd{}, Nanos{0});
}

void Host::kernel_changed(const KernelChange& change) {
  world_.trace().add(world_.now(), index_, What::kKernel, static_cast<std::uint64_t>(change.link),
                     address_id(change.prefix.address), change.present * 2u + change.ours);
  world_.checker().kernel_changed(*this, change);
  const auto id = id_of(change.link);
  if (!running() || !id || world_.now() < lose_facts_until_) return;
  tell(ports::AddressFact{*id, change.prefix, change.present, change.ours, false, false},
       std::chrono::microseconds{20});
}

void Host::tell(Fact fact, Nanos delay) {
  if (!in_turn_ && !running()) return;
  Nanos at = world_.now() + delay;
  if (!facts_.empty()) at = std::max(at, facts_.back().at);
  facts_.push_back({at, std::move(fact)});
  if (!in_turn_) request_wake(at);
}

std::optional<ports::LinkId> Host::id_of(int link) const {
  const auto found = std::find(watched_.begin(), watched_.end(), link);
  if (found == watched_.end()) return std::nullopt;
  return static_cast<ports::LinkId>(found - watched_.begin());
}

const ports::AddressCommand* Host::last_command(int link, const Prefix& prefix) const {
  const auto id = id_of(link);
  return id ? queue_.last_for(*id, prefix) : nullptr;
}

// ---- Turns
// ------------------------------------------------------------------------------------------------------------

bool Host::hears(int link) const {
  const KernelLink& there = kernel_.links[static_cast<std::size_t>(link)];
  return there.present && there.up;
}

void Host::hear(std::uint32_t packet) {
  if (!running() || paused() || frames_.size() >= kReceiveBuffer) {
    world_.release(packet);
    return;
  }
  frames_.push_back(packet);
  request_wake(world_.now() + world_.random().between(Nanos{0}, std::chrono::microseconds{100}));
}

void Host::request_wake(Nanos at) {
  if (!running()) return;
  at = std::max({at, stalled_until_, world_.now()});
  if (at >= wake_at_) return;
  wake_at_ = at;
  world_.schedule(at, EventType::kWake, index_);
}

void Host::wake() {
  if (world_.now() != wake_at_ || !running()) return;
  wake_at_ = Nanos::max();
  if (stalled()) return request_wake(stalled_until_);
  turn();
}

void Host::turn() {
  const Instant now = local();
  in_turn_ = true;
  const bool resumed = std::exchange(resumed_, false);
  if (resumed) {
    world_.trace().add(world_.now(), index_, What::kResumed);
    world_.checker().resumed(*this, world_.now() - stall_began_);
    world_.data_checker().interrupted(*this);
    world_.disturb();
  }
  world_.checker().turn_begins(*this);
  if (resumed) world_.checker().timed();
  engine_->begin_turn(now);
  const bool facts_first = (index_ & 1) == 0;
  if (facts_first) deliver_facts(now);
  deliver_frames(now);
  if (!facts_first) deliver_facts(now);
  if (const auto deadline = engine_->next_deadline(); deadline && *deadline <= now) {
    world_.count_step();
    world_.checker().timed();
    engine_->on_deadline(now, kSlack);
  }
  engine_->end_turn(now);
  turn_over();
}

void Host::turn_over() {
  in_turn_ = false;
  if (calls_left_ == 0) {
    calls_left_ = -1;
    world_.checker().turn_lost(*this);
    return die(adopt_after_death_, restart_after_);
  }
  world_.checker().turn_ends(*this);
  world_.data_checker().turn_ends(*this);
  if (stopping_ && engine_->finished()) return finish_stop();
  schedule_next();
}

/// One request of the operator or the guardian in a turn of its own.
void Host::request_turn(const std::function<void(Instant)>& request, bool must_change_nothing) {
  const Instant now = local();
  in_turn_ = true;
  world_.count_step();
  world_.checker().turn_begins(*this);
  engine_->begin_turn(now);
  const auto before = engine_->next_deadline();
  request(now);
  engine_->end_turn(now);
  // A look at the probes renews what they said; that may move a deadline.
  const auto after = world_.scenario().data.empty() ? engine_->next_deadline() : before;
  if (must_change_nothing) world_.checker().unchanged(*this, "I9", before, after);
  turn_over();
}

void Host::finish_stop() {
  world_.trace().add(world_.now(), index_, What::kStopped);
  // The engine waits for a blocked worker for a second at most; the guardian removes what it left.
  if (worker_blocked()) kernel_.remove_ours();
  world_.checker().stopped(*this);
  world_.say_goodbye(index_);
  forget_process();
  board_ = Board{};
  stopping_ = false;
  if (world_.scenario().data.empty()) return;
  acts_->end_all();
  scribe_.lose_memory();
  // To stop takes as long as a demotion does: whoever wanted a restart gets it now.
  world_.schedule(
      world_.now() + world_.random().between(Nanos{std::chrono::milliseconds{50}}, Nanos{std::chrono::seconds{3}}),
      EventType::kStart, index_);
}

void Host::schedule_next() {
  if (!facts_.empty()) request_wake(facts_.front().at);
  const auto deadline = engine_->next_deadline();
  if (!deadline) return;
  const auto i = static_cast<std::size_t>(index_);
  const Nanos since{(*deadline - Instant{world_.scenario().origins[i]}).count()};
  Nanos at{since.count() - since.count() / 1'000'000 * world_.scenario().drift_ppm[i]};
  while (local(at) < *deadline) at += std::max(Nanos{1}, *deadline - local(at));
  const bool very_late = world_.random().permille(10);
  at += world_.random().between(Nanos{0}, very_late ? kLateness : Nanos{std::chrono::microseconds{60}});
  request_wake(at);
}

void Host::deliver_facts(Instant now) {
  while (!facts_.empty() && facts_.front().at <= world_.now()) {
    const Fact fact = std::move(facts_.front().fact);
    facts_.pop_front();
    world_.count_step();
    deliver(now, fact);
  }
}

void Host::deliver(Instant now, const Fact& fact) {
  Trace& trace = world_.trace();
  const Nanos at = world_.now();
  const auto link_of = [this](ports::LinkId id) { return static_cast<std::uint64_t>(watched_[id]); };
  if (const auto* link = std::get_if<ports::LinkState>(&fact)) {
    trace.add(at, index_, What::kLinkFact, link_of(link->link), link->present * 2u + link->up,
              static_cast<std::uint64_t>(link->ifindex));
    world_.checker().told_link(*this, watched_[link->link], link->present && link->up);
    engine_->on_link(now, *link);
  } else if (const auto* address = std::get_if<ports::AddressFact>(&fact)) {
    trace.add(at, index_, What::kAddressFact, link_of(address->link), address_id(address->prefix.address),
              address->present * 2u + address->ours);
    world_.checker().told(*this, watched_[address->link], *address);
    engine_->on_address(now, *address);
  } else if (std::holds_alternative<DumpBegin>(fact)) {
    world_.checker().dump_begins(*this);
    engine_->on_dump_begin(now);
  } else if (std::holds_alternative<DumpEnd>(fact)) {
    world_.checker().dump_ends(*this);
    engine_->on_dump_end(now);
  } else if (const auto* result = std::get_if<ports::AddressResult>(&fact)) {
    trace.add(at, index_, What::kResult, static_cast<std::uint64_t>(result->verb),
              static_cast<std::uint64_t>(result->status), address_id(result->prefix.address));
    world_.checker().answered(*this, watched_[result->link], *result);
    engine_->on_address_result(now, *result);
  } else if (const auto* error = std::get_if<SendError>(&fact)) {
    engine_->on_send_error(now, error->link, error->sys_errno);
  } else if (const auto* intent = std::get_if<IntentDone>(&fact)) {
    engine_->on_intent_recorded(now, intent->ticket);
  } else {
    deliver_data(now, fact);
  }
}

void Host::deliver_frames(Instant now) {
  std::vector<std::uint32_t> heard;
  heard.swap(frames_);
  for (const std::uint32_t packet : heard) {
    hear_now(now, world_.packet(packet));
    world_.release(packet);
  }
}

void Host::hear_now(Instant now, const Packet& packet) {
  const auto id = id_of(packet.link);
  if (!id) return;
  world_.count_step();
  world_.trace().add(world_.now(), index_, What::kFrameHeard, static_cast<std::uint64_t>(packet.link),
                     hash_bytes(packet.bytes), packet.hostile);
  const ports::ReceivedFrame frame{*id, packet.bytes, packet.unicast};
  if (packet.hostile) {
    const auto before = engine_->next_deadline();
    world_.checker().hostile_begins(*this);
    engine_->on_frame(now, frame);
    world_.checker().unchanged(*this, "I6", before, engine_->next_deadline());
    return;
  }
  world_.checker().hearing(*this, packet);
  engine_->on_frame(now, frame);
  world_.checker().heard(*this, packet);
}

void Host::expire() {
  const Nanos now = world_.now();
  Nanos next = kernel_.next_expiry();
  if (next <= now && !paused()) next = kernel_.expire(now);
  if (next != Nanos::max() && next != expiry_at_) {
    expiry_at_ = next;
    world_.schedule(std::max(next, now + Nanos{1}), EventType::kExpiry, index_);
  }
}

}  // namespace baton::sim
