#include "tests/linux/netns.h"

#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>

namespace baton::linux {
namespace {

int run(const std::string& command, std::string& output) {
  FILE* pipe = ::popen(("{ " + command + "; } 2>&1").c_str(), "re");
  if (pipe == nullptr) return -1;
  char part[4096];
  while (const std::size_t size = std::fread(part, 1, sizeof part, pipe)) output.append(part, size);
  return ::pclose(pipe);
}

/// Before main: threads made later inherit the namespace. The mount namespace is for sysfs and tmpfs of the tests.
struct LeaveMachine : testing::Environment {
  void SetUp() override {
    ASSERT_EQ(::unshare(CLONE_NEWNET | CLONE_NEWNS), 0) << "needs root: a network namespace of its own";
    ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    shell("ip link set lo up");
  }
};
const testing::Environment* const kLeaveMachine = testing::AddGlobalTestEnvironment(new LeaveMachine);

}  // namespace

std::string shell(const std::string& command) {
  std::string output;
  const int status = run(command, output);
  EXPECT_EQ(status, 0) << command << "\n" << output;
  return output;
}

std::string shell_any(const std::string& command) {
  std::string output;
  run(command, output);
  return output;
}

bool eventually(const std::function<bool()>& check, Nanos limit) {
  const Instant end = posix::now() + limit;
  while (!check()) {
    if (posix::now() > end) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

std::optional<AddressMessage> kernel_address(const std::string& interface, const std::string& prefix) {
  auto socket = RouteSocket::open();
  if (!socket) return std::nullopt;
  const auto dump = socket->dump_all();
  if (!dump) return std::nullopt;
  const int ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  for (const AddressMessage& address : dump->addresses) {
    if (address.ifindex == ifindex && address.prefix == Prefix::parse(prefix)) return address;
  }
  return std::nullopt;
}

bool kernel_has(const std::string& interface, const std::string& prefix) {
  return shell_any("ip -o addr show dev " + interface).find(" " + prefix + " ") != std::string::npos;
}

const ports::AddressFact* RecordingSink::last(const std::string& prefix, ports::LinkId link) const {
  const auto wanted = Prefix::parse(prefix);
  const ports::AddressFact* found = nullptr;
  for (const ports::AddressFact& fact : addresses) {
    if (fact.prefix == wanted && fact.link == link) found = &fact;
  }
  return found;
}

const ports::AddressResult* RecordingSink::result(std::uint64_t ticket) const {
  for (const ports::AddressResult& result : results) {
    if (result.ticket == ticket) return &result;
  }
  return nullptr;
}

void NetnsTest::SetUp() {
  shell("ip link add bt0 type veth peer name bt1 && ip link set bt0 up && ip link set bt1 up");
}

void NetnsTest::TearDown() {
  network.reset();
  shell_any("ip link del bt0; ip link del bt1; ip link del bt0moved");
}

void NetnsTest::open(NetworkOptions options) {
  network.reset();
  auto opened = Network::open(options);
  ASSERT_TRUE(opened) << opened.error().message();
  network = std::move(*opened);
}

void NetnsTest::turn(Nanos wait) {
  Nanos limit = wait;
  if (const auto wakeup = network->next_wakeup()) limit = std::min(limit, std::max(Nanos{0}, *wakeup - posix::now()));
  pollfd readable{.fd = network->poll_fd(), .events = POLLIN, .revents = 0};
  const timespec time{.tv_sec = limit.count() / 1'000'000'000, .tv_nsec = limit.count() % 1'000'000'000};
  ::ppoll(&readable, 1, &time, nullptr);
  network->dispatch(posix::now(), sink);
  network->frames().flush();
  network->addresses().flush();
}

bool NetnsTest::until(const std::function<bool()>& check, Nanos limit) {
  const Instant end = posix::now() + limit;
  while (!check()) {
    if (posix::now() > end) return false;
    turn();
  }
  return true;
}

void NetnsTest::watch_bt0() {
  network->links().watch(0, "bt0", true, true);
  ASSERT_TRUE(until([&] { return !sink.links.empty() && sink.links.back().up; }));
}

std::uint64_t NetnsTest::submit(ports::AddressVerb verb, const std::string& prefix, Nanos lifetime) {
  ports::AddressCommand command;
  command.ticket = next_ticket++;
  command.verb = verb;
  command.prefix = *Prefix::parse(prefix);
  command.lifetime = lifetime;
  network->addresses().submit(command);
  return command.ticket;
}

ports::AddressResult NetnsTest::perform(ports::AddressVerb verb, const std::string& prefix, Nanos lifetime) {
  const std::uint64_t ticket = submit(verb, prefix, lifetime);
  network->addresses().flush();
  EXPECT_TRUE(until([&] { return sink.result(ticket) != nullptr; })) << prefix;
  const ports::AddressResult* result = sink.result(ticket);
  return result == nullptr ? ports::AddressResult{} : *result;
}

}  // namespace baton::linux
