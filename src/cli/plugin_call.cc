#include "cli/plugin_call.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <vector>

#include "ipc/host_channel.h"
#include "ipc/plain_text.h"
#include "ipc/probe_page.h"
#include "posix/clock.h"
#include "posix/memfd.h"
#include "posix/program.h"

namespace baton::cli {
namespace {

using namespace std::chrono_literals;

/// For the program to start and to end; the limit of the call itself is the plugin host's.
constexpr Nanos kGrace = 3s;
constexpr std::size_t kMaxPrinted = 1u << 16;
constexpr std::uint32_t kNeedsNetRaw = 1;  // plugin.h's BATON_NEEDS_NET_RAW

struct Pipe {
  posix::Fd reader;
  posix::Fd writer;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail("make a pipe", errno);
  return Pipe{posix::Fd{ends[0]}, posix::Fd{ends[1]}};
}

struct Printed {
  std::vector<std::uint8_t> answer;
  std::vector<std::uint8_t> errors;
  bool late = false;
};

/// What both descriptors say until they are closed.
Printed read_both(int answer, int errors, Instant deadline) {
  Printed printed;
  std::array<pollfd, 2> ready{{{answer, POLLIN, 0}, {errors, POLLIN, 0}}};
  const std::array<std::vector<std::uint8_t>*, 2> texts{&printed.answer, &printed.errors};
  std::array<std::uint8_t, 8192> buffer;
  // The answer's end counts: what the plugin has started may hold the other one.
  while (ready[0].fd >= 0) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - posix::now()).count();
    if (left <= 0) {
      printed.late = true;
      return printed;
    }
    if (::poll(ready.data(), ready.size(), static_cast<int>(left)) <= 0) continue;
    for (std::size_t i = 0; i < ready.size(); ++i) {
      if (ready[i].fd < 0 || ready[i].revents == 0) continue;
      const ssize_t size = ::read(ready[i].fd, buffer.data(), buffer.size());
      if (size <= 0) {
        ready[i].fd = -1;
      } else if (texts[i]->size() < kMaxPrinted) {
        texts[i]->insert(texts[i]->end(), buffer.begin(), buffer.begin() + size);
      }
    }
  }
  return printed;
}

CallOutcome from_page(const ipc::ProbeOutcome& page) {
  CallOutcome outcome;
  outcome.status = page.status;
  outcome.state = page.state;
  outcome.role = page.role;
  outcome.warning = page.warning;
  outcome.lag_ms = page.lag_ms;
  outcome.lag_bytes = page.lag_bytes;
  outcome.generation = page.generation;
  outcome.sentence = page.sentence;
  outcome.position = page.position;
  outcome.facts = page.facts;
  outcome.took = std::max<Nanos>(page.finished - page.started, Nanos{0});
  return outcome;
}

CallOutcome from_answer(const ipc::ActAnswer& answer, PluginVerb verb) {
  CallOutcome outcome;
  outcome.verb = verb;
  outcome.status = answer.status;
  outcome.role = answer.role;
  outcome.lag_ms = answer.lag_ms;
  outcome.lag_bytes = answer.lag_bytes;
  outcome.generation = answer.generation;
  outcome.sentence = answer.sentence;
  outcome.position = answer.position;
  outcome.facts = answer.facts;
  outcome.refusals = answer.refusals;
  outcome.took = answer.took;
  return outcome;
}

std::string first_line(const std::vector<std::uint8_t>& bytes) {
  return ipc::plain_text(std::string(bytes.begin(), std::find(bytes.begin(), bytes.end(), '\n')), 1024);
}

CallOutcome befallen(PluginVerb verb, VerbStatus status, std::string sentence, Nanos took) {
  CallOutcome outcome;
  outcome.verb = verb;
  outcome.status = status;
  outcome.sentence = std::move(sentence);
  outcome.took = took;
  return outcome;
}

Result<posix::Program> program_for(const std::string& host_program, const ipc::HostOrder& order, PluginVerb verb) {
  const auto user = posix::find_user(order.user);
  if (!user) return fail("there is no user " + order.user + ", whom the plugin runs as", user.error().sys_errno);
  posix::Program program;
  program.path = host_program;
  program.arguments = {"--once", std::string(verb_token(verb))};
  program.user = *user;
  program.raw_network = order.own_module && (order.needs & kNeedsNetRaw) != 0;
  return program;
}

/// What it printed, if that is an answer; else what became of the process.
Result<CallOutcome> understand(const Printed& printed, int status, PluginVerb verb, Nanos took) {
  if (verb == PluginVerb::kProbe && printed.answer.size() == ipc::kProbePageSize) {
    const ipc::PageReading page = ipc::read_outcome(printed.answer);
    if (page.state == ipc::PageState::kGood) return from_page(page.outcome);
    return befallen(verb, VerbStatus::kGarbage, "what it answered is not an answer", took);
  }
  if (verb != PluginVerb::kProbe && !printed.answer.empty()) {
    if (const auto answer = ipc::decode_answer(printed.answer)) return from_answer(*answer, verb);
  }
  if (printed.late) {
    return befallen(verb, VerbStatus::kTimeout, "the plugin host itself was not back in time and was killed", took);
  }
  if (WIFSIGNALED(status)) {
    return befallen(verb, VerbStatus::kCrashed, "the process was " + posix::describe_wait_status(status), took);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == ipc::kHostLeft) {
    return befallen(verb, VerbStatus::kCrashed, "the plugin called exit()", took);
  }
  std::string words = first_line(printed.answer.empty() ? printed.errors : printed.answer);
  if (words.empty()) words = "the plugin host " + posix::describe_wait_status(status);
  return befallen(verb, VerbStatus::kNotRunning, std::move(words), took);
}

}  // namespace

Result<CallOutcome> call_once(const std::string& host_program, const ipc::HostOrder& order, PluginVerb verb) {
  auto answer = make_pipe();
  if (!answer) return Unexpected<Error>{answer.error()};
  auto errors = make_pipe();
  if (!errors) return Unexpected<Error>{errors.error()};
  const auto memory = posix::sealed_memfd("baton-order", encode(order));
  if (!memory) return Unexpected<Error>{memory.error()};
  auto program = program_for(host_program, order, verb);
  if (!program) return Unexpected<Error>{program.error()};
  program->descriptors = {{answer->writer.get(), 1}, {errors->writer.get(), 2}, {memory->get(), ipc::kOrderDescriptor}};
  const Instant started = posix::now();
  auto child = posix::start_program(*program);
  if (!child) return Unexpected<Error>{child.error()};
  answer->writer.reset();
  errors->writer.reset();
  const Nanos limit = order.kind == ipc::HostKind::kProbe ? order.timeout : order.deadline;
  const Instant deadline = started + limit + kGrace;
  const Printed printed = read_both(answer->reader.get(), errors->reader.get(), deadline);
  const Nanos took = posix::now() - started;
  pollfd ended{child->pidfd(), POLLIN, 0};
  if (!printed.late) ::poll(&ended, 1, 1000);
  // What it has started ends with it, as under the daemon. It is not reaped yet, so the number is its own.
  ::kill(-child->pid(), SIGKILL);
  child->signal(SIGKILL);
  return understand(printed, child->wait(), verb, took);
}

}  // namespace baton::cli
