// What each host's keepalived.conf became, as the one file that all hosts share. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/keepalived_convert.h"

namespace baton::cli::keepalived {

struct HostPart {
  std::string host;  ///< "" where one file stands for all hosts
  std::string file;
  Conversion conversion;
};

/// Addresses of [peer HOST], as the command line gives them.
using PeerAddresses = std::map<std::string, std::vector<std::string>>;

struct Written {
  std::string text;
  std::vector<Place> origins;  ///< of each line of `text`; no file: it has none
  std::vector<Remark> remarks;
  std::size_t instances = 0;
};

/// REQUIRES at least one part. Values that differ become `key@HOST = value`.
Written write(std::vector<HostPart> parts, const PeerAddresses& peers);

/// "Not converted", "Not needed", "To look at": as comments for the head of the file; "" for none.
std::string remarks_text(const std::vector<Remark>& remarks);

}  // namespace baton::cli::keepalived
