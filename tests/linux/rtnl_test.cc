// Invariant 1 of the design: a busy rtnl lock delays no advert.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "linux/route_socket.h"
#include "tests/linux/netns.h"

namespace baton::linux {
namespace {

using namespace std::chrono_literals;
using ports::AddressVerb;

/// A child process that keeps the lock of all namespaces busy: an interface with thousands of addresses comes and goes,
/// and each time it goes is one long hold.
class LockHog {
 public:
  LockHog() : child_(start()) {}
  ~LockHog() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    shell_any("ip link del hog0");
  }

 private:
  static pid_t start() {
    const pid_t child = ::fork();
    if (child != 0) return child;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    auto socket = RouteSocket::open();
    while (socket) {
      if (std::system("ip link add hog0 type veth peer name hog1; ip link set hog0 up") != 0) ::_exit(1);
      const auto links = socket->dump_all();
      int ifindex = 0;
      for (const LinkMessage& link : links->links) {
        if (link.name == "hog0") ifindex = link.ifindex;
      }
      for (int batch = 0; batch < 100; ++batch) {
        RouteRequests requests = socket->requests();
        for (int i = 0; i < 32; ++i) {
          const int host = batch * 32 + i;
          const std::string text =
              "10.200." + std::to_string(host / 250) + "." + std::to_string(host % 250 + 1) + "/32";
          requests.add_address(
              {.ifindex = ifindex, .prefix = *Prefix::parse(text), .lifetime_seconds = 0, .mark = 0, .replace = false});
        }
        socket->transact(requests);
      }
      if (std::system("ip link del hog0") != 0) ::_exit(1);
    }
    ::_exit(1);
  }
  pid_t child_;
};

class RtnlTest : public NetnsTest {
 protected:
  struct Measured {
    long waits = 0;  ///< times the thread slept inside the calls: a wait for the lock is one, being out of CPU is none
    Nanos lateness{0};  ///< the worst

    void operator+=(const Measured& more) {
      waits += more.waits;
      lateness = std::max(lateness, more.lateness);
    }
  };
  /// Sends a frame each 10 ms for two seconds, with `request` in every turn.
  Measured send_on_time(const std::function<void(int)>& request) {
    const std::vector<std::uint8_t> frame(60, 0xFF);
    Measured measured;
    Instant due = posix::now();
    for (int i = 0; i < 200; ++i) {
      due += 10ms;
      while (posix::now() < due) ::poll(nullptr, 0, static_cast<int>((due - posix::now()) / 1ms) + 1);
      measured.lateness = std::max(measured.lateness, posix::now() - due);
      const long before = sleeps();
      network->dispatch(posix::now(), sink);
      network->frames().send_frame(0, frame);
      request(i);
      network->frames().flush();
      network->addresses().flush();
      measured.waits += sleeps() - before;
    }
    return measured;
  }
  static long sleeps() {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
  }
  static std::string address(int i) {
    return "10.6." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1) + "/32";
  }
};

TEST_F(RtnlTest, AdvertsStayOnTimeWhileTheLockIsBusyAndWouldNotWithoutTheWorker) {
  open();
  watch_bt0();
  const LockHog hog;
  const Measured idle = send_on_time([](int) {});  // what a busy machine alone does to a thread
  auto socket = RouteSocket::open();
  ASSERT_TRUE(socket);
  const int ifindex = sink.links.back().ifindex;
  Measured with_worker;
  Measured without_worker;
  // How busy the lock is depends on the machine: turn about, until it was busy enough to show something.
  for (int round = 0; round < 8 && without_worker.waits <= 2; ++round) {
    with_worker += send_on_time([&](int i) { submit(AddressVerb::kInstall, address(200 * round + i), 100s); });
    // The same requests made by the sending thread itself: what the worker is for.
    without_worker += send_on_time([&](int i) {
      RouteRequests requests = socket->requests();
      requests.add_address({.ifindex = ifindex,
                            .prefix = *Prefix::parse(address(2000 + 200 * round + i)),
                            .lifetime_seconds = 100,
                            .mark = 0,
                            .replace = false});
      socket->transact(requests);
    });
  }
  std::cout << "waits and worst lateness with worker: " << with_worker.waits << ", " << with_worker.lateness / 1us
            << " us; without: " << without_worker.waits << ", " << without_worker.lateness / 1us << " us\n";
  EXPECT_EQ(with_worker.waits, 0);
  EXPECT_LT(with_worker.lateness, 2 * idle.lateness + 50ms);
  EXPECT_GT(without_worker.waits, 2) << "the lock was not busy enough to show anything";
  EXPECT_TRUE(until([&] { return sink.result(next_ticket - 1) != nullptr; }, 20s)) << "installed all the same";
}

}  // namespace
}  // namespace baton::linux
