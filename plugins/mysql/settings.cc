// SPDX-License-Identifier: GPL-2.0-or-later
#include "mysql/settings.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "common/resolver.h"

namespace baton::mysql {
namespace {

using plugin::Host;

bool is_name(const std::string& text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

Tls tls_word(const std::string& word) {
  if (word == "verify") return Tls::kVerify;
  return word == "yes" ? Tls::kYes : Tls::kNo;
}

/// libmariadb wants the key in a file; the host hands us its content. A sealed piece of memory has a path, too.
std::string secret_path(const std::string& content) {
  if (content.empty()) return {};
  const int descriptor = ::memfd_create("tls_key", MFD_CLOEXEC);
  if (descriptor < 0 || ::write(descriptor, content.data(), content.size()) != static_cast<ssize_t>(content.size())) {
    throw plugin::Failure(plugin::Status::kTransient, "tls_key: no memory for the key");
  }
  return "/proc/self/fd/" + std::to_string(descriptor);
}

void check_members(const Host& host, std::vector<Member>& members) {
  for (const std::string& text : host.list("member")) {
    std::string error;
    Member member = parse_member(text, error);
    if (!error.empty()) {
      host.complain("member", "\"" + text + "\": " + error);
      continue;
    }
    for (const Member& other : members) {
      if (other.host == member.host) host.complain("member", member.host + " is listed twice");
      if (other.place() == member.place()) {
        host.complain("member", member.host + " and " + other.host + " have the same address, " + member.place());
      }
    }
    members.push_back(std::move(member));
  }
}

void check_logins(const Host& host) {
  for (const char* user : {"check_user", "drive_user", "replication_user"}) {
    const std::string file = std::string{user}.substr(0, std::string{user}.size() - 4) + "password_file";
    if (!host.has(user) && host.has(file.c_str())) host.complain(file.c_str(), std::string{"there is no "} + user);
  }
  if (!host.has("check_user") && !host.has("drive_user")) host.complain(nullptr, "a check_user is needed");
  if (!host.has("check_user") && host.has("drive_password_file")) {
    host.complain("drive_password_file", "probes do not get it: a check_user is needed");
  }
  if (host.text("mode") != "drive") return;
  for (const char* name : {"drive_user", "replication_user"}) {
    if (!host.has(name)) host.complain(nullptr, "mode = drive needs a " + std::string{name});
  }
}

}  // namespace

std::string Member::place() const {
  const bool v6 = address.find(':') != std::string::npos;
  return (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

Member parse_member(const std::string& text, std::string& error) {
  Member member;
  const std::size_t blank = text.find_first_of(" \t");
  const std::size_t begin = blank == std::string::npos ? blank : text.find_first_not_of(" \t", blank);
  if (begin == std::string::npos) {
    error = "expected HOST ADDRESS[:PORT]";
    return member;
  }
  member.host = text.substr(0, blank);
  std::string rest = text.substr(begin);
  std::string port;
  if (rest.front() == '[') {
    const std::size_t end = rest.find(']');
    if (end == std::string::npos) {
      error = "the [ is not closed";
      return member;
    }
    port = rest.substr(end + 1);
    rest = rest.substr(1, end - 1);
  } else if (std::count(rest.begin(), rest.end(), ':') == 1) {
    port = rest.substr(rest.find(':'));
    rest.resize(rest.find(':'));
  }
  member.address = rest;
  if (!plugin::is_address(rest))
    error = "\"" + rest + "\" is no IPv4 or IPv6 address (IPv6 with a port: [ADDRESS]:PORT)";
  if (port.empty() || !error.empty()) return member;
  const bool digits = port.size() >= 2 && port.size() <= 6 && port.front() == ':' &&
                      std::all_of(port.begin() + 1, port.end(), [](char c) { return c >= '0' && c <= '9'; });
  const unsigned long number = digits ? std::stoul(port.substr(1)) : 0;
  if (number < 1 || number > 65535) {
    error = "the port is not a number from 1 to 65535";
  } else {
    member.port = static_cast<std::uint16_t>(number);
  }
  return member;
}

Settings::Settings(const Host& host)
    : host_name(host.host_name()),
      follow(host.text("mode") == "follow"),
      cluster(host.text("cluster")),
      socket(host.text("socket")),
      check_user(host.text("check_user")),
      drive_user(host.text("drive_user")),
      replication({host.text("replication_user"), host.text("replication_password_file")}),
      connect_timeout(host.duration("connect_timeout")),
      query_timeout(host.duration("query_timeout")),
      drain_timeout(host.duration("drain_timeout")),
      settle(host.duration("settle")),
      lag_warning(host.duration("lag_warning")),
      max_lag(static_cast<std::uint64_t>(host.number("max_lag"))),
      max_position_age(host.duration("max_position_age")),
      min_free_disk(host.number("min_free_disk")),
      min_members(host.number("min_members")),
      strict(host.text("durability") == "strict"),
      kill_writers(host.flag("kill_writers")),
      manual_rejoin(host.text("rejoin") == "manual"),
      donor_passes(host.text("donor") == "pass"),
      schema(host.text("schema")) {
  for (const std::string& text : host.list("member")) {
    std::string error;
    members.push_back(parse_member(text, error));
    if (!error.empty()) throw plugin::Failure(plugin::Status::kConfig, "member \"" + text + "\": " + error);
  }
  const bool check = !host.acts() && !check_user.empty();
  const bool drive = !check && !drive_user.empty();
  login =
      drive ? Login{drive_user, host.text("drive_password_file")} : Login{check_user, host.text("check_password_file")};
  tls = {.tls = tls_word(host.text("tls")),
         .ca = host.text("tls_ca"),
         .certificate = host.text("tls_cert"),
         .key = secret_path(host.text("tls_key"))};
  replication_tls = {.tls = tls_word(host.has("replication_tls") ? host.text("replication_tls") : host.text("tls")),
                     .ca = host.has("replication_tls_ca") ? host.text("replication_tls_ca") : host.text("tls_ca"),
                     .certificate = host.text("replication_tls_cert"),
                     .key = host.text("replication_tls_key")};
}

const Member& Settings::own() const {
  const auto found =
      std::find_if(members.begin(), members.end(), [&](const Member& member) { return member.host == host_name; });
  if (found == members.end()) {
    throw plugin::Failure(plugin::Status::kConfig, "no `member` entry is for this host, " + host_name);
  }
  return *found;
}

const Member* Settings::peer(const std::string& target) const {
  const Member* only = nullptr;
  for (const Member& member : members) {
    if (member.host == host_name) continue;
    if (member.host == target) return &member;
    if (target.empty()) {
      if (only != nullptr) return nullptr;
      only = &member;
    }
  }
  return only;
}

void Settings::check(const Host& host) {
  std::vector<Member> members;
  check_members(host, members);
  const bool own =
      std::any_of(members.begin(), members.end(), [&](const Member& one) { return one.host == host.host_name(); });
  if (!own) host.complain("member", "no entry is for this host, " + host.host_name());
  if (host.text("mode") == "drive" && members.size() < 2) {
    host.complain("member", "mode = drive needs an entry for each host of the pair");
  }
  if (host.text("mode") == "follow" && members.size() == 2) {
    host.log(BATON_LOG_WARNING, "two members lose their quorum when one of them crashes: add a third, or garbd");
  }
  check_logins(host);
  if (!is_name(host.text("schema"))) host.complain("schema", "letters, digits and _ only");
  if (host.text("tls") == "no") {
    for (const char* name : {"tls_ca", "tls_cert", "tls_key"}) {
      if (host.has(name)) host.complain(name, "is of no use with `tls = no`");
    }
  }
  if (host.text("tls") == "verify" && !host.has("tls_ca")) {
    host.complain("tls_ca", "tls = verify needs the authorities that have signed the servers' certificates");
  }
  if (host.has("tls_cert") != host.has("tls_key")) host.complain(nullptr, "tls_cert and tls_key belong together");
  if (host.has("replication_tls_cert") != host.has("replication_tls_key")) {
    host.complain(nullptr, "replication_tls_cert and replication_tls_key belong together");
  }
}

}  // namespace baton::mysql
