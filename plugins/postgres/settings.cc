// SPDX-License-Identifier: GPL-2.0-or-later
//
// settings.cc: refuses a section that could not work on one of the hosts: members that cannot be told apart, a host
// that is not among them, a control that lacks what it needs.
#include "postgres/settings.h"

#include <charconv>
#include <set>
#include <sstream>

#include "common/words.h"

namespace baton_postgres {
namespace {

using baton::plugin::Host;

std::string quoted(const std::string& text) { return "`" + text + "`"; }

bool parse_port(const std::string& text, std::uint16_t& port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && port != 0;
}

/// "10.0.0.1:5432", "[fd00::1]:5432", "fd00::1", "db1.example"
std::string split_address(const std::string& text, Endpoint& endpoint) {
  std::string port;
  if (text.starts_with("[")) {
    const std::size_t end = text.find(']');
    if (end == std::string::npos) return "its bracket is not closed";
    endpoint.address = text.substr(1, end - 1);
    if (end + 1 < text.size() && text[end + 1] != ':') return "after the bracket comes `:PORT` or nothing";
    if (end + 1 < text.size()) port = text.substr(end + 2);
    if (end + 1 < text.size() && port.empty()) return "its port is missing";
  } else if (const std::size_t colon = text.find(':'); colon != std::string::npos && text.rfind(':') == colon) {
    endpoint.address = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (port.empty()) return "its port is missing";
  } else {
    endpoint.address = text;
  }
  if (endpoint.address.empty()) return "its address is missing";
  if (endpoint.address.find('/') != std::string::npos) return "an address is wanted, not a path (see `socket`)";
  if (!port.empty() && !parse_port(port, endpoint.port)) return quoted(port) + " is no port";
  return {};
}

void check_members(const Host& host) {
  std::set<std::string> names;
  std::set<std::string> addresses;
  for (const std::string& text : host.list("member")) {
    const ParsedMember parsed = parse_member(text);
    if (!parsed.error.empty()) {
      host.complain("member", quoted(text) + ": " + parsed.error);
      continue;
    }
    if (!names.insert(parsed.member.host).second) {
      host.complain("member", "the host " + parsed.member.host + " appears twice");
    }
    const Endpoint& endpoint = parsed.member.endpoint;
    if (!addresses.insert(endpoint.address + " " + std::to_string(endpoint.port)).second) {
      host.complain("member", endpoint.words() + " has the address of another member");
    }
  }
  if (names.size() < 2) host.complain("member", "at least two members are needed, each as `HOST ADDRESS[:PORT]`");
  if (!names.empty() && !names.contains(host.host_name())) {
    host.complain("member", "this host, " + host.host_name() + ", is not among the members");
  }
}

void check_command(const Host& host, const char* key) {
  if (!host.has(key)) {
    host.complain(key, "is needed with `control = command`");
  } else if (const auto words = baton::plugin::split_command(host.text(key)); !words.error.empty()) {
    host.complain(key, words.error);
  }
}

void check_control(const Host& host) {
  const std::string control = host.text("control");
  if (control == "systemd" && !host.has("unit")) {
    host.complain("unit", "is needed with `control = systemd`, such as postgresql@15-main.service");
  }
  if (control == "pg_ctl" && !host.has("control_socket")) {
    host.complain("control_socket", "is needed with `control = pg_ctl`: where baton-postgres-control listens");
  }
  for (const char* key : {"start_command", "stop_command"}) {
    if (control == "command") check_command(host, key);
    if (control != "command" && host.has(key)) host.complain(key, "is of no use without `control = command`");
  }
}

}  // namespace

ParsedMember parse_member(const std::string& text) {
  ParsedMember parsed;
  std::istringstream words{text};
  std::string address;
  std::string more;
  words >> parsed.member.host >> address >> more;
  if (address.empty() || !more.empty()) {
    parsed.error = "is not of the form `HOST ADDRESS[:PORT]`";
    return parsed;
  }
  parsed.error = split_address(address, parsed.member.endpoint);
  parsed.member.endpoint.member = parsed.member.host;
  return parsed;
}

Settings::Settings(const Host& host)
    : host_name(host.host_name()),
      socket(host.text("socket")),
      database(host.text("database")),
      user(host.text("check_user")),
      password(host.text("check_password_file")),
      drive_user(host.text("drive_user")),
      drive_password(host.text("drive_password_file")),
      replication_user(host.text("replication_user")),
      replication_password(host.text("replication_password_file")),
      tls{.mode = host.text("tls"),
          .ca = host.text("tls_ca"),
          .certificate = host.text("tls_cert"),
          .key = host.text("tls_key")},
      connect_timeout(host.duration("connect_timeout")),
      query_timeout(host.duration("query_timeout")),
      drain_timeout(host.duration("drain_timeout")),
      link_fresh(host.duration("link_fresh")),
      max_lag(host.number("max_lag")),
      min_free(host.number("min_free")),
      strict(host.text("durability") == "strict"),
      write_test(host.flag("write_test")),
      rejoin(host.text("rejoin")),
      control(host.text("control")),
      control_socket(host.text("control_socket")),
      unit(host.text("unit")),
      start_command(host.text("start_command")),
      stop_command(host.text("stop_command")),
      data_directory(host.text("data_directory")),
      bin_directory(host.text("bin_directory")),
      keep_directory(host.has("keep_directory") ? host.text("keep_directory") : data_directory + ".baton-kept") {
  for (const std::string& text : host.list("member")) {
    ParsedMember parsed = parse_member(text);
    if (!parsed.error.empty())
      throw Trouble(Status::kConfig, "settings", "member " + quoted(text) + ": " + parsed.error);
    members.push_back(std::move(parsed.member));
  }
  if (find(host_name) == nullptr) {
    throw Trouble(Status::kConfig, "settings", "this host, " + host_name + ", is not among the members");
  }
}

const Member* Settings::find(const std::string& host) const {
  for (const Member& member : members) {
    if (member.host == host) return &member;
  }
  return nullptr;
}

const Member& Settings::own() const { return *find(host_name); }

const Member& Settings::other(const std::string& target) const {
  if (target == host_name) throw Trouble(Status::kConfig, "settings", "the target " + target + " is this host itself");
  if (!target.empty()) {
    if (const Member* named = find(target)) return *named;
    throw Trouble(Status::kConfig, "settings", "the target " + target + " is not among the members");
  }
  if (members.size() != 2) {
    throw Trouble(Status::kConfig, "settings",
                  "with " + std::to_string(members.size()) + " members a target is needed");
  }
  return members[0].host == host_name ? members[1] : members[0];
}

Endpoint Settings::local() const {
  Endpoint endpoint = own().endpoint;
  if (!socket.empty()) endpoint.address = socket;
  return endpoint;
}

void check_settings(const Host& host) {
  check_members(host);
  check_control(host);
  if (host.has("tls_cert") != host.has("tls_key")) host.complain("tls_cert", "tls_cert and tls_key belong together");
  if (host.text("tls") == "verify" && !host.has("tls_ca")) {
    host.complain("tls_ca", "is needed with `tls = verify`: the authority that signed the servers' certificates");
  }
  if (host.text("tls") == "no") {
    for (const char* key : {"tls_ca", "tls_cert"}) {
      if (host.has(key)) host.complain(key, "is of no use with `tls = no`");
    }
  }
}

}  // namespace baton_postgres
