#include "vrrp/packet.h"

namespace baton::vrrp {

std::string_view decode_error_token(DecodeError error) {
  switch (error) {
    case DecodeError::kTruncated: return "packet-length-errors";
    case DecodeError::kVersion: return "version-errors";
    case DecodeError::kType: return "invalid-type-pkts-rcvd";
    case DecodeError::kTtl: return "ip-ttl-errors";
    case DecodeError::kChecksum: return "checksum-errors";
    case DecodeError::kZeroCount: return "zero-count";
    case DecodeError::kZeroInterval: return "zero-interval";
    case DecodeError::kVrid: return "vrid-errors";
    case DecodeError::kFragment: return "fragments";
    case DecodeError::kDestination: return "wrong-destination";
    case DecodeError::kSource: return "wrong-source";
    case DecodeError::kOwn: return "own";
    case DecodeError::kUnknownPeer: return "unknown-peer";
    case DecodeError::kAuthType: return "auth-type-mismatch";
    case DecodeError::kAuthData: return "auth-failure";
    case DecodeError::kIntervalMismatch: return "interval-errors";
    case DecodeError::kAddressList: return "address-list-errors";
    case DecodeError::kNotIp: return "not-ip";
  }
  return "unknown";
}

std::string_view decode_error_rule(DecodeError error) {
  switch (error) {
    case DecodeError::kTruncated: return "R-05";
    case DecodeError::kVersion: return "R-03";
    case DecodeError::kType: return "R-04";
    case DecodeError::kTtl: return "R-02";
    case DecodeError::kChecksum: return "R-08";
    case DecodeError::kZeroCount: return "R-07";
    case DecodeError::kZeroInterval: return "R-11";
    case DecodeError::kVrid: return "R-09";
    case DecodeError::kFragment: return "R-16";
    case DecodeError::kDestination: return "R-15";
    case DecodeError::kSource: return "R-15";
    case DecodeError::kOwn: return "R-01";
    case DecodeError::kUnknownPeer: return "R-15";
    case DecodeError::kAuthType: return "D-05";
    case DecodeError::kAuthData: return "D-06";
    case DecodeError::kIntervalMismatch: return "D-03";
    case DecodeError::kAddressList: return "D-04";
    case DecodeError::kNotIp: return "R-05";
  }
  return "";
}

std::string_view decode_error_words(DecodeError error) {
  switch (error) {
    case DecodeError::kTruncated: return "it is shorter than its header, or than its count of addresses says";
    case DecodeError::kVersion: return "another VRRP version than is configured here";
    case DecodeError::kType: return "its type is not ADVERTISEMENT";
    case DecodeError::kTtl: return "its TTL or Hop Limit is below 255 (or min_ttl): it came over a router";
    case DecodeError::kChecksum: return "the checksum is wrong in either form";
    case DecodeError::kZeroCount: return "it names no address";
    case DecodeError::kZeroInterval: return "its advertisement interval is 0";
    case DecodeError::kVrid: return "no instance here has its VRID on this interface and family";
    case DecodeError::kFragment: return "it is a fragment";
    case DecodeError::kDestination: return "it was not sent to the group, or (unicast) not to this host";
    case DecodeError::kSource: return "its source address is none that a router of this link can have";
    case DecodeError::kOwn: return "it carries this host's own source address";
    case DecodeError::kUnknownPeer: return "unicast from an address that no unicast_peer names";
    case DecodeError::kAuthType: return "VRRPv2: another kind of authentication than is configured here";
    case DecodeError::kAuthData: return "VRRPv2: another password";
    case DecodeError::kIntervalMismatch: return "VRRPv2: another advertisement interval";
    case DecodeError::kAddressList: return "VRRPv2: another list of addresses";
    case DecodeError::kNotIp: return "it is no IP packet of protocol 112";
  }
  return "unknown";
}

}  // namespace baton::vrrp
