// RFC 1071 sums: the one place that adds 16-bit words, for VRRP, IPv4 headers and ICMPv6.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "base/address.h"
#include "base/bytes.h"

namespace baton::vrrp {

/// `sum` plus the 16-bit big-endian words of `bytes`, not folded; an odd last byte counts as the high half of a word.
std::uint64_t add_words(std::uint64_t sum, ConstBytes bytes);

/// The pseudo-header of RFC 8200 §8.1 (IPv6) or RFC 793 (IPv4) as a sum, not folded.
std::uint64_t pseudo_header_sum(const IpAddress& source, const IpAddress& destination, std::size_t length,
                                std::uint8_t protocol);

/// Folds carries: 16 bits. 0xFFFF over a message that holds its own checksum means "good".
std::uint16_t fold(std::uint64_t sum);

/// Internet checksum (RFC 1071) over `parts` one after another; each but the last must have an even length.
std::uint16_t internet_checksum(std::initializer_list<ConstBytes> parts);

}  // namespace baton::vrrp
