#include "cli/tables.h"

#include <CLI/CLI.hpp>

#include "base/message_id.h"
#include "base/notice.h"
#include "base/plugin_verb.h"
#include "base/reason.h"
#include "base/version.h"
#include "cli/findings.h"
#include "cli/terminal.h"
#include "config/diagnostic.h"
#include "config/keys.h"
#include "ports/ports.h"
#include "steward/exit_code.h"
#include "steward/metrics.h"
#include "steward/request.h"
#include "steward/words.h"
#include "vrrp/packet.h"

namespace baton::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr unsigned kMostNumbers = 256;  // of an enum of one byte

std::string_view type_word(config::ValueType type) {
  using V = config::ValueType;
  switch (type) {
    case V::kBoolean: return "yes or no";
    case V::kDuration: return "time";
    case V::kInteger: return "integer";
    case V::kText: return "text";
    case V::kPath: return "absolute path";
    case V::kAddress: return "address";
    case V::kPrefix: return "address with prefix length";
    case V::kWord: return "word";
    case V::kName: return "name of an instance";
    case V::kReference: return "name of a plugin section";
    case V::kInterface: return "interface";
  }
  return "";
}

std::string_view support_word(config::Support support) {
  switch (support) {
    case config::Support::kFull: return "full";
    case config::Support::kRefused: return "refused";
  }
  return "";
}

Json keys() {
  Json list = Json::array();
  for (const config::KeySpec& spec : config::key_table()) {
    list.push_back({{"section", config::section_word(spec.section)},
                    {"name", spec.name},
                    {"type", type_word(spec.type)},
                    {"list", spec.list},
                    {"required", spec.required},
                    {"election", spec.election},
                    {"support", support_word(spec.support)},
                    {"domain", spec.domain},
                    {"default", spec.default_text},
                    {"help", spec.help}});
  }
  return list;
}

Json codes() {
  Json list = Json::array();
  for (const config::CodeEntry& entry : config::code_table()) {
    list.push_back({{"code", entry.code}, {"title", entry.title}, {"explanation", entry.explanation}});
  }
  return list;
}

/// Numbers of an enum have gaps: each that has a token is one of them.
Json reasons() {
  Json list = Json::array();
  for (unsigned number = 0; number < kMostNumbers; ++number) {
    const auto reason = static_cast<Reason>(number);
    if (reason == Reason::kNone || reason_token(reason) == "unknown") continue;
    list.push_back(
        {{"token", reason_token(reason)}, {"words", reason_words(reason)}, {"remedy", steward::reason_remedy(reason)}});
  }
  return list;
}

Json alarms() {
  Json list = Json::array();
  for (unsigned number = 0; number < kMostNumbers; ++number) {
    const auto alarm = static_cast<ports::Alarm>(number);
    if (alarm == ports::Alarm::kNone || ports::alarm_token(alarm) == "unknown") continue;
    list.push_back({{"token", ports::alarm_token(alarm)},
                    {"words", steward::alarm_words(alarm)},
                    {"advice", steward::alarm_advice(alarm)},
                    {"message_id", message_id("alarm", ports::alarm_token(alarm))}});
  }
  return list;
}

Json events() {
  Json list = Json::array();
  for (unsigned number = 0; number < kMostNumbers; ++number) {
    const std::string_view token = steward::event_token(static_cast<ports::EventKind>(number));
    if (token != "unknown") list.emplace_back(token);
  }
  return list;
}

Json discards() {
  Json list = Json::array();
  for (std::size_t number = 0; number < vrrp::kDecodeErrorCount; ++number) {
    const auto error = static_cast<vrrp::DecodeError>(number);
    list.push_back({{"token", vrrp::decode_error_token(error)},
                    {"rule", vrrp::decode_error_rule(error)},
                    {"words", vrrp::decode_error_words(error)}});
  }
  return list;
}

Json notices() {
  Json list = Json::array();
  for (const Notice& notice : notice_table()) {
    list.push_back({{"token", notice.id},
                    {"words", notice.meaning},
                    {"remedy", notice.remedy},
                    {"message_id", notice.message_id}});
  }
  return list;
}

/// What has words of its own in the journal's catalog: neither an alarm nor a notice.
Json messages() {
  Json list = Json::array();
  for (const MessageKind& kind : message_kind_table()) {
    if (kind.subject.empty()) continue;
    list.push_back(
        {{"token", kind.token}, {"message_id", kind.message_id}, {"subject", kind.subject}, {"text", kind.text}});
  }
  return list;
}

/// By the check that they belong to.
Json findings() {
  Json list = Json::array();
  for (const FindingEntry& entry : finding_table()) {
    list.push_back({{"token", entry.token},
                    {"check", check_word(entry.check)},
                    {"severity", severity_word(entry.severity)},
                    {"words", entry.meaning},
                    {"remedy", entry.fix}});
  }
  return list;
}

Json doctor_checks() {
  Json list = Json::array();
  for (std::size_t number = 0; number < kDoctorChecks; ++number) {
    const auto check = static_cast<DoctorCheck>(number);
    list.push_back({{"token", check_word(check)}, {"words", check_words(check)}});
  }
  return list;
}

Json exit_codes() {
  Json list = Json::array();
  for (std::size_t number = 0; number < steward::kExitWords.size(); ++number) {
    list.push_back({{"number", number}, {"words", steward::kExitWords[number]}});
  }
  return list;
}

Json plugin_verbs() {
  Json list = Json::array();
  for (std::size_t number = 0; number < kPluginVerbs; ++number) {
    list.emplace_back(verb_token(static_cast<PluginVerb>(number)));
  }
  return list;
}

Json plugin_statuses() {
  Json list = Json::array();
  for (unsigned number = 0; number < kMostNumbers; ++number) {
    const auto status = static_cast<VerbStatus>(number);
    if (valid(status)) list.emplace_back(status_token(status));
  }
  return list;
}

/// "HOST"; what the program tests the value for stands behind a colon.
std::string value_name(const CLI::Option& option) {
  const std::string whole = option.get_type_name();
  return whole.substr(0, whole.find(':'));
}

/// Of "TEXT:{baton,keepalived-exporter}": what is between the braces.
Json choices_of(const CLI::Option& option) {
  Json list = Json::array();
  const std::string whole = option.get_type_name();
  const std::size_t open = whole.find(":{");
  if (open == std::string::npos) return list;
  std::string_view rest = std::string_view{whole}.substr(open + 2);
  rest = rest.substr(0, rest.find('}'));
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    list.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return list;
}

Json option_json(const CLI::Option& option) {
  Json names = Json::array();
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  const bool takes_value = option.get_items_expected_max() > 0;
  const bool many =
      option.get_items_expected_max() > 1 || option.get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
  return {{"names", names},
          {"positional", option.get_positional() ? option.get_name(true) : ""},
          {"value", takes_value ? value_name(option) : ""},
          {"choices", choices_of(option)},
          {"many", many},
          {"required", option.get_required()},
          {"help", option.get_description()}};
}

Json options_of(const CLI::App& app) {
  Json list = Json::array();
  for (const CLI::Option* option : app.get_options()) {
    if (option != app.get_help_ptr()) list.push_back(option_json(*option));
  }
  return list;
}

/// "view" or "admin": the group that may ask the daemon for it; "" where no daemon is asked.
std::string_view asker(std::string_view verb) {
  for (unsigned number = 0; number < kMostNumbers; ++number) {
    const auto known = static_cast<steward::Verb>(number);
    if (steward::verb_token(known) == verb) return steward::only_reads(known, /*dry_run=*/false) ? "view" : "admin";
  }
  return "";
}

void add_verbs(const CLI::App& app, const std::string& before, Json& list) {
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (verb->get_group().empty()) continue;  // hidden
    const std::string name = before + verb->get_name();
    if (!verb->get_subcommands([](const CLI::App*) { return true; }).empty()) {
      add_verbs(*verb, name + " ", list);
      continue;
    }
    list.push_back({{"name", name},
                    {"help", verb->get_description()},
                    {"group", asker(before.empty() ? name : before.substr(0, before.size() - 1))},
                    {"options", options_of(*verb)}});
  }
}

Json metrics() {
  Json list = Json::array();
  for (const auto& [names, word] : {std::pair{steward::MetricNames::kBaton, "baton"},
                                    std::pair{steward::MetricNames::kKeepalivedExporter, "keepalived-exporter"}}) {
    for (const steward::MetricFamily& family : steward::metric_families(names)) {
      list.push_back({{"names", word},
                      {"name", steward::sample_name(family.spec)},
                      {"type", steward::type_token(family.spec.type)},
                      {"unit", family.spec.unit},
                      {"labels", family.spec.labels},
                      {"help", family.spec.help}});
    }
  }
  return list;
}

}  // namespace

Json tables_json(const CLI::App& app) {
  Json verbs = Json::array();
  add_verbs(app, "", verbs);
  return {{"version", kVersion},
          {"keys", keys()},
          {"codes", codes()},
          {"global_options", options_of(app)},
          {"verbs", verbs},
          {"exit_codes", exit_codes()},
          {"reasons", reasons()},
          {"alarms", alarms()},
          {"events", events()},
          {"discards", discards()},
          {"notices", notices()},
          {"messages", messages()},
          {"doctor_checks", doctor_checks()},
          {"findings", findings()},
          {"metrics", metrics()},
          {"plugin_verbs", plugin_verbs()},
          {"plugin_statuses", plugin_statuses()},
          {"capabilities", Json::array({"CAP_NET_RAW"})}};
}

std::string exit_status_text() {
  std::string text = "Exit status:";
  for (std::size_t number = 0; number < steward::kExitWords.size(); ++number) {
    text += (number == 0 ? " " : ", ") + std::to_string(number) + " " + std::string{steward::kExitWords[number]};
  }
  return wrapped(text + ".", 0, 120);
}

}  // namespace baton::cli
