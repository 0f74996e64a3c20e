#include "cli/program_output.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "posix/clock.h"
#include "posix/program.h"

namespace baton::cli {
namespace {

constexpr int kLastMoment = 1000;  // ms
constexpr const char* kPath = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";

/// Until end of file; what is wrong, or "".
std::string read_all(int fd, const CaptureLimits& limits, std::string& output) {
  const Instant deadline = posix::now() + limits.patience;
  std::array<char, 65536> buffer;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - posix::now()).count();
    pollfd ready{fd, POLLIN, 0};
    const int found = left > 0 ? ::poll(&ready, 1, static_cast<int>(left)) : 0;
    if (found < 0 && errno == EINTR) continue;
    if (found <= 0) return "it took longer than " + std::to_string(limits.patience / std::chrono::seconds{1}) + " s";
    const ssize_t size = ::read(fd, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return {};
    output.append(buffer.data(), static_cast<std::size_t>(size));
    if (output.size() > limits.bytes) {
      output.resize(limits.bytes);
      return "cut: it said more than " + std::to_string(limits.bytes >> 20) + " MiB";
    }
  }
}

}  // namespace

std::string find_program(const std::string& name) {
  for (const char* directory : {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"}) {
    const std::string path = directory + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

Captured capture(const std::string& program, const std::vector<std::string>& arguments, CaptureLimits limits) {
  const std::string path = find_program(program);
  if (path.empty()) return {{}, program + " is not installed"};
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {{}, Error{"make a pipe", errno, program}.message()};
  posix::Fd reader{ends[0]};
  posix::Fd writer{ends[1]};
  posix::Program request;
  request.path = path;
  request.arguments = arguments;
  request.environment = {kPath, "LC_ALL=C.UTF-8", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0"};
  request.descriptors = {{writer.get(), 1}, {writer.get(), 2}};
  request.same_rights = true;
  auto child = posix::start_program(request);
  writer.reset();
  if (!child) return {{}, child.error().message()};
  Captured captured;
  captured.trouble = read_all(reader.get(), limits, captured.output);
  // Who is late or endless is not let on; nor is who has said all and stays.
  pollfd ended{child->pidfd(), POLLIN, 0};
  if (!captured.trouble.empty() || ::poll(&ended, 1, kLastMoment) != 1) child->signal(SIGKILL);
  const int status = child->wait();
  if (captured.trouble.empty() && status != 0) captured.trouble = program + " " + posix::describe_wait_status(status);
  return captured;
}

}  // namespace baton::cli
