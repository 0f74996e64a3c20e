// The optional HTTP listener for scrapes. Decides how much a scraper may cost: how many at once, how many in a second,
// how long one may take, and that the same text serves all who ask within a second. Never blocks. When there are too
// many, the one that has been there longest goes.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "config/values.h"
#include "posix/event_loop.h"
#include "posix/fd.h"
#include "steward/scrape.h"

namespace baton::steward {

struct ScrapeLimits {
  std::size_t at_once = 8;
  int per_second = 50;
  Nanos patience = std::chrono::seconds{5};  ///< for a whole request and answer
  Nanos kept = std::chrono::seconds{1};      ///< how old a text may be
};

class MetricsListener {
 public:
  using Render = std::function<std::string(MetricsWish)>;

  /// `loop` must outlive this object. `clock`: the loop's idea of now, so that tests own it.
  MetricsListener(posix::EventLoop& loop, ScrapeLimits limits, Render render, std::function<Instant()> clock);
  ~MetricsListener();
  MetricsListener(const MetricsListener&) = delete;
  MetricsListener& operator=(const MetricsListener&) = delete;

  /// As `metrics_listen` says, "" = off. An address that is taken is tried again.
  void configure(const std::string& text);
  /// Port 0: the kernel chooses; port() says which.
  void listen(const config::Listener& where);
  std::uint16_t port() const;

  std::size_t count() const { return scrapers_.size(); }
  /// Drops who has taken too long, listens again where it paused. Call at next_deadline().
  void expire(Instant now);
  std::optional<Instant> next_deadline() const;

 private:
  using Id = std::uint64_t;
  struct Scraper {
    posix::Fd socket;
    std::string in;
    std::string out;
    std::size_t sent = 0;  ///< of `out`
    bool answered = false;
    Instant deadline{};
  };
  struct Kept {
    std::string text;
    Instant made{};
  };
  void close();
  void try_listen();
  void on_accept();
  void admit(posix::Fd socket);
  void on_event(Id id, std::uint32_t events);
  bool read_some(Scraper& scraper);
  bool write_some(Scraper& scraper);
  std::string answer_to(const std::string& head);
  const std::string& text_for(MetricsWish wish);
  void drop(Id id);

  posix::EventLoop& loop_;
  ScrapeLimits limits_;
  Render render_;
  std::function<Instant()> clock_;
  std::optional<config::Listener> where_;
  posix::Fd listener_;
  bool complained_ = false;
  std::optional<Instant> try_again_;  ///< to listen at all
  Instant second_{};                  ///< when the one began in which `accepted_` came
  int accepted_ = 0;
  bool paused_ = false;
  std::map<Id, Scraper> scrapers_;  ///< the first has been there longest
  std::map<std::pair<MetricNames, MetricsFormat>, Kept> kept_;
  Id next_id_ = 1;
};

}  // namespace baton::steward
