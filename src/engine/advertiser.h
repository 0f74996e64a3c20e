// The adverts of one virtual router as ready frames, built again only when something in them changes, and the choice of
// the v3/IPv4 checksum form ("Checksum auto", design section 6). Sends through FramePort; decides nothing about when.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "config/config.h"
#include "ports/ports.h"
#include "vrrp/frame.h"
#include "vrrp/packet.h"

namespace baton::engine {

/// Which forms go out. Both: each advert twice, so that every peer understands one of them.
struct Forms {
  bool pseudo_header = true;
  bool message_only = false;
  bool operator==(const Forms&) const = default;
  bool both() const { return pseudo_header && message_only; }
  /// The form of most weight: what a single form would be.
  vrrp::ChecksumForm main() const {
    return pseudo_header ? vrrp::ChecksumForm::kPseudoHeader : vrrp::ChecksumForm::kMessageOnly;
  }
};

/// The memory behind checksum auto. One forged frame can only add a form, never take away the one that a peer reads:
///  - the pseudo-header form is left only after three adverts in a row, in the other form alone, from a router that we
///  yield to;
///  - while Active a form is only ever added, at most once in 10 s;
///  - both heard: both sent.
class FormChoice {
 public:
  static constexpr Nanos kChangeGap = std::chrono::seconds{10};
  static constexpr Nanos kMemory =
      std::chrono::seconds{60};  ///< a form that has not been heard for so long is forgotten

  explicit FormChoice(config::Checksum configured);
  /// An accepted advert. `obeyed`: from a router that we yield to. Returns true if the forms to send changed.
  bool heard(Instant now, vrrp::ChecksumForm form, bool obeyed, bool active);
  Forms forms() const { return forms_; }
  bool mixed(Instant now) const;
  /// After adoption.
  void restore(vrrp::ChecksumForm form, bool both);

 private:
  bool change(Instant now, Forms forms, bool active);

  bool automatic_;
  Forms forms_;
  std::optional<Instant> heard_pseudo_;
  std::optional<Instant> heard_plain_;
  std::optional<Instant> changed_;
  int plain_in_a_row_ = 0;
};

class Advertiser {
 public:
  struct Contents {
    vrrp::Advert advert;  ///< priority is set when sent
    ports::LinkId link = 0;
    MacAddress mac;
    IpAddress source;
    std::vector<IpAddress> peers;  ///< unicast; empty = multicast
    Forms forms;
    bool operator==(const Contents&) const = default;
  };

  /// Cheap if nothing changed.
  void set(Contents contents);
  bool ready() const { return contents_.has_value(); }
  void forget() { contents_.reset(); }
  void send(ports::FramePort& port, Priority priority);
  /// Bytes of the largest IP packet with these addresses.
  static std::size_t packet_size(vrrp::Version version, Family family, std::size_t addresses);

 private:
  struct Message {
    IpAddress destination;  ///< unicast
    vrrp::Bytes bytes;      ///< a frame, or the message for a peer
  };
  std::vector<Message> build(Priority priority) const;
  void transmit(ports::FramePort& port, const std::vector<Message>& messages) const;

  std::optional<Contents> contents_;
  Priority built_for_{0};
  std::vector<Message> built_;
};

}  // namespace baton::engine
