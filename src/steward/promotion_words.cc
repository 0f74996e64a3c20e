#include "steward/promotion_words.h"

#include <algorithm>

namespace baton::steward {
namespace {

using ports::PromotionStep;

PromotionStep step_of(const InstanceView& instance) {
  return static_cast<PromotionStep>(instance.state.promotion_step);
}

bool under_way(const InstanceView& instance) {
  const PromotionStep step = step_of(instance);
  return instance.state.data_role != ports::DataRole::kNone && step != PromotionStep::kReading &&
         step != PromotionStep::kStandby && step != PromotionStep::kActive;
}

std::string grant_words(config::Grant grant) {
  switch (grant) {
    case config::Grant::kWitness: return "the witness is asked for the grant";
    case config::Grant::kPeer: return "the other host is asked to promise that it will not promote";
    default: return "its grant is waited for";
  }
}

std::string step_words(PromotionStep step, const InstanceView& instance) {
  const std::string& other = instance.word.with;
  switch (step) {
    case PromotionStep::kClaiming: return "claims the role: that is being written to disk";
    case PromotionStep::kGranting: return "claims the role: " + grant_words(instance.grant);
    case PromotionStep::kWaiting: return "claims the role: the old holder's addresses are waited for to lapse";
    case PromotionStep::kFencing: return "claims the role: the other host is being fenced";
    case PromotionStep::kAsking: return "claims the role: the database is asked whether it may be promoted";
    case PromotionStep::kDeciding: return "claims the role: that it promotes is being written to disk";
    case PromotionStep::kPromoting: return "claims the role: the database is being promoted";
    case PromotionStep::kVerifying: return "claims the role: the promoted database is being verified";
    case PromotionStep::kBlocking: return "gives the role up: writes are being blocked";
    case PromotionStep::kClearing: return "gives the role up: the addresses are leaving";
    case PromotionStep::kDemoting: return "the database is being made a standby";
    case PromotionStep::kReturning: return "the grant is being given back";
    case PromotionStep::kClosing: return "that this host is a standby is being written to disk";
    case PromotionStep::kHanding: return "planned move: " + other + " catches up";
    case PromotionStep::kPassing: return "planned move: the grant is being given back for " + other;
    case PromotionStep::kPassed: return "planned move: " + other + " alone may promote";
    case PromotionStep::kRegaining: return "planned move given up: the grant is asked for again";
    case PromotionStep::kUnblocking: return "planned move given up: writes are being let in again";
    case PromotionStep::kOffered: return "planned move: the database is asked whether it could be promoted";
    case PromotionStep::kReady: return "planned move: ready, " + other + "'s final position is waited for";
    case PromotionStep::kDraining: return "planned move: catching up with " + other;
    case PromotionStep::kCaughtUp: return "planned move: caught up, " + other + "'s word is waited for";
    case PromotionStep::kProving: return "was the writable one: whether it still is, and alone, is being found out";
    case PromotionStep::kReading:
    case PromotionStep::kStandby:
    case PromotionStep::kActive: break;
  }
  return {};
}

std::vector<PluginVerb> verbs_of(PromotionStep step) {
  switch (step) {
    case PromotionStep::kGranting:
    case PromotionStep::kRegaining:
    case PromotionStep::kProving: return {PluginVerb::kAcquire, PluginVerb::kRenew};
    case PromotionStep::kFencing: return {PluginVerb::kFence};
    case PromotionStep::kAsking:
    case PromotionStep::kOffered: return {PluginVerb::kCanPromote};
    case PromotionStep::kPromoting: return {PluginVerb::kPromote};
    case PromotionStep::kVerifying: return {PluginVerb::kVerify};
    case PromotionStep::kBlocking: return {PluginVerb::kBlockWrites};
    case PromotionStep::kUnblocking: return {PluginVerb::kUnblockWrites};
    case PromotionStep::kDemoting: return {PluginVerb::kDemote, PluginVerb::kRejoin};
    case PromotionStep::kReturning:
    case PromotionStep::kPassing: return {PluginVerb::kRelease};
    case PromotionStep::kDraining: return {PluginVerb::kDrain};
    default: return {};
  }
}

std::vector<PluginVerb> verbs_of(Reason reason) {
  switch (reason) {
    case Reason::kNeedsRejoin:
    case Reason::kDemoteFailed: return {PluginVerb::kDemote, PluginVerb::kRejoin};
    case Reason::kPromoteRefused: return {PluginVerb::kCanPromote};
    case Reason::kPromoteFailed:
    case Reason::kFenced: return {PluginVerb::kCanPromote, PluginVerb::kPromote, PluginVerb::kVerify};
    case Reason::kFenceFailed: return {PluginVerb::kFence};
    case Reason::kNoGrant: return {PluginVerb::kAcquire, PluginVerb::kRenew};
    default: return {};
  }
}

/// The newest answer to any of the verbs, if it was not "done".
const ports::Report* complaint(const InstanceView& instance, const std::vector<PluginVerb>& verbs) {
  const ports::Report* newest = nullptr;
  for (const PluginVerb verb : verbs) {
    const auto found = instance.acts.find(verb);
    if (found == instance.acts.end()) continue;
    if (newest == nullptr || found->second.at > newest->at) newest = &found->second;
  }
  return newest == nullptr || newest->outcome == VerbStatus::kOk ? nullptr : newest;
}

}  // namespace

std::string transaction_sentence(const InstanceView& instance) {
  if (!under_way(instance)) return {};
  std::string text = step_words(step_of(instance), instance);
  const ports::Report* said = complaint(instance, verbs_of(step_of(instance)));
  // What was said in an earlier transaction is not what this one waits for.
  if (said == nullptr || said->at.time_since_epoch().count() < instance.state.since_ns) return text;
  text += "; " + std::string{said->plugin.view()};
  text +=
      said->outcome == VerbStatus::kRefused ? " refuses" : " failed (" + std::string{status_token(said->outcome)} + ")";
  return said->sentence.empty() ? text : text + ": " + std::string{said->sentence.view()};
}

std::string transaction_end(const InstanceView& instance) {
  if (!under_way(instance)) return {};
  switch (step_of(instance)) {
    case PromotionStep::kGranting:
    case PromotionStep::kRegaining:
      if (instance.grant == config::Grant::kWitness)
        return "the witness grants it: it answers, and no other host has its lease any more";
      return "the other host promises, or is fenced";
    case PromotionStep::kWaiting: return "the time for which the old holder's addresses may last is over: it goes on";
    case PromotionStep::kFencing:
      return "the fence succeeds; if it does not, the claim is given up and made again later";
    case PromotionStep::kAsking:
      return "the database agrees: it is asked again each second; if it goes on refusing, the claim is given up and "
             "made "
             "again later";
    case PromotionStep::kPromoting:
    case PromotionStep::kVerifying:
      return "the promotion succeeds: the addresses come; if it fails, it is undone and tried again later";
    case PromotionStep::kDemoting: return "the database is a standby; what fails is tried again";
    case PromotionStep::kProving: return "it is found to be, and the grant holds: it goes on; else it is demoted";
    default: return {};
  }
}

std::string words_behind(const InstanceView& instance, Reason reason) {
  const ports::Report* said = complaint(instance, verbs_of(reason));
  return said == nullptr ? std::string{} : std::string{said->sentence.view()};
}

bool barred_by_data(const InstanceView& instance) {
  const ReasonSet against = instance.against();
  return against.has(Reason::kNeedsRejoin) || against.has(Reason::kFenced) || against.has(Reason::kNeedsProof);
}

}  // namespace baton::steward
