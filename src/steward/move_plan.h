// The preflight of a planned move (design section 7): what both hosts say of themselves now, line by line, and what
// speaks against it. Pure; reads what the steward knows and asks nobody. Whether the other host's database would agree
// is asked by the engines afterwards.
#pragma once

#include <string>
#include <vector>

#include "steward/view.h"

namespace baton::steward {

struct MovePlan {
  std::string to;                       ///< HOST; "" = nobody can take it
  bool addresses_only = false;          ///< its database is writable already (Galera): nothing else has to move
  std::vector<std::string> lines;       ///< what was looked at
  std::vector<std::string> objections;  ///< empty: go
};

enum class AskedFrom { kThisHost, kAnother };

/// `to`: the HOST that an operator named, or "" for whichever can.
MovePlan plan_move(const HostView& host, const InstanceView& instance, const std::string& to,
                   AskedFrom from = AskedFrom::kThisHost);

/// Who has what is to be moved. Both empty: this host, as far as anybody.
struct MoveHolder {
  std::string host = {};     ///< another HOST, which is to be asked
  std::string refusal = {};  ///< nobody can be asked, and why
};
/// `instance` "" = all. Without a `to` the side on which it is asked is meant.
MoveHolder holder_of(const HostView& host, const std::string& instance, const std::string& to);

/// One line for each instance that `to` already has; empty: there is something to do, or nobody is known to have it.
std::vector<std::string> already_there(const HostView& host, const std::string& instance, const std::string& to);

/// What `drain` means for each instance as it is now.
std::vector<std::string> drain_lines(const HostView& host);

/// How far the other host's replica is behind: as it says itself, or else as the primary of a pair here sees it.
/// -1: not known.
std::int64_t lag_bytes_of(const HostView& host, const std::string& instance, const PeerInstance& there);

/// How it ended, in one sentence. REQUIRES that it is over.
std::string move_outcome(const ports::HandoverWord& word, Nanos took);

/// Whether the instance moves a database along, which takes part of both hosts.
bool moves_data(const InstanceView& instance);

}  // namespace baton::steward
