// The scenario's faults as they begin and end. What lasts is recomputed from all faults in force; what happens once
// happens at the begin.
#include <algorithm>

#include "tests/sim/world.h"

namespace baton::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

bool is_network(FaultKind kind) { return kind <= FaultKind::kReflect; }

}  // namespace

void World::begin(const Fault& fault) {
  trace_.add(now_, -1, What::kFaultBegins, static_cast<std::uint64_t>(fault.kind), fault.argument & 0xFFFF,
             static_cast<std::uint64_t>(fault.host * 16 + fault.link));
  if (!by_operator(fault.kind)) disturb();
  checker_.fault_begins(fault);
  if (is_network(fault.kind)) return apply_active();
  switch (fault.kind) {
    case FaultKind::kHostile: return inject_hostile(fault);
    case FaultKind::kRival: return inject_rival(fault);
    case FaultKind::kRefuse:
    case FaultKind::kSlowWorker:
    case FaultKind::kForeignRemove:
    case FaultKind::kFight:
    case FaultKind::kForeignAdd:
    case FaultKind::kOverrun:
    case FaultKind::kCarrier:
    case FaultKind::kAdminDown:
    case FaultKind::kRecreate: return begin_kernel_fault(fault);
    case FaultKind::kReloadSame:
    case FaultKind::kReloadPriority:
    case FaultKind::kReloadVip:
    case FaultKind::kReloadRemove:
    case FaultKind::kSwitchover:
    case FaultKind::kFreeze:
    case FaultKind::kDrain: return begin_operator_fault(fault);
    default: return fault.kind < kFirstOfData ? begin_host_fault(fault) : begin_data_fault(fault);
  }
}

void World::begin_host_fault(const Fault& fault) {
  Host& there = host(fault.host);
  const Nanos length = fault.ends - fault.begins;
  switch (fault.kind) {
    case FaultKind::kStall: return there.stall(length, (fault.argument & 1) != 0 ? Stall::kThread : Stall::kProcess);
    case FaultKind::kPause: return there.stall(length, Stall::kMachine);
    case FaultKind::kCrashAdopt:
    case FaultKind::kCrashForget: return crash(fault);
    case FaultKind::kHang:
      if (!there.running() || there.stalled()) return;
      there.stall(std::chrono::hours{1}, Stall::kThread);
      return schedule(now_ + there.engine()->shortest_active_down_interval() / 2, EventType::kKill, fault.host);
    case FaultKind::kPowerOff: return there.power_off();
    case FaultKind::kRestart:
      if (!there.stalled()) there.stop();
      return;
    default: return;
  }
}

/// A successor comes as fast as a process starts, and always well inside half an Active_Down_Interval.
Nanos World::restart_time() {
  Nanos shortest = scenario_.longest_interval;
  for (const config::Instance& instance : scenario_.configs.front().instances) {
    shortest = std::min(shortest, instance.advertisement_interval);
  }
  return random_.between(Nanos{microseconds{500}}, std::min<Nanos>(milliseconds{20}, shortest / 2));
}

void World::kill(int index, std::uint32_t how) {
  if (how == kWithItsHost) return cut_power(index);
  host(index).die(how == kAdopted, restart_time());
}

void World::crash(const Fault& fault) {
  const bool adopt = fault.kind == FaultKind::kCrashAdopt;
  const Nanos restart = restart_time();
  Host& there = host(fault.host);
  if ((fault.argument & 3) != 0 && !there.stalled()) {
    there.die_within_turn(static_cast<int>(fault.argument >> 8 & 7), adopt, restart);
  } else {
    there.die(adopt && !there.stalled(), restart);
  }
}

void World::begin_kernel_fault(const Fault& fault) {
  Host& there = host(fault.host);
  switch (fault.kind) {
    case FaultKind::kRefuse: there.kernel().refuse_installs = true; return;
    case FaultKind::kSlowWorker: return there.block_worker(fault.ends);
    case FaultKind::kForeignRemove: return steal_addresses(fault);
    case FaultKind::kFight: return steal_addresses(fault);
    case FaultKind::kForeignAdd: return foreign(fault, true);
    case FaultKind::kOverrun: return there.lose_facts(fault.ends);
    case FaultKind::kCarrier: return set_link(fault.host, fault.link, false);
    case FaultKind::kAdminDown: set_link(fault.host, fault.link, false); return there.kernel().flush(fault.link, true);
    case FaultKind::kRecreate: {
      KernelLink& link = there.kernel().links[static_cast<std::size_t>(fault.link)];
      there.kernel().flush(fault.link, false);
      link.present = link.up = false;
      link.ifindex += 100;
      return there.link_changed(fault.link);
    }
    default: return;
  }
}

void World::begin_operator_fault(const Fault& fault) {
  Host& there = host(fault.host);
  const std::string all;
  switch (fault.kind) {
    case FaultKind::kSwitchover:
      return there.command({engine::Verb::kSwitchover, all, Nanos{0}, fault.argument % 4 == 0});
    case FaultKind::kFreeze: return there.command({engine::Verb::kFreeze, all, fault.ends - fault.begins, false});
    case FaultKind::kDrain: return there.command({engine::Verb::kDrain, all, Nanos{0}, false});
    default: return reload(fault);
  }
}

void World::reload(const Fault& fault) {
  Host& there = host(fault.host);
  config::Config config = there.config();
  auto& instance = config.instances[static_cast<std::size_t>(fault.unit) % config.instances.size()];
  const bool v2 = instance.version == vrrp::Version::kV2;
  if (fault.kind == FaultKind::kReloadPriority && !instance.owner) {
    const Priority priority{static_cast<std::uint8_t>(1 + fault.argument % 254)};
    instance.election.priority = priority;
    for (config::Group& group : config.groups) {
      if (group.name == instance.group) group.election.priority = priority;
    }
    for (config::Instance& member : config.instances) {
      if (!instance.group.empty() && member.group == instance.group) member.election = instance.election;
    }
  }
  // A v2 router drops adverts whose list differs (D-04): there the list must stay the same on all hosts.
  if (fault.kind == FaultKind::kReloadVip && !v2 && !instance.owner) {
    if (instance.addresses.size() > 3 && fault.argument % 2 == 0) {
      instance.addresses.pop_back();
    } else if (instance.addresses.size() < 40) {
      Prefix more = instance.addresses.back();
      std::array<std::uint8_t, 16> bytes{};
      std::copy(more.address.bytes().begin(), more.address.bytes().end(), bytes.begin());
      const std::size_t size = more.address.bytes().size();
      bytes[size - 1] = static_cast<std::uint8_t>(bytes[size - 1] + 1);
      more.address = IpAddress::from_bytes(ConstBytes{bytes}.first(size));
      instance.addresses.push_back(more);
    }
  }
  if (fault.kind == FaultKind::kReloadRemove && instance.group.empty() && config.instances.size() > 1) {
    std::erase_if(config.instances, [name = instance.name](const config::Instance& each) { return each.name == name; });
  }
  there.reload(static_cast<int>(fault.kind), std::move(config));
}

void World::end(const Fault& fault) {
  trace_.add(now_, -1, What::kFaultEnds, static_cast<std::uint64_t>(fault.kind));
  checker_.fault_ends(fault);
  Host& there = host(fault.host);
  if (is_network(fault.kind)) return apply_active();
  switch (fault.kind) {
    case FaultKind::kPowerOff:
    case FaultKind::kRestart: return there.start(false);
    case FaultKind::kRefuse: there.kernel().refuse_installs = false; return;
    case FaultKind::kForeignAdd: return foreign(fault, false);
    case FaultKind::kOverrun: return there.dump();
    case FaultKind::kCarrier: return set_link(fault.host, fault.link, true);
    case FaultKind::kAdminDown:
    case FaultKind::kRecreate: set_link(fault.host, fault.link, true); return there.kernel().restore_own(fault.link);
    case FaultKind::kReloadRemove:
      return there.reload(static_cast<int>(fault.kind), scenario_.configs[static_cast<std::size_t>(fault.host)]);
    case FaultKind::kFreeze: return there.command({engine::Verb::kThaw, "", Nanos{0}, false});
    case FaultKind::kSwitchover:
    case FaultKind::kDrain: return there.command({engine::Verb::kUndrain, "", Nanos{0}, false});
    default: return end_data_fault(fault);
  }
}

void World::set_link(int index, int link, bool up) {
  KernelLink& there = host(index).kernel().links[static_cast<std::size_t>(link)];
  there.present = there.present || up;
  there.up = up;
  host(index).link_changed(link);
}

/// After this nothing is wrong any more, whatever the faults left behind.
void World::heal() {
  active_.clear();
  apply_active();
  for (int i = 0; i < hosts(); ++i) {
    Host& there = host(i);
    there.kernel().refuse_installs = false;
    for (int link = 0; link < scenario_.links; ++link) {
      if (!there.hears(link)) set_link(i, link, true);
      there.kernel().restore_own(link);
    }
    there.dump();
    if (!there.running()) there.start(false);
    there.command({engine::Verb::kThaw, "", Nanos{0}, false});
    there.command({engine::Verb::kUndrain, "", Nanos{0}, false});
  }
  if (!scenario_.data.empty()) heal_data();
  healed_at_ = calm_since_ = now_;
  trace_.add(now_, -1, What::kHealed);
  checker_.all_healed();
}

// ---- The network
// ------------------------------------------------------------------------------------------------------

void World::apply_active() {
  for (Segment& segment : segments_) {
    segment.loss = segment.duplicate = segment.reorder = segment.reflect = 0;
    segment.delay = Nanos{0};
    for (auto& row : segment.cut) std::fill(std::begin(row), std::end(row), false);
  }
  for (const std::size_t index : active_) apply_network(scenario_.faults[index]);
}

void World::apply_network(const Fault& fault) {
  const auto cut_halves = [&](Segment& segment) {
    for (int a = 0; a < hosts(); ++a) {
      for (int b = 0; b < hosts(); ++b) {
        if ((fault.argument >> a & 1) != (fault.argument >> b & 1)) segment.cut[a][b] = true;
      }
    }
  };
  Segment& segment = segments_[static_cast<std::size_t>(fault.link)];
  switch (fault.kind) {
    case FaultKind::kLoss: segment.loss = std::max(segment.loss, fault.argument); break;
    case FaultKind::kDelay: segment.delay = scenario_.longest_interval / 2; break;
    case FaultKind::kDuplicate: segment.duplicate = 300; break;
    case FaultKind::kReorder: segment.reorder = 300; break;
    case FaultKind::kReflect: segment.reflect = 500; break;
    case FaultKind::kOneWay: segment.cut[fault.host][fault.other] = true; break;
    case FaultKind::kPartition: cut_halves(segment); break;
    case FaultKind::kPartitionAll: std::for_each(segments_.begin(), segments_.end(), cut_halves); break;
    default: break;
  }
}

/// Spoilt copies of a real advert to everyone: higher priority, priority 0, owner, and each with one thing wrong.
void World::inject_hostile(const Fault& fault) {
  const Bytes& sample = heard_samples_[static_cast<std::size_t>(fault.link)];
  if (sample.empty()) return;
  static constexpr std::uint8_t kPriorities[] = {0, 1, 100, 254, 255};
  for (int i = 0; i < 24; ++i) {
    Bytes frame = sample;
    const auto way = static_cast<Spoil>(random_.below(static_cast<std::uint64_t>(Spoil::kCount)));
    if (!spoil(frame, way, kPriorities[random_.below(5)], random_.next(), 251)) continue;
    const std::uint32_t packet = new_packet(std::move(frame), fault.link, false, true);
    const Nanos at = now_ + random_.between(Nanos{0}, fault.ends - fault.begins);
    for (int to = 0; to < hosts(); ++to) {
      ++packets_[packet].users;
      schedule(at, EventType::kFrame, to, packet);
    }
    release(packet);
  }
}

/// Gratuitous ARP requests of a machine that is no host of ours for one of our addresses.
void World::inject_rival(const Fault& fault) {
  const auto& instances = scenario_.configs.front().instances;
  const config::Instance& instance = instances[static_cast<std::size_t>(fault.unit) % instances.size()];
  const IpAddress address = instance.addresses.front().address;
  if (address.is_ipv6()) return;
  const int link = instance.interface.back() - '0';
  Bytes frame(14, 0xFF);
  const std::vector<std::uint8_t> mac{2, 9, 9, 9, 9, 9};
  std::copy(mac.begin(), mac.end(), frame.begin() + 6);
  frame[12] = 8;
  frame[13] = 6;
  const Bytes head{0, 1, 8, 0, 6, 4, 0, 1};
  frame.insert(frame.end(), head.begin(), head.end());
  for (int half = 0; half < 2; ++half) {
    if (half == 0) frame.insert(frame.end(), mac.begin(), mac.end());
    if (half == 1) frame.insert(frame.end(), 6, 0);
    frame.insert(frame.end(), address.bytes().begin(), address.bytes().end());
  }
  frame.resize(60, 0);
  const std::uint32_t packet = new_packet(std::move(frame), link, false, false);
  for (int to = 0; to < hosts(); ++to) {
    ++packets_[packet].users;
    schedule(now_ + kTransit, EventType::kFrame, to, packet);
  }
  release(packet);
}

// ---- Addresses
// --------------------------------------------------------------------------------------------------------

void World::steal_addresses(const Fault& fault) {
  Kernel& kernel = host(fault.host).kernel();
  for (std::size_t link = 0; link < kernel.links.size(); ++link) {
    const auto addresses = kernel.links[link].addresses;
    for (const KernelAddress& address : addresses) {
      if (address.ours) kernel.remove(static_cast<int>(link), address.prefix);
    }
  }
  if (fault.kind != FaultKind::kFight || now_ >= fault.ends) return;
  Fault again = fault;
  again.begins = now_ + milliseconds{200};
  if (again.begins >= fault.ends || scenario_.faults.size() > 200) return;
  again.kind = FaultKind::kFight;
  scenario_.faults.push_back(again);
  const auto index = static_cast<std::uint32_t>(scenario_.faults.size() - 1);
  schedule(again.begins, EventType::kFaultBegins, 0, index);
  schedule(again.ends, EventType::kFaultEnds, 0, index);
}

/// The first VIP of an instance as an administrator's address, and away again.
void World::foreign(const Fault& fault, bool add) {
  Kernel& kernel = host(fault.host).kernel();
  const auto& instances = scenario_.configs[static_cast<std::size_t>(fault.host)].instances;
  const config::Instance& instance = instances[static_cast<std::size_t>(fault.unit) % instances.size()];
  if (instance.owner) return;
  const int link = instance.interface.back() - '0';
  const Prefix& prefix = instance.addresses.front();
  if (add) return kernel.add(link, prefix, false, Nanos::max());
  const KernelAddress* there = kernel.links[static_cast<std::size_t>(link)].find(prefix);
  if (there != nullptr && !there->ours) kernel.remove(link, prefix);
}

}  // namespace baton::sim
