// The addresses that we hold, in a file: for kernels that keep no IFA_PROTO, and for people. Written before an address
// is added and after it was removed. A journal that cannot be written stops nothing (F51): it says so, and is written
// whole again when it can be.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "linux/ownership.h"
#include "posix/fd.h"

namespace baton::linux {

struct JournalEntry {
  std::string interface;
  Holding holding;
  auto operator<=>(const JournalEntry&) const = default;
};

class Journal {
 public:
  /// Reads file `addresses` in `directory` (borrowed; -1: a journal that keeps nothing). A missing file is an empty
  /// one; lines that cannot be read (torn by a crash) are left out.
  static Journal load(int directory);

  const std::set<JournalEntry>& entries() const { return entries_; }
  void add(const JournalEntry& entry);
  void remove(const JournalEntry& entry);
  /// Writes what changed. 0 or the errno.
  int flush();

 private:
  explicit Journal(posix::Fd directory) : directory_(std::move(directory)) {}
  bool append();
  bool rewrite();

  posix::Fd directory_;
  posix::Fd file_;
  std::set<JournalEntry> entries_;
  std::string unwritten_;
  std::size_t lines_ = 0;
  bool damaged_ = false;  ///< the file is not what entries_ says and must be written whole
};

/// "+ 3 eth0 10.0.0.50/24" adds, "- ..." removes. Pure; later lines win.
std::set<JournalEntry> parse_journal(std::string_view text);

}  // namespace baton::linux
