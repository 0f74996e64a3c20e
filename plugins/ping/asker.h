// One target that is asked: by ICMP echo, by ARP, or by neighbour solicitation (its like for IPv6). All sockets are
// non-blocking; the caller polls.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "local.h"

namespace baton_ping {

using std::chrono::nanoseconds;

enum class Method { kIcmp, kArp, kNeighbour };

struct Question {
  std::string target;
  Ip ip;
  std::string interface;  ///< "" : by the routing table
  std::optional<Ip> source;
};

class Asker {
 public:
  /// By ARP or neighbour solicitation over `way` if there is one, else by ICMP echo.
  Asker(const Question& question, const std::optional<Way>& way, std::uint16_t id);
  ~Asker();
  Asker(Asker&& other) noexcept;
  Asker& operator=(Asker&&) = delete;

  int descriptor() const { return descriptor_; }
  bool answered() const { return round_trip_.has_value(); }
  nanoseconds round_trip() const { return round_trip_.value_or(nanoseconds{0}); }
  const std::string& target() const { return question_.target; }
  Method method() const { return method_; }
  const char* method_name() const;
  /// Why there was no answer as far as is known: an errno, 0 if nothing but silence.
  int error() const { return error_; }
  /// Whether it could not be asked for want of rights.
  bool lacks_rights() const { return lacks_rights_; }

  void send(nanoseconds now);
  /// Reads what has come; true if the answer is among it.
  bool receive(nanoseconds now);

 private:
  bool open_icmp();
  bool open_arp();
  bool open_neighbour();
  bool ask_icmp();
  bool ask_arp();
  bool ask_neighbour();
  std::optional<std::uint16_t> reply_of(const std::uint8_t* bytes, std::size_t size, int hop_limit) const;

  Question question_;
  std::optional<Way> way_;
  Method method_;
  int descriptor_ = -1;
  bool raw_ = false;
  bool lacks_rights_ = false;
  int error_ = 0;
  std::uint16_t id_;
  std::uint64_t cookie_ = 0;
  std::uint16_t sent_ = 0;
  static constexpr std::size_t kMostSent = 16;
  std::array<nanoseconds, kMostSent> sent_at_{};
  std::optional<nanoseconds> round_trip_;
};

}  // namespace baton_ping
