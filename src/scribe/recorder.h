// The flight recorder: the last seconds of VRRP, ARP and ND on each watched interface, in memory of a fixed size, and a
// file of them beside each transition. Decides that transitions close together share a file, that adverts and the rest
// have room of their own (a storm of ARP must not push the adverts out), and that trouble is a notice and nothing else.
// Foreign bytes are copied, never parsed. One thread: the scribe's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "ports/capture.h"
#include "posix/event_loop.h"
#include "scribe/capture_files.h"
#include "scribe/frame_ring.h"

namespace baton::scribe {

struct RecorderLimits {
  /// Bytes of all rings together. A capture takes as much again while it is open, and a few times that for the moment
  /// in which it is written.
  std::size_t memory = 3u << 20;
  std::size_t interfaces = 64;
  std::size_t frames_per_look = 2048;                   ///< of an interface
  Nanos between_looks = std::chrono::milliseconds{50};  ///< what comes meanwhile waits in the kernel
  Nanos aftermath = std::chrono::seconds{3};            ///< after a transition, part of its capture
  Nanos longest = std::chrono::seconds{15};             ///< from the first transition of a capture to its end
  CaptureFiles::Limits files = {};
};

class Recorder {
 public:
  /// `loop` and `state_directory` stay the caller's and outlive this. `path`: of the state directory, for messages.
  Recorder(posix::EventLoop& loop, int state_directory, std::string path, RecorderLimits limits = {});
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  /// Records `interface` from now on, `window` back from a transition. The same again: only the window changes if
  /// `port` is null.
  void watch(const std::string& interface, Nanos window, std::unique_ptr<ports::CapturePort> port);
  void forget(const std::string& interface);

  /// No frame is in two captures: one that begins soon after another goes on where that ended.
  /// The history's record `sequence`, a transition, happened at `at`. `title`: words for the file.
  void transition(Instant now, Instant at, std::uint64_t sequence, std::int64_t wall_clock_ns, std::string_view title);
  /// When tick() is due; nullopt: not until something happens.
  std::optional<Instant> next_deadline() const;
  void tick(Instant now);
  /// The scribe ends: what is open is written as it stands. Turns the loop for the ports' delay.
  void finish(Instant now);

  /// Full path of the capture of a record; "" if there is none, or not yet.
  std::string find(std::uint64_t sequence, std::int64_t wall_clock_ns) const;

 private:
  struct Link {
    std::unique_ptr<ports::CapturePort> port;
    FrameRing adverts;
    FrameRing neighbours;
    std::optional<Instant> look_at = {};  ///< not waited for until then
    Instant attach_at{};
  };
  /// Frames that were taken out of the rings.
  struct Taken {
    struct Frame {
      std::int64_t wall_clock_ns;
      std::uint32_t interface;  ///< number in `interfaces`
      std::uint32_t length;
      bool outgoing;
      std::size_t offset, size;  ///< in `bytes`
    };
    std::vector<std::string> interfaces;
    std::vector<Frame> frames;
    std::vector<std::uint8_t> bytes;
  };
  struct Open {
    CaptureName name;
    Instant due{};
    Instant limit{};
    std::string title;
    Taken taken;  ///< what came before is safe from what comes after: at most as much as all rings hold
  };

  void share_memory();
  void look(Instant now, Link& link);
  void listen(const std::string& interface, Link& link);
  void write(Instant now);
  void take(Instant now, Instant since, Taken& taken);
  std::vector<std::uint8_t> file_of(Open& open);
  void trouble(const std::string& subject, const std::string& what, int sys_errno);

  posix::EventLoop& loop_;
  std::string path_;
  RecorderLimits limits_;
  CaptureFiles files_;
  Nanos window_{0};
  std::map<std::string, Link> links_;
  std::optional<Open> open_;
  int told_failure_ = 0;
};

}  // namespace baton::scribe
