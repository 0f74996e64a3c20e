// The one log of a process: spdlog for levels, time and formatting of the plain form, journald's datagrams beside it.
// The state below is per process by nature; it is replaced after fork and otherwise only grows counters.
#include "log/log.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <mutex>

#include "log/line.h"

namespace baton::log {
namespace {

constexpr const char* kJournalSocket = "/run/systemd/journal/socket";

/// Sends or gives up, at once.
bool offer(int fd, bool socket, const char* bytes, std::size_t size) {
  if (socket) return ::send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
  pollfd ready{fd, POLLOUT, 0};
  if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return false;
  return ::write(fd, bytes, size) >= 0;
}

class Sink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  Sink(int fd, std::atomic<std::uint64_t>& dropped) : fd_(fd), dropped_(dropped) {
    struct stat facts {};
    socket_ = ::fstat(fd, &facts) == 0 && S_ISSOCK(facts.st_mode);
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t text;
    formatter_->format(message, text);
    if (!offer(fd_, socket_, text.data(), text.size())) dropped_.fetch_add(1, std::memory_order_relaxed);
  }
  void flush_() override {}

 private:
  int fd_;
  bool socket_ = false;
  std::atomic<std::uint64_t>& dropped_;
};

struct State {
  std::string process = "batond";
  std::atomic<std::uint64_t> dropped{0};
  std::atomic<std::uint64_t> reported{0};
  posix::Fd stderr_fd;
  posix::Fd journal;
  int pipe = -1;
  std::unique_ptr<spdlog::logger> logger;
};

State& state() {
  static State the_state;
  return the_state;
}

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::kTrace: return spdlog::level::trace;
    case Level::kDebug: return spdlog::level::debug;
    case Level::kInfo: return spdlog::level::info;
    case Level::kWarning: return spdlog::level::warn;
    case Level::kError: return spdlog::level::err;
  }
  return spdlog::level::err;
}

/// systemd names device and inode of the stream that it connected to stderr.
bool stderr_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat facts {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &facts) != 0) return false;
  return std::to_string(facts.st_dev) + ':' + std::to_string(facts.st_ino) == stream;
}

posix::Fd connect_journal() {
  posix::Fd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string_view{kJournalSocket}.copy(address.sun_path, sizeof address.sun_path - 1);
  if (!socket.valid() || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return {};
  }
  return socket;
}

/// A terminal or pipe gets a description of its own, so that O_NONBLOCK does not reach whoever else holds it.
posix::Fd open_again(int fd) {
  struct stat facts {};
  if (::fstat(fd, &facts) == 0 && (S_ISFIFO(facts.st_mode) || S_ISCHR(facts.st_mode))) {
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    posix::Fd own{::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
    if (own.valid()) return own;
  }
  return posix::Fd{::fcntl(fd, F_DUPFD_CLOEXEC, 3)};
}

void emit(State& log, const Line& line) {
  if (log.journal.valid()) {
    const std::string datagram = journal(line);
    if (!offer(log.journal.get(), true, datagram.data(), datagram.size())) log.dropped.fetch_add(1);
    return;
  }
  log.logger->log(spdlog_level(line.level), spdlog::string_view_t{plain(line)});
}

}  // namespace

posix::Fd open_stderr() { return open_again(STDERR_FILENO); }

posix::Fd open_for_program() {
  const State& log = state();
  if (log.pipe >= 0) return open_again(log.pipe);
  return open_again(log.stderr_fd.valid() ? log.stderr_fd.get() : STDERR_FILENO);
}

void open(const Options& options) {
  State& log = state();
  log.process = options.process;
  if (!log.stderr_fd.valid()) log.stderr_fd = open_stderr();
  const bool to_journal = log.pipe < 0 && options.journald && stderr_is_journal();
  if (to_journal && !log.journal.valid()) log.journal = connect_journal();
  if (!to_journal) log.journal.reset();
  const int fd = log.pipe >= 0 ? log.pipe : log.stderr_fd.get();
  // spdlog's interface wants its own smart pointer here; nothing of ours shares it.
  log.logger = std::make_unique<spdlog::logger>("baton", std::make_shared<Sink>(fd, log.dropped));
  log.logger->set_pattern("%Y-%m-%dT%H:%M:%S.%f%z %v");
  log.logger->set_level(spdlog_level(options.level));
}

void set_level(Level level) {
  if (state().logger) state().logger->set_level(spdlog_level(level));
}

void use_pipe(int pipe) { state().pipe = pipe; }
int pipe_in_use() { return state().pipe; }

std::vector<int> descriptors() {
  std::vector<int> fds;
  for (const posix::Fd* fd : {&state().stderr_fd, &state().journal}) {
    if (fd->valid()) fds.push_back(fd->get());
  }
  if (state().pipe >= 0) fds.push_back(state().pipe);
  return fds;
}

void write(Level level, std::string_view event, std::span<const Field> fields, std::string_view text) {
  State& log = state();
  if (!log.logger) open({});
  if (!log.logger->should_log(spdlog_level(level))) return;
  emit(log, {level, log.process, event, fields, text});
  const std::uint64_t lost = log.dropped.load();
  const std::uint64_t before = log.reported.exchange(lost);
  if (lost == before) return;
  const Field count{"count", std::to_string(lost - before)};
  emit(log, {Level::kWarning, log.process, "log_lines_dropped", {&count, 1}, {}});
}

std::uint64_t dropped() { return state().dropped.load(); }

}  // namespace baton::log
