// SPDX-License-Identifier: MIT
// role_file: an action in C++20. Keeps a file that exists while this host is Active; the check tells whether it is
// there.
#include <baton/plugin.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

using namespace baton::plugin;

class RoleFile {
 public:
  explicit RoleFile(const Host& host) : path_(host.text("path")) {}

  Result probe(const Call&) {
    std::error_code error;
    const bool is_there = std::filesystem::exists(path_, error);
    if (error) return unknown("cannot look at " + path_ + ": " + error.message());
    return is_there ? pass(path_ + " is there") : fail(path_ + " is not there");
  }

  // Acts may be repeated at any time: what is done already is done.
  Result enter(const Call& call) {
    std::ofstream file(path_, std::ios::trunc);
    file << call.instance() << '\n' << std::flush;
    if (!file) throw Failure(Status::kConfig, "cannot write " + path_ + ": " + std::strerror(errno));
    return done(path_ + " written");
  }

  Result leave(const Call&) {
    std::error_code error;
    std::filesystem::remove(path_, error);
    if (error) throw Failure(Status::kTransient, "cannot remove " + path_ + ": " + error.message());
    return done(path_ + " removed");
  }

 private:
  std::string path_;
};

constexpr baton_key kKeys[] = {key("path", BATON_KEY_PATH, "The file.", nullptr, BATON_KEY_REQUIRED)};

BATON_PLUGIN(RoleFile,
             About{.name = "role_file", .version = "1.0", .summary = "A file that exists on the Active", .keys = kKeys})
