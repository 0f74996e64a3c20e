#include "daemon/log_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "log/log.h"

namespace baton::daemon {
namespace {

constexpr int kPipeBytes = 1 << 20;

/// Copies until nobody holds the other end. What a full disk does not take is lost.
int copy(int from, int to) {
  std::array<char, 65536> buffer;
  while (true) {
    const ssize_t size = ::read(from, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return 0;
    for (ssize_t done = 0; done < size;) {
      const ssize_t written = ::write(to, buffer.data() + done, static_cast<std::size_t>(size - done));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) break;
      done += written;
    }
  }
}

}  // namespace

Result<posix::Child> start_log_writer(const ConfigFacts& facts, const posix::User& user) {
  if (facts.log_file.empty()) return posix::Child{};
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC | O_NONBLOCK;
  posix::Fd file{::open(facts.log_file.c_str(), flags, 0640)};
  if (!file.valid()) return fail("open log_file", errno, facts.log_file);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail("make a pipe for log_file", errno);
  posix::Fd out{ends[0]};
  posix::Fd in{ends[1]};
  ::fcntl(in.get(), F_SETFL, O_WRONLY | O_NONBLOCK);
  ::fcntl(in.get(), F_SETPIPE_SZ, kPipeBytes);
  auto writer = posix::spawn([&] {
    // It outlives the guardian by as much as the last words need: their end is the end of the pipe.
    const int keep[] = {out.get(), file.get()};
    posix::close_all_but(keep);
    posix::set_process_name("baton-log");
    if (!posix::drop_to_user(user, {})) return 1;
    return copy(out.get(), file.get());
  });
  if (!writer) return writer;
  log::use_pipe(in.release());
  log::open({"guardian", facts.log_level});
  return writer;
}

}  // namespace baton::daemon
