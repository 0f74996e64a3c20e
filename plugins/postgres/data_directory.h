// SPDX-License-Identifier: GPL-2.0-or-later
//
// data_directory.h: the files of the local server, for acts (they run as its user). Decides nothing; never deletes
// data.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plugin.hpp"
#include "postgres/position.h"
#include "postgres/settings.h"

namespace baton_postgres {

/// What pg_controldata says.
struct ControlData {
  std::string state;  ///< "shut down", "in production", ...
  std::string system;
  Lsn checkpoint = 0;
  std::uint32_t timeline = 0;
  std::uint64_t segment_size = 0;
};

class DataDirectory {
 public:
  explicit DataDirectory(const Settings& settings) : settings_(settings), path_(settings.data_directory) {}

  const std::string& path() const { return path_; }
  /// The postmaster that runs on it; nullopt: none does.
  std::optional<pid_t> postmaster() const;
  /// The postmaster and its children.
  std::vector<pid_t> server_processes(pid_t postmaster) const;
  ControlData control(const baton::plugin::Call& call) const;
  /// From now on each start is one as a standby. Survives a crash of the host.
  void guard_boot() const;
  bool boot_guarded() const { return exists("standby.signal"); }
  void remove_boot_guard() const;
  bool exists(const std::string& name) const;

  /// primary_conninfo for a server that does not run.
  void set_upstream(const std::string& conninfo) const;
  bool has_upstream() const;
  /// The conninfo of a walreceiver that follows `target`; writes the password file that it names.
  std::string conninfo_of(const Member& target) const;
  /// The part of a conninfo that says how to encrypt.
  std::string tls_words() const;
  /// A password file for a program that is run; returns its path.
  std::string write_password_file(const std::string& name, const Endpoint& endpoint, const std::string& database,
                                  const std::string& user, const std::string& password) const;
  void remove(const std::string& name) const;
  /// A small file of ours in the data directory.
  void write(const std::string& name, const std::string& text) const;
  std::string read(const std::string& name) const;

  /// The newest timeline that has a segment for `end`, but not less than `at_least`.
  std::uint32_t timeline_at(Lsn end, std::uint32_t at_least, std::uint64_t segment_size) const;
  std::vector<Fork> forks_of(std::uint32_t timeline) const;
  /// What pg_waldump says of the record at `at`; "" if there is none.
  std::string record_at(const baton::plugin::Call& call, std::uint32_t timeline, Lsn at) const;
  /// How many transactions between the two positions have committed something; messages of our own probes are not
  /// counted. nullopt: the log could not be read to the end.
  std::optional<std::size_t> transactions_between(const baton::plugin::Call& call, std::uint32_t timeline, Lsn from,
                                                  Lsn to) const;
  /// Free bytes on the file system of the write-ahead log.
  std::int64_t free_bytes() const;
  /// Copies the segments of `timeline` from `from` to `to` aside, with a listing of their records; returns where.
  std::string keep_tail(const baton::plugin::Call& call, std::uint32_t timeline, Lsn from, Lsn to,
                        std::uint64_t segment_size) const;

 private:
  std::string in(const std::string& name) const { return path_ + "/" + name; }

  const Settings& settings_;
  std::string path_;
};

}  // namespace baton_postgres
