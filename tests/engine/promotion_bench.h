// A transaction alone, whose records and acts the test answers by hand.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/promotion.h"

namespace baton::engine {

using ports::DataRole;
using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

inline VerbSet drive_verbs() {
  VerbSet verbs;
  for (const PluginVerb verb : {PluginVerb::kProbe, PluginVerb::kCanPromote, PluginVerb::kBlockWrites,
                                PluginVerb::kPromote, PluginVerb::kDemote, PluginVerb::kRejoin, PluginVerb::kVerify}) {
    verbs.add(verb);
  }
  return verbs;
}

inline Promotion::Setup one_section(config::Grant grant = config::Grant::kUnsafe) {
  Promotion::Setup setup;
  setup.grant = grant;
  setup.promote = {{.verbs = drive_verbs(), .deadline = 60s}};
  setup.others = {"db2"};
  setup.cooldown = 60s;
  if (grant == config::Grant::kWitness) setup.witness = {{.verbs = {}, .deadline = 60s}};
  return setup;
}

/// What a predecessor engine left on the state board.
inline ports::InstanceState left_at(PromotionStep step, DataRole role, std::uint64_t generation, bool dirty,
                                    Instant until) {
  ports::InstanceState state;
  state.state = vrrp::State::kActive;
  state.promotion_step = static_cast<std::uint8_t>(step);
  state.data_role = role;
  state.generation = generation;
  state.data_dirty = dirty;
  state.granted_until_ns = until.time_since_epoch().count();
  return state;
}

/// A transaction whose records and acts are answered by hand; `asked` has them in words.
class PromotionTest : public testing::Test {
 protected:
  void make(Promotion::Setup setup, const ports::DataRecord& before = {}) {
    promotion.emplace("pg", std::move(setup));
    promotion->recall(now, before);
  }

  /// Everything that is asked now, without an answer to acts; records are acknowledged at once.
  std::vector<std::string> ask() {
    std::vector<std::string> words;
    for (bool more = true; more;) {
      more = false;
      while (const auto ask = promotion->next(now)) {
        if (const auto* act = std::get_if<Promotion::Act>(&*ask)) {
          last = *act;
          words.push_back(std::string{verb_token(act->verb)} + (act->target.empty() ? "" : " " + act->target));
        } else {
          const auto& record = std::get<ports::DataRecord>(*ask);
          words.push_back("[" + std::string{ports::data_role_token(record.role)} + " " +
                          std::to_string(record.generation) + (record.dirty ? " dirty]" : "]"));
          promotion->recorded(now);
          more = true;
        }
      }
      while (const auto act = promotion->next_witness(now)) {
        witness = *act;
        words.push_back(std::string{verb_token(act->verb)});
      }
    }
    return words;
  }
  std::vector<std::string> answer(VerbStatus status = VerbStatus::kOk, const std::string& sentence = "") {
    ports::ActResult result;
    result.status = status;
    result.sentence = ports::Sentence{sentence};
    result.role = last.verb == PluginVerb::kVerify ? ApplicationRole::kPrimary : ApplicationRole::kNone;
    result.generation = last.verb == PluginVerb::kVerify ? last.generation : 0;
    promotion->acted(now, result);
    return ask();
  }
  std::vector<std::string> witness_says(VerbStatus status, Nanos lease, std::uint64_t highest = 0) {
    ports::ActResult result;
    result.status = status;
    result.lease = lease;
    result.generation = highest;
    promotion->witnessed(now, 0, result);
    return ask();
  }
  /// From the start to a standby that follows nobody.
  void settle_as_standby() {
    ASSERT_THAT(ask(), ElementsAre("demote"));
    answer();
    ASSERT_EQ(promotion->step(), PromotionStep::kStandby);
  }
  /// A standby, db1, that fences who does not promise.
  void settle_with_fence(std::vector<std::string> others = {"db2"}) {
    Promotion::Setup setup = one_section();
    setup.host = "db1";
    setup.others = std::move(others);
    setup.fence = {{.verbs = {}, .deadline = 30s}};
    make(std::move(setup));
    settle_as_standby();
  }
  void become_active() {
    settle_as_standby();
    promotion->claim(now, now);
    ask();
    answer();  // can_promote
    answer();  // promote
    answer();  // verify
    ASSERT_TRUE(promotion->may_hold());
  }

  Instant now{1000s};
  std::optional<Promotion> promotion;
  Promotion::Act last;
  Promotion::Act witness;
};

}  // namespace baton::engine
