// SPDX-License-Identifier: GPL-2.0-or-later
//
// The keys of the `mysql` module, read once: who the members are, who logs in as what, and which bounds hold. Refuses
// what cannot be right before anything is connected to.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <plugin.hpp>
#include <string>
#include <vector>

namespace baton::mysql {

struct Member {
  std::string host;  ///< as Baton knows it
  std::string address;
  std::uint16_t port = 3306;

  std::string place() const;  ///< "10.0.0.1:3306", "[fd00::1]:3306"
};

enum class Tls { kNo, kYes, kVerify };

struct TlsFiles {
  Tls tls = Tls::kNo;
  std::string ca;
  std::string certificate;
  std::string key;  ///< a path; see secret_path()
};

struct Login {
  std::string user;
  std::string password;
};

struct Settings {
  explicit Settings(const plugin::Host& host);
  static void check(const plugin::Host& host);

  const Member& own() const;
  /// The member of that name; of a pair the other one for "". nullptr: there is none.
  const Member* peer(const std::string& target) const;

  std::string host_name;
  bool follow = false;
  std::string cluster;  ///< auto, galera, group_replication
  std::vector<Member> members;
  std::string socket;
  Login login;  ///< of the check user in a process that probes, else of the drive user
  std::string check_user;
  std::string drive_user;
  Login replication;
  TlsFiles tls;
  TlsFiles replication_tls;
  std::chrono::nanoseconds connect_timeout;
  std::chrono::nanoseconds query_timeout;
  std::chrono::nanoseconds drain_timeout;
  std::chrono::nanoseconds settle;
  std::chrono::nanoseconds lag_warning;
  std::uint64_t max_lag = 0;  ///< transactions
  std::chrono::nanoseconds max_position_age{0};
  std::int64_t min_free_disk = 0;
  std::int64_t min_members = 0;
  bool strict = false;
  bool kill_writers = true;
  bool manual_rejoin = false;
  bool donor_passes = true;
  std::string schema;
};

/// `HOST ADDRESS[:PORT]`; `error` says what is wrong with it, else it is "".
Member parse_member(const std::string& text, std::string& error);

}  // namespace baton::mysql
