#include "scribe/recorder.h"

#include <algorithm>
#include <utility>

#include "base/pcapng.h"
#include "log/log.h"
#include "posix/clock.h"
#include "vrrp/frame.h"

namespace baton::scribe {
namespace {

constexpr Nanos kAttachAgain = std::chrono::seconds{1};
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::size_t kMostTitle = 4096;

/// By the place of the protocol's number alone; fragments can only be of VRRP (the filter knows).
bool is_advert(ConstBytes frame) {
  if (frame.size() < 24) return false;
  const auto type = static_cast<std::uint16_t>(frame[12] << 8 | frame[13]);
  if (type == vrrp::kEtherTypeIpv4) return true;
  constexpr std::uint8_t kIcmpv6 = 58;
  return type == vrrp::kEtherTypeIpv6 && frame[20] != kIcmpv6;
}

}  // namespace

Recorder::Recorder(posix::EventLoop& loop, int state_directory, std::string path, RecorderLimits limits)
    : loop_(loop), path_(std::move(path)), limits_(limits), files_(state_directory, limits.files) {}

Recorder::~Recorder() {
  for (auto& [interface, link] : links_) loop_.remove(link.port->fd());
}

void Recorder::watch(const std::string& interface, Nanos window, std::unique_ptr<ports::CapturePort> port) {
  window_ = window;
  if (!port) return;
  forget(interface);
  if (links_.size() >= limits_.interfaces) return;
  Link& link =
      links_.emplace(interface, Link{.port = std::move(port), .adverts = FrameRing{0}, .neighbours = FrameRing{0}})
          .first->second;
  share_memory();
  link.port->attach();
  link.attach_at = posix::now() + kAttachAgain;
  listen(interface, link);
}

void Recorder::forget(const std::string& interface) {
  const auto found = links_.find(interface);
  if (found == links_.end()) return;
  loop_.remove(found->second.port->fd());
  links_.erase(found);
  share_memory();
}

/// Every ring gets the same.
void Recorder::share_memory() {
  if (links_.empty()) return;
  const std::size_t each = limits_.memory / links_.size() / 2;
  for (auto& [interface, link] : links_) {
    link.adverts.resize(each);
    link.neighbours.resize(each);
  }
}

void Recorder::listen(const std::string& interface, Link& link) {
  const int fd = link.port->fd();
  const auto added = loop_.add(fd, EPOLLIN, [this, interface](std::uint32_t) {
    const auto found = links_.find(interface);
    if (found != links_.end()) look(posix::now(), found->second);
  });
  if (!added) trouble(interface, added.error().what, added.error().sys_errno);
}

/// Takes what has come, and then does not listen for a while: a flood costs a bounded share of the time, and the kernel
/// counts what it has no room for.
void Recorder::look(Instant now, Link& link) {
  link.port->read(limits_.frames_per_look, [&](const ports::CapturedFrame& frame) {
    (is_advert(frame.bytes) ? link.adverts : link.neighbours).push(now, frame);
  });
  const Instant oldest = now - window_ - limits_.longest;
  link.adverts.forget_before(oldest);
  link.neighbours.forget_before(oldest);
  if (!link.look_at) loop_.remove(link.port->fd());
  link.look_at = now + limits_.between_looks;
}

void Recorder::transition(Instant now, Instant at, std::uint64_t sequence, std::int64_t wall_clock_ns,
                          std::string_view title) {
  if (links_.empty() || window_ <= Nanos{0}) return;
  at = std::clamp(at, now - window_, now);
  if (open_ && now >= open_->limit) write(now);
  if (!open_) {
    const std::int64_t wall_s = (wall_clock_ns - (now - at).count()) / kSecond;
    open_.emplace(Open{.name = {.time_s = wall_s, .first = sequence, .last = sequence},
                       .limit = now + limits_.longest,
                       .title = {},
                       .taken = {}});
    take(now, at - window_, open_->taken);
  }
  open_->name.last = sequence;
  open_->due = std::min(now + limits_.aftermath, open_->limit);
  if (open_->title.size() + title.size() >= kMostTitle) return;
  open_->title += (open_->title.empty() ? "" : "\n") + std::string{title};
}

std::optional<Instant> Recorder::next_deadline() const {
  std::optional<Instant> next;
  const auto sooner = [&](Instant at) { next = std::min(next.value_or(at), at); };
  if (open_) sooner(open_->due);
  for (const auto& [interface, link] : links_) {
    sooner(link.attach_at);
    if (link.look_at) sooner(*link.look_at);
  }
  return next;
}

void Recorder::tick(Instant now) {
  for (auto& [interface, link] : links_) {
    if (now >= link.attach_at) {
      link.port->attach();  // it may be deleted and made again at any time
      link.attach_at = now + kAttachAgain;
    }
    if (!link.look_at || now < *link.look_at) continue;
    link.look_at.reset();
    listen(interface, link);
  }
  if (open_ && now >= open_->due) write(now);
}

void Recorder::finish(Instant now) {
  if (!open_) return;
  Nanos longest{0};
  for (const auto& [interface, link] : links_) longest = std::max(longest, link.port->delay());
  const Instant until = now + longest;  // the last farewell belongs to it
  while (posix::now() < until && loop_.turn(until)) continue;
  write(now);
}

std::string Recorder::find(std::uint64_t sequence, std::int64_t wall_clock_ns) const {
  const std::string name = files_.find(sequence, wall_clock_ns);
  return name.empty() ? name : path_ + "/" + name;
}

/// Empties the rings.
void Recorder::take(Instant now, Instant since, Taken& taken) {
  for (auto& [interface, link] : links_) {
    look(now, link);
    auto known = std::find(taken.interfaces.begin(), taken.interfaces.end(), interface);
    if (known == taken.interfaces.end()) known = taken.interfaces.insert(known, interface);
    const auto number = static_cast<std::uint32_t>(known - taken.interfaces.begin());
    for (FrameRing* ring : {&link.adverts, &link.neighbours}) {
      ring->for_each(since, [&](const ports::CapturedFrame& frame) {
        taken.frames.push_back(
            {frame.wall_clock_ns, number, frame.length, frame.outgoing, taken.bytes.size(), frame.bytes.size()});
        taken.bytes.insert(taken.bytes.end(), frame.bytes.begin(), frame.bytes.end());
      });
      ring->clear();
    }
  }
}

std::vector<std::uint8_t> Recorder::file_of(Open& open) {
  Taken& taken = open.taken;
  // By the kernel's time: each ring is in order, but they were read one after the other.
  std::stable_sort(taken.frames.begin(), taken.frames.end(),
                   [](const auto& a, const auto& b) { return a.wall_clock_ns < b.wall_clock_ns; });
  std::vector<std::uint8_t> file;
  pcapng::append_head(file, open.title);
  for (const std::string& interface : taken.interfaces) pcapng::append_interface(file, interface, ports::kSnapLength);
  for (const Taken::Frame& frame : taken.frames) {
    pcapng::append_packet(file, {.interface = frame.interface,
                                 .wall_clock_ns = frame.wall_clock_ns,
                                 .length = frame.length,
                                 .outgoing = frame.outgoing,
                                 .bytes = ConstBytes{taken.bytes}.subspan(frame.offset, frame.size)});
  }
  for (std::uint32_t number = 0; number < taken.interfaces.size(); ++number) {
    const auto link = links_.find(taken.interfaces[number]);
    if (link == links_.end()) continue;
    pcapng::append_statistics(file, number, posix::wall_clock_ns(), link->second.port->lost());
  }
  return file;
}

void Recorder::write(Instant now) {
  take(now, Instant{}, open_->taken);
  Open open = std::move(*open_);
  open_.reset();
  if (open.taken.frames.empty()) return;
  const auto saved = files_.save(open.name, file_of(open));
  if (!saved) return trouble(path_, saved.error().what, saved.error().sys_errno);
  if (std::exchange(told_failure_, 0) != 0) log::info("recorder_works_again", {{"directory", path_}});
}

void Recorder::trouble(const std::string& subject, const std::string& what, int sys_errno) {
  if (told_failure_ == sys_errno && sys_errno != 0) return;
  told_failure_ = sys_errno;
  log::warning("recorder_failed", {{"what", subject}}, Error{what, sys_errno, {}}.message());
}

}  // namespace baton::scribe
