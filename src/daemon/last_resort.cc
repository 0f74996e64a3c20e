#include "daemon/last_resort.h"

#include <algorithm>

#include "config/serialize.h"
#include "linux/cleanup.h"
#include "log/log.h"
#include "posix/file.h"
#include "posix/memfd.h"

namespace baton::daemon {
namespace {

constexpr std::size_t kMaxConfigBytes = 64u << 20;

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

vrrp::Bytes resignation(const config::Instance& instance, const ports::RouterState& router, const MacAddress& mac) {
  const bool six = router.family == static_cast<std::uint8_t>(Family::kIpv6);
  const IpAddress source = IpAddress::from_bytes(ConstBytes{router.primary}.first(six ? 16 : 4));
  vrrp::Advert advert;
  advert.version = instance.version;
  advert.vrid = instance.vrid;
  advert.priority = kResignPriority;
  advert.max_advertise_interval = instance.advertisement_interval;
  for (const Prefix& prefix : instance.addresses) {
    if (prefix.address.is_ipv6() == six) advert.addresses.push_back(prefix.address);
  }
  if (instance.version == vrrp::Version::kV2 && !instance.password.empty()) {
    advert.auth_type = 1;
    const std::size_t size = std::min(instance.password.size(), advert.auth_data.size());
    std::copy_n(instance.password.begin(), size, advert.auth_data.begin());
  }
  const auto form = static_cast<vrrp::ChecksumForm>(router.checksum_form);
  const auto message = vrrp::encode(advert, form, source, vrrp::multicast_group(source.family()));
  return vrrp::multicast_frame(mac, source, message);
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
  const auto bytes = posix::read_sealed(arguments.configuration, kMaxConfigBytes);
  if (!bytes) return Unexpected<Error>{bytes.error()};
  const auto config = config::deserialize(*bytes);
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
      if (instance == nullptr || instance->unicast) continue;
      const std::string interface = interface_of(router);
      const MacAddress mac = mac_of(interface);
      if (!mac.is_zero()) frames.push_back({interface, resignation(*instance, router, mac)});
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
    const auto sent = linux::send_frame_once(one.interface, one.frame);
    if (!sent) log::error("resignation_failed", {{"interface", one.interface}}, sent.error().message());
  }
  return complete ? 0 : 1;
}

}  // namespace baton::daemon
