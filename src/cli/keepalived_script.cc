#include "cli/keepalived_script.h"

#include <algorithm>
#include <string_view>

#include "config/source.h"
#include "config/values.h"

namespace baton::cli::keepalived {
namespace {

/// Characters that mean the same to a shell, to keepalived and to exec.
bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view{"_./:@%+,-= "}.find(c) != std::string_view::npos;
}

/// One word in the double quotes of an exec plugin.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

std::vector<std::string> words_of(const std::string& command) {
  std::vector<std::string> words;
  for (const std::string_view word : config::split_words(command)) words.emplace_back(word);
  return words;
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

/// A program's name, without anything that a pattern or a shell would see.
bool is_program(const std::string& word) {
  return !word.empty() && word.front() != '-' &&
         std::all_of(word.begin(), word.end(), [](char c) { return is_plain(c) && c != ' '; });
}

/// `killall -0 NAME` and `pidof NAME`: does a process of this name live?
std::optional<Keys> process_by_name(const std::vector<std::string>& words) {
  const bool killall = words.size() == 3 && base_name(words[0]) == "killall" && words[1] == "-0";
  const bool pidof = words.size() == 2 && base_name(words[0]) == "pidof";
  if ((!killall && !pidof) || !is_program(words.back())) return std::nullopt;
  return Keys{{"module", "process"}, {"name", words.back()}};
}

/// kill -0 `cat FILE` and kill -0 $(cat FILE).
std::optional<Keys> process_by_file(const std::vector<std::string>& words) {
  if (words.size() != 4 || base_name(words[0]) != "kill" || words[1] != "-0") return std::nullopt;
  std::string file = words[3];
  const bool ticks = words[2] == "`cat" && file.ends_with('`');
  const bool dollar = words[2] == "$(cat" && file.ends_with(')');
  if (!ticks && !dollar) return std::nullopt;
  file.pop_back();
  if (!file.starts_with('/') || !is_program(file)) return std::nullopt;
  return Keys{{"module", "process"}, {"pid_file", file}};
}

/// </dev/tcp/HOST/PORT, which only bash knows.
std::optional<Keys> port(const std::vector<std::string>& words) {
  if (words.empty() || words.size() > 2) return std::nullopt;
  std::string text = words.size() == 2 ? words[0] + words[1] : words[0];
  constexpr std::string_view kPrefix = "</dev/tcp/";
  if (!text.starts_with(kPrefix)) return std::nullopt;
  text.erase(0, kPrefix.size());
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos || !is_program(text.substr(0, slash))) return std::nullopt;
  if (!config::parse_integer(text.substr(slash + 1), 1, 65535)) return std::nullopt;
  return Keys{{"module", "tcp"}, {"host", text.substr(0, slash)}, {"port", text.substr(slash + 1)}};
}

}  // namespace

std::optional<std::string> unwritable(const std::string& key, const std::string& value) {
  if (value.empty()) return "it is empty";
  if (value.find('\n') != std::string::npos) return "it has more than one line";
  if (key.size() + 3 + value.size() > config::kMaxLineLength) return "it is too long for one line";
  for (std::size_t i = 1; i < value.size(); ++i) {
    if (value[i] == ';' && (value[i - 1] == ' ' || value[i - 1] == '\t'))
      return "a `;` behind a blank begins a comment";
  }
  const bool plain =
      std::all_of(value.begin(), value.end(), [](char c) { return c == '\t' || (c >= ' ' && c <= '~'); });
  if (!plain) return "it has characters that are not ASCII";
  return std::nullopt;
}

Expected<CheckCommand, std::string> check_command(const std::string& command) {
  const std::vector<std::string> words = words_of(command);
  if (words.empty()) return Unexpected<std::string>{"it is empty"};
  if (auto keys = process_by_name(words)) return CheckCommand{*keys, "asked of /proc: no right to signal is needed"};
  if (auto keys = process_by_file(words)) return CheckCommand{*keys, "asked of /proc: no right to signal is needed"};
  if (auto keys = port(words)) return CheckCommand{*keys, "a connection, asked without a shell"};
  // A check that exits with 1 warns only: 2 is a failure here.
  const bool plain = std::all_of(command.begin(), command.end(), is_plain) && words[0].find('=') == std::string::npos &&
                     std::find(words.begin(), words.end(), "exit") == words.end();
  const std::string line = plain ? joined(words) : "(" + command + ")";
  const std::string value = "/bin/sh -c " + quoted(line + " || exit 2");
  if (auto why = unwritable("command", value)) return Unexpected<std::string>{*why};
  return CheckCommand{{{"module", "exec"}, {"command", value}}, ""};
}

Expected<std::string, std::string> action_command(const std::string& command,
                                                  const std::vector<std::string>& arguments) {
  const std::vector<std::string> words = words_of(command);
  if (words.empty()) return Unexpected<std::string>{"it is empty"};
  const bool plain = std::all_of(command.begin(), command.end(), is_plain) && words[0].starts_with('/');
  std::string value = plain ? joined(words) : "/bin/sh -c " + quoted(command + (arguments.empty() ? "" : " \"$@\""));
  if (!plain && !arguments.empty()) value += " sh";
  for (const std::string& argument : arguments) value += " " + (is_program(argument) ? argument : quoted(argument));
  if (auto why = unwritable("enter_command", value)) return Unexpected<std::string>{*why};
  return value;
}

}  // namespace baton::cli::keepalived
