// The processes of the running daemon as /proc shows them, and which programs of this host have raw VRRP sockets. For
// batonctl. What may not be read (another user's process without root) is said, not guessed.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::linux {

struct SurveyedProcess {
  pid_t pid = 0;
  std::string name;                                 ///< as ps shows it: "batond", "baton-engine"
  std::optional<std::uint64_t> capabilities = {};   ///< effective
  bool readable = false;                            ///< whether the two below could be looked up
  bool old_program = false;                         ///< its executable was replaced or deleted since it was started
  std::vector<std::string> deleted_libraries = {};  ///< mapped, but replaced or deleted on disk
};

/// The daemon that holds the listening control socket and all its descendants, the daemon itself first. `any`: the pid
/// of one of them.
std::vector<SurveyedProcess> survey_family(pid_t any);

/// Whether the process is in this process' network namespace; nullopt: it cannot be seen.
std::optional<bool> in_this_network(pid_t pid);

struct RawSpeaker {
  pid_t pid = 0;
  std::string name;
  bool operator==(const RawSpeaker&) const = default;
};
/// Who has raw sockets of protocol 112 in this network namespace, besides `family`. Without root only one's own
/// processes can be seen.
std::vector<RawSpeaker> raw_speakers(const std::vector<SurveyedProcess>& family);

/// The files in the text of /proc/PID/maps that are mapped but gone: shared libraries only. Pure.
std::vector<std::string> deleted_libraries(std::string_view maps);

}  // namespace baton::linux
