#include "cli/render.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <set>

#include "cli/terminal.h"
#include "steward/format.h"

namespace baton::cli {
namespace {

using steward::coarse_duration;
using steward::exact_duration;

constexpr std::size_t kMaxAddressLines = 8;
constexpr std::size_t kNarrowestWhy = 24;
constexpr std::size_t kColumns = 6;
using Cells = std::array<std::vector<std::string>, kColumns>;  // the columns before WHY

Nanos from_ms(long long milliseconds) { return std::chrono::milliseconds{milliseconds}; }
Nanos from_us(long long microseconds) { return std::chrono::microseconds{microseconds}; }

/// Active on the wire, but with a database that is only on its way there.
bool takes_over(const std::string& role, const std::string& data_role, long long addresses_held) {
  return role == "active" && addresses_held == 0 && (data_role == "claiming" || data_role == "promoting");
}

std::string role_cell(const std::string& role, const std::string& data_role, long long addresses_held) {
  if (takes_over(role, data_role, addresses_held)) return data_role == "claiming" ? "CLAIMING" : "PROMOTING";
  if (role == "active") return data_role == "demoting" ? "DEMOTING" : "ACTIVE";
  if (role == "backup") return "BACKUP";
  return role == "initialize" ? "INIT" : "-";
}

std::string role_cell(const Json& instance) {
  const bool has_data = instance.is_object() && instance.contains("data");
  const std::string data_role = has_data ? text_of(instance["data"], "role") : std::string{};
  return role_cell(text_of(instance, "role"), data_role, number_of(instance, "addresses_held"));
}

Colour role_colour(const Json& instance) {
  const std::string role = text_of(instance, "role");
  if (role == "active") return role_cell(instance) == "ACTIVE" ? Colour::kGood : Colour::kStrong;
  return is_true(instance, "eligible") && role == "backup" ? Colour::kNone : Colour::kBad;
}

std::string active_cell(const Json& instance) {
  const auto found = instance.find("active");
  if (found == instance.end() || !found->is_object()) return "-";
  const std::string here = role_cell(instance);
  if (is_true(*found, "this_host")) return here == "CLAIMING" || here == "PROMOTING" ? "nobody yet" : "this host";
  const std::string host = text_of(*found, "host");
  return host.empty() ? text_of(*found, "address") : host;
}

std::vector<std::string> address_cell(const Json& instance) {
  std::vector<std::string> lines;
  for (const Json& address : list_of(instance, "addresses")) {
    if (address.is_string()) lines.push_back(address.get<std::string>());
  }
  if (lines.size() > kMaxAddressLines) {
    const std::size_t more = lines.size() - kMaxAddressLines + 1;
    lines.resize(kMaxAddressLines - 1);
    lines.push_back("+" + std::to_string(more) + " more");
  }
  if (lines.empty()) lines.emplace_back("-");
  return lines;
}

/// Role, and below it how many addresses are held if that is not what the role says.
std::vector<std::string> here_cell(const Json& instance) {
  const std::string role = text_of(instance, "role");
  std::vector<std::string> lines{role_cell(instance)};
  const long long held = number_of(instance, "addresses_held");
  const long long wanted = number_of(instance, "addresses_wanted");
  if (role == "active" && held != wanted) lines.push_back(std::to_string(held) + "/" + std::to_string(wanted) + " set");
  if (role != "active" && held != 0) lines.push_back(std::to_string(held) + " left");
  return lines;
}

Cells cells_of(const Json& instance) {
  const bool has_since = instance.contains("since_ms") && instance["since_ms"].is_number();
  return {std::vector<std::string>{text_of(instance, "name")},
          address_cell(instance),
          here_cell(instance),
          std::vector<std::string>{active_cell(instance)},
          std::vector<std::string>{std::to_string(number_of(instance, "effective_priority"))},
          std::vector<std::string>{has_since ? coarse_duration(from_ms(number_of(instance, "since_ms"))) : "-"}};
}

const std::array<std::string, kColumns> kHeads{"INSTANCE", "VIP", "HERE", "ACTIVE IS", "PRIO", "SINCE"};

std::string trimmed(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

struct Layout {
  std::array<std::size_t, kColumns> widths{};
  std::size_t used = 0;  ///< columns before WHY
  std::size_t why = 0;   ///< columns for WHY; 0 = on lines of its own
  std::size_t width = 80;
};

Layout layout_of(const std::vector<Cells>& rows, std::size_t width) {
  Layout layout{.width = width};
  for (std::size_t column = 0; column < kColumns; ++column) {
    layout.widths[column] = kHeads[column].size();
    for (const Cells& row : rows) {
      for (const std::string& line : row[column]) layout.widths[column] = std::max(layout.widths[column], line.size());
    }
    layout.used += layout.widths[column] + 2;
  }
  if (layout.used + kNarrowestWhy <= width) layout.why = width - layout.used;
  return layout;
}

std::string render_row(const Cells& cells, const Json& instance, const Layout& layout, bool colour) {
  const std::string why = text_of(instance, "why");
  const std::vector<std::string> why_lines = layout.why != 0 ? wrap(why, layout.why) : std::vector<std::string>{};
  std::size_t height = std::max<std::size_t>(why_lines.size(), 1);
  for (const auto& cell : cells) height = std::max(height, cell.size());
  const Colour role = role_colour(instance);
  std::string text;
  for (std::size_t line = 0; line < height; ++line) {
    std::string row;
    for (std::size_t column = 0; column < kColumns; ++column) {
      const std::string cell = padded(line < cells[column].size() ? cells[column][line] : "", layout.widths[column]);
      row += paint(cell, column == 2 ? role : Colour::kNone, colour) + "  ";
    }
    text += trimmed(row + (line < why_lines.size() ? why_lines[line] : ""));
  }
  if (layout.why == 0 && !why.empty()) text += "  " + wrapped(why, 2, layout.width) + "\n";
  return text;
}

std::string render_banners(const Json& status, const Options& options) {
  std::string text;
  const auto banner = [&](const std::string& words) {
    text += paint(wrapped(words, 2, options.width), Colour::kBad, options.colour) + "\n";
  };
  const std::string engine = text_of(status, "engine");
  if (engine == "restarting") banner("ENGINE RESTARTING: what follows is its last word");
  if (engine == "given_up") {
    banner(
        "ENGINE DOWN: it died three times in a minute; the addresses were removed and nothing runs. Look into the log, "
        "then restart the daemon");
  }
  if (is_true(status, "drained")) banner("DRAINED: this host takes nothing until `batonctl undrain`");
  if (is_true(status, "frozen")) {
    const bool ends = status.contains("frozen_for_ms") && status["frozen_for_ms"].is_number();
    const std::string left =
        ends ? "for another " + coarse_duration(from_ms(number_of(status, "frozen_for_ms"))) : "until `batonctl thaw`";
    banner("FROZEN: this host takes and gives nothing by itself " + left);
  }
  if (status.contains("confirm_within_ms") && status["confirm_within_ms"].is_number()) {
    banner("RELOAD WAITS: rolled back in " + coarse_duration(from_ms(number_of(status, "confirm_within_ms"))) +
           " unless you say `batonctl confirm`");
  }
  if (is_true(status, "running_old_binary")) {
    banner("OLD PROGRAM: version " + text_of(status, "version") + " runs, the file is another one (`batonctl reexec`)");
  }
  if (is_true(status, "rolled_back")) {
    banner("ROLLED BACK: " + text_of(status, "config_path") + " is not what runs (`batonctl config diff`)");
  }
  return text;
}

std::string render_alarms(const Json& holder, const std::string& name, const Options& options) {
  std::string text;
  for (const Json& alarm : list_of(holder, "alarm_details")) {
    const std::string head =
        "! " + (name.empty() ? "" : name + ": ") + text_of(alarm, "alarm") + ": " + text_of(alarm, "text");
    text += paint(wrapped(head, 4, options.width), Colour::kBad, options.colour) + "\n";
    text += "    " + wrapped(text_of(alarm, "advice"), 4, options.width) + "\n";
  }
  return text;
}

Colour check_colour(const std::string& state, bool warning) {
  if (state == "pass") return warning ? Colour::kStrong : Colour::kGood;
  return state == "pending" ? Colour::kDim : Colour::kBad;
}

/// ", 12 bytes behind"; "" = not known.
std::string lag_words(const Json& told) {
  for (const auto& [key, unit] : {std::pair{"lag_bytes", " bytes behind"}, std::pair{"lag_ms", " ms behind"}}) {
    const auto found = told.find(key);
    if (found != told.end() && found->is_number_integer()) return ", " + std::to_string(number_of(told, key)) + unit;
  }
  return {};
}

/// One line a check: what is settled, since when, and its own words.
std::string render_checks(const Json& checks, const Options& options) {
  if (checks.empty()) return {};
  std::size_t name_width = std::string_view{"CHECK"}.size();
  for (const Json& check : checks) name_width = std::max(name_width, text_of(check, "name").size());
  constexpr std::size_t kStateWidth = 8;
  constexpr std::size_t kSinceWidth = 6;
  const std::size_t indent = name_width + kStateWidth + kSinceWidth + 6;
  std::string text = paint(trimmed(padded("CHECK", name_width) + "  " + padded("STATE", kStateWidth) + "  " +
                                   padded("SINCE", kSinceWidth) + "  WHAT IT SAYS"),
                           Colour::kDim, options.colour);
  for (const Json& check : checks) {
    const std::string state = text_of(check, "state");
    const bool warning = is_true(check, "warning");
    const bool has_since = check.contains("since_ms") && check["since_ms"].is_number();
    std::string words = text_of(check, "text");
    const auto latest = check.find("latest");
    if (text_of(check, "role") == "replica" && latest != check.end() && latest->is_object())
      words += lag_words(*latest);
    if (warning) words = "warning: " + words;
    if (is_true(check, "flapping")) words = "flapping, held down: " + words;
    text += padded(text_of(check, "name"), name_width) + "  " +
            paint(padded(state, kStateWidth), check_colour(state, warning), options.colour) + "  " +
            padded(has_since ? coarse_duration(from_ms(number_of(check, "since_ms"))) : "-", kSinceWidth) + "  " +
            wrapped(words, indent, options.width) + "\n";
  }
  return text;
}

std::string render_follow_up(const Json& instance) {
  const auto found = instance.find("follow_up");
  if (found == instance.end() || number_of(*found, "count") == 0) return {};
  return text_of(instance, "name") + ": follow-ups " + text_of(*found, "state") + " (" +
         std::to_string(number_of(*found, "done")) + " of " + std::to_string(number_of(*found, "count")) + ")\n";
}

/// "pg: data active, generation 7 (waiting for the grant)".
std::string render_data(const Json& instance) {
  const auto found = instance.find("data");
  if (found == instance.end()) return {};
  const std::string role = text_of(*found, "role");
  const std::string step = text_of(*found, "step");
  std::string text =
      text_of(instance, "name") + ": data " + role + ", generation " + std::to_string(number_of(*found, "generation"));
  if (step != role) text += ", " + step;
  if (is_true(*found, "dirty") && role != "active") text += ", may hold writes that no other host has";
  return text + "\n";
}

/// What keeps a peer from taking over; a standby that waits for its turn is fit.
std::string render_unfit(const Json& instance, const Options& options) {
  static const std::set<std::string> kOwnRestraint{"no_grant", "promised", "not_primary"};
  std::string words;
  for (const Json& reason : list_of(instance, "against")) {
    if (!reason.is_string() || kOwnRestraint.contains(reason.get<std::string>())) continue;
    words += (words.empty() ? "" : ", ") + reason.get<std::string>();
  }
  return words.empty() ? words : paint(" (cannot take over: " + words + ")", Colour::kBad, options.colour);
}

/// "db2 (heard on 1 of 1 paths): pg backup, data standby, generation 7, database replica, 0 B behind".
std::string render_peers(const Json& status, const Options& options) {
  std::string text;
  for (const Json& peer : list_of(status, "peers")) {
    std::string line = text_of(peer, "host");
    if (!is_true(peer, "heard")) {
      line += is_true(peer, "stopped") ? ": its Baton has been stopped" : ": not heard on the peer channel";
      if (const std::string trouble = text_of(peer, "trouble"); !trouble.empty()) line += " (" + trouble + ")";
      text += paint(line, Colour::kBad, options.colour) + "\n";
      continue;
    }
    line += " (heard on " + std::to_string(number_of(peer, "paths_heard")) + " of " +
            std::to_string(number_of(peer, "paths")) + " paths):";
    std::string rest;
    for (const Json& instance : list_of(peer, "instances")) {
      rest += (rest.empty() ? " " : "; ") + text_of(instance, "name") + " " + text_of(instance, "role");
      rest += render_unfit(instance, options);
      const auto data = instance.find("data");
      if (data == instance.end()) continue;
      rest += ", data " + text_of(*data, "role") + ", generation " + std::to_string(number_of(*data, "generation"));
      const Json database = instance.value("database", Json::object());
      rest += ", database " + text_of(database, "role");
      rest += lag_words(database);
    }
    text += line + rest + "\n";
  }
  return text.empty() ? text : "\n" + text;
}

}  // namespace

std::string text_of(const Json& json, const char* key) {
  if (!json.is_object()) return {};
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

long long number_of(const Json& json, const char* key) {
  if (!json.is_object()) return 0;
  const auto found = json.find(key);
  return found != json.end() && found->is_number_integer() ? found->get<long long>() : 0;
}

bool is_true(const Json& json, const char* key) {
  if (!json.is_object()) return false;
  const auto found = json.find(key);
  return found != json.end() && found->is_boolean() && found->get<bool>();
}

const Json& list_of(const Json& json, const char* key) {
  static const Json kEmpty = Json::array();
  if (!json.is_object()) return kEmpty;
  const auto found = json.find(key);
  return found != json.end() && found->is_array() ? *found : kEmpty;
}

std::string render_status(const Json& status, const Options& options) {
  std::string text = render_banners(status, options);
  const Json& instances = list_of(status, "instances");
  std::vector<Cells> rows;
  for (const Json& instance : instances) rows.push_back(cells_of(instance));
  const Layout layout = layout_of(rows, options.width);
  std::string head;
  for (std::size_t column = 0; column < kColumns; ++column)
    head += padded(kHeads[column], layout.widths[column]) + "  ";
  text += paint(trimmed(head + (layout.why != 0 ? "WHY" : "")), Colour::kDim, options.colour);
  for (std::size_t i = 0; i < rows.size(); ++i) text += render_row(rows[i], instances[i], layout, options.colour);
  if (rows.empty()) text += "no instances\n";
  text += render_peers(status, options);
  const std::string checks = render_checks(list_of(status, "checks"), options);
  if (!checks.empty()) text += "\n" + checks;
  std::string follow_ups;
  for (const Json& instance : instances) follow_ups += render_data(instance);
  for (const Json& instance : instances) follow_ups += render_follow_up(instance);
  if (!follow_ups.empty()) text += "\n" + follow_ups;
  std::string alarms = render_alarms(status, "", options);
  for (const Json& instance : instances) alarms += render_alarms(instance, text_of(instance, "name"), options);
  return alarms.empty() ? text : text + "\n" + alarms;
}

namespace {

std::string compared_lines(const Json& router) {
  const std::string indent(4, ' ');
  std::string text = "  " + text_of(router, "interface") + " " + text_of(router, "address-family") + " vrid " +
                     std::to_string(number_of(router, "vrid")) + "\n";
  text += indent + "here   priority " + std::to_string(number_of(router, "priority")) + " from " +
          text_of(router, "source_address") + "\n";
  const auto heard = router.find("heard");
  if (heard != router.end() && heard->is_object()) {
    const std::string host = text_of(*heard, "host");
    text += indent + "heard  priority " + std::to_string(number_of(*heard, "priority")) + " from " +
            text_of(*heard, "address") + (host.empty() ? "" : " (" + host + ")") + ", at most " +
            exact_duration(from_ms(number_of(*heard, "ms_ago"))) + " ago\n";
  } else {
    text += indent + "heard  nobody\n";
  }
  text += indent + "Active_Down_Interval " + exact_duration(from_us(number_of(router, "active_down_interval_us"))) +
          " = 3 x " + exact_duration(from_ms(number_of(router, "active_adver_interval_ms"))) + " + Skew_Time " +
          exact_duration(from_us(number_of(router, "skew_us"))) + "\n";
  // The board notes what a Backup hears once a second: the timer may have been re-armed since, never shortened by an
  // advert.
  const long long down_timer = number_of(router, "down_timer_ms");
  if (down_timer > 0) {
    const bool heard_one = heard != router.end() && heard->is_object();
    text += indent + "Active_Down_Timer fires in " + exact_duration(from_ms(down_timer)) +
            (heard_one ? " or later: each advert re-arms it\n" : "\n");
  }
  if (router.contains("next_advert_ms") && router["next_advert_ms"].is_number()) {
    text += indent + "next advert in " + exact_duration(from_ms(number_of(router, "next_advert_ms"))) + "\n";
  }
  return text;
}

std::string explain_one(const Json& instance, const Options& options) {
  const std::string role =
      role_cell(text_of(instance, "role"), text_of(instance, "data_role"), number_of(instance, "addresses_held"));
  std::string text = paint(text_of(instance, "name") + ": " + role, Colour::kStrong, options.colour) + "\n";
  text += "  " + wrapped(text_of(instance, "why"), 2, options.width) + "\n";
  text += "  " + wrapped(text_of(instance, "rule"), 2, options.width) + "\n";
  const auto last = instance.find("last_transition");
  if (last != instance.end() && last->is_object()) {
    text += "  " +
            wrapped("last transition " + coarse_duration(from_ms(number_of(*last, "ms_ago"))) + " ago (" +
                        text_of(*last, "time") + "): " + text_of(*last, "text"),
                    2, options.width) +
            "\n";
    if (const std::string capture = text_of(*last, "capture"); !capture.empty()) {
      text += "  what was on the wire: " + capture + "\n";
    }
  }
  text += "Compared\n";
  for (const Json& router : list_of(instance, "compared")) text += compared_lines(router);
  text += "Against being Active here\n";
  for (const Json& reason : list_of(instance, "against"))
    text += "  - " + wrapped(text_of(reason, "text"), 4, options.width) + "\n";
  const bool waits = !text_of(instance, "waits_for").empty();
  if (list_of(instance, "against").empty()) text += waits ? "  nothing but what it waits for\n" : "  nothing\n";
  for (const Json& check : list_of(instance, "checks")) {
    if (&check == &list_of(instance, "checks").front()) text += "Checks\n";
    text += "  - " +
            wrapped(text_of(check, "name") + " (" + text_of(check, "use") + "): " + text_of(check, "state") +
                        (text_of(check, "text").empty() ? "" : ", " + text_of(check, "text")),
                    4, options.width) +
            "\n";
  }
  text += "What would change it\n";
  for (const Json& change : list_of(instance, "would_change")) {
    if (change.is_string()) text += "  - " + wrapped(change.get<std::string>(), 4, options.width) + "\n";
  }
  return text;
}

}  // namespace

std::string render_explain(const Json& explanation, const Options& options) {
  std::string text;
  for (const Json& instance : list_of(explanation, "instances")) {
    if (!text.empty()) text += "\n";
    text += explain_one(instance, options);
  }
  return text.empty() ? "no instances\n" : text;
}

std::string render_event(const Json& event, const Options& options) {
  const std::string kind = text_of(event, "event");
  const std::string time = text_of(event, "time");
  const std::string instance = text_of(event, "instance");
  const Colour colour = kind == "alarm" ? Colour::kBad : Colour::kNone;
  const std::string capture = text_of(event, "capture");
  return (time.empty() ? "-" : time) + "  " + padded(instance.empty() ? "(host)" : instance, 12) + "  " +
         paint(text_of(event, "text"), colour, options.colour) + "\n" +
         (capture.empty() ? "" : "  capture: " + capture + "\n");
}

}  // namespace baton::cli
