// A promoting instance on the wire; the test answers its records and acts.
#pragma once

#include <gmock/gmock.h>

#include <initializer_list>
#include <string>
#include <utility>

#include "tests/engine/bench.h"

namespace baton::engine {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using vrrp::State;

inline config::Plugin section(std::string name, std::initializer_list<PluginVerb> verbs) {
  config::Plugin plugin;
  plugin.name = std::move(name);
  plugin.module = plugin.name;
  plugin.deadline = 10s;
  for (const PluginVerb verb : verbs) plugin.about.verbs.add(verb);
  return plugin;
}

inline config::Config promoting(config::Grant grant = config::Grant::kUnsafe) {
  config::Instance instance = web();
  instance.election.promote = {"db"};
  instance.election.grant = grant;
  instance.election.preempt = false;
  instance.election.resume_alone = false;
  instance.election.cooldown = 0s;
  config::Config config = with({instance});
  config.host = "db1";
  config.plugins = {section("db", {PluginVerb::kProbe, PluginVerb::kBlockWrites, PluginVerb::kPromote,
                                   PluginVerb::kDemote, PluginVerb::kRejoin})};
  config.peers = {{.host = "db1", .addresses = {ip("192.0.2.10")}, .defined_at = ""},
                  {.host = "db2", .addresses = {ip("192.0.2.251")}, .defined_at = ""}};
  return config;
}

inline void recall(Bench& bench, const ports::DataRecord& record = {}) {
  bench.turn([&] {
    if (!record.instance.empty()) bench.engine->on_recalled(bench.now, record);
    bench.engine->on_all_recalled(bench.now);
  });
}

/// Acknowledges every record, answers every act that waits with `status`.
inline void serve(Bench& bench, VerbStatus status = VerbStatus::kOk) {
  static constexpr int kEnough = 20;
  std::uint64_t recorded = 0;
  std::uint64_t acted = 0;
  for (int i = 0; i < kEnough; ++i) {
    if (bench.doors.last_record != recorded) {
      recorded = bench.doors.last_record;
      bench.turn([&] { bench.engine->on_intent_recorded(bench.now, recorded); });
    }
    if (!bench.doors.tickets.empty() && bench.doors.tickets.back() != acted) {
      acted = bench.doors.tickets.back();
      bench.turn([&] { bench.engine->on_act_result(bench.now, {.ticket = acted, .status = status, .took = 5ms}); });
    }
  }
}

inline void become_active(Bench& bench) {
  bench.start();
  recall(bench);
  serve(bench);
  bench.run(kStart + 4s);
  serve(bench);
}

}  // namespace baton::engine
