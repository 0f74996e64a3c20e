#include "linux/host_survey.h"

#include <linux/if_addr.h>
#include <net/if.h>
#include <sys/timex.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <sstream>

#include "linux/directory.h"
#include "linux/ownership.h"
#include "linux/route_socket.h"
#include "posix/file.h"

namespace baton::linux {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostText = 4u << 20;

std::string text_of_file(const std::string& path) {
  const auto bytes = posix::read_file(path, kMostText);
  return bytes ? std::string{bytes->begin(), bytes->end()} : std::string{};
}

std::optional<int> number_in(const std::string& path) {
  const std::string text = text_of_file(path);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  return value;
}

std::optional<int> setting(const std::string& interface, const std::string& name) {
  return number_in("/proc/sys/net/ipv4/conf/" + interface + "/" + name);
}

/// rp_filter, arp_ignore, arp_announce: the kernel takes the greater of `all` and the interface's own.
std::optional<int> greater_setting(const std::string& interface, const std::string& name) {
  const auto own = setting(interface, name);
  const auto all = setting("all", name);
  if (!own || !all) return own ? own : all;
  return std::max(*own, *all);
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream{line};
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(std::move(word));
  return words;
}

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return std::string{text.substr(first, text.find_last_not_of(" \t\r") - first + 1)};
}

template <class Take>
void each_line(std::string_view text, Take take) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    take(std::string{text.substr(0, end)});
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

/// The network managers' notes are about the namespace that the system started in: elsewhere the same index is another
/// interface. Who may not see that one is taken to be in it.
bool in_first_network() {
  std::error_code refused;
  const auto first = fs::read_symlink("/proc/1/ns/net", refused);
  if (refused) return true;
  return first == fs::read_symlink("/proc/self/ns/net", refused);
}

/// NAME.network and the drop-ins that networkd reads beside it, wherever they are.
InterfaceManager manager_of(int ifindex) {
  InterfaceManager manager;
  const std::string state = text_of_file("/run/systemd/netif/links/" + std::to_string(ifindex));
  const std::string admin_state = state_value(state, "ADMIN_STATE");
  manager.networkd = !admin_state.empty() && admin_state != "unmanaged";
  manager.network_file = state_value(state, "NETWORK_FILE");
  if (!manager.network_file.empty()) {
    read_network_file(text_of_file(manager.network_file), manager);
    const std::string directory = fs::path{manager.network_file}.filename().string() + ".d";
    for (const std::string root : {"/usr/lib/systemd/network/", "/run/systemd/network/", "/etc/systemd/network/"}) {
      for (const std::string& name : names_in(root + directory)) {
        if (name.ends_with(".conf")) read_network_file(text_of_file(root + directory + "/" + name), manager);
      }
    }
  }
  const std::string device = text_of_file("/run/NetworkManager/devices/" + std::to_string(ifindex));
  manager.network_manager = state_value(device, "managed") == "true";
  return manager;
}

void add_settings(SurveyedInterface& interface) {
  interface.rp_filter = greater_setting(interface.name, "rp_filter");
  interface.arp_ignore = greater_setting(interface.name, "arp_ignore");
  interface.arp_announce = greater_setting(interface.name, "arp_announce");
  interface.ipv6_disabled = number_in("/proc/sys/net/ipv6/conf/" + interface.name + "/disable_ipv6").value_or(1) != 0;
  const std::string device = "/sys/class/net/" + interface.name;
  std::error_code none;
  interface.bridge = fs::exists(device + "/bridge", none);
  interface.upper = fs::read_symlink(device + "/master", none).filename().string();
}

Result<std::vector<SurveyedInterface>> interfaces() {
  auto socket = RouteSocket::open();
  if (!socket) return Unexpected<Error>{socket.error()};
  auto dump = socket->dump_all();
  if (!dump) return Unexpected<Error>{dump.error()};
  std::vector<SurveyedInterface> list;
  const bool managed = in_first_network();
  for (const LinkMessage& link : dump->links) {
    SurveyedInterface one;
    one.name = link.name;
    one.ifindex = link.ifindex;
    one.up = (link.flags & IFF_UP) != 0;
    one.carrier = (link.flags & IFF_RUNNING) != 0;
    one.no_arp = (link.flags & IFF_NOARP) != 0;
    one.mtu = link.mtu;
    one.mac = link.mac;
    for (const AddressMessage& address : dump->addresses) {
      if (address.ifindex != link.ifindex) continue;
      one.addresses.push_back({address.prefix, address.proto == kMark, (address.flags & IFA_F_TENTATIVE) != 0,
                               (address.flags & IFA_F_DADFAILED) != 0});
    }
    add_settings(one);
    if (managed) one.manager = manager_of(one.ifindex);
    list.push_back(std::move(one));
  }
  return list;
}

void note_memberships(std::vector<SurveyedInterface>& list) {
  const auto v4 = joined_vrrp_v4(text_of_file("/proc/thread-self/net/igmp"));
  const auto v6 = joined_vrrp_v6(text_of_file("/proc/thread-self/net/igmp6"));
  for (SurveyedInterface& one : list) {
    one.group_v4 = std::find(v4.begin(), v4.end(), one.name) != v4.end();
    one.group_v6 = std::find(v6.begin(), v6.end(), one.name) != v6.end();
  }
}

/// Looks only: modes 0 sets nothing.
std::optional<bool> clock_synchronised() {
  timex request{};
  const int state = ::adjtimex(&request);
  if (state < 0) return std::nullopt;
  return state != TIME_ERROR && (request.status & STA_UNSYNC) == 0;
}

}  // namespace

std::vector<std::string> default_route_interfaces(std::string_view text) {
  std::vector<std::string> found;
  each_line(text, [&](const std::string& line) {
    const auto words = words_of(line);
    // Iface Destination Gateway Flags RefCnt Use Metric Mask ...
    if (words.size() < 8 || words[1] != "00000000" || words[7] != "00000000") return;
    if (std::find(found.begin(), found.end(), words[0]) == found.end()) found.push_back(words[0]);
  });
  return found;
}

std::map<IpAddress, MacAddress> arp_neighbours(std::string_view text) {
  std::map<IpAddress, MacAddress> found;
  each_line(text, [&](const std::string& line) {
    const auto words = words_of(line);
    if (words.size() < 4) return;
    const auto address = IpAddress::parse(words[0]);
    const auto mac = MacAddress::parse(words[3]);
    if (address && mac && !mac->is_zero()) found[*address] = *mac;
  });
  return found;
}

std::vector<std::string> joined_vrrp_v4(std::string_view igmp) {
  std::vector<std::string> found;
  std::string interface;
  each_line(igmp, [&](const std::string& line) {
    const auto words = words_of(line);
    if (words.empty()) return;
    // "2	eth0      :     2      V3", then its groups, indented, as the host's own byte order prints them.
    if (line[0] != '\t' && line[0] != ' ' && words.size() >= 2) interface = words[1];
    if (words[0] == "120000E0" || words[0] == "E0000012") found.push_back(interface);
  });
  return found;
}

std::vector<std::string> joined_vrrp_v6(std::string_view igmp6) {
  std::vector<std::string> found;
  each_line(igmp6, [&](const std::string& line) {
    const auto words = words_of(line);
    if (words.size() >= 3 && words[2] == "ff020000000000000000000000000012") found.push_back(words[1]);
  });
  return found;
}

void read_network_file(std::string_view text, InterfaceManager& manager) {
  std::string section;
  each_line(text, [&](const std::string& raw) {
    const std::string line = trimmed(raw);
    if (line.empty() || line[0] == '#' || line[0] == ';') return;
    if (line[0] == '[') {
      section = line;
      return;
    }
    const std::size_t equal = line.find('=');
    if (equal == std::string::npos) return;
    const std::string key = trimmed(std::string_view{line}.substr(0, equal));
    const std::string value = trimmed(std::string_view{line}.substr(equal + 1));
    if (section == "[Network]" && key == "KeepConfiguration") manager.keep_configuration = value;
    if ((section == "[Network]" || section == "[Address]") && key == "Address" && !value.empty()) {
      manager.static_addresses.push_back(value);
    }
  });
}

std::string state_value(std::string_view text, std::string_view name) {
  std::string value;
  each_line(text, [&](const std::string& line) {
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == '=') {
      value = trimmed(std::string_view{line}.substr(name.size() + 1));
    }
  });
  return value;
}

Result<HostSurvey> survey_host() {
  HostSurvey survey;
  auto list = interfaces();
  if (!list) return Unexpected<Error>{list.error()};
  survey.interfaces = std::move(*list);
  note_memberships(survey.interfaces);
  survey.kernel_marks = kernel_keeps_marks();
  survey.default_routes = default_route_interfaces(text_of_file("/proc/thread-self/net/route"));
  survey.neighbours = arp_neighbours(text_of_file("/proc/thread-self/net/arp"));
  survey.nonlocal_bind_v4 = number_in("/proc/sys/net/ipv4/ip_nonlocal_bind").value_or(0) != 0;
  survey.nonlocal_bind_v6 = number_in("/proc/sys/net/ipv6/ip_nonlocal_bind").value_or(0) != 0;
  survey.legacy_iptables = !text_of_file("/proc/thread-self/net/ip_tables_names").empty() ||
                           !text_of_file("/proc/thread-self/net/ip6_tables_names").empty();
  survey.clock_synchronised = clock_synchronised();
  return survey;
}

}  // namespace baton::linux
