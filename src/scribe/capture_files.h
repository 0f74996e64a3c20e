// The flight recorder's files: `captures/TIME-FIRST-LAST.pcapng` in the state directory, TIME in UTC, FIRST and LAST
// the numbers of the history's records that the capture belongs to. Decides how many there are; the oldest are deleted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "posix/fd.h"

namespace baton::scribe {

struct CaptureName {
  std::int64_t time_s = 0;  ///< of the first record, seconds since 1970
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  bool operator==(const CaptureName&) const = default;

  /// "20261122T091202Z-123-130.pcapng".
  std::string text() const;
  /// nullopt for what text() does not write.
  static std::optional<CaptureName> parse(std::string_view text);
};

class CaptureFiles {
 public:
  struct Limits {
    std::size_t files = 100;
    std::uint64_t bytes = 64u << 20;
  };

  /// Makes the folder if it is missing, and reads what is there. `state_directory` stays the caller's. Never fails:
  /// without a folder nothing can be saved, and save() says why.
  CaptureFiles(int state_directory, Limits limits);

  /// Whole or not at all, mode 0600: VRRPv2 passwords travel in clear text. Not fsynced: a power cut may take a
  /// capture, never an answer to the engine. Then the oldest beyond the limits go.
  Result<void> save(const CaptureName& name, ConstBytes bytes);
  /// "captures/NAME" of the record with this number and time, if the file is still there; else "". Numbers alone do not
  /// do: a history that was lost counts from 1 again.
  std::string find(std::uint64_t sequence, std::int64_t wall_clock_ns) const;

 private:
  struct File {
    CaptureName name;
    std::uint64_t size = 0;
  };
  void load();
  void make_room();

  posix::Fd folder_;
  Limits limits_;
  std::vector<File> files_;  ///< oldest first
};

}  // namespace baton::scribe
