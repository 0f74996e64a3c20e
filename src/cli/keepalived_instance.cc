// One vrrp_instance as [instance] sections: one for each link that its addresses are on.
#include <algorithm>
#include <array>

#include "cli/keepalived_draft.h"
#include "config/effective.h"
#include "config/values.h"

namespace baton::cli::keepalived {
namespace {

using config::duration_text;

constexpr std::string_view kMac = "addresses keep the interface's own MAC; gratuitous ARP tells the neighbours";
constexpr std::string_view kAlways = "Baton does so always";
constexpr std::string_view kNoMail = "Baton sends no mail: let a follow_up or notify plugin do it (exec, webhook)";
constexpr auto kRows = std::to_array<KeywordRow>({
    {"state", Outcome::kNotNeeded, "the priorities alone decide who is Active"},
    {"preempt", Outcome::kNotNeeded, "the default"},
    {"accept", Outcome::kNotNeeded, "the default"},
    {"track_src_ip", Outcome::kNotNeeded, kAlways},
    {"check_unicast_src", Outcome::kNotNeeded, kAlways},
    {"unicast_fault_no_peer", Outcome::kNotNeeded, "unicast without a peer is an error here"},
    {"higher_prio_send_advert", Outcome::kNotNeeded, "who is told of a better host yields at once"},
    {"skip_check_adv_addr", Outcome::kNotNeeded, "Baton elects whatever addresses an advert names"},
    {"native_ipv6", Outcome::kNotNeeded, "IPv6 is told by its addresses"},
    {"debug", Outcome::kNotNeeded, "log_level of [daemon], for all"},
    {"linkbeat_use_polling", Outcome::kNotNeeded, "the kernel tells of links"},
    {"kernel_rx_buf_size", Outcome::kNotNeeded, "Baton sizes its buffers"},
    {"old_unicast_checksum", Outcome::kNotNeeded, "checksum = auto takes each form"},
    {"v3_checksum_as_v2", Outcome::kNotNeeded, "checksum = auto takes each form"},
    {"garp_lower_prio_delay", Outcome::kNotNeeded, "a rival is answered by an announcement at once"},
    {"garp_lower_prio_repeat", Outcome::kNotNeeded, "a rival is answered by an announcement at once"},
    {"garp_master_refresh_repeat", Outcome::kNotNeeded, "each refresh announces once"},
    {"strict_mode", Outcome::kNotNeeded, "`batonctl check` says what is outside of the RFC"},
    {"timer_expired_backup", Outcome::kNotNeeded, "who was late listens before it sends"},
    {"owner_ignore_adverts", Outcome::kNotConverted, "a better advert is obeyed, and told as an alarm"},
    {"lower_prio_no_advert", Outcome::kNotConverted, "a lower advert is always answered"},
    {"down_timer_adverts", Outcome::kNotConverted, "always 3 adverts, as the RFC has it"},
    {"dont_track_primary", Outcome::kNotConverted, "an instance's own interface is always watched"},
    {"no_accept", Outcome::kNotConverted, "a host answers on the addresses that it holds"},
    {"smtp_alert", Outcome::kNotConverted, kNoMail},
    {"use_vmac", Outcome::kNotConverted, kMac},
    {"vmac_xmit_base", Outcome::kNotConverted, kMac},
    {"use_vmac_addr", Outcome::kNotConverted, kMac},
    {"use_ipvlan", Outcome::kNotConverted, kMac},
    {"virtual_routes", Outcome::kNotConverted, "Baton installs no routes: a follow_up script can"},
    {"virtual_rules", Outcome::kNotConverted, "Baton installs no rules: a follow_up script can"},
    {"track_file", Outcome::kNotConverted,
     "to take a host out, `batonctl drain`; for a file's content, a [plugin] of module file and check = NAME"},
    {"track_bfd", Outcome::kNotConverted, "Baton speaks no BFD: a [plugin] of module ping and check = NAME"},
    {"unicast_ttl", Outcome::kNotConverted, "adverts leave with TTL 255"},
    {"mcast_dst_ip", Outcome::kNotConverted, "adverts go to the RFC's group"},
    {"promote_secondaries", Outcome::kNotConverted, "set net.ipv4.conf.INTERFACE.promote_secondaries by sysctl"},
    {"garp_extra_if", Outcome::kNotConverted, "addresses are announced on their own link"},
    {"auth_hmac", Outcome::kNotConverted, "adverts are not signed; the hosts' own channel is (peer_key_file)"},
    {"vrf", Outcome::kNotConverted, "Baton knows interfaces, not VRFs"},
    {"lvs_sync_daemon_interface", Outcome::kNotConverted,
     "Baton does not balance load (LVS): keep that with keepalived, or use HAProxy"},
    {"no_virtual_ipaddress", Outcome::kNotConverted, "an instance has an address"},
});

struct Address {
  std::string text;
  config::Value<Prefix> prefix;
  std::string link;
  const Statement* line = nullptr;
};

class InstanceConverter {
 public:
  InstanceConverter(Draft& draft, const Statement& block, bool grouped, bool weighted)
      : draft_(draft), block_(block), grouped_(grouped), weighted_(weighted) {
    result_.original = argument(block);
    result_.place = block.place;
    if (const Statement* line = child(block, "interface")) interface_ = argument(*line);
  }

  InstanceDraft run() {
    const Statement* vrid = child(block_, "virtual_router_id");
    if (!check_identity(vrid)) return std::move(result_);
    read_addresses();
    if (addresses_.empty() && extra_.empty()) {
      draft_.remark(block_, Outcome::kNotConverted, "it has no address that Baton could move");
      return std::move(result_);
    }
    set_version();
    set_priority();
    for (const Statement& line : block_.block) read_line(line);
    set_preempt();
    write_wire(argument(*vrid));
    result_.follow_ups = notify(draft_, notify_, "INSTANCE", result_.original, priority_);
    return std::move(result_);
  }

 private:
  bool check_identity(const Statement* vrid) {
    const auto refuse = [&](std::string why) {
      draft_.remark(block_, Outcome::kNotConverted, std::move(why));
      return false;
    };
    if (result_.original.empty()) return refuse("it has no name");
    if (!config::parse_interface(interface_))
      return refuse(interface_.empty() ? "it has no interface" : "`" + interface_ + "` is no interface name");
    if (vrid == nullptr) return refuse("it has no virtual_router_id");
    if (!config::parse_integer(argument(*vrid), 1, 255)) return refuse("its virtual_router_id is not within 1 to 255");
    return true;
  }

  void read_addresses() {
    for (const Statement& line : block_.block) {
      if (line.words[0] == "virtual_ipaddress") read_list(line, addresses_);
      if (line.words[0] == "virtual_ipaddress_excluded") read_list(line, extra_);
    }
    if (!addresses_.empty() || extra_.empty()) return;
    draft_.remark(*child(block_, "virtual_ipaddress_excluded"), Outcome::kLookAt,
                  "an advert names an address: it is in it now");
    addresses_.swap(extra_);
  }

  void read_list(const Statement& list, std::vector<Address>& out) {
    for (const Statement& line : list.block) {
      Address address{line.words[0], config::parse_prefix(line.words[0]), interface_, &line};
      if (!address.prefix) {
        draft_.remark(line, Outcome::kNotConverted, address.prefix.error().message);
        continue;
      }
      if (is_known(address.prefix->address)) {
        draft_.remark(line, Outcome::kNotConverted, "it is listed already");
        continue;
      }
      read_options(line, address);
      out.push_back(std::move(address));
    }
    // RFC 9568 section 5.2.9: the link-local address comes first.
    std::stable_partition(out.begin(), out.end(), [](const Address& one) {
      return one.prefix->address.is_ipv6() && one.prefix->address.is_link_local();
    });
  }

  bool is_known(const IpAddress& address) const {
    const auto same = [&](const Address& other) { return other.prefix->address == address; };
    return std::any_of(addresses_.begin(), addresses_.end(), same) || std::any_of(extra_.begin(), extra_.end(), same);
  }

  /// dev, and what an address of Baton's does not have.
  void read_options(const Statement& line, Address& address) {
    std::string without;
    for (std::size_t i = 1; i < line.words.size(); ++i) {
      const std::string& word = line.words[i];
      const bool takes_value = word == "dev" || word == "label" || word == "brd" || word == "broadcast" ||
                               word == "scope" || word == "peer" || word == "preferred_lft";
      if (word == "dev" && i + 1 < line.words.size()) address.link = line.words[i + 1];
      if (word != "dev" && word != "scope") without += (without.empty() ? "" : ", ") + word;
      if (word == "scope" && i + 1 < line.words.size() && line.words[i + 1] != "global")
        without += (without.empty() ? "" : ", ") + word;
      if (takes_value) ++i;
    }
    if (!without.empty()) draft_.remark(line, Outcome::kLookAt, "the address is added without " + without);
  }

  void set_version() {
    int version = draft_.globals.version;
    if (const Statement* line = child(block_, "version")) version = argument(*line) == "3" ? 3 : 2;
    if (draft_.version) version = *draft_.version;
    const auto is_v6 = [](const Address& one) { return one.prefix->address.is_ipv6(); };
    const bool advertised_v6 = std::any_of(addresses_.begin(), addresses_.end(), is_v6);
    const bool extra_v6 = std::any_of(extra_.begin(), extra_.end(), is_v6);
    if (version == 2 && extra_v6 && !advertised_v6) {
      draft_.remark(*child(block_, "virtual_ipaddress_excluded"), Outcome::kLookAt,
                    "version 3 is written: with IPv6 there is no version 2");
    }
    version_ = advertised_v6 || extra_v6 ? 3 : version;
  }

  void set_priority() {
    const Statement* line = child(block_, "priority");
    const Statement* state = child(block_, "state");
    priority_ = line != nullptr ? argument(*line) : "100";
    const bool owner = line == nullptr && state != nullptr && argument(*state) == "MASTER";
    if (owner || priority_ == "255") {
      draft_.remark(owner ? *state : *line, Outcome::kLookAt,
                    "255 is for who has the addresses as its own (owner = yes): 254 is written");
      priority_ = "254";
    } else if (!config::parse_integer(priority_, 1, 254)) {
      draft_.remark(*line, Outcome::kNotConverted, "not within 1 to 254; the default is 100");
      priority_ = "100";
    }
    result_.election.emplace_back("priority", priority_);
  }

  void set_preempt() {
    const bool never = child(block_, "nopreempt") != nullptr;
    if (never) result_.election.emplace_back("preempt", "no");
    if (const Statement* line = child(block_, "preempt_delay")) {
      const std::string delay = duration_of(argument(*line));
      if (never) {
        draft_.remark(*line, Outcome::kNotNeeded, "nothing is preempted");
      } else if (delay.empty()) {
        draft_.remark(*line, Outcome::kNotConverted, "no number of seconds");
      } else {
        result_.election.emplace_back("preempt_delay", delay);
      }
    }
    for (const auto& [key, value] : draft_.globals.election) result_.election.emplace_back(key, value);
  }

  /// What is not read elsewhere.
  void read_line(const Statement& line) {
    static constexpr auto kElsewhere = std::to_array<std::string_view>(
        {"interface", "virtual_router_id", "version", "priority", "nopreempt", "preempt_delay", "virtual_ipaddress",
         "virtual_ipaddress_excluded", "unicast_src_ip", "mcast_src_ip", "unicast_peer"});
    const std::string& keyword = line.words[0];
    if (std::find(kElsewhere.begin(), kElsewhere.end(), keyword) != kElsewhere.end()) return;
    if (is_notify(keyword)) {
      notify_.push_back(&line);
    } else if (keyword == "advert_int") {
      set_interval(line);
    } else if (keyword == "authentication") {
      read_authentication(line);
    } else if (keyword == "track_script" || keyword == "track_interface" || keyword == "track_process") {
      const auto checks = track(draft_, line, interface_, !grouped_ || weighted_);
      result_.checks.insert(result_.checks.end(), checks.begin(), checks.end());
    } else if (keyword.starts_with("garp_master_")) {
      set_announcing(line);
    } else if (const KeywordRow* row = find_keyword(kRows, keyword)) {
      draft_.remark(line, row->outcome, std::string{row->why});
    } else {
      draft_.remark_unknown(line);
    }
  }

  void set_interval(const Statement& line) {
    using namespace std::chrono_literals;
    const auto value = config::parse_duration(duration_of(argument(line)));
    if (!value || *value < 10ms || *value > 255s || (version_ == 3 && *value > 40950ms)) {
      return draft_.remark(line, Outcome::kNotConverted,
                           "not within 10ms to 40.95s (VRRPv2: 1s to 255s); 1s is the default");
    }
    const Nanos unit = version_ == 2 ? Nanos{1s} : Nanos{10ms};
    const Nanos whole = std::max(unit, (*value + unit / 2) / unit * unit);
    interval_ = duration_text(whole);
    if (whole != *value) {
      draft_.remark(
          line, Outcome::kLookAt,
          interval_ + " is written: " +
              (version_ == 2 ? "VRRPv2 counts seconds; version = 3 would have it" : "VRRPv3 counts centiseconds"));
    }
  }

  void read_authentication(const Statement& line) {
    draft_.remark(
        line, Outcome::kNotConverted,
        version_ == 3
            ? "VRRPv3 has none, in keepalived as here"
            : "a password that each advert shows proves nothing; beside a keepalived that still wants it, put it "
              "(8 bytes at most) into a file and write password_file = FILE");
  }

  void set_announcing(const Statement& line) {
    if (const auto key = announcing_of(line.words[0], argument(line))) {
      announcing_.push_back(*key);
    } else if (const KeywordRow* row = find_keyword(kRows, line.words[0])) {
      draft_.remark(line, row->outcome, std::string{row->why});
    } else {
      draft_.remark(line, Outcome::kNotConverted, "no such value here");
    }
  }

  std::vector<std::string> peers() const {
    std::vector<std::string> peers;
    const Statement* block = child(block_, "unicast_peer");
    if (block == nullptr) return peers;
    for (const Statement& line : block->block) {
      std::string text = line.words[0];
      if (!config::parse_address(text)) {
        draft_.remark(line, Outcome::kNotConverted, "no address");
        continue;
      }
      if (line.words.size() >= 3 && line.words[1] == "min_ttl") text += " min_ttl=" + line.words[2];
      if (!config::parse_unicast_peer(text) || (line.words.size() != 1 && line.words.size() != 3)) {
        draft_.remark(line, Outcome::kLookAt, "written without what stands behind the address");
        text = line.words[0];
      }
      peers.push_back(text);
    }
    return peers;
  }

  void set_sources(Section& section) {
    const std::vector<std::string> unicast = peers();
    const Statement* line = child(block_, "unicast_src_ip");
    if (line == nullptr) line = child(block_, "mcast_src_ip");
    const auto source = line == nullptr ? std::nullopt : std::optional{config::parse_address(argument(*line))};
    if (source && !*source) {
      draft_.remark(*line, Outcome::kNotConverted, "no address");
    } else if (source && unicast.empty() && (*source)->is_ipv6() && !(*source)->is_link_local()) {
      draft_.remark(*line, Outcome::kNotConverted, "the source of an IPv6 advert is link-local");
    } else if (source) {
      if (unicast.empty() && line->words[0] == "unicast_src_ip") {
        draft_.remark(*line, Outcome::kLookAt, "there is no unicast_peer: multicast, as keepalived would");
      }
      section.set(unicast.empty() ? "source_address" : "unicast_source", argument(*line));
    }
    for (const std::string& peer : unicast) section.set("unicast_peer", peer);
  }

  /// The links of the addresses, this instance's own first.
  std::vector<std::string> links() {
    std::vector<std::string> links;
    for (const auto* list : {&addresses_, &extra_}) {
      for (const Address& address : *list) {
        if (std::find(links.begin(), links.end(), address.link) == links.end()) links.push_back(address.link);
      }
    }
    std::stable_partition(links.begin(), links.end(), [&](const std::string& link) { return link == interface_; });
    return links;
  }

  void write_wire(const std::string& vrid) {
    const std::vector<std::string> all = links();
    for (const std::string& link : all) {
      const bool elsewhere = link != interface_;
      const Address& first = first_on(link);
      if (elsewhere && !may_move(first, link, vrid)) continue;
      if (elsewhere) {
        draft_.remark(*first.line, Outcome::kLookAt,
                      "an instance moves addresses on the link that it elects on: adverts go out on " + link +
                          ", too, and both hosts must hear each other there");
      }
      const std::string name = all.size() == 1 ? result_.original : result_.original + "-" + link;
      Section section{
          "instance", draft_.name("instance", name, all.size() == 1 ? "" : result_.original), {}, block_.place};
      section.set("interface", link);
      section.set("virtual_router_id", vrid);
      if (version_ == 2) section.set("version", "2");
      if (!interval_.empty()) section.set("advertisement_interval", interval_);
      const bool advertised = list(section, "address", addresses_, link);
      list(section, advertised ? "extra_address" : "address", extra_, link);
      if (!elsewhere || all.size() == 1) set_sources(section);
      for (const auto* keys : {&draft_.globals.announcing, &announcing_}) {
        for (const auto& [key, value] : *keys) {
          std::erase_if(section.keys, [&, wanted = key](const auto& one) { return one.first == wanted; });
          section.set(key, value);
        }
      }
      result_.wire.push_back(std::move(section));
    }
  }

  const Address& first_on(const std::string& link) const {
    for (const auto* list : {&addresses_, &extra_}) {
      for (const Address& address : *list) {
        if (address.link == link) return address;
      }
    }
    return addresses_.front();
  }

  bool may_move(const Address& address, const std::string& link, const std::string& vrid) {
    if (!config::parse_interface(link)) {
      draft_.remark(*address.line, Outcome::kNotConverted, "`" + link + "` is no interface name");
      return false;
    }
    if (!draft_.vrids.emplace(link, vrid).second) {
      draft_.remark(*address.line, Outcome::kNotConverted,
                    "it is on " + link + ", where virtual_router_id " + vrid +
                        " is taken: write an instance there, and a group of both");
      return false;
    }
    const Statement* unicast = child(block_, "unicast_peer");
    if (unicast != nullptr && !unicast->block.empty() && links().size() > 1) {
      draft_.remark(
          *address.line, Outcome::kNotConverted,
          "it is on " + link + ": write an instance there with the peers' addresses of that link, and a group of both");
      return false;
    }
    return true;
  }

  static bool list(Section& section, const char* key, const std::vector<Address>& addresses, const std::string& link) {
    bool any = false;
    for (const Address& address : addresses) {
      if (address.link != link) continue;
      section.set(key, address.text);
      any = true;
    }
    return any;
  }

  Draft& draft_;
  const Statement& block_;
  bool grouped_;
  bool weighted_;
  InstanceDraft result_;
  std::string interface_;
  int version_ = 2;
  std::string priority_;
  std::string interval_;
  std::vector<Address> addresses_;
  std::vector<Address> extra_;
  Keys announcing_;
  std::vector<const Statement*> notify_;
};

}  // namespace

std::optional<std::pair<std::string, std::string>> announcing_of(std::string_view keyword, const std::string& value) {
  using namespace std::chrono_literals;
  const auto within = [&](Nanos most) {
    const auto time = config::parse_duration(duration_of(value));
    return time && *time <= most;
  };
  if (keyword == "garp_master_repeat" && config::parse_integer(value, 1, 60)) return std::pair{"announce_count", value};
  if (keyword == "garp_master_delay" && within(1h)) return std::pair{"announce_delay", duration_of(value)};
  if (keyword == "garp_master_refresh" && within(24h)) return std::pair{"announce_refresh", duration_of(value)};
  if (keyword == "garp_interval" && within(1s)) return std::pair{"announce_interval", duration_of(value)};
  return std::nullopt;
}

InstanceDraft convert_instance(Draft& draft, const Statement& block, bool grouped, bool weighted) {
  return InstanceConverter{draft, block, grouped, weighted}.run();
}

}  // namespace baton::cli::keepalived
