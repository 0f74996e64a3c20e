// What src/linux tells its owner. The daemon implements this and forwards to the engine. All calls come from
// Network::dispatch and Network::drain_frames, on the protocol thread, and may call the ports again.
#pragma once

#include <string>

#include "base/time.h"
#include "ports/facts.h"
#include "ports/ports.h"

namespace baton::linux {

/// A socket whose only purpose is to hold one multicast membership. As long as any duplicate of it is open the
/// membership lives.
struct MembershipSocket {
  std::string interface;
  Family family = Family::kIpv4;
  int ifindex = 0;
  int fd = -1;  ///< still owned by Network; duplicate it (SCM_RIGHTS does) to keep it. -1: left, close the duplicates
};

/// What goes wrong in this room without belonging to a command. `sys_errno` 0 = over.
enum class Trouble : std::uint8_t {
  kNetlinkOverrun,  ///< events were lost (ENOBUFS); a full dump follows. Over once the dump is delivered
  kJournal,         ///< the address journal cannot be written (F51); addresses are still handled
  kMembership,      ///< a multicast group cannot be joined; tried again each second
  kNetlink,         ///< a dump failed; tried again each second
  kSocket,          ///< a link's packet sockets cannot be opened; it counts as down; tried again each second
};

class NetworkSink {
 public:
  virtual ~NetworkSink() = default;
  virtual void on_frame(Instant now, const ports::ReceivedFrame& frame) = 0;
  virtual void on_link(Instant now, const ports::LinkState& state) = 0;
  virtual void on_address(Instant now, const ports::AddressFact& fact) = 0;
  virtual void on_dump_begin(Instant now) = 0;
  virtual void on_dump_end(Instant now) = 0;
  virtual void on_address_result(Instant now, const ports::AddressResult& result) = 0;
  /// Once per change: a new errno on this link, and 0 when a frame left again after an error.
  virtual void on_send_error(Instant now, ports::LinkId link, int sys_errno) = 0;
  virtual void on_membership(Instant now, const MembershipSocket& socket) = 0;
  /// Once when it begins and once (0) when it is over.
  virtual void on_trouble(Instant now, Trouble trouble, int sys_errno) = 0;
};

}  // namespace baton::linux
