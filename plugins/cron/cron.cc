// SPDX-License-Identifier: GPL-2.0-or-later
//
// cron: jobs that run only where this host is Active: a fragment in /etc/cron.d, there from enter to leave. Never
// touches a file that does not begin with its own header.
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

#include "common/text_file.h"
#include "crontab.h"
#include "plugin.hpp"

namespace {

using baton::plugin::Call;
using baton::plugin::Failure;
using baton::plugin::Host;
using baton::plugin::Result;
using baton::plugin::Status;

constexpr std::size_t kMostContent = 65536;

constexpr baton_key kKeys[] = {
    baton::plugin::key("job", BATON_KEY_TEXT,
                       "A line of the fragment: five fields or @daily and its like, a user, a command.", nullptr,
                       BATON_KEY_LIST, "*/5 * * * * www-data /usr/local/bin/collect"),
    baton::plugin::key("source", BATON_KEY_PATH, "In place of `job`: the file whose lines are installed."),
    baton::plugin::key("directory", BATON_KEY_PATH, "Where cron looks for fragments.", "/etc/cron.d"),
    baton::plugin::key("file", BATON_KEY_TEXT, "The fragment's name. Without: baton-SECTION.", nullptr, 0,
                       "baton-jobs"),
    baton::plugin::key("wanted", BATON_KEY_WORD,
                       "As a check: whether the fragment has to be there. any: only that it is whole if it is.", "any",
                       0, "any|installed|absent"),
};

bool is_cron_name(const std::string& name) {
  return !name.empty() && name.size() <= 200 && std::all_of(name.begin(), name.end(), [](unsigned char letter) {
    return std::isalnum(letter) != 0 || letter == '-' || letter == '_';
  });
}

std::string name_of(const Host& host) { return host.has("file") ? host.text("file") : "baton-" + host.section(); }

class Cron {
 public:
  explicit Cron(const Host& host)
      : jobs_(host.list("job")),
        source_(host.text("source")),
        section_(host.section()),
        directory_(host.text("directory")),
        path_(directory_ + "/" + name_of(host)),
        new_path_(directory_ + "/." + name_of(host) + ".new"),  // cron passes over names with a dot
        wanted_(host.text("wanted")),
        header_("# Written by Baton for [plugin " + section_ +
                "], there only while this host is Active. Do not edit.\n") {}

  static void check_settings(const Host& host);
  Result probe(const Call& call);
  Result enter(const Call& call);
  Result leave(const Call& call);

 private:
  enum class Standing { kAbsent, kWhole, kOther, kForeign };
  std::string content() const;
  Standing standing(const std::string& content) const;
  void write(const std::string& content) const;
  void settle() const;
  [[noreturn]] void refuse(const std::string& what, int error) const;
  [[noreturn]] void refuse_foreign() const {
    throw Failure(Status::kConfig,
                  path_ + " does not begin with Baton's header: it is somebody else's, and stays as it is");
  }

  std::vector<std::string> jobs_;
  std::string source_;
  std::string section_;
  std::string directory_;
  std::string path_;
  std::string new_path_;
  std::string wanted_;
  std::string header_;
};

void Cron::check_settings(const Host& host) {
  if (host.has("job") == host.has("source")) host.complain(nullptr, "wants either job or source");
  for (const std::string& job : host.list("job")) {
    std::string user;
    const std::string trouble = baton_cron::job_trouble(job, &user);
    if (!trouble.empty()) host.complain("job", "'" + job + "': " + trouble);
  }
  if (!is_cron_name(name_of(host))) {
    host.complain("file", "'" + name_of(host) + "': cron passes over names with other than letters, digits, - and _");
  }
}

void Cron::refuse(const std::string& what, int error) const {
  if (error == EROFS) {
    throw Failure(Status::kConfig, what + ": the file system is read-only for this service; under systemd, " +
                                       "`systemctl edit baton` and write ReadWritePaths=" + directory_ +
                                       " below [Service]");
  }
  const bool right = error == EACCES || error == EPERM;
  std::string words = what + ": " + std::strerror(error);
  if (right) words += "; write `user = root` into [plugin " + section_ + "]";
  if (error == ENOENT) words += "; is cron installed?";
  throw Failure(right || error == ENOENT || error == ENOTDIR ? Status::kConfig : Status::kTransient, words);
}

/// What shall stand in the fragment. Throws if cron would not take it.
std::string Cron::content() const {
  std::vector<std::string> lines = jobs_;
  if (!source_.empty()) {
    const baton::plugin::TextFile file = baton::plugin::read_text_file(source_, kMostContent);
    if (!file.error.empty()) throw Failure(Status::kConfig, file.error);
    lines.clear();
    std::istringstream text{file.text};
    for (std::string line; std::getline(text, line);) lines.push_back(line);
  }
  std::string all = header_;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string where = source_.empty() ? "job" : source_ + ":" + std::to_string(i + 1);
    std::string user;
    const std::string trouble = baton_cron::line_trouble(lines[i], &user);
    if (!trouble.empty()) throw Failure(Status::kConfig, where + ": " + trouble);
    if (!user.empty() && ::getpwnam(user.c_str()) == nullptr) {
      throw Failure(Status::kConfig,
                    where + ": there is no user " + user + " on this host; cron would leave out the file");
    }
    all += lines[i] + "\n";
  }
  return all;
}

Cron::Standing Cron::standing(const std::string& content) const {
  struct stat status {};
  if (::lstat(path_.c_str(), &status) != 0) {
    if (errno == ENOENT && ::stat(directory_.c_str(), &status) == 0) return Standing::kAbsent;
    refuse(path_, errno);
  }
  if (!S_ISREG(status.st_mode)) return Standing::kForeign;
  const baton::plugin::TextFile file = baton::plugin::read_text_file(path_, 2 * kMostContent);
  if (!file.error.empty()) refuse("cannot read " + path_, errno);
  if (!file.text.starts_with(header_)) return Standing::kForeign;
  const bool whole = file.text == content && (status.st_mode & 07777) == 0644 && status.st_uid == ::geteuid();
  return whole ? Standing::kWhole : Standing::kOther;
}

/// The directory's change outlives a crash.
void Cron::settle() const {
  const int directory = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) refuse(directory_, errno);
  const int error = ::fsync(directory) == 0 ? 0 : errno;
  ::close(directory);
  if (error != 0) refuse("fsync " + directory_, error);
}

void Cron::write(const std::string& content) const {
  ::unlink(new_path_.c_str());  // of a run that ended half-way
  const int file = ::open(new_path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) refuse("cannot create " + new_path_, errno);
  int error = 0;
  for (std::size_t done = 0; error == 0 && done < content.size();) {
    const ssize_t count = ::write(file, content.data() + done, content.size() - done);
    if (count < 0 && errno != EINTR) error = errno;
    if (count > 0) done += static_cast<std::size_t>(count);
  }
  if (error == 0 && ::fchmod(file, 0644) != 0) error = errno;
  if (error == 0 && ::fsync(file) != 0) error = errno;
  if (::close(file) != 0 && error == 0) error = errno;
  if (error == 0 && ::rename(new_path_.c_str(), path_.c_str()) != 0) error = errno;
  if (error == 0) return settle();
  ::unlink(new_path_.c_str());
  refuse("cannot write " + path_, error);
}

Result Cron::enter(const Call&) {
  const std::string wanted = content();
  const Standing now = standing(wanted);
  if (now == Standing::kForeign) refuse_foreign();
  if (now == Standing::kWhole) return baton::plugin::done(path_ + " was installed already");
  write(wanted);
  if (standing(wanted) != Standing::kWhole) {
    return baton::plugin::failed(Status::kFatal, path_ + " is not what was written a moment ago");
  }
  return baton::plugin::done((now == Standing::kAbsent ? "installed " : "renewed ") + path_);
}

Result Cron::leave(const Call&) {
  const Standing now = standing({});
  if (now == Standing::kForeign) refuse_foreign();
  ::unlink(new_path_.c_str());
  if (now == Standing::kAbsent) return baton::plugin::done(path_ + " was not installed");
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT) refuse("cannot remove " + path_, errno);
  settle();
  if (standing({}) != Standing::kAbsent)
    return baton::plugin::failed(Status::kFatal, path_ + " is back after it was removed");
  return baton::plugin::done("removed " + path_);
}

Result Cron::probe(const Call&) {
  const std::string content = this->content();
  struct stat status {};
  Standing now = standing(content);
  // Written by another user's act than the one that looks now: root's is as good.
  if (now == Standing::kOther && ::lstat(path_.c_str(), &status) == 0 && status.st_uid == 0 &&
      (status.st_mode & 07777) == 0644 && baton::plugin::read_text_file(path_, 2 * kMostContent).text == content) {
    now = Standing::kWhole;
  }
  const auto failing = [](const std::string& sentence, const char* cause) {
    return baton::plugin::fail(sentence).fact("cause", cause);
  };
  Result result;
  switch (now) {
    case Standing::kForeign: result = failing(path_ + " is not Baton's", "foreign"); break;
    case Standing::kOther: result = failing(path_ + " is not as the configuration has it", "content"); break;
    case Standing::kAbsent:
      result = wanted_ == "installed" ? failing(path_ + " is not installed", "missing")
                                      : baton::plugin::pass(path_ + " is not installed");
      break;
    case Standing::kWhole:
      result = wanted_ == "absent" ? failing(path_ + " is installed", "present")
                                   : baton::plugin::pass(path_ + " is installed");
      break;
  }
  return result.fact("installed", now == Standing::kAbsent ? "no" : "yes");
}

constexpr const char* kManual =
    "At enter the jobs are written to /etc/cron.d/baton-SECTION, at leave the file is removed. cron sees either all of "
    "it or "
    "nothing. A file without Baton's header is never touched.\n"
    "Only root may write there: `user = root`.";

}  // namespace

BATON_PLUGIN(Cron, baton::plugin::About{.name = "cron",
                                        .version = "1",
                                        .summary = "Installs cron jobs that run only where this host is Active",
                                        .manual = kManual,
                                        .keys = kKeys})
