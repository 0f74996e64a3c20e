// `batonctl config show --effective`: what this host really runs, as INI text with every default written out. The text
// reads back to the same Config. Secrets are never in it: a password only as the name of its file.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/config.h"

namespace baton::config {

struct EffectiveOptions {
  bool origins = false;  ///< "# from FILE:LINE" above each section
};

std::string effective(const Config& config, EffectiveOptions options = {});

/// Keys and values as `effective` writes them, lists repeated. For diff and status.
using Properties = std::vector<std::pair<std::string, std::string>>;
Properties properties(const Daemon& daemon);
/// `instance.election` is left out if the instance is a member of a group.
Properties properties(const Instance& instance);
Properties properties(const Group& group);
/// Values of settings whose name says that they are secret are "********".
Properties properties(const Plugin& plugin);
Properties properties(const Peer& peer);

/// "1500ms", "40950ms", "0": the largest unit that needs no fraction.
std::string duration_text(Nanos duration);

}  // namespace baton::config
