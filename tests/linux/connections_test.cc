// Connections to an address that leaves: reset, and no others.
#include "linux/connections.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "posix/fd.h"
#include "tests/linux/netns.h"

namespace baton::linux {
namespace {

/// A connection to `address` whose server socket may be one of IPv6, and both of its ends.
class Connection {
 public:
  Connection(const std::string& address, bool dual) {
    const int family = dual ? AF_INET6 : AF_INET;
    posix::Fd listener{::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in6 any6{};
    any6.sin6_family = AF_INET6;
    sockaddr_in any4{};
    any4.sin_family = AF_INET;
    const auto* any = dual ? reinterpret_cast<const sockaddr*>(&any6) : reinterpret_cast<const sockaddr*>(&any4);
    EXPECT_EQ(::bind(listener.get(), any, dual ? sizeof any6 : sizeof any4), 0);
    EXPECT_EQ(::listen(listener.get(), 4), 0);
    sockaddr_in6 bound{};
    socklen_t size = sizeof bound;
    EXPECT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&bound), &size), 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = bound.sin6_port;  // at the same place in both
    const auto parsed = IpAddress::parse(address);
    std::copy_n(parsed->bytes().begin(), 4, reinterpret_cast<std::uint8_t*>(&to.sin_addr));
    client = posix::Fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    ::connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
    server = posix::Fd{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    EXPECT_TRUE(server.valid());
  }

  /// What a client that waits for an answer is told: EAGAIN while the connection lives.
  int heard() const {
    char byte = 0;
    return ::recv(client.get(), &byte, 1, 0) < 0 ? errno : 0;
  }

  posix::Fd client;
  posix::Fd server;
};

class ConnectionsTest : public NetnsTest {};

TEST_F(ConnectionsTest, ThoseOfTheAddressAreResetAndNoOthers) {
  shell("ip link set lo up");
  const Connection ended{"127.0.0.5", false};
  const Connection dual{"127.0.0.5", true};
  const Connection other{"127.0.0.6", false};
  const auto count = end_connections(*IpAddress::parse("127.0.0.5"));
  ASSERT_TRUE(count) << count.error().message();
  EXPECT_EQ(*count, 2U);
  EXPECT_EQ(ended.heard(), ECONNRESET);
  EXPECT_EQ(dual.heard(), ECONNRESET);
  EXPECT_EQ(other.heard(), EAGAIN);
}

TEST_F(ConnectionsTest, NoneIsNoError) {
  const auto count = end_connections(*IpAddress::parse("192.0.2.77"));
  ASSERT_TRUE(count) << count.error().message();
  EXPECT_EQ(*count, 0U);
}

}  // namespace
}  // namespace baton::linux
