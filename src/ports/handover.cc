#include "ports/handover.h"

#include <algorithm>

#include "ports/snapshot.h"

namespace baton::ports {
namespace {

template <std::size_t kBytes>
void store(const std::string& text, std::array<char, kBytes>& place) {
  std::copy_n(text.begin(), std::min(text.size(), kBytes - 1), place.begin());
}

}  // namespace

std::string_view handover_token(HandoverPhase phase) {
  switch (phase) {
    case HandoverPhase::kNone: return "none";
    case HandoverPhase::kAsking: return "asking";
    case HandoverPhase::kReady: return "ready";
    case HandoverPhase::kRefused: return "refused";
    case HandoverPhase::kBlocking: return "blocking";
    case HandoverPhase::kGiven: return "given";
    case HandoverPhase::kCaughtUp: return "caught_up";
    case HandoverPhase::kPassed: return "passed";
    case HandoverPhase::kTaking: return "taking";
    case HandoverPhase::kTaken: return "taken";
    case HandoverPhase::kAborted: return "aborted";
  }
  return "none";
}

HandoverState state_of(const HandoverWord& word, const Promise& promise) {
  HandoverState state;
  state.phase = word.phase;
  state.gives = word.gives;
  state.number = word.number;
  store(word.with, state.with);
  store(promise.to, state.promised_to);
  state.promised_generation = promise.generation;
  return state;
}

HandoverTexts texts_of(const HandoverWord& word) {
  HandoverTexts texts;
  texts.number = word.number;
  store(word.position, texts.position);
  store(word.sentence, texts.sentence);
  return texts;
}

HandoverWord word_of(const HandoverState& state, const HandoverTexts& texts) {
  const bool belong = texts.number == state.number;
  return {.phase = state.phase,
          .gives = state.gives,
          .with = state.with.data(),
          .number = state.number,
          .position = belong ? texts.position.data() : "",
          .sentence = belong ? texts.sentence.data() : ""};
}

Promise promise_of(const HandoverState& state) {
  return {.to = state.promised_to.data(), .generation = state.promised_generation};
}

}  // namespace baton::ports
