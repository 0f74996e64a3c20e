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

}  // namespace baton::vrrp
