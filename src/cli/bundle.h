// A support bundle while it is being filled: each file without secrets, and a manifest of what is there, what is not,
// and why. Pure.
#pragma once

#include <string>
#include <vector>

#include "cli/archive.h"
#include "cli/connection.h"
#include "cli/scrub.h"

namespace baton::cli {

class Bundle {
 public:
  /// `directory`: what all files stand in, once unpacked.
  Bundle(std::string directory, Scrubber scrubber) : directory_(std::move(directory)), scrubber_(std::move(scrubber)) {}

  /// `what` for people. `trouble`: why it is not all there; "" if it is.
  void add(const std::string& name, const std::string& what, std::string_view text, const std::string& trouble = {});
  void add_json(const std::string& name, const std::string& what, const Json& document);
  /// It could not be had.
  void miss(const std::string& name, const std::string& what, const std::string& why);

  /// `head`: lines that come first.
  std::string manifest(const std::string& head) const;
  /// [{"name","what","bytes","trouble"}]; bytes null: it is not there.
  Json manifest_json() const;
  /// Everything, the manifest first.
  std::vector<ArchiveFile> files(const std::string& head) const;

 private:
  struct Entry {
    std::string name;
    std::string what;
    std::string text;
    std::string trouble;
    bool there = true;
  };
  std::string directory_;
  Scrubber scrubber_;
  std::vector<Entry> entries_;
};

}  // namespace baton::cli
