// doctor: what keeps Baton from working on this host and network, what each finding means and what mends it.
#include <unistd.h>

#include <algorithm>
#include <span>

#include "cli/doctor_gather.h"
#include "cli/load.h"
#include "cli/output.h"
#include "cli/render.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "config/effective.h"
#include "ipc/module_catalog.h"

namespace baton::cli {
namespace {

using steward::ExitCode;

Json finding_json(const Finding& finding) {
  const FindingEntry& entry = finding_entry(finding.id);
  return {{"id", entry.token},
          {"check", check_word(entry.check)},
          {"severity", severity_word(entry.severity)},
          {"subject", finding.subject.empty() ? Json(nullptr) : Json(finding.subject)},
          {"text", finding.text},
          {"meaning", entry.meaning},
          {"fix", entry.fix},
          {"command", finding.command.empty() ? Json(nullptr) : Json(finding.command)}};
}

FindingSeverity worst_of(DoctorCheck check, const std::vector<Finding>& findings) {
  FindingSeverity worst = FindingSeverity::kOk;
  for (const Finding& finding : findings) {
    if (finding_entry(finding.id).check == check) worst = std::max(worst, severity_of(finding));
  }
  return worst;
}

std::vector<std::string> left_out_of(DoctorCheck check, const DoctorFacts& facts) {
  std::vector<std::string> list;
  for (const LeftOut& one : facts.left_out) {
    if (one.check == check) list.push_back(one.why);
  }
  return list;
}

/// Where nothing was found it counts only if all was looked at.
bool was_looked_at(DoctorCheck check, const DoctorFacts& facts, const std::vector<Finding>& findings) {
  return left_out_of(check, facts).empty() || worst_of(check, findings) != FindingSeverity::kOk;
}

Json checks_json(const DoctorFacts& facts, const std::vector<Finding>& findings) {
  Json list = Json::array();
  for (std::size_t number = 0; number < kDoctorChecks; ++number) {
    const auto check = static_cast<DoctorCheck>(number);
    list.push_back(
        {{"check", check_word(check)},
         {"state", was_looked_at(check, facts, findings) ? severity_word(worst_of(check, findings)) : "left_out"},
         {"left_out", left_out_of(check, facts)}});
  }
  return list;
}

Json heard_json(const DoctorFacts& facts) {
  Json list = Json::array();
  if (!facts.wire) return list;
  for (const linux::HeardRouter& heard : facts.wire->heard) {
    list.push_back({{"interface", heard.interface},
                    {"address-family", heard.family == Family::kIpv6 ? "ipv6" : "ipv4"},
                    {"vrid", heard.vrid},
                    {"source", heard.source.text()},
                    {"mac", heard.mac.text()},
                    {"this_host", heard.from_this_host},
                    {"adverts", heard.count},
                    {"unreadable", heard.bad},
                    {"priority", heard.priority},
                    {"version", heard.version},
                    {"interval_ms", heard.interval / std::chrono::milliseconds{1}}});
  }
  return list;
}

Colour colour_of(FindingSeverity severity) {
  switch (severity) {
    case FindingSeverity::kOk: return Colour::kGood;
    case FindingSeverity::kNote: return Colour::kDim;
    case FindingSeverity::kWarning: return Colour::kStrong;
    case FindingSeverity::kProblem: return Colour::kBad;
  }
  return Colour::kNone;
}

constexpr std::size_t kWordWidth = 9;  ///< "problem" and two spaces
constexpr std::size_t kIndent = 4;

std::string render_checks(const DoctorFacts& facts, const std::vector<Finding>& findings, const Options& options) {
  std::string text;
  for (std::size_t number = 0; number < kDoctorChecks; ++number) {
    const auto check = static_cast<DoctorCheck>(number);
    const FindingSeverity worst = worst_of(check, findings);
    const auto left_out = left_out_of(check, facts);
    const bool looked = was_looked_at(check, facts, findings);
    const std::string word = looked ? std::string{severity_word(worst)} : "-";
    text += paint(padded(word, kWordWidth), looked ? colour_of(worst) : Colour::kDim, options.colour) +
            padded(check_word(check), 11) + std::string{check_words(check)} + "\n";
    for (const std::string& why : left_out) {
      text += std::string(kWordWidth + 11, ' ') + wrapped("left out: " + why, kWordWidth + 11, options.width) + "\n";
    }
  }
  return text;
}

std::string paragraph(const std::string& label, std::string_view words, const Options& options) {
  return std::string(kIndent, ' ') + wrapped(label + std::string{words}, kIndent, options.width) + "\n";
}

/// All findings of one kind, which follow each other: what it means stands there once.
std::string render_findings(std::span<const Finding> same, const Options& options) {
  const FindingEntry& entry = finding_entry(same.front().id);
  std::string text =
      "\n" + paint(padded(severity_word(entry.severity), kWordWidth), colour_of(entry.severity), options.colour) +
      std::string{entry.token} + "\n";
  for (const Finding& finding : same) {
    text += paragraph(finding.subject.empty() ? "" : finding.subject + ": ", finding.text, options);
  }
  text += paragraph("", entry.meaning, options) + paragraph("Fix: ", entry.fix, options);
  // Not wrapped: they are to be copied.
  for (const Finding& finding : same) {
    if (!finding.command.empty()) text += std::string(kIndent, ' ') + "  " + finding.command + "\n";
  }
  return text;
}

std::string render_all_findings(const std::vector<Finding>& findings, const Options& options) {
  std::string text;
  for (std::size_t begin = 0, end = 0; begin < findings.size(); begin = end) {
    while (end < findings.size() && findings[end].id == findings[begin].id) ++end;
    text += render_findings(std::span{findings}.subspan(begin, end - begin), options);
  }
  return text;
}

std::string counted(const std::vector<Finding>& findings, FindingSeverity severity) {
  const auto count =
      std::count_if(findings.begin(), findings.end(), [&](const Finding& one) { return severity_of(one) == severity; });
  if (count == 0) return {};
  return std::to_string(count) + " " + std::string{severity_word(severity)} + (count == 1 ? "" : "s");
}

std::string summary(const std::vector<Finding>& findings) {
  std::string text;
  for (const auto severity : {FindingSeverity::kProblem, FindingSeverity::kWarning, FindingSeverity::kNote}) {
    const std::string part = counted(findings, severity);
    if (!part.empty()) text += (text.empty() ? "" : ", ") + part;
  }
  if (doctor_exit(findings) != 0) return text;
  const std::string all_well = ::geteuid() == 0 ? "nothing wrong" : "nothing wrong in what others than root may see";
  return all_well + (text.empty() ? "" : " (" + text + ")");
}

int show(const DoctorFacts& facts, const Options& options) {
  const std::vector<Finding> findings = judge(facts);
  const int exit = doctor_exit(findings);
  if (!options.json) {
    print(render_checks(facts, findings, options) + render_all_findings(findings, options) + "\n" + summary(findings) +
          "\n");
    return exit;
  }
  Json list = Json::array();
  for (const Finding& finding : findings) list.push_back(finding_json(finding));
  const Nanos listened = facts.wire ? facts.wire->listened : Nanos{0};
  print_json({{"ok", exit == 0},
              {"exit", exit},
              {"host", facts.config.host},
              {"instances", facts.chosen},
              {"listened_ms", listened / std::chrono::milliseconds{1}},
              {"checks", checks_json(facts, findings)},
              {"findings", list},
              {"heard", heard_json(facts)}});
  return exit;
}

/// False: there is no such instance or group.
bool choose(DoctorFacts& facts, const std::string& wanted) {
  for (const config::Instance& instance : facts.config.instances) {
    if (wanted.empty() || instance.name == wanted || instance.group == wanted) facts.chosen.insert(instance.name);
  }
  return wanted.empty() || !facts.chosen.empty();
}

}  // namespace

int doctor(const Options& options, const DoctorArguments& arguments) {
  ipc::ModuleCatalog modules{ipc::find_places(options.plugin_dir)};
  Json refusal;
  const auto running = running_configuration(options, refusal);
  if (!running && !arguments.file.is_named) {
    if (!refusal.is_null()) return report_refusal(refusal, "", options);
    Trouble trouble = running.error();
    if (trouble.exit == ExitCode::kNoDaemon) trouble.text += "; without one: `batonctl doctor --config FILE`";
    return report_trouble(trouble, options);
  }
  DoctorFacts facts;
  if (arguments.file.is_named) {
    config::Loaded loaded = load_file(arguments.file, modules);
    if (!loaded.config) {
      return report_invalid(options, loaded,
                            {{"file", arguments.file.file}, {"diagnostics", diagnostics_json(loaded.diagnostics)}});
    }
    facts.config = std::move(*loaded.config);
    facts.config_warnings = loaded.diagnostics.size();
  } else {
    auto read = parse_running(*running, modules);
    if (!read) return report_trouble(read.error(), options);
    facts.config = std::move(*read);
  }
  if (!choose(facts, arguments.instance)) {
    return report_trouble({ExitCode::kUsage, "no instance or group '" + arguments.instance + "'"}, options);
  }
  const Nanos listen = arguments.listen < 0 ? listening_time(facts) : Nanos{std::chrono::seconds{arguments.listen}};
  if (!options.json && listen > Nanos{0} && is_terminal(STDERR_FILENO)) {
    std::fprintf(stderr, "batonctl: listening for %s...\n", config::duration_text(listen).c_str());
  }
  gather(facts, options, listen, running ? "" : running.error().text);
  if (facts.daemon) facts.daemon->config_is_its_own = !arguments.file.is_named;
  return show(facts, options);
}

}  // namespace baton::cli
