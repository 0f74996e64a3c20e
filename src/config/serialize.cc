#include "config/serialize.h"

#include <array>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

namespace baton::config {
namespace {

constexpr std::uint32_t kMagic = 0x42544E43;  // "BTNC"

/// Grows; otherwise as ByteWriter. Lengths have 32 bits.
class Writer {
 public:
  static constexpr bool kReading = false;

  std::vector<std::uint8_t> take() { return std::move(bytes_); }

  template <class T>
  void integer(const T& value) {
    for (std::size_t i = sizeof(T); i-- > 0;) {
      bytes_.push_back(static_cast<std::uint8_t>(static_cast<std::make_unsigned_t<T>>(value) >> (8 * i)));
    }
  }
  void length(std::size_t size) { integer(static_cast<std::uint32_t>(size)); }
  void raw(ConstBytes bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }

 private:
  std::vector<std::uint8_t> bytes_;
};

/// Refuses at the first value that no Writer writes; then everything is zero.
class Reader {
 public:
  static constexpr bool kReading = true;

  explicit Reader(ConstBytes bytes) : bytes_(bytes) {}

  bool ok() const { return good_ && bytes_.ok(); }
  bool at_end() const { return ok() && bytes_.remaining() == 0; }
  void refuse() { good_ = false; }

  template <class T>
  void integer(T& value) {
    std::uint64_t read = 0;
    for (const std::uint8_t byte : bytes_.take(sizeof(T))) read = read << 8 | byte;
    value = static_cast<T>(read);
  }
  /// A length that the remaining bytes can hold, each item taking one at least.
  std::size_t length() {
    const std::uint32_t size = bytes_.u32();
    if (size > bytes_.remaining()) refuse();
    return ok() ? size : 0;
  }
  ConstBytes raw(std::size_t size) { return bytes_.take(size); }

 private:
  ByteReader bytes_;
  bool good_ = true;
};

// One description of each struct serves both directions. The structured bindings fail to compile when a member is added
// and forgotten.

template <class Archive>
void exchange(Archive& archive, std::string& text) {
  if constexpr (Archive::kReading) {
    const ConstBytes bytes = archive.raw(archive.length());
    text.assign(bytes.begin(), bytes.end());
  } else {
    archive.length(text.size());
    archive.raw({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  }
}

template <class Archive>
void exchange(Archive& archive, bool& value) {
  std::uint8_t byte = value ? 1 : 0;
  archive.integer(byte);
  if constexpr (Archive::kReading) {
    if (byte > 1) archive.refuse();
    value = byte == 1;
  }
}

template <class Archive, class T>
requires std::is_integral_v<T>
void exchange(Archive& archive, T& value) { archive.integer(value); }

/// An enumeration of consecutive values from `first` to `last`.
template <class Archive, class Enum>
void exchange_enum(Archive& archive, Enum& value, Enum first, Enum last) {
  auto byte = static_cast<std::uint8_t>(value);
  archive.integer(byte);
  if constexpr (Archive::kReading) {
    const bool known = byte >= static_cast<std::uint8_t>(first) && byte <= static_cast<std::uint8_t>(last);
    if (!known) archive.refuse();
    value = known ? static_cast<Enum>(byte) : first;
  }
}

template <class Archive>
void exchange(Archive& archive, Nanos& duration) {
  std::int64_t count = duration.count();
  archive.integer(count);
  if constexpr (Archive::kReading) {
    if (count < 0) archive.refuse();
    duration = Nanos{count};
  }
}

template <class Archive>
void exchange(Archive& archive, Priority& priority) {
  std::uint8_t value = priority.value();
  archive.integer(value);
  if constexpr (Archive::kReading) priority = Priority{value};
}

template <class Archive>
void exchange(Archive& archive, Vrid& vrid) {
  std::uint8_t value = vrid.value();
  archive.integer(value);
  if constexpr (Archive::kReading) {
    if (value == 0) return archive.refuse();
    vrid = Vrid{value};
  }
}

template <class Archive>
void exchange(Archive& archive, IpAddress& address) {
  bool is_ipv6 = address.is_ipv6();
  exchange(archive, is_ipv6);
  if constexpr (Archive::kReading) {
    const ConstBytes bytes = archive.raw(is_ipv6 ? 16 : 4);
    if (archive.ok()) address = IpAddress::from_bytes(bytes);
  } else {
    archive.raw(address.bytes());
  }
}

template <class Archive>
void exchange(Archive& archive, Prefix& prefix) {
  exchange(archive, prefix.address);
  exchange(archive, prefix.length);
  if constexpr (Archive::kReading) {
    if (prefix.length > prefix.address.max_prefix()) archive.refuse();
  }
}

template <class Archive>
void exchange(Archive& archive, UnicastPeer& peer) {
  auto& [address, min_ttl] = peer;
  exchange(archive, address);
  exchange(archive, min_ttl);
}

template <class Archive>
void exchange(Archive& archive, CheckReference& check) {
  auto& [plugin, use, prefer, relative] = check;
  exchange(archive, plugin);
  exchange_enum(archive, use, CheckUse::kRequired, CheckUse::kGate);
  exchange(archive, prefer);
  exchange(archive, relative);
}

template <class Archive, class T>
void exchange(Archive& archive, std::optional<T>& value) {
  bool present = value.has_value();
  exchange(archive, present);
  if constexpr (Archive::kReading) {
    value.reset();
    if (present) value.emplace();
  }
  if (present) exchange(archive, *value);
}

template <class Archive, class T>
void exchange(Archive& archive, std::vector<T>& list);

template <class Archive>
void exchange(Archive& archive, Election& election) {
  auto& [priority, preempt, preempt_delay, startup_delay, checks, promote, follow_up, notify, grant, witness, fence,
         min_gap, takeover_wait, takeover_least, demote_on_isolation, release_on_unknown, resume_alone, cooldown,
         budget, window] = election;
  exchange(archive, priority);
  exchange(archive, preempt);
  exchange(archive, preempt_delay);
  exchange(archive, startup_delay);
  exchange(archive, checks);
  for (auto* names : {&promote, &follow_up, &notify}) exchange(archive, *names);
  exchange_enum(archive, grant, Grant::kNone, Grant::kUnsafe);
  for (auto* names : {&witness, &fence}) exchange(archive, *names);
  exchange(archive, min_gap);
  exchange(archive, takeover_wait);
  exchange(archive, takeover_least);
  for (bool* flag : {&demote_on_isolation, &release_on_unknown, &resume_alone}) exchange(archive, *flag);
  exchange(archive, cooldown);
  exchange(archive, budget);
  exchange(archive, window);
}

template <class Archive>
void exchange(Archive& archive, Instance& instance) {
  auto& [name, group, election, interface, vrid, version, owner, interval, addresses, extra_addresses, source_v4,
         source_v6, unicast, unicast_source, unicast_peers, checksum, password_file, password, accept, announce,
         announce_count, announce_interval, announce_delay, announce_refresh, lifetime, defined_at] = instance;
  exchange(archive, name);
  exchange(archive, group);
  exchange(archive, election);
  exchange(archive, interface);
  exchange(archive, vrid);
  exchange_enum(archive, version, vrrp::Version::kV2, vrrp::Version::kV3);
  exchange(archive, owner);
  exchange(archive, interval);
  for (auto* list : {&addresses, &extra_addresses}) exchange(archive, *list);
  for (auto* source : {&source_v4, &source_v6}) exchange(archive, *source);
  exchange(archive, unicast);
  exchange(archive, unicast_source);
  exchange(archive, unicast_peers);
  exchange_enum(archive, checksum, Checksum::kAuto, Checksum::kPseudoHeader);
  exchange(archive, password_file);
  exchange(archive, password);
  exchange(archive, accept);
  exchange_enum(archive, announce, Announce::kRequest, Announce::kBoth);
  exchange(archive, announce_count);
  exchange(archive, announce_interval);
  exchange(archive, announce_delay);
  exchange(archive, announce_refresh);
  exchange(archive, lifetime);
  exchange(archive, defined_at);
}

template <class Archive>
void exchange(Archive& archive, Group& group) {
  auto& [name, members, election, defined_at] = group;
  exchange(archive, name);
  exchange(archive, members);
  exchange(archive, election);
  exchange(archive, defined_at);
}

template <class Archive>
void exchange(Archive& archive, Setting& setting) {
  auto& [key, values, is_secret, digest] = setting;
  exchange(archive, key);
  exchange(archive, values);
  exchange(archive, is_secret);
  exchange(archive, digest);
}

template <class Archive>
void exchange(Archive& archive, Secret& secret) {
  auto& [key, contents, acts_only] = secret;
  exchange(archive, key);
  exchange(archive, contents);
  exchange(archive, acts_only);
}

template <class Archive>
void exchange(Archive& archive, PluginModule& module) {
  auto& [path, act_user, needs, own, verbs] = module;
  exchange(archive, path);
  exchange(archive, act_user);
  exchange(archive, needs);
  exchange(archive, own);
  std::uint32_t bits = verbs.bits();
  exchange(archive, bits);
  if constexpr (Archive::kReading) {
    verbs = VerbSet::from_bits(bits);
    if (verbs.bits() != bits) archive.refuse();
  }
}

template <class Archive>
void exchange(Archive& archive, Plugin& plugin) {
  auto& [name, module, about, interval, timeout, rise, fall, user, deadline, settings, secrets, defined_at] = plugin;
  exchange(archive, name);
  exchange(archive, module);
  exchange(archive, about);
  exchange(archive, interval);
  exchange(archive, timeout);
  exchange(archive, rise);
  exchange(archive, fall);
  exchange(archive, user);
  exchange(archive, deadline);
  exchange(archive, settings);
  exchange(archive, secrets);
  exchange(archive, defined_at);
}

template <class Archive>
void exchange(Archive& archive, Peer& peer) {
  auto& [host, addresses, defined_at] = peer;
  exchange(archive, host);
  exchange(archive, addresses);
  exchange(archive, defined_at);
}

template <class Archive>
void exchange(Archive& archive, Daemon& daemon) {
  auto& [log_level, log_file, realtime, memory_lock, peer_key_files, peer_keys, peer_port, metrics_listen,
         history_limit, recorder, watchdog, watchdog_timeout] = daemon;
  exchange_enum(archive, log_level, LogLevel::kTrace, LogLevel::kError);
  exchange(archive, log_file);
  exchange(archive, realtime);
  exchange(archive, memory_lock);
  exchange(archive, peer_key_files);
  exchange(archive, peer_keys);
  exchange(archive, peer_port);
  exchange(archive, metrics_listen);
  exchange(archive, history_limit);
  exchange(archive, recorder);
  exchange(archive, watchdog);
  exchange(archive, watchdog_timeout);
}

template <class Archive>
void exchange(Archive& archive, Config& config) {
  auto& [host, daemon, instances, groups, plugins, peers, hash] = config;
  exchange(archive, host);
  exchange(archive, daemon);
  exchange(archive, instances);
  exchange(archive, groups);
  exchange(archive, plugins);
  exchange(archive, peers);
  exchange(archive, hash);
}

template <class Archive, class T>
void exchange(Archive& archive, std::vector<T>& list) {
  if constexpr (Archive::kReading) {
    list.clear();
    // Grown as items come: a large count in front of few bytes costs nothing.
    for (std::size_t left = archive.length(); left != 0 && archive.ok(); --left) exchange(archive, list.emplace_back());
  } else {
    archive.length(list.size());
    for (T& item : list) exchange(archive, item);
  }
}

}  // namespace

std::vector<std::uint8_t> serialize(const Config& config) {
  Writer writer;
  writer.integer(kMagic);
  writer.integer(kSerializeVersion);
  // `exchange` takes values that it may fill; a Writer only reads them.
  exchange(writer, const_cast<Config&>(config));
  return writer.take();
}

Result<Config> deserialize(ConstBytes bytes) {
  Reader reader(bytes);
  std::uint32_t magic = 0;
  std::uint32_t version = 0;
  reader.integer(magic);
  reader.integer(version);
  if (!reader.ok() || magic != kMagic) return fail("read the configuration's bytes: this is no configuration");
  if (version != kSerializeVersion) return fail("read the configuration's bytes: version " + std::to_string(version));
  Config config;
  exchange(reader, config);
  if (!reader.at_end()) return fail("read the configuration's bytes: they are damaged");
  return config;
}

}  // namespace baton::config
