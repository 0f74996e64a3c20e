// The history: the last `limit` records in memory, and on disk in two files `history` and `history.1` of at most
// `limit` records each. Decides that a disk that fails costs durability, never an answer: what could not be written is
// tried again, in order.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "posix/fd.h"
#include "scribe/record.h"

namespace baton::scribe {

class History {
 public:
  /// Reads what is there: whole, undamaged records; a torn last one is cut off. `directory` is borrowed and must
  /// outlive this. Never fails: without a readable file it begins empty, and failure() tells.
  History(int directory, std::uint32_t limit);

  /// Into memory at once; to disk with the next save(). `wall_clock_ns` is stamped into the record. Returns its number.
  std::uint64_t append(const std::string& instance, const ports::Report& report, std::int64_t wall_clock_ns);
  /// Writes and fsyncs everything that is not on disk yet. False: it is not on disk; failure() says why.
  bool save();
  /// The errno of the last save or of the start; 0 = all is on disk.
  int failure() const { return failure_; }
  bool unsaved() const { return unsaved_ != 0; }

  /// The newest `limit` of `instance` ("" = all), oldest first.
  std::vector<Record> newest(std::uint32_t limit, const std::string& instance) const;
  /// Damaged records that were skipped at the start.
  std::uint64_t damaged() const { return damaged_; }

 private:
  void load(const char* name, std::size_t record_size);
  bool open_current();
  bool write_pending();
  bool rotate();

  int directory_;
  std::size_t limit_;
  std::deque<Record> records_;
  std::size_t unsaved_ = 0;  ///< at the end of records_
  std::uint64_t next_sequence_ = 1;
  std::uint64_t damaged_ = 0;
  posix::Fd file_;
  std::size_t file_records_ = 0;
  int failure_ = 0;
};

}  // namespace baton::scribe
