// What all instances of one engine share: the doors, the links, the queue of deadlines, and the list of what must be
// published.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/check.h"
#include "engine/deadline_queue.h"
#include "engine/engine.h"
#include "engine/links.h"
#include "ports/ports.h"
#include "vrrp/packet.h"

namespace baton::engine {

/// Who sent the advert that is being handled; unspecified outside.
struct Heard {
  IpAddress source;
  MacAddress mac;
  std::uint8_t priority = 0;
};

/// A [plugin] section that an instance refers to, or did.
struct PluginPlace {
  config::Plugin section;  ///< "" as its name: free
  Check check;
  bool probed = false;  ///< some instance uses it as a check
};

struct Context {
  /// From so many instances on their adverts are spread over the interval.
  static constexpr std::size_t kSpreadFrom = 32;

  explicit Context(ports::Ports doors) : ports(doors) {}

  ports::Ports ports;
  LinkTable links;
  std::deque<PluginPlace> plugins;  ///< by PluginId; never shrinks, so that references hold
  /// REQUIRES a section that the configuration has: its reader refuses dangling references.
  ports::PluginId plugin_named(std::string_view name) const;
  DeadlineQueue deadlines;
  HostCounters counters;
  std::vector<MoverId> dirty;          ///< to be published at the end of the turn, each once
  std::vector<MoverId> stopped;        ///< have stopped since the last look
  std::uint64_t sequence = 0;          ///< of tickets
  vrrp::Advert scratch;                ///< for decoding, so that a plain advert allocates nothing
  std::vector<IpAddress> known_hosts;  ///< [peer] addresses
  std::string host;                    ///< this one
  std::vector<config::Peer> others;    ///< all hosts but this one
  /// HOST that has this address; if there is only one other host, that one. "": not known.
  std::string host_of(const IpAddress& address) const;
  IpAddress address_of(const std::string& name) const;  ///< the first of its [peer] section
  /// By section, then HOST: that its check passes there, and when that was said.
  std::map<std::string, std::map<std::string, std::pair<bool, Instant>>> elsewhere;
  bool passes_elsewhere(Instant now, ports::PluginId check) const;
  std::map<std::string, ports::DataRecord> records;  ///< by instance, of an earlier life
  bool guarded = true;                               ///< the watchdog is armed, or none is wanted
  bool recalled = false;                             ///< all of them are here
  Heard heard;
  bool spread_adverts = false;
  bool dumped = false;  ///< a full dump has been complete at least once
};

}  // namespace baton::engine
