// SPDX-License-Identifier: MIT
//
// plugin.hpp: plugin.h for C++20. Header only. A plugin is a class with a constructor that takes Host and with those of
// the verbs that it has; BATON_PLUGIN exports it. Exceptions end at the interface: Failure carries a typed result, any
// other std::exception is BATON_TRANSIENT with its what().
//
//   class Answer {
//    public:
//     explicit Answer(const baton::plugin::Host& host) : host_(host), path_(host.text("path")) {}
//     baton::plugin::Result probe(const baton::plugin::Call&) { return baton::plugin::pass("the answer is 42"); }
//    private:
//     baton::plugin::Host host_;
//     std::string path_;
//   };
//   constexpr baton_key kKeys[] = {baton::plugin::key("path", BATON_KEY_PATH, "Where it stands.")};
//   BATON_PLUGIN(Answer, baton::plugin::About{.name = "answer", .version = "1", .summary = "Knows the answer", .keys =
//   kKeys})
#pragma once

#include <time.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "plugin.h"

namespace baton::plugin {

enum class Status : std::int32_t {
  kOk = BATON_OK,
  kTransient = BATON_TRANSIENT,
  kRefused = BATON_REFUSED,
  kConfig = BATON_CONFIG,
  kConflict = BATON_CONFLICT,
  kFatal = BATON_FATAL,
};
enum class State : std::uint32_t {
  kUnknown = BATON_STATE_UNKNOWN,
  kPass = BATON_STATE_PASS,
  kFail = BATON_STATE_FAIL,
};
enum class Role : std::uint32_t {
  kNone = BATON_ROLE_NONE,
  kPrimary = BATON_ROLE_PRIMARY,
  kReplica = BATON_ROLE_REPLICA,
};

/// Thrown by a plugin: a typed result and the sentence for people.
class Failure : public std::runtime_error {
 public:
  Failure(Status status, const std::string& sentence) : std::runtime_error(sentence), status_(status) {}
  Status status() const { return status_; }

 private:
  Status status_;
};

/// The settings of the section and what else the host offers. Copies refer to the same host and may be kept.
class Host {
 public:
  explicit Host(const baton_host* host) : host_(host) {}

  /// The first value, the default, or "".
  std::string text(const char* key) const {
    const char* value = host_->text(host_->context, key, 0);
    return value == nullptr ? std::string{} : std::string{value};
  }
  bool has(const char* key) const { return host_->count(host_->context, key) != 0; }
  std::vector<std::string> list(const char* key) const {
    std::vector<std::string> values;
    const std::uint32_t count = host_->count(host_->context, key);
    for (std::uint32_t i = 0; i < count; ++i) values.emplace_back(host_->text(host_->context, key, i));
    return values;
  }
  std::int64_t number(const char* key) const { return host_->number(host_->context, key); }
  bool flag(const char* key) const { return number(key) != 0; }
  std::chrono::nanoseconds duration(const char* key) const { return std::chrono::nanoseconds{number(key)}; }

  std::string section() const { return host_->section; }
  std::string host_name() const { return host_->host_name; }
  bool acts() const { return std::string{host_->purpose} == "act"; }

  /// In check_settings only.
  void complain(const char* key, const std::string& message) const {
    host_->complain(host_->context, key, message.c_str());
  }
  void log(std::uint32_t level, const std::string& message) const {
    host_->log(host_->context, level, message.c_str());
  }
  const baton_host* raw() const { return host_; }

 private:
  const baton_host* host_;
};

/// What a call is about.
class Call {
 public:
  explicit Call(const baton_call* call) : call_(call) {}

  /// Time left; zero when it is over.
  std::chrono::nanoseconds remaining() const {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const std::int64_t at = std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
    return std::chrono::nanoseconds{call_->deadline_ns > at ? call_->deadline_ns - at : 0};
  }
  /// The same for poll() and its kind: whole milliseconds, at least 1 while any time is left.
  int remaining_ms() const {
    const auto left = remaining();
    if (left.count() == 0) return 0;
    const std::int64_t ms = left.count() / 1'000'000;
    return ms > std::numeric_limits<int>::max() ? std::numeric_limits<int>::max() : static_cast<int>(ms < 1 ? 1 : ms);
  }
  std::string verb() const { return call_->verb; }
  std::string instance() const { return call_->instance; }
  std::string from_state() const { return call_->from_state; }
  std::string to_state() const { return call_->to_state; }
  std::string reason() const { return call_->reason; }
  std::string reason_words() const { return call_->reason_words; }
  std::string target() const { return call_->target; }
  std::uint64_t generation() const { return call_->generation; }
  bool resumes() const { return (call_->flags & BATON_CALL_RESUMES) != 0; }
  bool forced() const { return (call_->flags & BATON_CALL_FORCED) != 0; }
  bool planned() const { return (call_->flags & BATON_CALL_PLANNED) != 0; }
  std::string position() const {
    constexpr std::size_t kUpTo = offsetof(baton_call, position) + sizeof(call_->position);
    return call_->struct_size >= kUpTo ? call_->position : "";
  }
  /// How old position() was when its host was last heard to have the role; nullopt: not known.
  std::optional<std::chrono::nanoseconds> position_age() const {
    constexpr std::size_t kUpTo = offsetof(baton_call, position_age_ns) + sizeof(call_->position_age_ns);
    if (call_->struct_size < kUpTo || call_->position_age_ns < 0) return std::nullopt;
    return std::chrono::nanoseconds{call_->position_age_ns};
  }
  std::int64_t at_ns() const { return call_->at_ns; }

 private:
  const baton_call* call_;
};

/// The answer of a verb.
struct Result {
  Status status = Status::kOk;
  std::string sentence;
  State state = State::kUnknown;
  Role role = Role::kNone;
  bool warning = false;
  std::int64_t lag_ms = -1;
  std::int64_t lag_bytes = -1;
  std::uint64_t generation = 0;
  std::uint64_t token = 0;
  std::chrono::nanoseconds lease{0};
  std::string position{};
  std::vector<std::pair<std::string, std::string>> facts{};
  std::vector<std::string> refusals{};

  Result& fact(std::string key, std::string value) & {
    facts.emplace_back(std::move(key), std::move(value));
    return *this;
  }
  Result&& fact(std::string key, std::string value) && {
    facts.emplace_back(std::move(key), std::move(value));
    return std::move(*this);
  }
};

/// Of probe.
inline Result pass(std::string sentence) { return {.sentence = std::move(sentence), .state = State::kPass}; }
inline Result warn(std::string sentence) {
  return {.sentence = std::move(sentence), .state = State::kPass, .warning = true};
}
inline Result fail(std::string sentence) { return {.sentence = std::move(sentence), .state = State::kFail}; }
inline Result unknown(std::string sentence) { return {.sentence = std::move(sentence), .state = State::kUnknown}; }
/// Of acts.
inline Result done(std::string sentence = {}) { return {.sentence = std::move(sentence)}; }
inline Result failed(Status status, std::string sentence) {
  return {.status = status, .sentence = std::move(sentence)};
}

/// One entry of the key table.
constexpr baton_key key(const char* name, std::uint32_t type, const char* help, const char* default_text = nullptr,
                        std::uint32_t flags = 0, const char* domain = nullptr, std::int64_t minimum = 0,
                        std::int64_t maximum = 0) {
  return {name, domain, default_text, help, minimum, maximum, type, flags};
}

/// What baton_plugin says about the plugin.
struct About {
  const char* name;
  const char* version;
  const char* summary;
  const char* manual = nullptr;
  std::span<const baton_key> keys = {};
  const char* act_user = nullptr;
  std::uint32_t needs = 0;
};

namespace detail {

template <class Plugin>
struct Opened {
  const baton_host* host;
  Plugin plugin;
};

inline std::int32_t hand_over(const baton_host* host, const Result& from, baton_result* to) {
  if (!from.sentence.empty()) host->say(host->context, from.sentence.c_str());
  if (!from.position.empty()) host->position(host->context, from.position.c_str());
  for (const auto& [name, value] : from.facts) host->fact(host->context, name.c_str(), value.c_str());
  for (const std::string& reason : from.refusals) host->refuse(host->context, reason.c_str());
  to->state = static_cast<std::uint32_t>(from.state);
  to->role = static_cast<std::uint32_t>(from.role);
  to->warning = from.warning ? 1 : 0;
  to->lag_ms = from.lag_ms;
  to->lag_bytes = from.lag_bytes;
  to->generation = from.generation;
  to->token = from.token;
  to->lease_ns = from.lease.count();
  return static_cast<std::int32_t>(from.status);
}

/// Runs `body` and turns what it throws into a typed result.
template <class Body>
std::int32_t guarded(const baton_host* host, Body body) noexcept {
  try {
    return body();
  } catch (const Failure& failure) {
    host->say(host->context, failure.what());
    return static_cast<std::int32_t>(failure.status());
  } catch (const std::exception& error) {
    host->say(host->context, error.what());
    return BATON_TRANSIENT;
  } catch (...) {
    host->say(host->context, "the plugin threw something that is no std::exception");
    return BATON_FATAL;
  }
}

template <class Plugin>
std::int32_t open(const baton_host* host, void** self) {
  return guarded(host, [&] {
    *self = new Opened<Plugin>{host, Plugin{Host{host}}};
    return std::int32_t{BATON_OK};
  });
}

template <class Plugin>
void close(void* self) {
  delete static_cast<Opened<Plugin>*>(self);
}

template <class Plugin>
void check_settings(const baton_host* host) {
  try {
    Plugin::check_settings(Host{host});
  } catch (const std::exception& error) {
    host->complain(host->context, nullptr, error.what());
  }
}

#define BATON_DETAIL_VERBS(DO)                                                                                  \
  DO(probe)                                                                                                     \
  DO(position)                                                                                                  \
  DO(can_promote) DO(block_writes) DO(unblock_writes) DO(drain) DO(promote) DO(demote) DO(step_down) DO(rejoin) \
      DO(verify) DO(enter) DO(leave) DO(notify) DO(acquire) DO(renew) DO(release) DO(fence)

/// Also one that is written wrongly: that has an error of its own.
#define BATON_DETAIL_HAS(verb)                                                \
  || requires(Plugin object, const Call& call) { Result{object.verb(call)}; } \
  || requires { &Plugin::verb; }
template <class Plugin>
inline constexpr bool kHasVerb = false BATON_DETAIL_VERBS(BATON_DETAIL_HAS);
#undef BATON_DETAIL_HAS

template <class Plugin>
constexpr baton_plugin describe(const About& about) {
  baton_plugin plugin{};
  plugin.struct_size = sizeof(baton_plugin);
  plugin.abi_minor = BATON_PLUGIN_ABI_MINOR;
  plugin.name = about.name;
  plugin.version = about.version;
  plugin.summary = about.summary;
  plugin.manual = about.manual;
  plugin.act_user = about.act_user;
  plugin.keys = about.keys.data();
  plugin.key_count = static_cast<std::uint32_t>(about.keys.size());
  plugin.key_size = sizeof(baton_key);
  plugin.needs = about.needs;
  plugin.open = &open<Plugin>;
  plugin.close = &close<Plugin>;
  if constexpr (requires { Plugin::check_settings(std::declval<const Host&>()); }) {
    plugin.check_settings = &check_settings<Plugin>;
  }
#define BATON_DETAIL_VERB(verb)                                                                                       \
  if constexpr (requires(Plugin object, const Call& call) { Result{object.verb(call)}; }) {                           \
    plugin.verb = [](void* self, const baton_call* call, baton_result* result) -> std::int32_t {                      \
      auto* opened = static_cast<Opened<Plugin>*>(self);                                                              \
      return guarded(opened->host, [&] { return hand_over(opened->host, opened->plugin.verb(Call{call}), result); }); \
    };                                                                                                                \
  } else if constexpr (requires { &Plugin::verb; }) {                                                                 \
    static_assert(!std::is_member_function_pointer_v<decltype(&Plugin::verb)>,                                        \
                  "the verb " #verb " must be: baton::plugin::Result " #verb "(const baton::plugin::Call&)");         \
  }
  BATON_DETAIL_VERBS(BATON_DETAIL_VERB)
#undef BATON_DETAIL_VERB
  static_assert(kHasVerb<Plugin>,
                "a plugin needs a verb that is public, as: baton::plugin::Result probe(const baton::plugin::Call&)");
  return plugin;
}
#undef BATON_DETAIL_VERBS

}  // namespace detail
}  // namespace baton::plugin

/// Exports `Class` as the plugin of this shared object. The verbs are `baton::plugin::Result verb(const
/// baton::plugin::Call&)`.
#define BATON_PLUGIN(Class, ...)                                                \
  extern "C" BATON_PLUGIN_EXPORT constinit const baton_plugin baton_plugin_v1 = \
      baton::plugin::detail::describe<Class>(__VA_ARGS__);
