// Lines of `option` and `member`, and the files with secrets: see members.h.
#include "fence-agents/members.h"

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>

#include "common/words.h"

namespace baton::fence_agents {
namespace {

constexpr std::array<std::string_view, 9> kSecretKeys{
    "password", "passwd", "snmp_priv_passwd", "community", "snmp-priv-passwd", "auth_token", "secret_key",
    "token",    "apikey"};

/// Why `word` is no KEY=VALUE; "" if it is one.
std::string option_trouble(const std::string& word, std::pair<std::string, std::string>& option) {
  const std::size_t equals = word.find('=');
  const std::string name = word.substr(0, equals);
  const bool good =
      equals != std::string::npos && !name.empty() &&
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == std::string::npos;
  // What follows the = may be a secret that was meant for another place.
  if (!good) return "what stands at '" + name + "' is not KEY=VALUE";
  if (name == "action" || name == "option") return "the action is chosen by the key `action`";
  option = {name, word.substr(equals + 1)};
  if (option.second.find_first_of("\r\n") != std::string::npos) return "the value of " + name + " is more than a line";
  return {};
}

bool is_secret(const std::string& name) {
  return std::find(kSecretKeys.begin(), kSecretKeys.end(), name) != kSecretKeys.end();
}

void read_member(const std::string& line, Members& members) {
  const plugin::Words words = plugin::split_words(line);
  if (!words.error.empty()) return members.errors.push_back("member: " + words.error);
  if (words.words.empty() || words.words.front().find('=') != std::string::npos) {
    return members.errors.push_back("member: a line begins with HOST: `member = db2 plug=7`");
  }
  const std::string& name = words.words.front();
  if (members.hosts.contains(name)) return members.errors.push_back("member: " + name + " is there twice");
  Options& options = members.hosts[name];
  for (std::size_t i = 1; i < words.words.size(); ++i) {
    std::pair<std::string, std::string> option;
    const std::string trouble = option_trouble(words.words[i], option);
    if (!trouble.empty()) {
      members.errors.push_back("member: " + name + ": " + trouble);
    } else if (is_secret(option.first)) {
      members.errors.push_back("member: " + name + ": " + option.first +
                               " is a secret: put it into password_file or secrets_file");
    } else {
      options.push_back(option);
    }
  }
}

/// `KEY=VALUE` or `HOST KEY=VALUE` a line, # for comments. Not split at blanks: a value may have them.
void read_secrets(const std::string& text, Members& members) {
  std::istringstream lines{text};
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.empty() || line.front() == '#') continue;
    const std::size_t blank = std::min(line.find_first_of(" \t"), line.size());
    const bool has_host = line.find('=') > blank;
    std::pair<std::string, std::string> option;
    const std::string rest = has_host ? line.substr(std::min(line.find_first_not_of(" \t", blank), line.size())) : line;
    if (!option_trouble(rest, option).empty()) {
      members.errors.push_back("secrets_file: line " + std::to_string(number) +
                               " is neither KEY=VALUE nor HOST KEY=VALUE");
    } else if (has_host) {
      members.own_secrets[line.substr(0, blank)].push_back(option);
    } else {
      members.secrets.push_back(option);
    }
  }
}

}  // namespace

Options Members::options_of(const std::string& host) const {
  Options all = hosts.at(host);
  all.insert(all.end(), secrets.begin(), secrets.end());
  if (const auto own = own_secrets.find(host); own != own_secrets.end()) {
    all.insert(all.end(), own->second.begin(), own->second.end());
  }
  return all;
}

std::string Members::without_secrets(std::string text) const {
  const auto hide = [&text](const Options& options) {
    for (const auto& [name, value] : options) {
      for (std::size_t at = 0; !value.empty() && (at = text.find(value, at)) != std::string::npos; at += 3) {
        text.replace(at, value.size(), "***");
      }
    }
  };
  hide(secrets);
  for (const auto& [host, options] : own_secrets) hide(options);
  return text;
}

Members read_members(const plugin::Host& host) {
  Members members;
  Options common;
  for (const std::string& word : host.list("option")) {
    std::pair<std::string, std::string> option;
    const std::string trouble = option_trouble(word, option);
    if (!trouble.empty()) members.errors.push_back("option: " + trouble);
    if (trouble.empty() && is_secret(option.first)) {
      members.errors.push_back("option: " + option.first + " is a secret: put it into password_file or secrets_file");
    }
    if (trouble.empty()) common.push_back(option);
  }
  for (const std::string& line : host.list("member")) read_member(line, members);
  for (auto& [name, options] : members.hosts) options.insert(options.begin(), common.begin(), common.end());
  if (host.has("password_file")) {
    const std::string password = host.text("password_file");
    members.secrets.emplace_back("password", password);
    if (password.find_first_of("\r\n") != std::string::npos) {
      members.errors.push_back("password_file: the password is more than one line");
    }
  }
  if (host.has("secrets_file")) read_secrets(host.text("secrets_file"), members);
  return members;
}

}  // namespace baton::fence_agents
