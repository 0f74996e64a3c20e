// A test's own network: each test process leaves the machine's network namespace before anything else, and each fixture
// makes its veth pair anew. Missing rights are a failure, not a skip.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "base/time.h"
#include "linux/network.h"
#include "linux/route_socket.h"
#include "posix/clock.h"

namespace baton::linux {

/// Runs `command` with /bin/sh; returns its output. Fails the test if it does not succeed.
std::string shell(const std::string& command);
/// The same, whatever comes out of it.
std::string shell_any(const std::string& command);

/// Calls `check` until it is true or `limit` is over; true if it was.
bool eventually(const std::function<bool()>& check, Nanos limit = std::chrono::seconds{5});

/// What a dump says of one address; nullopt if it is not there.
std::optional<AddressMessage> kernel_address(const std::string& interface, const std::string& prefix);
/// An address as the kernel lists it, by `ip -o addr`.
bool kernel_has(const std::string& interface, const std::string& prefix);

/// Collects everything that Network tells.
class RecordingSink final : public NetworkSink {
 public:
  struct Frame {
    ports::LinkId link;
    std::vector<std::uint8_t> bytes;
    bool of_this_host = false;
  };
  struct SendError {
    ports::LinkId link;
    int sys_errno;
  };
  struct TroubleNote {
    Trouble trouble;
    int sys_errno;
  };

  void on_frame(Instant, const ports::ReceivedFrame& frame) override {
    frames.push_back({frame.link, {frame.frame.begin(), frame.frame.end()}, frame.of_this_host});
  }
  void on_link(Instant, const ports::LinkState& state) override { links.push_back(state); }
  void on_address(Instant, const ports::AddressFact& fact) override { addresses.push_back(fact); }
  void on_dump_begin(Instant) override { in_dump = true, addresses.clear(); }
  void on_dump_end(Instant) override { in_dump = false, ++dumps; }
  void on_address_result(Instant, const ports::AddressResult& result) override { results.push_back(result); }
  void on_send_error(Instant, ports::LinkId link, int sys_errno) override { send_errors.push_back({link, sys_errno}); }
  void on_membership(Instant, const MembershipSocket& socket) override { memberships.push_back(socket); }
  void on_trouble(Instant, Trouble trouble, int sys_errno) override { troubles.push_back({trouble, sys_errno}); }

  /// The last fact about this address, nullptr if there was none.
  const ports::AddressFact* last(const std::string& prefix, ports::LinkId link = 0) const;
  const ports::AddressResult* result(std::uint64_t ticket) const;

  std::vector<Frame> frames;
  std::vector<ports::LinkState> links;
  std::vector<ports::AddressFact> addresses;  ///< since the last dump began
  std::vector<ports::AddressResult> results;
  std::vector<SendError> send_errors;
  std::vector<MembershipSocket> memberships;
  std::vector<TroubleNote> troubles;
  bool in_dump = false;
  int dumps = 0;
};

/// veth pair bt0 (ours) and bt1 (the wire's other end), both up.
class NetnsTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  void open(NetworkOptions options = {});
  /// One turn of a main loop: waits up to `wait`, dispatches, flushes.
  void turn(Nanos wait = std::chrono::milliseconds{10});
  /// Turns until `check` holds.
  bool until(const std::function<bool()>& check, Nanos limit = std::chrono::seconds{5});
  /// Watches bt0 as link 0 and waits for its first state.
  void watch_bt0();
  std::uint64_t submit(ports::AddressVerb verb, const std::string& prefix, Nanos lifetime = Nanos{0});
  /// submit() and wait for the answer.
  ports::AddressResult perform(ports::AddressVerb verb, const std::string& prefix, Nanos lifetime = Nanos{0});

  RecordingSink sink;
  std::unique_ptr<Network> network;
  std::uint64_t next_ticket = 1;
};

}  // namespace baton::linux
