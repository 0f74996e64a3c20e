// The interfaces of this host, their MTU and their own addresses, for the semantic lint of `check`. Addresses that
// carry Baton's mark are left out: a floating address that is here at the moment says nothing about the host.
#pragma once

#include <vector>

#include "base/error.h"
#include "config/reader.h"

namespace baton::linux {

/// Asks the kernel (two netlink dumps); needs no rights.
Result<std::vector<config::InterfaceFact>> interface_facts();

}  // namespace baton::linux
