// Whether the routers of an instance can take part: interface, source address, MTU (S-12, S-14, E-04, E-05, F21, F23,
// F31, F32).
#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/defect.h"
#include "config/wire.h"
#include "engine/mover.h"

namespace baton::engine {

using vrrp::State;

void Mover::look_at_links(Instant now) {
  for (std::size_t i = 0; i < routers_.size(); ++i) look_at_router(now, i);
}

/// E-04: IPv4 from the interface's first address that is no VIP. E-05: IPv6 from its link-local. Unspecified if there
/// is none; `waiting`: there would be one, but duplicate address detection has not passed it.
IpAddress Mover::choose_source(const Link& link, const config::Instance& instance, Family family, bool& waiting) const {
  for (const OwnAddress& own : link.own) {
    const IpAddress& address = own.prefix.address;
    if (address.family() != family || !config::may_be_source(instance, address)) continue;
    if (own.usable) return address;
    waiting = true;
  }
  return {};
}

Reason Mover::find_fault(const Router& router, const RouterPlan& plan, IpAddress& source) const {
  const Link& link = context_.links[router.link];
  const config::Instance& instance = plan_.members[plan.member];
  if (!link.state.present) return Reason::kInterfaceMissing;
  if ((!link.state.up && !BATON_DEFECT(40)) || link.state.mac.is_zero()) return Reason::kInterfaceDown;
  bool waiting = false;
  source = choose_source(link, instance, plan.family, waiting);
  if (source.is_unspecified()) return waiting ? Reason::kAddressTentative : Reason::kNoPrimaryAddress;
  if (link.state.mtu != 0 &&
      Advertiser::packet_size(instance.version, plan.family, plan.addresses.size()) > link.state.mtu) {
    return Reason::kMtuTooSmall;
  }
  return Reason::kNone;
}

void Mover::look_at_router(Instant now, std::size_t index) {
  if (stop_reason_) return;
  if (adopting_) {
    // Facts are still coming in; what the predecessor knew holds until they are complete.
    if (context_.links[routers_[index].link].known && routers_[index].unusable == Reason::kNone) renew_wire(index);
    return;
  }
  Router& router = routers_[index];
  const RouterPlan& plan = plan_.routers[index];
  IpAddress source;
  const Reason fault = find_fault(router, plan, source);
  const Reason before = std::exchange(router.unusable, fault);
  if (fault == Reason::kNone) {
    const bool moved = router.primary != source;
    router.primary = source;
    renew_wire(index);
    if (moved || before != Reason::kNone) {
      perform(now, group_.handle(now, index, vrrp::ParametersChanged{parameters_of(index)}));
    }
    if (before != Reason::kNone) {
      if (before == Reason::kMtuTooSmall) alarm_over(now, ports::Alarm::kMtu);
      router.last_event = before == Reason::kInterfaceMissing || before == Reason::kInterfaceDown
                              ? ports::LastEvent::kInterfaceUp
                              : ports::LastEvent::kPrimaryIpAddress;
      perform(now, group_.handle(now, index, vrrp::Startup{}));
    }
    publish_router(index);
    return;
  }
  if (before == fault) return;
  if (fault == Reason::kMtuTooSmall) {
    ports::Report report = report_about(&router);
    alarm(now, ports::Alarm::kMtu, report, kForEver);
  }
  if (group_.router(index).state() != State::kInitialize) {
    // S-12: the farewell leaves if it can.
    const bool farewell = fault != Reason::kInterfaceMissing && fault != Reason::kInterfaceDown;
    perform(now, group_.handle(now, index, vrrp::Shutdown{fault, farewell}));
  }
  router.last_event = last_event(State::kInitialize, fault, router.last_event);
  if (group_.state() == State::kInitialize) reason_ = fault;
  router.advertiser.forget();
  router.rules.reset();
  publish_router(index);
  touch();
}

/// What is said and what is accepted, from the configuration, the link and our source address.
void Mover::renew_wire(std::size_t index) {
  Router& router = routers_[index];
  if (router.primary.is_unspecified()) return;
  const RouterPlan& plan = plan_.routers[index];
  const config::Instance& instance = instance_of(index);
  const Link& link = context_.links[router.link];

  vrrp::ReceiveParameters accepts = config::receive_parameters(instance, plan.family);
  Advertiser::Contents contents;
  contents.advert.version = instance.version;
  contents.advert.vrid = instance.vrid;
  contents.advert.max_advertise_interval = instance.advertisement_interval;
  contents.advert.addresses = plan.addresses;
  contents.advert.auth_type = accepts.auth_type;
  contents.advert.auth_data = accepts.auth_data;
  contents.link = router.link;
  contents.mac = link.state.mac;
  contents.source = router.primary;
  contents.forms = router.forms.forms();

  for (const vrrp::UnicastSender& peer : accepts.senders) contents.peers.push_back(peer.address);
  accepts.own = router.primary;
  if (config::wants_on_link(instance, plan.family)) {
    for (const OwnAddress& own : link.own) {
      if (own.prefix.address.family() == Family::kIpv4) accepts.on_link.push_back(own.prefix);
    }
  }
  router.rules.emplace(std::move(accepts));
  if (contents.mac.is_zero() && !instance.unicast) return;
  // Unicast without a peer of this family says nothing to anybody; it must not fall back to multicast.
  if (instance.unicast && contents.peers.empty()) return router.advertiser.forget();
  router.advertiser.set(std::move(contents));
  if (std::exchange(router.owed, false) && group_.router(index).state() == State::kActive) {
    send_advert({}, index, priority());
  }
}

void Mover::on_link_changed(Instant now, ports::LinkId link, bool mac_changed) {
  const Link& state = context_.links[link];
  const bool unusable = !state.state.present;
  for (std::uint32_t i = 0; i < vips_.size() && unusable; ++i) {
    // With the interface its addresses are gone, and nobody will say so one by one.
    if (vips_[i].link == link) vips_[i].present = vips_[i].ours = false;
  }
  for (std::size_t i = 0; i < routers_.size(); ++i) {
    if (routers_[i].link == link) look_at_router(now, i);
  }
  if (mac_changed && wanted_ && group_.state() == State::kActive) repeat_announcements(now, true);  // F35
  settle(now);
}

void Mover::on_own_addresses_changed(Instant now, ports::LinkId link) {
  for (std::size_t i = 0; i < routers_.size(); ++i) {
    if (routers_[i].link == link) look_at_router(now, i);
  }
  settle(now);
}

/// F23, F41: adverts that do not leave. One error may pass; for longer than two intervals we are silent and must say
/// so.
void Mover::on_send_error(Instant now, ports::LinkId link, int sys_errno) {
  const auto here =
      std::find_if(routers_.begin(), routers_.end(), [=](const Router& router) { return router.link == link; });
  if (here == routers_.end()) return;
  if (sys_errno == 0) {
    alarm_over(now, ports::Alarm::kSendFailed);
    alarm_over(now, ports::Alarm::kMtu);
    if (!facts_.send_failed) timers_[kSendFailing] = kNever;
  } else if (group_.state() == State::kActive) {
    expect_sending(now);
  }
  settle(now);
}

/// An error is told once, so an Active on a link that had one waits for the word that it is over.
void Mover::expect_sending(Instant now) {
  for (const Router& router : routers_) {
    const int sys_errno = context_.links[router.link].send_errno;
    if (sys_errno == 0) continue;
    ports::Report report = report_about(nullptr);
    report.sys_errno = sys_errno;
    alarm(now, sys_errno == EMSGSIZE ? ports::Alarm::kMtu : ports::Alarm::kSendFailed, report, kForEver);
    if (timers_[kSendFailing] == kNever) timers_[kSendFailing] = now + 2 * shortest_interval_;
  }
}

}  // namespace baton::engine
