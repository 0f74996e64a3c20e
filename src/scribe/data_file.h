// The part of this host in the roles of each instance's data, one small text file an instance in `instances/`, replaced
// atomically. A file that cannot be understood means FENCED: what this host did is not known, so an operator decides.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "ports/data_record.h"
#include "posix/fd.h"

namespace baton::scribe {

/// The file's text. `boot`: the boot id of the host.
std::string data_record_text(const ports::DataRecord& record, std::string_view boot);
/// `boot`: of now; decides same_boot.
Result<ports::DataRecord> parse_data_record(std::string_view text, std::string_view boot);

class DataFiles {
 public:
  /// `state_directory` stays the caller's. Makes the folder if it is missing.
  DataFiles(int state_directory, std::string boot);

  struct Loaded {
    std::vector<ports::DataRecord> records;
    std::vector<std::string> troubles;  ///< files that count as FENCED, and why
  };
  Loaded load() const;
  /// Blocks until it is on disk.
  Result<void> save(const ports::DataRecord& record) const;

 private:
  posix::Fd folder_;
  std::string boot_;
};

/// kernel.random.boot_id; "" if it cannot be read.
std::string boot_id();

}  // namespace baton::scribe
