// What an instance hears: which adverts reach the election, what is remembered about the others, and which alarms
// follow. A frame that fails any check moves a counter and nothing else (I6).
#include <algorithm>
#include <utility>

#include "engine/mover.h"

namespace baton::engine {

using ports::Alarm;
using vrrp::DecodeError;
using vrrp::State;
using namespace std::chrono_literals;

void Mover::on_advert(Instant now, std::size_t index, const vrrp::VrrpFrame& frame) {
  Router& router = routers_[index];
  if (!router.rules) return;
  vrrp::Advert& advert = context_.scratch;
  if (const auto error = vrrp::decode_into(advert, frame.payload, frame.envelope)) {
    return discarded(now, index, frame.envelope, *error);
  }
  const auto match = router.rules->match(frame.envelope, advert);
  if (!match) {
    if (match.error() == DecodeError::kOwn) own_source_heard(now, index, frame);
    return discarded(now, index, frame.envelope, match.error());
  }
  accepted(now, index, frame, advert, *match);
}

void Mover::discarded(Instant now, std::size_t index, const vrrp::Envelope& envelope, DecodeError error) {
  Router& router = routers_[index];
  ports::RouterCounters& counters = *router.counters;
  switch (error) {
    case DecodeError::kTruncated: ++counters.packet_length_errors; break;
    case DecodeError::kVersion:
      ++counters.version_errors;
      ++context_.counters.version_errors;
      break;
    case DecodeError::kType: ++counters.invalid_type_pkts_rcvd; break;
    case DecodeError::kTtl:
      ++counters.ip_ttl_errors;
      ++context_.counters.ip_ttl_errors;
      break;
    case DecodeError::kChecksum:
      ++counters.checksum_errors;
      ++context_.counters.checksum_errors;
      break;
    case DecodeError::kAddressList: ++counters.address_list_errors; break;
    case DecodeError::kIntervalMismatch: ++counters.interval_errors; break;
    default: ++counters.other_discards; break;
  }
  if (error == DecodeError::kOwn) return;
  // Somebody speaks our VRID, and nothing of it is understood: that is worse than silence.
  const Nanos interval = instance_of(index).advertisement_interval;
  if (router.rejected_count == 0 || now - router.rejected_last > 3 * interval) {
    router.rejected_since = now;
    router.rejected_count = 0;
  }
  router.rejected_last = now;
  // Well formed, and refused for what it says: another configuration, told at once. (keepalived 2.2.7 as Active beside
  // us puts its own advert off with each of ours that it refuses, so there may be only one.) Garbage has to repeat
  // itself.
  const bool understood = error == DecodeError::kAuthType || error == DecodeError::kAuthData ||
                          error == DecodeError::kIntervalMismatch || error == DecodeError::kAddressList;
  ++router.rejected_count;
  if (!understood && (router.rejected_count < 3 || now - router.rejected_since < 2 * interval)) return;
  ports::Report report = report_about(&router);
  report.decode_error = static_cast<std::uint8_t>(error);
  report.other = envelope.source;
  alarm(now, Alarm::kAdvertsRejected, report, while_heard());
  schedule(now);
}

/// F90. The longest interval is 40.95 s.
void Mover::on_vrid_in_use_here(Instant now, std::size_t index, const IpAddress& source) {
  ports::Report report = report_about(&routers_[index]);
  report.other = source;
  alarm(now, Alarm::kSameVridHere, report, 60s);
  settle(now);
}

/// F12, F14. A frame of ours that comes back is a loop. From another MAC it is a second host with our address: then a
/// Backup does not become Active, and of two Actives the one with the greater MAC stays, or neither would ever yield
/// (S-08).
void Mover::own_source_heard(Instant now, std::size_t index, const vrrp::VrrpFrame& frame) {
  Router& router = routers_[index];
  ports::Report report = report_about(&router);
  report.other = frame.envelope.source;
  report.other_mac = frame.source_mac;
  alarm(now, Alarm::kDuplicateHost, report, while_heard());
  const MacAddress& ours = context_.links[router.link].state.mac;
  const bool reflected = frame.source_mac == ours || frame.source_mac.is_zero();
  const bool stays = group_.state() == State::kActive && ours > frame.source_mac;
  if (!reflected && !stays) {
    timers_[kDuplicateOver] = now + 3 * group_.router(index).down_interval();
    if (!facts_.duplicate_host) {
      facts_.duplicate_host = true;
      update_against(now);
    }
  }
  settle(now);
}

/// The same seen by ARP or ND: said, but anybody can forge it, so it decides nothing.
void Mover::on_own_address_claimed(Instant now, ports::LinkId link, const vrrp::AddressClaim& claim) {
  const auto router = std::find_if(routers_.begin(), routers_.end(), [&](const Router& each) {
    return each.link == link && each.primary == claim.address;
  });
  if (router == routers_.end()) return;
  ports::Report report = report_about(&*router);
  report.other = claim.address;
  report.other_mac = claim.owner;
  alarm(now, Alarm::kDuplicateHost, report, while_heard());
  schedule(now);
}

void Mover::accepted(Instant now, std::size_t index, const vrrp::VrrpFrame& frame, const vrrp::Advert& advert,
                     const vrrp::AcceptRemarks& remarks) {
  Router& router = routers_[index];
  ports::RouterCounters& counters = *router.counters;
  ++counters.advertisement_rcvd;
  router.rejected_count = 0;
  context_.heard = {frame.envelope.source, frame.source_mac, advert.priority.value()};
  if (remarks.address_list_differs) {
    ++counters.address_list_errors;
    alarm(now, Alarm::kVipMismatch, report_about(&router), while_heard());
  }
  const bool named = context_.known_hosts.empty() || frame.envelope.source.is_link_local() ||
                     std::find(context_.known_hosts.begin(), context_.known_hosts.end(), frame.envelope.source) !=
                         context_.known_hosts.end();
  if (!named) alarm(now, Alarm::kUnknownPeer, report_about(&router), while_heard());
  const bool was_active = group_.state() == State::kActive;
  if (advert.priority == kResignPriority) {
    ++counters.priority_zero_pkts_rcvd;
    resigned(now, router, frame);
    // F11: the fourth resignation in a row forces no election any more; a dead Active is found by the timer as ever.
    if (router.resigned_count > 3 && group_.state() == State::kBackup) {
      context_.heard = {};
      return settle(now);
    }
  }
  // No basis in the RFC: the last word of an Active that yields tells the winner that somebody else was Active (F25).
  const bool yields = was_active && wanted_ && advert.priority > priority();
  if (yields) send_advert(now, index, priority());
  const vrrp::GroupStep step = group_.handle(
      now, index, vrrp::AdvertReceived{frame.envelope.source, advert.priority, advert.max_advertise_interval});
  const auto& active = group_.router(index).heard_active();
  const bool obeyed = active && active->at == now && active->source == frame.envelope.source;
  if (obeyed) {
    const bool news = router.heard != active->source || router.heard_priority != active->priority.value();
    router.heard = active->source;
    router.heard_priority = active->priority.value();
    router.heard_at = now;
    if ((news || now - router.heard_published >= 1s) && !step.transition) {
      router.heard_published = now;
      publish_router(index);
      if (news) touch();
    }
  }
  perform(now, step);
  // People must not read that one is Active which has just said that it is not any more.
  const bool gone = advert.priority == kResignPriority && group_.state() == State::kBackup;
  if (gone && !step.transition) publish_router(index);
  if (was_active && group_.state() == State::kActive && advert.priority != kResignPriority) {
    beside_us(now, router, frame, advert);
  }
  if (advert.version == vrrp::Version::kV3 && !frame.envelope.source.is_ipv6()) heard_form(now, index, advert, obeyed);
  context_.heard = {};
  settle(now);
}

/// Checksum auto (design section 6).
void Mover::heard_form(Instant now, std::size_t index, const vrrp::Advert& advert, bool obeyed) {
  Router& router = routers_[index];
  const bool plain = advert.checksum_form == vrrp::ChecksumForm::kMessageOnly;
  ++(plain ? router.counters->message_only_rcvd : router.counters->pseudo_header_rcvd);
  const bool active = group_.state() == State::kActive;
  const bool changed = router.forms.heard(now, advert.checksum_form, obeyed, active);
  if (router.forms.mixed(now)) alarm(now, Alarm::kChecksumMixed, report_about(&router), while_heard());
  if (!changed) return;
  if (active) alarm(now, Alarm::kChecksumChanged, report_about(&router), 10s);
  renew_wire(index);
}

void Mover::note(Instant now, std::size_t index, vrrp::Remark remark) {
  Router& router = routers_[index];
  const auto raise = [&](Alarm which) { alarm(now, which, report_about(&router), while_heard()); };
  switch (remark) {
    case vrrp::Remark::kSameSource: raise(Alarm::kDuplicateHost); break;
    case vrrp::Remark::kEqualPriority: raise(Alarm::kEqualPriority); break;
    case vrrp::Remark::kForeignOwner: raise(Alarm::kForeignOwner); break;
    case vrrp::Remark::kSecondOwner: raise(Alarm::kSecondOwner); break;
    case vrrp::Remark::kIntervalMismatch:
      ++router.counters->interval_errors;
      raise(Alarm::kIntervalMismatch);
      break;
    case vrrp::Remark::kAnswerSuppressed: ++router.counters->answers_suppressed; break;
    case vrrp::Remark::kLowerAnswered:
    case vrrp::Remark::kResignRepeated: break;
  }
}

/// We are Active, and somebody who should yield goes on. One advert is a takeover race; more than three over more than
/// an Active_Down_Interval are not. F26: if our lists and checksums agree, it probably does not hear us.
void Mover::beside_us(Instant now, Router& router, const vrrp::VrrpFrame& frame, const vrrp::Advert& advert) {
  const auto index = static_cast<std::size_t>(&router - routers_.data());
  const Nanos interval = instance_of(index).advertisement_interval;
  const Nanos down = group_.router(index).down_interval();
  if (router.beside_count == 0 || now - router.beside_last > down) {
    router.beside_count = 0;
    router.beside_since = now;
    // F25: who was Active beside us while the network was cut has told clients its own MAC address; they learn ours
    // again.
    repeat_announcements(now, true);
  }
  router.beside_last = now;
  ++router.beside_count;
  router.beside_mac = frame.source_mac;
  ports::Report report = report_about(&router);
  report.other = frame.envelope.source;
  report.priority = advert.priority.value();
  const bool explained = alarms_.has(Alarm::kVipMismatch) || alarms_.has(Alarm::kChecksumMixed);
  if (router.beside_count > 3 && now - router.beside_since >= 3 * interval && !explained) {
    alarm(now, Alarm::kOneWay, report, while_heard());
  }
  const bool answers_for_our_address = alarms_.has(Alarm::kRival) && rival_mac_ == frame.source_mac;
  if (answers_for_our_address || (router.beside_count > 3 && now - router.beside_since > down)) {
    alarm(now, Alarm::kDualActive, report, while_heard());
  }
}

/// A router that has once advertised beside us is silent since, and yet claims our address longer after than a takeover
/// race lasts. (keepalived that cannot read our checksum starts its advert timer anew at each advert of ours.)
void Mover::claims_beside_us(Instant now, MacAddress owner) {
  for (std::size_t i = 0; i < routers_.size(); ++i) {
    const Router& router = routers_[i];
    if (router.beside_count == 0 || router.beside_mac != owner) continue;
    if (now - router.beside_since <= group_.router(i).down_interval()) continue;
    ports::Report report = report_about(&router);
    report.other_mac = owner;
    alarm(now, Alarm::kDualActive, report, 60s);
  }
}

/// F11: priority 0 again and again, while we have never given the role back by ourselves.
void Mover::resigned(Instant now, Router& router, const vrrp::VrrpFrame& frame) {
  const auto index = static_cast<std::size_t>(&router - routers_.data());
  if (now - router.resigned_last > 3 * group_.router(index).down_interval()) router.resigned_count = 0;
  router.resigned_last = now;
  if (++router.resigned_count < 3) return;
  ports::Report report = report_about(&router);
  report.other = frame.envelope.source;
  alarm(now, Alarm::kResignStorm, report, while_heard());
}

}  // namespace baton::engine
