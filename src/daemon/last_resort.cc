#include "daemon/last_resort.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "daemon/config_child.h"
#include "linux/cleanup.h"
#include "log/log.h"
#include "posix/file.h"
#include "posix/memfd.h"

namespace baton::daemon {
namespace {

std::string interface_of(const ports::RouterState& router) {
  const auto end = std::find(router.interface.begin(), router.interface.end(), '\0');
  return {router.interface.begin(), end};
}

const config::Instance* find_instance(const config::Config& config, const ports::RouterState& router) {
  const std::string interface = interface_of(router);
  for (const config::Instance& one : config.instances) {
    const bool has_family = std::any_of(one.addresses.begin(), one.addresses.end(), [&](const Prefix& prefix) {
      return static_cast<std::uint8_t>(prefix.address.family()) == router.family;
    });
    if (one.interface == interface && one.vrid.value() == router.vrid && has_family) return &one;
  }
  return nullptr;
}

vrrp::Advert resignation(const config::Instance& instance, Family family) {
  vrrp::Advert advert;
  advert.version = instance.version;
  advert.vrid = instance.vrid;
  advert.priority = kResignPriority;
  advert.max_advertise_interval = instance.advertisement_interval;
  for (const Prefix& prefix : instance.addresses) {
    if (prefix.address.family() == family) advert.addresses.push_back(prefix.address);
  }
  if (instance.version == vrrp::Version::kV2 && !instance.password.empty()) {
    advert.auth_type = 1;
    const std::size_t size = std::min(instance.password.size(), advert.auth_data.size());
    std::copy_n(instance.password.begin(), size, advert.auth_data.begin());
  }
  return advert;
}

/// To the group, or to each peer of the router's family.
void add_resignations(const config::Instance& instance, const ports::RouterState& router, const MacAddress& mac,
                      std::vector<Resignation>& out) {
  const Family family = router.family == static_cast<std::uint8_t>(Family::kIpv6) ? Family::kIpv6 : Family::kIpv4;
  const IpAddress source = IpAddress::from_bytes(ConstBytes{router.primary}.first(family == Family::kIpv6 ? 16 : 4));
  const vrrp::Advert advert = resignation(instance, family);
  const auto form = static_cast<vrrp::ChecksumForm>(router.checksum_form);
  if (!instance.unicast) {
    const auto message = vrrp::encode(advert, form, source, vrrp::multicast_group(family));
    out.push_back({instance.interface, vrrp::multicast_frame(mac, source, message), std::nullopt, source});
    return;
  }
  for (const config::UnicastPeer& peer : instance.unicast_peers) {
    if (peer.address.family() != family) continue;
    out.push_back({instance.interface, vrrp::encode(advert, form, source, peer.address), peer.address, source});
  }
}

sockaddr_storage socket_address(const IpAddress& address, const std::string& interface) {
  sockaddr_storage storage{};
  if (address.is_ipv6()) {
    auto& six = reinterpret_cast<sockaddr_in6&>(storage);
    six.sin6_family = AF_INET6;
    if (address.is_link_local()) six.sin6_scope_id = ::if_nametoindex(interface.c_str());
    std::copy(address.bytes().begin(), address.bytes().end(), six.sin6_addr.s6_addr);
  } else {
    auto& four = reinterpret_cast<sockaddr_in&>(storage);
    four.sin_family = AF_INET;
    std::memcpy(&four.sin_addr, address.bytes().data(), 4);
  }
  return storage;
}

Result<void> send_to_peer(const Resignation& one) {
  const bool six = one.peer->is_ipv6();
  const posix::Fd socket{
      ::socket(six ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, vrrp::kIpProtocol)};
  if (!socket.valid()) return fail("open VRRP socket", errno);
  const int limit = vrrp::kHopLimit;
  const int level = six ? IPPROTO_IPV6 : IPPROTO_IP;
  const int option = six ? IPV6_UNICAST_HOPS : IP_TTL;
  const auto source = socket_address(one.source, one.interface);
  const auto peer = socket_address(*one.peer, one.interface);
  const socklen_t length = six ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  if (::setsockopt(socket.get(), level, option, &limit, sizeof limit) != 0 ||
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&source), length) != 0 ||
      ::sendto(socket.get(), one.bytes.data(), one.bytes.size(), 0, reinterpret_cast<const sockaddr*>(&peer), length) <
          0) {
    return fail("send to unicast peer", errno, one.peer->text());
  }
  return {};
}

/// All zero if the interface is gone.
MacAddress mac_of_interface(const std::string& interface) {
  const auto text = posix::read_file("/sys/class/net/" + interface + "/address", 64);
  if (!text || text->size() < 17) return {};
  return MacAddress::parse(std::string_view{reinterpret_cast<const char*>(text->data()), 17}).value_or(MacAddress{});
}

Result<std::vector<Resignation>> prepare(const LastResortArguments& arguments) {
  const auto memory = posix::Mapping::read_only(arguments.board);
  if (!memory) return Unexpected<Error>{memory.error()};
  const auto board = ipc::BoardReader::open(memory->const_bytes());
  if (!board) return Unexpected<Error>{board.error()};
  const auto config = read_back(arguments.configuration);
  if (!config) return Unexpected<Error>{config.error()};
  return resignations(*board, *config, &mac_of_interface);
}

}  // namespace

std::vector<Resignation> resignations(const ipc::BoardReader& board, const config::Config& config,
                                      MacAddress (*mac_of)(const std::string& interface)) {
  std::vector<Resignation> frames;
  for (const ipc::BoardReader::Entry& entry : board.entries()) {
    if (entry.instance.state != vrrp::State::kActive) continue;
    for (const ports::RouterState& router : entry.routers) {
      const config::Instance* instance = find_instance(config, router);
      if (instance == nullptr) continue;
      const MacAddress mac = mac_of(instance->interface);
      if (!mac.is_zero()) add_resignations(*instance, router, mac, frames);
    }
  }
  return frames;
}

int run_last_resort(const LastResortArguments& arguments) {
  auto frames = prepare(arguments);
  if (!frames) log::error("last_resort_blind", {}, frames.error().message());
  const auto report = linux::cleanup(arguments.runtime_dir);
  bool complete = report && report->complete();
  if (!report) log::error("cleanup_failed", {}, report.error().message());
  if (report) {
    for (const linux::CleanupEntry& entry : report->entries) {
      log::info("address_removed", {{"address", entry.prefix.text()},
                                    {"interface", entry.interface},
                                    {"errno", std::to_string(entry.sys_errno)}});
    }
  }
  if (!frames) return 1;
  for (const Resignation& one : *frames) {
    const auto sent = one.peer ? send_to_peer(one) : linux::send_frame_once(one.interface, one.bytes);
    if (!sent) log::error("resignation_failed", {{"interface", one.interface}}, sent.error().message());
  }
  return complete ? 0 : 1;
}

}  // namespace baton::daemon
