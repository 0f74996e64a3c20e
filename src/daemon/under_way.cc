#include "daemon/under_way.h"

namespace baton::daemon {
namespace {

using ports::DataRole;
using ports::PromotionStep;

std::string what_of(const ports::InstanceState& instance) {
  if (!is_over(instance.handover.phase)) return "a planned move is under way";
  if (instance.data_role == DataRole::kNone) return {};
  switch (static_cast<PromotionStep>(instance.promotion_step)) {
    case PromotionStep::kStandby:
    case PromotionStep::kActive: return {};
    case PromotionStep::kReading: return "what this host did before its start is still being read";
    case PromotionStep::kBlocking:
    case PromotionStep::kClearing:
    case PromotionStep::kDemoting:
    case PromotionStep::kReturning:
    case PromotionStep::kClosing: return "a demotion is under way";
    case PromotionStep::kHanding:
    case PromotionStep::kPassing:
    case PromotionStep::kPassed:
    case PromotionStep::kRegaining:
    case PromotionStep::kUnblocking:
    case PromotionStep::kOffered:
    case PromotionStep::kReady: return "a planned move is under way";
    default: return "a promotion is under way";
  }
}

}  // namespace

std::string under_way(const ipc::BoardReader& board) {
  for (std::uint32_t slot = 0; slot < board.instance_bound(); ++slot) {
    const auto instance = board.instance(slot);
    if (!instance) continue;
    const std::string what = what_of(*instance);
    if (!what.empty())
      return (instance->is_group ? "group " : "instance ") + std::string{instance->name.data()} + ": " + what;
  }
  return {};
}

}  // namespace baton::daemon
