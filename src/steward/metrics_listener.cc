#include "steward/metrics_listener.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "log/log.h"

namespace baton::steward {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kTryAgain = 10s;
constexpr int kBacklog = 16;
constexpr int kAcceptsPerTurn = 4;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

SocketAddress socket_address(const config::Listener& where) {
  SocketAddress result;
  const ConstBytes bytes = where.address.bytes();
  if (where.address.is_ipv6()) {
    auto& address = reinterpret_cast<sockaddr_in6&>(result.storage);
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(where.port);
    std::memcpy(&address.sin6_addr, bytes.data(), bytes.size());
    result.size = sizeof address;
  } else {
    auto& address = reinterpret_cast<sockaddr_in&>(result.storage);
    address.sin_family = AF_INET;
    address.sin_port = htons(where.port);
    std::memcpy(&address.sin_addr, bytes.data(), bytes.size());
    result.size = sizeof address;
  }
  return result;
}

Result<posix::Fd> open_listener(const config::Listener& where) {
  const int family = where.address.is_ipv6() ? AF_INET6 : AF_INET;
  posix::Fd socket{::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket.valid()) return fail("open socket", errno);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const SocketAddress address = socket_address(where);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address.storage);
  if (::bind(socket.get(), generic, address.size) != 0) return fail("bind", errno, where.address.text());
  if (::listen(socket.get(), kBacklog) != 0) return fail("listen", errno, where.address.text());
  return socket;
}

}  // namespace

MetricsListener::MetricsListener(posix::EventLoop& loop, ScrapeLimits limits, Render render,
                                 std::function<Instant()> clock)
    : loop_(loop), limits_(limits), render_(std::move(render)), clock_(std::move(clock)) {}

MetricsListener::~MetricsListener() { close(); }

void MetricsListener::close() {
  for (auto& [id, scraper] : scrapers_) loop_.remove(scraper.socket.get());
  scrapers_.clear();
  if (listener_.valid()) loop_.remove(listener_.get());
  listener_.reset();
  try_again_.reset();
  paused_ = false;
}

void MetricsListener::configure(const std::string& text) {
  const auto where = config::parse_listener(text);
  if (where && where_ == *where) return;
  close();
  where_.reset();
  complained_ = false;
  if (where) listen(*where);
}

void MetricsListener::listen(const config::Listener& where) {
  where_ = where;
  try_listen();
}

void MetricsListener::try_listen() {
  try_again_.reset();
  auto opened = open_listener(*where_);
  if (opened) {
    if (loop_.add(opened->get(), EPOLLIN, [this](std::uint32_t) { on_accept(); })) {
      listener_ = std::move(*opened);
      complained_ = false;
      return;
    }
  } else if (!complained_) {
    complained_ = true;
    log::error("metrics_unavailable", {{"port", std::to_string(where_->port)}}, opened.error().message());
  }
  try_again_ = clock_() + kTryAgain;
}

std::uint16_t MetricsListener::port() const {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) return 0;
  return ntohs(storage.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(storage).sin6_port
                                             : reinterpret_cast<const sockaddr_in&>(storage).sin_port);
}

void MetricsListener::on_accept() {
  const Instant now = clock_();
  if (now - second_ >= 1s) {
    second_ = now;
    accepted_ = 0;
  }
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    if (accepted_ >= limits_.per_second) {
      // The rest waits in the kernel's short queue, or is turned away by it.
      paused_ = static_cast<bool>(loop_.modify(listener_.get(), 0));
      return;
    }
    posix::Fd socket{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (!socket.valid()) return;
    ++accepted_;
    admit(std::move(socket));
  }
}

void MetricsListener::admit(posix::Fd socket) {
  if (scrapers_.size() >= limits_.at_once) drop(scrapers_.begin()->first);
  const Id id = next_id_++;
  const int fd = socket.get();
  Scraper scraper;
  scraper.socket = std::move(socket);
  scraper.deadline = clock_() + limits_.patience;
  scrapers_.emplace(id, std::move(scraper));
  if (!loop_.add(fd, EPOLLIN, [this, id](std::uint32_t events) { on_event(id, events); })) scrapers_.erase(id);
}

void MetricsListener::on_event(Id id, std::uint32_t events) {
  const auto found = scrapers_.find(id);
  if (found == scrapers_.end()) return;
  Scraper& scraper = found->second;
  const bool failed = (events & (EPOLLERR | EPOLLHUP)) != 0;
  if (failed || (!scraper.answered && !read_some(scraper)) || !write_some(scraper)) return drop(id);
  if (!scraper.answered) return;
  if (scraper.sent == scraper.out.size() || !loop_.modify(scraper.socket.get(), EPOLLOUT)) drop(id);
}

/// False: it is to be dropped.
bool MetricsListener::read_some(Scraper& scraper) {
  std::array<char, 4096> buffer;
  const ssize_t size = ::recv(scraper.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) return false;
  scraper.in.append(buffer.data(), static_cast<std::size_t>(size));
  const std::size_t end = scraper.in.find("\r\n\r\n");
  if (end == std::string::npos && scraper.in.size() <= kMaxScrapeHead) return true;
  const bool too_long = end == std::string::npos || end > kMaxScrapeHead;
  scraper.out = too_long ? http_refusal(HttpRefusal::kTooLong) : answer_to(scraper.in.substr(0, end + 4));
  scraper.answered = true;
  return true;
}

bool MetricsListener::write_some(Scraper& scraper) {
  while (scraper.sent < scraper.out.size()) {
    const ssize_t size = ::send(scraper.socket.get(), scraper.out.data() + scraper.sent,
                                scraper.out.size() - scraper.sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    scraper.sent += static_cast<std::size_t>(size);
  }
  return true;
}

std::string MetricsListener::answer_to(const std::string& head) {
  const auto scrape = parse_scrape(head);
  return scrape ? http_answer(*scrape, text_for(scrape->wish)) : http_refusal(scrape.error());
}

const std::string& MetricsListener::text_for(MetricsWish wish) {
  const Instant now = clock_();
  const auto [kept, is_new] = kept_.try_emplace({wish.names, wish.format});
  if (is_new || now - kept->second.made >= limits_.kept) kept->second = {render_(wish), now};
  return kept->second.text;
}

void MetricsListener::drop(Id id) {
  const auto found = scrapers_.find(id);
  if (found == scrapers_.end()) return;
  loop_.remove(found->second.socket.get());
  scrapers_.erase(found);
}

void MetricsListener::expire(Instant now) {
  std::vector<Id> late;
  for (const auto& [id, scraper] : scrapers_) {
    if (scraper.deadline <= now) late.push_back(id);
  }
  for (const Id id : late) drop(id);
  if (paused_ && now - second_ >= 1s) paused_ = !loop_.modify(listener_.get(), EPOLLIN);
  if (try_again_ && *try_again_ <= now) try_listen();
}

std::optional<Instant> MetricsListener::next_deadline() const {
  std::optional<Instant> next = try_again_;
  const auto note = [&](Instant at) { next = std::min(next.value_or(at), at); };
  if (paused_) note(second_ + 1s);
  for (const auto& [id, scraper] : scrapers_) note(scraper.deadline);
  return next;
}

}  // namespace baton::steward
