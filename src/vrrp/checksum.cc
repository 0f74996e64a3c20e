#include "vrrp/checksum.h"

namespace baton::vrrp {

std::uint64_t add_words(std::uint64_t sum, ConstBytes bytes) {
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 2; left -= 2, at += 2) sum += static_cast<std::uint64_t>(at[0]) << 8 | at[1];
  if (left != 0) sum += static_cast<std::uint64_t>(at[0]) << 8;
  return sum;
}

std::uint64_t pseudo_header_sum(const IpAddress& source, const IpAddress& destination, std::size_t length,
                                std::uint8_t protocol) {
  // Addresses, length and protocol in both families; that IPv6 keeps the length in 32 bits does not change the sum
  // for lengths below 65536 (C-08).
  return add_words(add_words(length + protocol, source.bytes()), destination.bytes());
}

std::uint16_t fold(std::uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

std::uint16_t internet_checksum(std::initializer_list<ConstBytes> parts) {
  std::uint64_t sum = 0;
  for (const ConstBytes part : parts) sum = add_words(sum, part);
  return static_cast<std::uint16_t>(~fold(sum));
}

}  // namespace baton::vrrp
