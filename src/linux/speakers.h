// Who else on this host speaks VRRP (F90): a look at the kernel's list of raw IP sockets. Says nothing about VRIDs;
// what such a program sends does (Tap::kOutgoing).
#pragma once

#include <sys/types.h>

#include <iosfwd>
#include <vector>

namespace baton::linux {

/// The inodes of the sockets of protocol 112 in the text of /proc/net/raw or raw6. Lines that are no such entry are
/// passed over.
std::vector<ino_t> vrrp_sockets(std::istream& raw_table);

/// Whether this network namespace has raw sockets of protocol 112 besides `own`. What cannot be read counts as none.
/// Reads files of /proc: not for the protocol thread.
bool others_speak_vrrp(const std::vector<ino_t>& own);

}  // namespace baton::linux
