#include "tests/sim/doors.h"

#include <algorithm>
#include <cerrno>

#include "tests/sim/world.h"

namespace baton::sim {

Host::Doors::Doors(Host& host) {
  frames.host = links.host = addresses.host = reports.host = intents.host = plugins.host = &host;
}

void Host::Doors::Frames::send_frame(ports::LinkId link, ConstBytes frame) {
  if (!host->alive()) return;
  const int there = host->watched_[link];
  host->world_.checker().sent(*host, there, frame, false);
  host->outgoing_.push_back(host->world_.new_packet({frame.begin(), frame.end()}, there, false, false));
  host->outgoing_to_.emplace_back();
}

void Host::Doors::Frames::send_unicast(ports::LinkId link, const IpAddress& source, const IpAddress& destination,
                                       ConstBytes message) {
  if (!host->alive()) return;
  const int there = host->watched_[link];
  Bytes packet = unicast_packet(source, destination, message);
  host->world_.checker().sent(*host, there, packet, true);
  host->outgoing_.push_back(host->world_.new_packet(std::move(packet), there, true, false));
  host->outgoing_to_.push_back(destination);
}

void Host::Doors::Frames::flush() {
  if (host->alive()) host->flush_frames();
}

void Host::Doors::Links::watch(ports::LinkId link, const std::string& name, bool, bool) {
  if (!host->alive()) return;
  if (host->watched_.size() <= link) host->watched_.resize(link + 1, -1);
  const int there = name.back() - '0';
  host->watched_[link] = there;
  host->link_changed(there);
  host->dump();
}

void Host::Doors::Links::forget(ports::LinkId link) {
  if (host->alive() && link < host->watched_.size()) host->watched_[link] = -1;
}

void Host::Doors::Addresses::submit(const ports::AddressCommand& command) {
  if (!host->alive()) return;
  host->world_.trace().add(host->world_.now(), host->index_, What::kCommand, static_cast<std::uint64_t>(command.verb),
                           static_cast<std::uint64_t>(host->watched_[command.link]),
                           address_id(command.prefix.address));
  host->submitted_.push_back(command);
  host->world_.checker().submitted(*host, command);
  host->world_.data_checker().submitted(*host, command);
}

void Host::Doors::Addresses::flush() {
  if (host->alive()) host->flush_commands();
}

void Host::Doors::Reports::report(const ports::Report& report) {
  if (host->alive()) host->world_.checker().reported(*host, report);
}

void Host::Doors::Reports::publish_instance(std::uint32_t slot, const ports::InstanceState& state) {
  if (!host->alive()) return;
  host->board_.instances.at(slot) = state;
  host->world_.checker().published(*host, slot, state);
  host->world_.data_checker().published(*host, state);
}

void Host::Doors::Reports::publish_router(std::uint32_t slot, const ports::RouterState& state) {
  if (!host->alive()) return;
  host->board_.routers.at(slot) = state;
}

void Host::Doors::Reports::publish_texts(std::uint32_t slot, const ports::HandoverTexts& texts) {
  if (host->alive()) host->board_.texts.at(slot) = texts;
}

void Host::Doors::Reports::retire_instance(std::uint32_t slot) {
  if (!host->alive()) return;
  host->world_.checker().retired(*host, slot);
  host->board_.instances.at(slot).reset();
}

void Host::Doors::Reports::retire_router(std::uint32_t slot) {
  if (host->alive()) host->board_.routers.at(slot).reset();
}

ports::RouterCounters& Host::Doors::Reports::counters(std::uint32_t slot) {
  return host->calls_left_ == 0 ? lost : host->board_.counters.at(slot);
}

std::uint64_t Host::Doors::Intents::record(const ports::DataRecord& record) {
  return host->alive() ? host->remember(record) : 0;
}

std::uint64_t Host::Doors::Intents::record(std::string_view, std::string_view) {
  if (!host->alive()) return 0;
  const std::uint64_t ticket = ++host->tickets_;
  host->tell(IntentDone{ticket}, std::chrono::milliseconds{1});
  return ticket;
}

void Host::Doors::Plugins::use_plugin(ports::PluginId id, const config::Plugin& plugin) {
  if (host->alive()) host->acts_->use(id, plugin);
}

void Host::Doors::Plugins::forget_plugin(ports::PluginId id) {
  if (host->alive()) host->acts_->forget(id);
}

/// Memory: no call that a death could come before.
ports::ProbeReading Host::Doors::Plugins::read_probe(ports::PluginId id) { return host->acts_->read(id); }

void Host::Doors::Plugins::act(const ports::ActOrder& order) {
  if (host->alive()) host->acts_->act(order);
}

void Host::Doors::Plugins::call_off(std::uint64_t ticket) {
  if (host->alive()) host->acts_->call_off(ticket);
}

/// One port call; false once the engine has died in this turn.
bool Host::alive() {
  if (calls_left_ < 0) return true;
  if (calls_left_ > 0) --calls_left_;
  return calls_left_ > 0;
}

void Host::flush_frames() {
  for (std::size_t i = 0; i < outgoing_.size(); ++i) {
    const std::uint32_t packet = outgoing_[i];
    const int link = world_.packet(packet).link;
    const bool up = link >= 0 && hears(link);
    if (link >= 0) {
      int& known = send_errno_[static_cast<std::size_t>(link)];
      const int now = up ? 0 : ENETDOWN;
      if (known != now) {
        known = now;
        if (const auto id = id_of(link)) tell(SendError{*id, now}, Nanos{0});
      }
    }
    if (up) {
      world_.transmit(index_, packet, world_.packet(packet).unicast ? &outgoing_to_[i] : nullptr);
    } else {
      world_.release(packet);
    }
  }
  outgoing_.clear();
  outgoing_to_.clear();
}

void Host::flush_commands() {
  for (const ports::AddressCommand& command : submitted_) queue_.push(command);
  submitted_.clear();
  if (queue_.empty() || working_) return;
  working_ = true;
  world_.schedule(std::max(world_.now() + kBatchTime, worker_blocked_until_), EventType::kWorker, index_);
}

/// The worker thread: takes a batch, and answers when the kernel is done with it.
void Host::work() {
  const Nanos now = world_.now();
  if (!running()) return;
  if (stalled() && stall_kind_ != Stall::kThread) {
    world_.schedule(stalled_until_, EventType::kWorker, index_);
    return;
  }
  if (now < worker_blocked_until_) {
    world_.schedule(worker_blocked_until_, EventType::kWorker, index_);
    return;
  }
  const std::vector<ports::AddressCommand> batch = queue_.take(32);
  world_.trace().add(now, index_, What::kWorker, queue_.size());
  for (const ports::AddressCommand& command : batch) {
    const int link = command.link < watched_.size() ? watched_[command.link] : -1;
    ports::AddressResult result{
        command.ticket, command.verb, command.link, command.prefix, ports::AddressStatus::kNoLink, ENODEV};
    const bool late = command.not_after != kNever && local() > command.not_after;
    if (link >= 0) result = kernel_.execute(command, link, now, late);
    if (link >= 0) world_.checker().executed(*this, result);
    tell(result, Nanos{0});
  }
  expire();
  working_ = !queue_.empty();
  const Nanos busy = kBatchTime + kCommandTime * static_cast<std::int64_t>(batch.size());
  if (working_) world_.schedule(now + busy, EventType::kWorker, index_);
}

}  // namespace baton::sim
