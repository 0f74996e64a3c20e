#include "tests/sim/world.h"

#include <algorithm>

namespace baton::sim {

World::World(Scenario scenario, bool verbose)
    : scenario_(std::move(scenario)),
      random_(scenario_.seed ^ 0xB5297A4D),
      trace_(verbose),
      checker_(*this),
      data_checker_(*this),
      databases_(*this) {
  segments_.resize(static_cast<std::size_t>(scenario_.links));
  heard_samples_.resize(static_cast<std::size_t>(scenario_.links));
  for (int i = 0; i < scenario_.hosts; ++i) hosts_.push_back(std::make_unique<Host>(*this, i));
}

World::~World() = default;

void World::schedule(Nanos at, EventType type, int host, std::uint32_t index) {
  events_.push({at, ++order_, type, static_cast<std::uint8_t>(host), index});
}

bool World::run() {
  for (int i = 0; i < hosts(); ++i) {
    schedule(random_.between(Nanos{0}, scenario_.longest_interval * 2), EventType::kStart, i, 0);
  }
  for (std::size_t i = 0; i < scenario_.faults.size(); ++i) {
    schedule(scenario_.faults[i].begins, EventType::kFaultBegins, 0, static_cast<std::uint32_t>(i));
    schedule(scenario_.faults[i].ends, EventType::kFaultEnds, 0, static_cast<std::uint32_t>(i));
  }
  schedule(scenario_.heal + Nanos{1}, EventType::kHeal, 0);
  schedule(scenario_.longest_interval, EventType::kTick, 0);
  if (!scenario_.data.empty()) schedule_data();
  while (!events_.empty() && !checker_.failed()) {
    const Event event = events_.top();
    events_.pop();
    now_ = event.at;
    if (healed() && now_ > checker_.run_until() && data_checker_.settled()) break;
    handle(event);
  }
  if (!checker_.failed()) checker_.run_ends();
  if (!checker_.failed()) data_checker_.run_ends();
  return !checker_.failed();
}

void World::handle(const Event& event) {
  switch (event.type) {
    case EventType::kWake: host(event.host).wake(); break;
    case EventType::kFrame: arrive(event.host, event.index); break;
    case EventType::kWorker: host(event.host).work(); break;
    case EventType::kExpiry: host(event.host).expire(); break;
    case EventType::kFaultBegins:
      active_.push_back(event.index);
      begin(scenario_.faults[event.index]);
      break;
    case EventType::kFaultEnds:
      std::erase(active_, event.index);
      end(scenario_.faults[event.index]);
      if (!by_operator(scenario_.faults[event.index].kind)) disturb();
      break;
    case EventType::kHeal: heal(); break;
    case EventType::kStart:
      host(event.host).start(event.index == 1);
      disturb();
      if (healed()) checker_.all_healed();  // it was fenced after the last fault
      break;
    case EventType::kKill: kill(event.host, event.index); break;
    case EventType::kTick:
      checker_.tick();
      schedule(now_ + scenario_.longest_interval / 2, EventType::kTick, 0);
      break;
    default: handle_data(event); break;
  }
}

// ---- The segments
// -----------------------------------------------------------------------------------------------------

std::uint32_t World::new_packet(Bytes bytes, int link, bool unicast, bool hostile) {
  std::uint32_t index = 0;
  if (free_packets_.empty()) {
    index = static_cast<std::uint32_t>(packets_.size());
    packets_.emplace_back();
  } else {
    index = free_packets_.back();
    free_packets_.pop_back();
  }
  packets_[index] = {std::move(bytes), link, unicast, hostile, 1};
  return index;
}

void World::release(std::uint32_t index) {
  if (--packets_[index].users > 0) return;
  free_packets_.push_back(index);
}

void World::transmit(int from, std::uint32_t packet, const IpAddress* to) {
  const int link = packets_[packet].link;
  Segment& segment = segments_[static_cast<std::size_t>(link)];
  for (int other = 0; other < hosts(); ++other) {
    if (other == from && (to != nullptr || !random_.permille(segment.reflect))) continue;
    if (to != nullptr) {
      const KernelLink& there = host(other).kernel().links[static_cast<std::size_t>(link)];
      if (there.find_address(*to) == nullptr) continue;
    }
    if (segment.cut[from][other]) continue;
    send_copy(from, other, packet, segment);
    if (segment.duplicate == 0 || !random_.permille(segment.duplicate)) continue;
    for (std::uint64_t copies = 1 + random_.below(9); copies > 0; --copies) send_copy(from, other, packet, segment);
  }
  if (to == nullptr && look(packets_[packet].bytes, false).kind == FrameKind::kAdvert) {
    heard_samples_[static_cast<std::size_t>(link)] = packets_[packet].bytes;
  }
  release(packet);
}

void World::send_copy(int from, int to, std::uint32_t packet, Segment& segment) {
  if (segment.loss != 0 && random_.permille(segment.loss)) return;
  Nanos at = now_ + random_.between(std::chrono::microseconds{20}, kTransit);
  if (segment.delay > Nanos{0}) at += random_.between(Nanos{0}, segment.delay);
  if (segment.reorder != 0 && random_.permille(segment.reorder)) {
    at += random_.between(kTransit, scenario_.longest_interval / 2);
  } else {
    at = std::max(at, segment.arrival[from][to]);  // a wire keeps the order
    segment.arrival[from][to] = at;
  }
  ++packets_[packet].users;
  schedule(at, EventType::kFrame, to, packet);
}

void World::arrive(int to, std::uint32_t packet) {
  Host& receiver = host(to);
  if (!receiver.hears(packets_[packet].link)) return release(packet);
  receiver.hear(packet);
}

}  // namespace baton::sim
