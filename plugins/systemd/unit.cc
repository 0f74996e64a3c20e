// SPDX-License-Identifier: GPL-2.0-or-later
//
// unit.cc: the words for units. systemd's own terms are kept (a person will look for them in systemctl status), the
// exit of the main process is put into English.
#include "unit.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include <array>
#include <string_view>

namespace baton_systemd {
namespace {

constexpr std::array<std::string_view, 11> kSuffixes{".service", ".socket", ".target", ".timer", ".mount", ".automount",
                                                     ".swap",    ".path",   ".slice",  ".scope", ".device"};
constexpr std::size_t kLongestName = 255;

bool has_suffix(const std::string& name) {
  for (const std::string_view suffix : kSuffixes) {
    if (name.size() > suffix.size() && name.ends_with(suffix)) return true;
  }
  return false;
}

/// Statuses that systemd itself sets when it could not run the program (systemd.exec(5), "Process exit codes").
std::string_view setup_failure(std::int32_t status) {
  switch (status) {
    case 200: return "its WorkingDirectory cannot be entered";
    case 203: return "its program cannot be executed";
    case 209: return "its standard output cannot be opened";
    case 216: return "its group does not exist";
    case 217: return "its user does not exist";
    case 226: return "its mount namespace cannot be set up";
    case 238: return "its state directory cannot be made";
    case 243: return "its credentials cannot be read";
    default: return "";
  }
}

}  // namespace

std::string complete_name(const std::string& name, const std::string& suffix) {
  return has_suffix(name) ? name : name + suffix;
}

std::string name_trouble(const std::string& name) {
  constexpr std::string_view kAllowed = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:-_.\\@";
  if (name.empty()) return "is empty";
  if (name.size() > kLongestName) return "is longer than 255 characters";
  const std::size_t bad = name.find_first_not_of(kAllowed);
  if (bad != std::string::npos) return std::string{"has a '"} + name[bad] + "', which no unit name has";
  const std::size_t at = name.find('@');
  if (at == 0) return "begins with @";
  if (at != std::string::npos && (at + 1 == name.size() || name[at + 1] == '.')) {
    return "is a template; write what stands between @ and the dot";
  }
  return "";
}

std::string last_exit(const Unit& unit) {
  if (unit.exit_code == CLD_EXITED) {
    if (unit.exit_status == 0) return "";
    const std::string_view setup = setup_failure(unit.exit_status);
    return "exited with status " + std::to_string(unit.exit_status) +
           (setup.empty() ? "" : " (" + std::string{setup} + ")");
  }
  if (unit.exit_code != CLD_KILLED && unit.exit_code != CLD_DUMPED) return "";
  const char* name = ::sigabbrev_np(unit.exit_status);
  const std::string signal = name == nullptr ? "signal " + std::to_string(unit.exit_status) : std::string{"SIG"} + name;
  return (unit.exit_code == CLD_DUMPED ? "dumped core on " : "was killed by ") + signal;
}

std::string describe(const Unit& unit) {
  const std::string since = unit.since_us == 0 ? "" : " since " + time_words(unit.since_us);
  std::string words;
  if (unit.active_state == "failed") {
    words = unit.name + " has failed" + since + ": result " + (unit.result.empty() ? unit.sub_state : unit.result);
  } else {
    words = unit.name + " is " + unit.active_state + " (" + unit.sub_state + ")" + since;
    if (unit.active_state != "active" && !unit.result.empty() && unit.result != "success") {
      words += ", last result " + unit.result;
    }
  }
  const std::string exit = unit.active_state == "active" ? "" : last_exit(unit);
  if (!exit.empty()) words += ", its main process " + exit;
  if (!unit.condition_met && unit.active_state == "inactive") {
    words += "; its " + (unit.condition.empty() ? std::string{"condition"} : unit.condition) + " is not met";
  }
  return words;
}

std::string load_trouble(const Unit& unit) {
  if (unit.load_state == "not-found")
    return "there is no unit " + unit.name + " on this host (systemctl cat " + unit.name + ")";
  if (unit.load_state == "masked") return unit.name + " is masked: systemctl unmask " + unit.name;
  if (unit.load_state == "bad-setting" || unit.load_state == "error") {
    return "systemd cannot load " + unit.name + ": " +
           (unit.load_error.empty() ? unit.load_state + " (systemd-analyze verify)" : unit.load_error);
  }
  return "";
}

std::string time_words(std::uint64_t realtime_us) {
  if (realtime_us == 0) return "";
  const time_t seconds = static_cast<time_t>(realtime_us / 1'000'000);
  tm parts{};
  if (::gmtime_r(&seconds, &parts) == nullptr) return "";
  std::array<char, 40> text{};
  const std::size_t size = ::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return {text.data(), size};
}

std::string join(const std::vector<std::string>& words) {
  std::string all;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i != 0) all += i + 1 == words.size() ? " and " : ", ";
    all += words[i];
  }
  return all;
}

}  // namespace baton_systemd
