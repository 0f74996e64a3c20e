// A planned move that is started on another host than the one that has to give (roles section 3: "started on either
// side"). The wish stands in the wisher's report until it is answered, the answer in the other's as long as the wish:
// lost, late and repeated packets change nothing. Each wish is performed at most once, by the very process that was
// asked. Pure; `peer_report.h` has the words.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ports/handover.h"
#include "steward/clients.h"
#include "steward/peer_channel.h"

namespace baton::steward {

/// The wishes of other hosts, on the host that is asked. Who asks has the id of a client that there is not.
class WishDesk {
 public:
  using Asker = Clients::Id;

  /// The newest wish of `host`, and when it was heard; `session`: this process's own. Who asks, once, when the wish is
  /// to be performed; else 0.
  Asker heard(const std::string& host, const Wish& wish, Instant at, std::uint64_t session);
  static bool is_wish(Asker asker) { return asker >= kFirst; }
  /// A line of the control protocol, as a client here would have got it. Dropped if its host wishes something else now.
  void answer(Asker asker, const std::string& line);
  /// What the others are to be told.
  std::vector<WishAnswer> answers(Instant now) const;
  /// Somebody waits for the next one.
  bool busy(Instant now) const;

 private:
  // What was sent before this process was frozen, or lay in a queue, is not what the other host wishes now: it has to
  // be heard again, later than a queue is read and sooner than it is given up there.
  static constexpr Nanos kStands = std::chrono::milliseconds{60};
  static constexpr Nanos kGap = std::chrono::milliseconds{1500};
  static constexpr Nanos kTold = std::chrono::seconds{10};  ///< after it was heard last
  struct Entry {
    std::uint64_t number = 0;
    Instant first{};
    Instant last{};
    Asker asker = 0;  ///< 0: not performed
    WishAnswer answer;
  };
  static constexpr Asker kFirst = Asker{1} << 63;
  std::map<std::string, Entry> entries_;  ///< by HOST
  Asker next_ = kFirst;
};

/// An operator's wish, on the host where it was uttered.
struct OwnWish {
  Clients::Id client = 0;
  Wish wish;
  Instant asked{};
  bool accepted = false;
  std::string instance = {};      ///< whose moves this host's own engine knows of; "" = several
  std::uint64_t move_before = 0;  ///< number of the last planned move that this host knew of
};
/// What is to be said to the client; nullopt: not yet. `holder`: nullptr if it is not configured any more. `here`: what
/// this host's own engine says of the instance's last move.
std::optional<WishAnswer> outcome(OwnWish& own, const PeerView* holder, const ports::HandoverWord& here, Instant now);

}  // namespace baton::steward
