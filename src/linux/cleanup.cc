// Finds what is ours on every interface and removes it, without taking other addresses of the subnet along.
#include "linux/cleanup.h"

#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "linux/journal.h"
#include "linux/packet_socket.h"
#include "linux/route_socket.h"

namespace baton::linux {
namespace {

struct Found {
  int ifindex = 0;
  CleanupEntry entry;
};

std::vector<Found> find_ours(const Dump& dump, const Journal& journal) {
  const bool kernel_marks = kernel_keeps_marks();
  std::map<int, std::string> names;
  for (const LinkMessage& link : dump.links) names[link.ifindex] = link.name;
  std::set<Holding> journalled;
  for (const JournalEntry& entry : journal.entries()) journalled.insert(entry.holding);
  std::vector<Found> found;
  for (const AddressMessage& address : dump.addresses) {
    const bool ours =
        kernel_marks ? address.proto == kMark : journalled.contains(Holding{address.ifindex, address.prefix});
    if (ours) found.push_back({address.ifindex, {names[address.ifindex], address.prefix, 0}});
  }
  return found;
}

void remove_all(RouteSocket& socket, std::vector<Found>& found) {
  std::set<int> interfaces;
  for (const Found& each : found) interfaces.insert(each.ifindex);
  for (const int ifindex : interfaces) {
    RouteRequests requests = socket.requests();
    requests.keep_secondaries(ifindex);
    socket.transact(requests);
  }
  for (std::size_t begin = 0; begin < found.size(); begin += RouteRequests::kCapacity) {
    const std::size_t count = std::min(RouteRequests::kCapacity, found.size() - begin);
    RouteRequests requests = socket.requests();
    for (std::size_t i = 0; i < count; ++i) {
      requests.delete_address(found[begin + i].ifindex, found[begin + i].entry.prefix);
    }
    const std::vector<int> results = socket.transact(requests);
    for (std::size_t i = 0; i < count; ++i) {
      const bool gone = results[i] == EADDRNOTAVAIL || results[i] == ENODEV;
      found[begin + i].entry.sys_errno = gone ? 0 : results[i];
    }
  }
}

}  // namespace

bool CleanupReport::complete() const {
  return std::all_of(entries.begin(), entries.end(), [](const CleanupEntry& entry) { return entry.sys_errno == 0; });
}

Result<CleanupReport> cleanup(int runtime_dir) {
  auto socket = RouteSocket::open();
  if (!socket) return Unexpected<Error>{socket.error()};
  auto dump = socket->dump_all();
  // A disturbed dump may have missed one of ours.
  for (int tries = 1; dump && dump->interrupted && tries < 20; ++tries) dump = socket->dump_all();
  if (!dump) return Unexpected<Error>{dump.error()};
  Journal journal = Journal::load(runtime_dir);
  std::vector<Found> found = find_ours(*dump, journal);
  remove_all(*socket, found);
  CleanupReport report;
  std::set<Holding> left;
  for (Found& each : found) {
    if (each.entry.sys_errno != 0) left.insert({each.ifindex, each.entry.prefix});
    report.entries.push_back(std::move(each.entry));
  }
  const std::set<JournalEntry> before = journal.entries();
  for (const JournalEntry& entry : before) {
    if (!left.contains(entry.holding)) journal.remove(entry);
  }
  journal.flush();  // a journal that cannot be written is no reason to call the removal failed
  return report;
}

Result<void> send_frame_once(const std::string& interface, ConstBytes frame) {
  const unsigned ifindex = ::if_nametoindex(interface.c_str());
  if (ifindex == 0) return fail("find interface", errno, interface);
  auto socket = open_send_socket(static_cast<int>(ifindex));
  if (!socket) return Unexpected<Error>{socket.error()};
  if (::send(socket->get(), frame.data(), frame.size(), MSG_DONTWAIT) < 0) {
    return fail("send frame", errno, interface);
  }
  return {};
}

}  // namespace baton::linux
