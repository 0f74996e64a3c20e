#include "steward/wish.h"

#include <algorithm>

#include "steward/documents.h"
#include "steward/format.h"
#include "steward/move_plan.h"

namespace baton::steward {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kAcceptPatience = 5s;
constexpr Nanos kSilencePatience = 15s;       // after its last word; a move does not wait longer for a silent host
constexpr Nanos kMovePatience = 15min + 10s;  // the host that was asked gives up after 15 minutes and says so

}  // namespace

WishDesk::Asker WishDesk::heard(const std::string& host, const Wish& wish, Instant at, std::uint64_t session) {
  // A predecessor's wish may have been performed by it.
  if (wish.number == 0 || wish.session != session) return 0;
  Entry& entry = entries_[host];
  if (entry.number == wish.number && at <= entry.last) return 0;
  const bool done = entry.number == wish.number && entry.asker != 0;
  if (!done && (entry.number != wish.number || at - entry.last > kGap))
    entry = {.number = wish.number, .first = at, .answer = {}};
  entry.last = at;
  if (done || at - entry.first < kStands) return 0;
  entry.asker = next_++;
  entry.answer = {.to = host, .number = wish.number};
  return entry.asker;
}

void WishDesk::answer(Asker asker, const std::string& line) {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) { return entry.second.asker == asker; });
  if (found == entries_.end()) return;
  WishAnswer& answer = found->second.answer;
  const Json said = Json::parse(line, nullptr, false);
  answer.over = true;
  answer.exit = static_cast<ExitCode>(said.value("exit", 1));
  answer.error = said.value("error", "");
  const Json result = said.value("result", Json::object());
  const std::string where = answer.exit == ExitCode::kOk ? "lines" : "preflight";
  for (const Json& each : result.value(where, Json::array())) answer.lines.push_back(each.get<std::string>());
  answer = fitted(std::move(answer));
}

std::vector<WishAnswer> WishDesk::answers(Instant now) const {
  std::vector<WishAnswer> told;
  for (const auto& [host, entry] : entries_) {
    if (entry.asker != 0 && now - entry.last <= kTold) told.push_back(entry.answer);
  }
  return told;
}

bool WishDesk::busy(Instant now) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const auto& entry) { return now - entry.second.last <= kGap; });
}

std::optional<WishAnswer> outcome(OwnWish& own, const PeerView* holder, const ports::HandoverWord& here, Instant now) {
  const Wish& wish = own.wish;
  const auto in_vain = [&](const std::string& why) {
    const std::string then =
        wish.dry_run ? "; a dry run moves nothing" : "; it may still happen: see `batonctl status`";
    return WishAnswer{.number = wish.number, .over = true, .exit = ExitCode::kTimedOut, .error = why + then};
  };
  if (holder == nullptr) return in_vain(wish.of + " was asked and is not configured any more");
  if (holder->session != wish.session) return in_vain(wish.of + "'s steward was started anew after it had been asked");
  if (holder->answer.number == wish.number) {
    own.accepted = true;
    if (holder->answer.over) {
      WishAnswer answer = holder->answer;
      if (!answer.error.empty()) answer.error = wish.of + ": " + answer.error;
      return answer;
    }
  }
  if (!own.accepted && now - own.asked > kAcceptPatience) return in_vain(wish.of + " has not answered");
  if (now - own.asked > kMovePatience) return in_vain("there is no end of it");
  const Nanos silent = now - holder->heard_at;
  if (!own.accepted || silent <= PeerChannel::kLostAfter) return std::nullopt;
  // The word of this host's own engine is as good, if it takes part.
  const bool same = here.number != 0 && here.number != own.move_before && !here.gives && here.with == wish.of;
  if (same && is_over(here.phase) && here.phase != ports::HandoverPhase::kReady) {
    const bool taken = here.phase == ports::HandoverPhase::kTaken;
    ports::HandoverWord seen = here;
    if (taken) seen.with = wish.to;
    const std::string line = own.instance + ": " + move_outcome(seen, now - own.asked);
    if (taken) return WishAnswer{.number = wish.number, .over = true, .lines = {line}};
    const ExitCode exit = here.phase == ports::HandoverPhase::kRefused ? ExitCode::kRefused : ExitCode::kFailed;
    return WishAnswer{.number = wish.number, .over = true, .exit = exit, .error = line};
  }
  if (silent > kSilencePatience) return in_vain(wish.of + " accepted it and is not heard any more");
  return std::nullopt;
}

}  // namespace baton::steward
