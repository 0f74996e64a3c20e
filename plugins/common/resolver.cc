// Resolver: see resolver.h. A lookup that outlives its Resolver is left to glibc, with the memory that it writes to: it
// cannot be cancelled while it waits for a name server.
#include "common/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace baton::plugin {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<std::string> addresses_of(const addrinfo* list) {
  std::vector<std::string> addresses;
  for (; list != nullptr && addresses.size() < Resolver::kMaximumAddresses; list = list->ai_next) {
    char text[NI_MAXHOST];
    if (::getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) continue;
    if (std::find(addresses.begin(), addresses.end(), text) == addresses.end()) addresses.emplace_back(text);
  }
  return addresses;
}

}  // namespace

/// What glibc writes to while a lookup runs; never moves.
struct Resolver::Name {
  explicit Name(std::string what) : name(std::move(what)) {
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
  }
  ~Name() {
    if (request.ar_result != nullptr) ::freeaddrinfo(request.ar_result);
  }
  Name(const Name&) = delete;
  Name& operator=(const Name&) = delete;

  void start() {
    request = {};
    request.ar_name = name.c_str();
    request.ar_request = &hints;
    gaicb* list[] = {&request};
    const int code = ::getaddrinfo_a(GAI_NOWAIT, list, 1, nullptr);
    running = code == 0;
    if (!running) error = std::string{"the lookup could not be started: "} + ::gai_strerror(code);
  }

  /// Takes the result of a lookup that has ended.
  void collect() {
    if (!running) return;
    const int code = ::gai_error(&request);
    if (code == EAI_INPROGRESS) return;
    running = false;
    if (code == 0) {
      addresses = addresses_of(request.ar_result);
      error = addresses.empty() ? "it has no address" : "";
      found_at = Clock::now();
    } else {
      error = code == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(code);
    }
    if (request.ar_result != nullptr) ::freeaddrinfo(request.ar_result);
    request.ar_result = nullptr;
  }

  std::string name;
  addrinfo hints{};
  gaicb request{};
  bool running = false;
  std::vector<std::string> addresses;
  std::string error;
  Clock::time_point found_at{};
  Clock::time_point started_at{};
};

Resolver::Resolver(std::chrono::nanoseconds keep) : keep_(keep) {}
Resolver::Resolver(Resolver&&) noexcept = default;
Resolver& Resolver::operator=(Resolver&&) noexcept = default;

Resolver::~Resolver() {
  for (auto& [text, name] : names_) {
    name->collect();
    // Deliberately not freed: glibc still writes there, and the process is about to end.
    if (name->running && ::gai_cancel(&name->request) == EAI_NOTCANCELED) static_cast<void>(name.release());
  }
}

Resolved Resolver::resolve(const std::string& text, std::chrono::nanoseconds timeout) {
  if (is_address(text)) return {.addresses = {text}, .error = {}};
  auto known = names_.find(text);
  if (known == names_.end()) {
    // Redirects name hosts, so the number of names is bounded here. A name in use stays.
    if (names_.size() >= kMaximumNames) return {.addresses = {}, .error = "too many different names to look up"};
    known = names_.emplace(text, std::make_unique<Name>(text)).first;
  }
  Name& name = *known->second;
  name.collect();
  const auto now = Clock::now();
  const bool fresh = !name.addresses.empty() && now - name.found_at < keep_;
  if (fresh && name.error.empty()) return {.addresses = name.addresses, .error = {}};
  // With addresses in hand, a name server that fails is asked again once a second at most.
  if (!name.running && (name.addresses.empty() || now - name.started_at >= std::chrono::seconds{1})) {
    name.started_at = now;
    name.start();
  }
  const auto until = now + timeout;
  while (name.running && name.addresses.empty()) {
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(until - Clock::now());
    if (left.count() <= 0) break;
    const timespec wait{.tv_sec = left.count() / 1'000'000'000, .tv_nsec = left.count() % 1'000'000'000};
    const gaicb* list[] = {&name.request};
    ::gai_suspend(list, 1, &wait);
    name.collect();
  }
  if (name.addresses.empty()) {
    return {.addresses = {},
            .error = name.running ? "the name servers have not answered" : name.error,
            .waiting = name.running};
  }
  name.collect();
  const bool cached = Clock::now() - name.found_at >= keep_;
  return {.addresses = name.addresses,
          .error = !cached        ? ""
                   : name.running ? "the name servers have not answered"
                                  : name.error,
          .cached = cached};
}

bool is_address(const std::string& text) {
  in6_addr space{};
  return ::inet_pton(AF_INET, text.c_str(), &space) == 1 || ::inet_pton(AF_INET6, text.c_str(), &space) == 1;
}

}  // namespace baton::plugin
