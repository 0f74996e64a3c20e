#include "engine/advertiser.h"

#include <algorithm>
#include <utility>

namespace baton::engine {

using vrrp::ChecksumForm;

FormChoice::FormChoice(config::Checksum configured) : automatic_(configured == config::Checksum::kAuto) {
  if (configured == config::Checksum::kMessageOnly) forms_ = {.pseudo_header = false, .message_only = true};
}

bool FormChoice::mixed(Instant now) const {
  return heard_pseudo_ && heard_plain_ && now - *heard_pseudo_ < kMemory && now - *heard_plain_ < kMemory;
}

bool FormChoice::heard(Instant now, ChecksumForm form, bool obeyed, bool active) {
  const bool plain = form == ChecksumForm::kMessageOnly;
  (plain ? heard_plain_ : heard_pseudo_) = now;
  if (!plain) {
    plain_in_a_row_ = 0;
  } else if (obeyed) {
    plain_in_a_row_ = std::min(plain_in_a_row_ + 1, 3);
  }
  if (!automatic_) return false;
  if (mixed(now)) return change(now, {.pseudo_header = true, .message_only = true}, active);
  if (plain) return change(now, {.pseudo_header = active || plain_in_a_row_ < 3, .message_only = true}, active);
  return change(now, {.pseudo_header = true, .message_only = active && forms_.message_only}, active);
}

bool FormChoice::change(Instant now, Forms forms, bool active) {
  if (active) {  // only ever added
    forms.pseudo_header |= forms_.pseudo_header;
    forms.message_only |= forms_.message_only;
  }
  if (forms == forms_) return false;
  if (active && changed_ && now - *changed_ < kChangeGap) return false;
  forms_ = forms;
  changed_ = now;
  return true;
}

void FormChoice::restore(ChecksumForm form, bool both) {
  if (!automatic_) return;
  const bool plain = form == ChecksumForm::kMessageOnly;
  forms_ = {.pseudo_header = both || !plain, .message_only = both || plain};
}

void Advertiser::set(Contents contents) {
  if (contents_ == contents) return;
  contents_ = std::move(contents);
  built_for_ = kResignPriority;
  built_.clear();
}

std::vector<Advertiser::Message> Advertiser::build(Priority priority) const {
  std::vector<Message> messages;
  vrrp::Advert advert = contents_->advert;
  advert.priority = priority;
  const Family family = contents_->source.family();
  const auto add = [&](ChecksumForm form) {
    if (contents_->peers.empty()) {
      const vrrp::Bytes message = vrrp::encode(advert, form, contents_->source, vrrp::multicast_group(family));
      messages.push_back({{}, vrrp::multicast_frame(contents_->mac, contents_->source, message)});
      return;
    }
    for (const IpAddress& peer : contents_->peers) {
      messages.push_back({peer, vrrp::encode(advert, form, contents_->source, peer)});
    }
  };
  // Only v3 over IPv4 has two forms (C-01 to C-04).
  const bool two_forms = advert.version == vrrp::Version::kV3 && family == Family::kIpv4;
  if (!two_forms || contents_->forms.pseudo_header) add(ChecksumForm::kPseudoHeader);
  if (two_forms && contents_->forms.message_only) add(ChecksumForm::kMessageOnly);
  return messages;
}

void Advertiser::transmit(ports::FramePort& port, const std::vector<Message>& messages) const {
  for (const Message& message : messages) {
    if (contents_->peers.empty()) {
      port.send_frame(contents_->link, message.bytes);
    } else {
      port.send_unicast(contents_->link, contents_->source, message.destination, message.bytes);
    }
  }
}

void Advertiser::send(ports::FramePort& port, Priority priority) {
  if (priority == kResignPriority) return transmit(port, build(priority));
  if (built_.empty() || built_for_ != priority) {
    built_ = build(priority);
    built_for_ = priority;
  }
  transmit(port, built_);
}

std::size_t Advertiser::packet_size(vrrp::Version version, Family family, std::size_t addresses) {
  return (family == Family::kIpv6 ? 40 : 20) + vrrp::message_size(version, family, addresses);
}

}  // namespace baton::engine
