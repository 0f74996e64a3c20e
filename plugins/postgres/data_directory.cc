// SPDX-License-Identifier: GPL-2.0-or-later
//
// data_directory.cc: reads and writes files of a PostgreSQL cluster. What is written is on disk before the next step:
// each file is written beside, synced, renamed, and its directory synced.
#include "postgres/data_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <set>
#include <sstream>
#include <string_view>

#include "common/command.h"
#include "common/text_file.h"

namespace baton_postgres {
namespace {

using baton::plugin::Call;
using baton::plugin::CommandResult;

constexpr std::size_t kMostText = 1 << 20;
constexpr std::size_t kMostListing = 16 << 20;
constexpr std::uint64_t kUsualSegment = 16 << 20;

[[noreturn]] void fail_file(const std::string& path, int error, const std::string& doing) {
  const bool mend = error == EACCES || error == EPERM || error == ENOENT;
  const char* cause = error == ENOSPC || error == EROFS || error == EIO || error == EDQUOT ? "disk" : "file";
  throw Trouble(mend ? Status::kConfig : Status::kTransient, cause,
                "cannot " + doing + " " + path + ": " + std::strerror(error));
}

void sync_path(const std::string& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
  if (descriptor < 0) fail_file(path, errno, "open");
  const int result = ::fsync(descriptor);
  const int error = errno;
  ::close(descriptor);
  if (result != 0) fail_file(path, error, "sync");
}

void write_all(const std::string& path, const std::string& text) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) fail_file(path, errno, "write");
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(descriptor, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int error = errno;
      ::close(descriptor);
      fail_file(path, error, "write");
    }
    done += static_cast<std::size_t>(count);
  }
  const int result = ::fsync(descriptor);
  const int error = errno;
  ::close(descriptor);
  if (result != 0) fail_file(path, error, "sync");
}

/// `host:port:database:user:password` with : and \ escaped.
std::string password_field(const std::string& text) {
  std::string safe;
  for (const char letter : text) {
    if (letter == ':' || letter == '\\') safe += '\\';
    safe += letter;
  }
  return safe;
}

std::string quoted(const std::string& text, std::string_view quote) {
  std::string safe = "'";
  for (const char letter : text) {
    if (letter == '\'') {
      safe += quote;
    } else if (letter == '\\') {
      safe += "\\\\";
    } else {
      safe += letter;
    }
  }
  return safe + "'";
}
/// A value in a conninfo.
std::string quoted_value(const std::string& text) { return quoted(text, "\\'"); }
/// A value in a line of postgresql.auto.conf.
std::string quoted_setting(const std::string& text) { return quoted(text, "''"); }

std::string value_of(const std::string& text, const std::string& label) {
  const std::size_t at = text.find(label + ":");
  if (at == std::string::npos) return {};
  const std::size_t begin = text.find_first_not_of(" \t", at + label.size() + 1);
  return begin == std::string::npos ? std::string{} : text.substr(begin, text.find('\n', begin) - begin);
}

std::string history_name(std::uint32_t timeline) {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "pg_wal/%08X.history", timeline);
  return name.data();
}

/// Copies a file, if there is one, into a directory, and has it on disk.
void keep_file(const std::filesystem::path& source, const std::string& directory) {
  std::error_code error;
  if (!std::filesystem::exists(source, error)) return;
  const std::string copy = directory + "/" + source.filename().string();
  std::filesystem::copy_file(source, copy, std::filesystem::copy_options::overwrite_existing, error);
  if (error) fail_file(copy, error.value(), "write");
  sync_path(copy, O_RDONLY);
}

CommandResult run(const Call& call, const std::vector<std::string>& argv, std::size_t limit = 65536) {
  return baton::plugin::run_command({.argv = argv, .environment = {}, .directory = "/", .output_limit = limit},
                                    baton::plugin::command_limits(call));
}

}  // namespace

std::optional<pid_t> DataDirectory::postmaster() const {
  const auto file = baton::plugin::read_text_file(in("postmaster.pid"), kMostText);
  if (!file.error.empty()) {
    if (!exists("PG_VERSION")) fail_file(in("PG_VERSION"), errno == 0 ? ENOENT : errno, "read");
    return std::nullopt;
  }
  const long number = std::strtol(file.text.c_str(), nullptr, 10);
  if (number <= 0) return std::nullopt;
  const auto pid = static_cast<pid_t>(number);
  if (::kill(pid, 0) != 0 && errno == ESRCH) return std::nullopt;
  // After a crash of the host the number may be another program's; one that has ended may wait for its parent.
  const auto about = baton::plugin::read_text_file("/proc/" + std::to_string(pid) + "/stat", 4096);
  if (about.error.empty() && about.text.find("(postgres)") == std::string::npos) return std::nullopt;
  if (about.text.find(") Z ") != std::string::npos) return std::nullopt;
  return pid;
}

std::vector<pid_t> DataDirectory::server_processes(pid_t postmaster) const {
  const std::string number = std::to_string(postmaster);
  std::istringstream words{
      baton::plugin::read_text_file("/proc/" + number + "/task/" + number + "/children", kMostText).text};
  std::vector<pid_t> all{postmaster};
  for (pid_t child = 0; words >> child;) all.push_back(child);
  return all;
}

ControlData DataDirectory::control(const Call& call) const {
  const CommandResult result = run(call, {settings_.bin_directory + "/pg_controldata", "-D", path_});
  if (!result.succeeded()) {
    const std::string said = result.error_output.empty() ? result.start_trouble : result.error_output;
    throw Trouble(result.status(), "control", "pg_controldata " + path_ + " " + result.end_words() + ": " + said);
  }
  ControlData data{.state = value_of(result.output, "Database cluster state"),
                   .system = value_of(result.output, "Database system identifier")};
  data.checkpoint = parse_lsn(value_of(result.output, "Latest checkpoint location")).value_or(0);
  data.timeline = static_cast<std::uint32_t>(
      std::strtoul(value_of(result.output, "Latest checkpoint's TimeLineID").c_str(), nullptr, 10));
  data.segment_size = std::strtoull(value_of(result.output, "Bytes per WAL segment").c_str(), nullptr, 10);
  if (data.segment_size == 0) data.segment_size = kUsualSegment;
  return data;
}

bool DataDirectory::exists(const std::string& name) const {
  struct stat found {};
  return ::stat(in(name).c_str(), &found) == 0;
}

void DataDirectory::guard_boot() const {
  if (!boot_guarded()) write("standby.signal", "");
}

void DataDirectory::remove_boot_guard() const { remove("standby.signal"); }

void DataDirectory::remove(const std::string& name) const {
  if (::unlink(in(name).c_str()) != 0 && errno != ENOENT) fail_file(in(name), errno, "remove");
  sync_path(path_, O_RDONLY | O_DIRECTORY);
}

void DataDirectory::write(const std::string& name, const std::string& text) const {
  const std::string beside = in(name) + ".baton-new";
  write_all(beside, text);
  if (::rename(beside.c_str(), in(name).c_str()) != 0) fail_file(in(name), errno, "write");
  sync_path(path_, O_RDONLY | O_DIRECTORY);
}

std::string DataDirectory::read(const std::string& name) const {
  return baton::plugin::read_text_file(in(name), kMostText).text;
}

void DataDirectory::set_upstream(const std::string& conninfo) const {
  const auto file = baton::plugin::read_text_file(in("postgresql.auto.conf"), kMostText);
  if (!file.error.empty() && exists("postgresql.auto.conf")) throw Trouble(Status::kConfig, "file", file.error);
  std::istringstream lines{file.text};
  std::string text;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t begin = line.find_first_not_of(" \t");
    if (begin != std::string::npos && line.compare(begin, 16, "primary_conninfo") == 0) continue;
    text += line + "\n";
  }
  text += "primary_conninfo = " + quoted_setting(conninfo) + "\n";
  write("postgresql.auto.conf", text);
}

bool DataDirectory::has_upstream() const {
  return read("postgresql.auto.conf").find("primary_conninfo = 'host=") != std::string::npos;
}

std::string DataDirectory::write_password_file(const std::string& name, const Endpoint& endpoint,
                                               const std::string& database, const std::string& user,
                                               const std::string& password) const {
  write(name, password_field(endpoint.address) + ":" + std::to_string(endpoint.port) + ":" + password_field(database) +
                  ":" + password_field(user) + ":" + password_field(password) + "\n");
  return in(name);
}

std::string DataDirectory::tls_words() const {
  const Tls& tls = settings_.tls;
  if (tls.mode == "no") return " sslmode=disable";
  // A file that cannot be, rather than what may lie in somebody's home directory.
  const auto file = [](const std::string& path) { return quoted_value(path.empty() ? "/dev/null/none" : path); };
  std::string text = tls.mode == "verify" ? " sslmode=verify-full" : " sslmode=require";
  text += " sslrootcert=" + file(tls.ca) + " sslcert=" + file(tls.certificate);
  if (!tls.key.empty()) text += " sslkey=" + file(tls.key);
  return text;
}

std::string DataDirectory::conninfo_of(const Member& target) const {
  std::string text = "host=" + quoted_value(target.endpoint.address) + " port=" + std::to_string(target.endpoint.port) +
                     " user=" + quoted_value(settings_.replication_user) +
                     " application_name=" + quoted_value(settings_.host_name);
  if (!settings_.replication_password.empty()) {
    const std::string file = write_password_file("baton.pgpass", target.endpoint, "replication",
                                                 settings_.replication_user, settings_.replication_password);
    text += " passfile=" + quoted_value(file);
  }
  text += tls_words();
  return text;
}

std::uint32_t DataDirectory::timeline_at(Lsn end, std::uint32_t at_least, std::uint64_t segment_size) const {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory{::opendir(in("pg_wal").c_str()), &::closedir};
  if (!directory) fail_file(in("pg_wal"), errno, "read");
  std::uint32_t newest = at_least;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (name.size() != 24 || name.find_first_not_of("0123456789ABCDEF") != std::string::npos) continue;
    const auto timeline = static_cast<std::uint32_t>(std::strtoul(name.substr(0, 8).c_str(), nullptr, 16));
    if (name == segment_name(timeline, end == 0 ? 0 : end - 1, segment_size)) newest = std::max(newest, timeline);
  }
  return newest;
}

std::vector<Fork> DataDirectory::forks_of(std::uint32_t timeline) const {
  if (timeline <= 1) return {};
  const auto file = baton::plugin::read_text_file(in(history_name(timeline)), kMostText);
  const auto forks = file.error.empty() ? parse_history(file.text) : std::nullopt;
  if (!forks) {
    throw Trouble(Status::kConflict, "history",
                  "the history of the own timeline " + std::to_string(timeline) + " cannot be read" +
                      (file.error.empty() ? "" : ": " + file.error));
  }
  return *forks;
}

std::string DataDirectory::record_at(const Call& call, std::uint32_t timeline, Lsn at) const {
  const CommandResult result = run(call, {settings_.bin_directory + "/pg_waldump", "-p", in("pg_wal"), "-t",
                                          std::to_string(timeline), "-s", lsn_words(at), "-n", "1"});
  if (result.end != baton::plugin::CommandEnd::kExited) {
    throw Trouble(result.status(), "control", "pg_waldump " + result.end_words() + " " + result.start_trouble);
  }
  // It shows the next record if none begins exactly there.
  if (result.output.find("lsn: ") == std::string::npos) return {};
  const std::size_t begin = result.output.find("lsn: ") + 5;
  const auto shown = parse_lsn(result.output.substr(begin, result.output.find(',', begin) - begin));
  const std::size_t description = result.output.find("desc: ");
  if (!shown || *shown != at || description == std::string::npos) return {};
  return result.output.substr(description + 6, result.output.find('\n', description) - description - 6);
}

std::optional<std::size_t> DataDirectory::transactions_between(const Call& call, std::uint32_t timeline, Lsn from,
                                                               Lsn to) const {
  const CommandResult listing = run(call,
                                    {settings_.bin_directory + "/pg_waldump", "-p", in("pg_wal"), "-t",
                                     std::to_string(timeline), "-s", lsn_words(from), "-e", lsn_words(to)},
                                    kMostListing);
  if (!listing.succeeded() || listing.output_cut) return std::nullopt;
  std::set<std::string> messages;  // transactions whose only records so far are messages of probes
  std::set<std::string> changes;
  std::size_t committed = 0;
  std::istringstream lines{listing.output};
  for (std::string line; std::getline(lines, line);) {
    const std::size_t at = line.find(" tx: ");
    const std::size_t description = line.find(" desc: ");
    if (at == std::string::npos || description == std::string::npos) return std::nullopt;
    const std::size_t begin = line.find_first_not_of(' ', at + 5);
    const std::string transaction = line.substr(begin, line.find(',', begin) - begin);
    const std::string words = line.substr(description + 7);
    if (line.starts_with("rmgr: LogicalMessage") && words.find("prefix \"baton\"") != std::string::npos) {
      messages.insert(transaction);
    } else if (line.starts_with("rmgr: Transaction") && (words.starts_with("COMMIT") || words.starts_with("PREPARE"))) {
      const bool probe = messages.contains(transaction) && !changes.contains(transaction) &&
                         words.find("subxacts") == std::string::npos;
      if (!probe) ++committed;
    } else {
      changes.insert(transaction);
    }
  }
  return committed;
}

std::int64_t DataDirectory::free_bytes() const {
  struct statvfs room {};
  if (::statvfs(in("pg_wal").c_str(), &room) != 0) fail_file(in("pg_wal"), errno, "look at");
  return static_cast<std::int64_t>(room.f_bavail) * static_cast<std::int64_t>(room.f_frsize);
}

std::string DataDirectory::keep_tail(const Call& call, std::uint32_t timeline, Lsn from, Lsn to,
                                     std::uint64_t segment_size) const {
  const std::string directory = settings_.keep_directory + "/" + segment_name(timeline, from, segment_size) + "-" +
                                std::to_string(::time(nullptr));
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) fail_file(directory, error.value(), "make");
  // Of older timelines, too: the two may have parted before its last promotion.
  for (std::uint32_t one = 1; one <= timeline; ++one) {
    for (Lsn at = from - from % segment_size; at < to; at += segment_size) {
      keep_file(in("pg_wal/" + segment_name(one, at, segment_size)), directory);
    }
    keep_file(in(history_name(one)), directory);
  }
  const CommandResult listing = run(call,
                                    {settings_.bin_directory + "/pg_waldump", "-p", directory, "-t",
                                     std::to_string(timeline), "-s", lsn_words(from), "-e", lsn_words(to)},
                                    8 << 20);
  write_all(directory + "/records.txt", "The write-ahead log of timeline " + std::to_string(timeline) + " from " +
                                            lsn_words(from) + " to " + lsn_words(to) +
                                            ", which no other server has.\n" + listing.output);
  sync_path(directory, O_RDONLY | O_DIRECTORY);
  return directory;
}

}  // namespace baton_postgres
