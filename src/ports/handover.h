// What the two hosts of a planned move say to each other (design section 7), each in its own report until the move is
// over: losing a message costs time, never data. Authority passes with kPassed: before it the giver alone decides, and
// may take everything back; after it the taker alone promotes, or says that it did not.
//
//   giver:  kAsking -> kBlocking -> kGiven(position) -> kPassed -> kTaken | kAborted
//   taker:            kReady | kRefused      -> kCaughtUp -> kTaking -> kTaken | kAborted
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace baton::ports {

/// Values stand on the state board and on the wire: add at the end.
enum class HandoverPhase : std::uint8_t {
  kNone = 0,
  kAsking = 1,    ///< giver: could you take it?
  kReady = 2,     ///< taker: nothing speaks against it. As the giver's word: only asked, and that was the answer
  kRefused = 3,   ///< taker, then giver: nothing has changed
  kBlocking = 4,  ///< giver: jobs, writes and addresses are on their way out
  kGiven = 5,     ///< giver: no write is acknowledged any more; the final position
  kCaughtUp = 6,  ///< taker: it has all up to that position
  kPassed = 7,    ///< giver: the taker may promote
  kTaking = 8,    ///< taker: it promotes
  kTaken = 9,     ///< both: done
  kAborted = 10,  ///< both: the giver is, or becomes, the writable one again; with why
};
std::string_view handover_token(HandoverPhase phase);
/// Nothing more comes of it.
constexpr bool is_over(HandoverPhase phase) {
  return phase == HandoverPhase::kNone || phase == HandoverPhase::kRefused || phase == HandoverPhase::kTaken ||
         phase == HandoverPhase::kAborted || phase == HandoverPhase::kReady;
}

struct HandoverWord {
  HandoverPhase phase = HandoverPhase::kNone;
  bool gives = false;        ///< whose word it is: the giver's
  std::string with = {};     ///< HOST, the other one
  std::uint64_t number = 0;  ///< of the move, chosen anew for each by the giver's side
  std::string position =
      {};  ///< kGiven: one for each `promote` section, in their order, joined by '|'; at most 1023 bytes
  std::string sentence = {};  ///< kRefused, kAborted: why, at most 200 bytes
  bool operator==(const HandoverWord&) const = default;
};

/// "I shall not claim while you do": what grant = peer rests upon. Good for the one claim of that generation.
struct Promise {
  std::string to = {};  ///< HOST; "" = none
  std::uint64_t generation = 0;
  bool operator==(const Promise&) const = default;
};

}  // namespace baton::ports
