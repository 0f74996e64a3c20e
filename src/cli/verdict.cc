#include "cli/verdict.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "config/wire.h"

namespace baton::cli {
namespace {

using vrrp::DecodeError;

constexpr std::int64_t kSecond = 1'000'000'000;
/// Design section 6, as the ledger numbers it: rival detection.
constexpr std::string_view kRival = "A6-7";
constexpr std::string_view kSameAddress = "I-05";
constexpr std::string_view kOwnFrame = "R-01";
constexpr std::string_view kNoSource = "S-12";

/// The Active announces a floating address; nobody else does.
std::string_view announcing_rule(const IpAddress& address) { return address.is_ipv6() ? "N-04" : "V-03"; }
/// A Backup answers nobody who asks for one.
std::string_view answering_rule(const IpAddress& address) { return address.is_ipv6() ? "N-01" : "V-01"; }

Protocol protocol_of(ConstBytes frame) {
  if (frame.size() < 14) return Protocol::kOther;
  switch (frame[12] << 8 | frame[13]) {
    case vrrp::kEtherTypeArp: return Protocol::kArp;
    case vrrp::kEtherTypeIpv4: return Protocol::kVrrp;
    case vrrp::kEtherTypeIpv6: {
      constexpr std::uint8_t kIcmpv6 = 58;
      return frame.size() > 20 && frame[20] == kIcmpv6 ? Protocol::kNd : Protocol::kVrrp;
    }
    default: return Protocol::kOther;
  }
}

MacAddress source_mac(ConstBytes frame) {
  MacAddress mac;
  if (frame.size() >= 12) std::copy_n(frame.begin() + 6, mac.bytes.size(), mac.bytes.begin());
  return mac;
}

void drop(Judged& judged, DecodeError reason) {
  judged.verdict = Verdict::kDropped;
  judged.reason = reason;
  judged.rule = vrrp::decode_error_rule(reason);
  judged.text = vrrp::decode_error_words(reason);
}

const std::string& shown_name(const config::Instance& instance) {
  return instance.group.empty() ? instance.name : instance.group;
}

/// What an advert that is accepted is remarked on for.
void remark(Judged& judged, const vrrp::ReceiveParameters& parameters, const vrrp::AcceptRemarks& remarks) {
  const vrrp::Advert& advert = *judged.advert;
  if (remarks.address_list_differs) judged.remarks.push_back({"R-14", "other addresses than are configured here"});
  if (remarks.first_address_not_link_local) {
    judged.remarks.push_back({"R-10", "its first address is not link-local"});
  }
  if (advert.version == vrrp::Version::kV3 && advert.max_advertise_interval != parameters.advertisement_interval) {
    judged.remarks.push_back({"R-13", "another interval than is configured here"});
  }
  if (advert.priority == kOwnerPriority) judged.remarks.push_back({"A6-12", "it says that it owns the addresses"});
  if (advert.priority == kResignPriority) judged.remarks.push_back({"S-04", "it resigns"});
}

}  // namespace

std::string_view verdict_token(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSent: return "sent";
    case Verdict::kAccepted: return "accepted";
    case Verdict::kDropped: return "dropped";
    case Verdict::kDeaf: return "deaf";
    case Verdict::kOurs: return "ours";
    case Verdict::kActive: return "active";
    case Verdict::kConflict: return "conflict";
    case Verdict::kUnclear: return "unclear";
    case Verdict::kProbe: return "probe";
    case Verdict::kForeign: return "foreign";
    case Verdict::kIgnored: return "ignored";
  }
  return "";
}

std::string_view protocol_token(Protocol protocol) {
  switch (protocol) {
    case Protocol::kVrrp: return "vrrp";
    case Protocol::kArp: return "arp";
    case Protocol::kNd: return "nd";
    case Protocol::kOther: return "other";
  }
  return "";
}

Judge::Judge(const config::Config& config, const std::vector<config::InterfaceFact>& facts) : config_(config) {
  for (const config::Instance& instance : config_.instances) {
    for (const auto* list : {&instance.addresses, &instance.extra_addresses}) {
      for (const Prefix& prefix : *list) {
        const Family family = prefix.address.family();
        const Key key{instance.interface, family, instance.vrid.value()};
        addresses_.emplace(std::pair{instance.interface, prefix.address}, key);
        if (list != &instance.addresses) continue;
        routers_.emplace(key, Router{.instance = &instance,
                                     .family = family,
                                     .name = shown_name(instance),
                                     .parameters = std::nullopt,
                                     .password_unknown = !instance.password_file.empty() && instance.password.empty()});
      }
    }
  }
  renew(facts);
}

void Judge::renew(const std::vector<config::InterfaceFact>& facts) {
  macs_.clear();
  own_.clear();
  for (auto& [key, router] : routers_) router.parameters.reset();
  for (const config::InterfaceFact& fact : facts) {
    macs_[fact.name] = fact.mac;
    for (const Prefix& prefix : fact.prefixes) {
      const auto floating = addresses_.find({fact.name, prefix.address});
      const bool owned = floating != addresses_.end() && routers_.count(floating->second) != 0 &&
                         routers_.at(floating->second).instance->owner;
      if (floating == addresses_.end() || owned) own_[fact.name].push_back(prefix);
    }
  }
  for (auto& entry : routers_) {
    auto& router = entry.second;
    const std::vector<Prefix>& own = own_[router.instance->interface];
    const auto source = std::find_if(own.begin(), own.end(), [&](const Prefix& prefix) {
      return prefix.address.family() == router.family && config::may_be_source(*router.instance, prefix.address);
    });
    if (source == own.end()) continue;
    router.parameters = config::receive_parameters(*router.instance, router.family);
    router.parameters->own = source->address;
    if (!config::wants_on_link(*router.instance, router.family)) continue;
    std::copy_if(own.begin(), own.end(), std::back_inserter(router.parameters->on_link),
                 [&](const Prefix& prefix) { return !prefix.address.is_ipv6(); });
  }
}

Judged Judge::judge(const std::string& interface, const ports::CapturedFrame& frame) {
  Judged judged;
  judged.interface = interface;
  judged.wall_clock_ns = frame.wall_clock_ns;
  judged.outgoing = frame.outgoing;
  judged.length = frame.length;
  judged.protocol = protocol_of(frame.bytes);
  judged.source_mac = source_mac(frame.bytes);
  const vrrp::ParsedFrame parsed = vrrp::parse_frame(frame.bytes);
  if (const auto* advert = std::get_if<vrrp::VrrpFrame>(&parsed)) {
    judge_advert(judged, *advert);
  } else if (const auto* claim = std::get_if<vrrp::AddressClaim>(&parsed)) {
    judged.claim = *claim;
    judge_claim(judged);
  } else if (const auto* error = std::get_if<DecodeError>(&parsed)) {
    drop(judged, *error);
  } else {
    judged.text = "nothing that the election looks at";
  }
  return judged;
}

/// In the engine's order: the VRID before any parsing (F08), the message, then what is configured.
void Judge::judge_advert(Judged& judged, const vrrp::VrrpFrame& frame) {
  judged.envelope = frame.envelope;
  judged.peek = vrrp::peek(frame.payload);
  auto advert = vrrp::decode(frame.payload, frame.envelope);
  if (advert) judged.advert = *advert;
  if (!judged.peek) return drop(judged, DecodeError::kTruncated);
  const auto found = routers_.find(Key{judged.interface, frame.envelope.source.family(), judged.peek->vrid});
  if (found != routers_.end()) judged.instance = found->second.name;
  if (judged.outgoing) {
    judged.verdict = Verdict::kSent;
    judged.rule = kOwnFrame;
    judged.text = found == routers_.end() ? "by this host, but by no instance" : "by this host";
    if (found != routers_.end() && judged.advert) sent(judged, found->second);
    return;
  }
  if (found == routers_.end()) return drop(judged, DecodeError::kVrid);
  Router& router = found->second;
  if (!router.parameters) {
    judged.verdict = Verdict::kDeaf;
    judged.rule = kNoSource;
    judged.text = "this host has no address here to take part with";
    return;
  }
  if (!advert) return drop(judged, advert.error());
  const auto remarks = match(router, frame.envelope, *advert);
  if (!remarks) return drop(judged, remarks.error());
  accepted(judged, router, *remarks);
}

Expected<vrrp::AcceptRemarks, DecodeError> Judge::match(const Router& router, const vrrp::Envelope& envelope,
                                                        const vrrp::Advert& advert) const {
  vrrp::ReceiveParameters parameters = *router.parameters;
  if (router.password_unknown) {
    parameters.auth_type = vrrp::kAuthSimplePassword;
    parameters.auth_data = advert.auth_data;  // nobody here may read it: taken on trust, and said
  }
  return vrrp::ReceiveRules{std::move(parameters)}.match(envelope, advert);
}

Judge::Speaker Judge::speaker(const Judged& judged) {
  return {.mac = judged.source_mac,
          .priority = judged.advert->priority,
          .source = judged.envelope->source,
          .wall_clock_ns = judged.wall_clock_ns,
          .interval = judged.advert->max_advertise_interval};
}

void Judge::sent(Judged& judged, Router& router) const {
  router.active_here = judged.advert->priority != kResignPriority;
  router.active.reset();
  if (router.active_here) router.active = speaker(judged);
  if (!router.active_here) judged.remarks.push_back({"S-03", "it resigns"});
}

void Judge::accepted(Judged& judged, Router& router, const vrrp::AcceptRemarks& remarks) {
  const vrrp::Advert& advert = *judged.advert;
  judged.verdict = Verdict::kAccepted;
  remark(judged, *router.parameters, remarks);
  if (router.password_unknown) judged.remarks.push_back({"D-06", "the password was not checked: it cannot be read"});
  const Speaker now = speaker(judged);
  const bool another = router.active && (router.active_here || router.active->source != now.source);
  if (advert.priority == kResignPriority) {
    if (!another) router.active.reset();
    return;
  }
  // RFC 9568 §6.4.3: beside an Active of higher priority or greater address, which is not silent, it is not the Active.
  if (another && std::pair{now.priority, now.source} < std::pair{router.active->priority, router.active->source} &&
      now.wall_clock_ns - router.active->wall_clock_ns <= 3 * router.active->interval.count()) {
    judged.remarks.push_back(
        {"S-07", router.active_here ? "it has to yield to this host" : "it has to yield to another"});
    return;
  }
  router.active = now;
  router.active_here = false;
}

void Judge::judge_claim(Judged& judged) {
  const vrrp::AddressClaim& claim = *judged.claim;
  const auto mac = macs_.find(judged.interface);
  const bool by_us = judged.outgoing || (mac != macs_.end() && claim.owner == mac->second);
  const auto floating = addresses_.find({judged.interface, claim.address});
  if (floating == addresses_.end()) {
    judged.verdict = Verdict::kForeign;
    judged.text = "not a floating address of ours";
    const std::vector<Prefix>& own = own_[judged.interface];
    const bool address_of_host =
        std::any_of(own.begin(), own.end(), [&](const Prefix& prefix) { return prefix.address == claim.address; });
    if (by_us || !address_of_host || !claim.announces) return;
    judged.verdict = Verdict::kConflict;
    judged.rule = kSameAddress;
    judged.text = claim.owner.text() + " has this host's own address, too";
    return;
  }
  const auto found = routers_.find(floating->second);
  const Router none;
  const Router& router = found == routers_.end() ? none : found->second;
  judged.instance = router.name;
  const std::uint8_t vrid = std::get<2>(floating->second);
  const bool virtual_mac = claim.owner == vrrp::virtual_router_mac(claim.address.family(), Vrid{vrid});
  const auto say = [&](Verdict verdict, std::string_view rule, std::string text) {
    judged.verdict = verdict;
    judged.rule = rule;
    judged.text = std::move(text);
  };
  const std::string_view announcing = announcing_rule(claim.address);
  if (!claim.announces)
    return say(Verdict::kProbe, answering_rule(claim.address), "somebody asks whether it is in use");
  if (by_us) return say(Verdict::kOurs, announcing, "this host's");
  if (router.active_here)
    return say(Verdict::kConflict, kRival, "this host is Active, and a stranger's MAC address has it, too");
  if (virtual_mac || (router.active && claim.owner == router.active->mac))
    return say(Verdict::kActive, announcing, "the Active's");
  if (!router.active) return say(Verdict::kUnclear, kRival, "no advert was seen yet that says who is Active");
  say(Verdict::kConflict, kRival, "a stranger's MAC address: the Active has " + router.active->mac.text());
}

namespace {

std::string time_text(std::int64_t wall_clock_ns, const char* form, int digits) {
  const auto seconds = static_cast<std::time_t>(wall_clock_ns / kSecond);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), form, &parts);
  std::string fraction = std::to_string(wall_clock_ns % kSecond + kSecond).substr(1, static_cast<std::size_t>(digits));
  return text.data() + ("." + fraction) + "Z";
}

std::string interval_text(Nanos interval) {
  using namespace std::chrono_literals;
  return interval % 1s == 0s ? std::to_string(interval / 1s) + "s" : std::to_string(interval / 1ms) + "ms";
}

std::string advert_text(const Judged& judged) {
  std::string text = judged.envelope->source.text() + " > " + judged.envelope->destination.text() +
                     " ttl=" + std::to_string(judged.envelope->hop_limit);
  if (judged.peek) {
    text += " v" + std::to_string(judged.peek->version) + " vrid=" + std::to_string(judged.peek->vrid);
  }
  if (!judged.advert) return text;
  text += " prio=" + std::to_string(judged.advert->priority.value()) +
          " interval=" + interval_text(judged.advert->max_advertise_interval);
  for (const IpAddress& address : judged.advert->addresses) text += " " + address.text();
  return text;
}

std::string claim_text(const vrrp::AddressClaim& claim) {
  return claim.owner.text() + (claim.announces ? " has " : " asks for ") + claim.address.text();
}

}  // namespace

std::string verdict_words(const Judged& judged) {
  std::string text{verdict_token(judged.verdict)};
  if (!judged.rule.empty()) text += " " + std::string{judged.rule};
  if (judged.reason) text += " " + std::string{vrrp::decode_error_token(*judged.reason)};
  if (!judged.text.empty()) text += ": " + judged.text;
  for (const Remark& remark : judged.remarks) text += "; " + std::string{remark.rule} + " " + remark.text;
  return text;
}

std::string tap_line(const Judged& judged) {
  std::string text = time_text(judged.wall_clock_ns, "%H:%M:%S", 6) + " " + judged.interface +
                     (judged.outgoing ? " out " : " in  ") + std::string{protocol_token(judged.protocol)} + " ";
  if (judged.envelope) {
    text += advert_text(judged);
  } else if (judged.claim) {
    text += claim_text(*judged.claim);
  } else {
    text += "from " + judged.source_mac.text() + ", " + std::to_string(judged.length) + " bytes";
  }
  if (!judged.instance.empty()) text += " [" + judged.instance + "]";
  return text + " " + verdict_words(judged);
}

nlohmann::ordered_json tap_json(const Judged& judged) {
  using Json = nlohmann::ordered_json;
  Json json{{"time", time_text(judged.wall_clock_ns, "%Y-%m-%dT%H:%M:%S", 9)},
            {"interface", judged.interface},
            {"direction", judged.outgoing ? "out" : "in"},
            {"protocol", protocol_token(judged.protocol)},
            {"length", judged.length},
            {"source_mac", judged.source_mac.text()}};
  if (judged.envelope) {
    json["source"] = judged.envelope->source.text();
    json["destination"] = judged.envelope->destination.text();
    json["ttl"] = judged.envelope->hop_limit;
  }
  if (judged.peek) {
    json["version"] = judged.peek->version;
    json["vrid"] = judged.peek->vrid;
  }
  if (judged.advert) {
    json["priority"] = judged.advert->priority.value();
    json["interval_ms"] = judged.advert->max_advertise_interval / std::chrono::milliseconds{1};
    Json addresses = Json::array();
    for (const IpAddress& address : judged.advert->addresses) addresses.push_back(address.text());
    json["addresses"] = std::move(addresses);
    const bool plain = judged.advert->checksum_form == vrrp::ChecksumForm::kMessageOnly;
    json["checksum_form"] = plain ? "message-only" : "pseudo-header";
  }
  if (judged.claim) {
    json["address"] = judged.claim->address.text();
    json["owner_mac"] = judged.claim->owner.text();
    json["announces"] = judged.claim->announces;
  }
  json["instance"] = judged.instance.empty() ? Json(nullptr) : Json(judged.instance);
  json["verdict"] = verdict_token(judged.verdict);
  json["reason"] = judged.reason ? Json(vrrp::decode_error_token(*judged.reason)) : Json(nullptr);
  json["rule"] = judged.rule.empty() ? Json(nullptr) : Json(judged.rule);
  json["text"] = judged.text;
  Json remarks = Json::array();
  for (const Remark& one : judged.remarks) remarks.push_back({{"rule", one.rule}, {"text", one.text}});
  json["remarks"] = std::move(remarks);
  return json;
}

}  // namespace baton::cli
