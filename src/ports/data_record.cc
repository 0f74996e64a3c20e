#include "ports/data_record.h"

namespace baton::ports {

std::string_view data_role_token(DataRole role) {
  switch (role) {
    case DataRole::kNone: return "none";
    case DataRole::kStandby: return "standby";
    case DataRole::kClaiming: return "claiming";
    case DataRole::kPromoting: return "promoting";
    case DataRole::kActive: return "active";
    case DataRole::kDemoting: return "demoting";
    case DataRole::kFenced: return "fenced";
    case DataRole::kNeedsRejoin: return "needs_rejoin";
  }
  return "none";
}

std::string_view step_token(PromotionStep step) {
  switch (step) {
    case PromotionStep::kReading: return "reading";
    case PromotionStep::kStandby: return "standby";
    case PromotionStep::kClaiming: return "claiming";
    case PromotionStep::kGranting: return "granting";
    case PromotionStep::kWaiting: return "waiting";
    case PromotionStep::kFencing: return "fencing";
    case PromotionStep::kAsking: return "asking";
    case PromotionStep::kDeciding: return "deciding";
    case PromotionStep::kPromoting: return "promoting";
    case PromotionStep::kVerifying: return "verifying";
    case PromotionStep::kActive: return "active";
    case PromotionStep::kBlocking: return "blocking";
    case PromotionStep::kClearing: return "clearing";
    case PromotionStep::kDemoting: return "demoting";
    case PromotionStep::kReturning: return "returning";
    case PromotionStep::kClosing: return "closing";
    case PromotionStep::kHanding: return "handing";
    case PromotionStep::kPassing: return "passing";
    case PromotionStep::kPassed: return "passed";
    case PromotionStep::kRegaining: return "regaining";
    case PromotionStep::kUnblocking: return "unblocking";
    case PromotionStep::kOffered: return "offered";
    case PromotionStep::kReady: return "ready";
    case PromotionStep::kDraining: return "draining";
    case PromotionStep::kCaughtUp: return "caught_up";
    case PromotionStep::kProving: return "proving";
  }
  return "unknown";
}

}  // namespace baton::ports
