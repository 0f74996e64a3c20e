// Names to addresses, with a deadline and a memory. An address is never looked up. A name is looked up by glibc beside
// the call (getaddrinfo_a), so that a dead resolver costs no more than the caller grants; what was found once stays in
// use when later lookups fail. One Resolver belongs to one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace baton::plugin {

struct Resolved {
  std::vector<std::string> addresses;  ///< in the order to be tried; empty: see `error`
  std::string error;                   ///< why there is no (newer) answer, for people; "" if all is well
  bool waiting = false;                ///< no addresses: the name servers have not answered yet
  bool cached = false;                 ///< older than the time to keep, and the newer lookup has failed or hangs
};

class Resolver {
 public:
  static constexpr std::size_t kMaximumNames = 16;
  static constexpr std::size_t kMaximumAddresses = 16;

  explicit Resolver(std::chrono::nanoseconds keep = std::chrono::seconds{60});
  ~Resolver();
  Resolver(Resolver&&) noexcept;
  Resolver& operator=(Resolver&&) noexcept;

  /// Waits at most `timeout`, and not at all for a name whose addresses are known.
  Resolved resolve(const std::string& name, std::chrono::nanoseconds timeout);

 private:
  struct Name;

  std::chrono::nanoseconds keep_;
  std::map<std::string, std::unique_ptr<Name>> names_;
};

/// Whether `text` is an IPv4 or IPv6 address.
bool is_address(const std::string& text);

}  // namespace baton::plugin
