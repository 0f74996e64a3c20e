#include "steward/peer_packet.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "base/check.h"

namespace baton::steward {
namespace {

constexpr std::uint32_t kMagic = 0x42545043;  // "BTPC"
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kTag = 32;
constexpr std::size_t kMaxSender = 64;

template <std::size_t kSize>
bool copy(ByteReader& in, std::array<std::uint8_t, kSize>& out) {
  const ConstBytes taken = in.take(kSize);
  if (taken.size() != kSize) return false;
  std::copy(taken.begin(), taken.end(), out.begin());
  return true;
}

}  // namespace

PeerKey::PeerKey(std::string secret) : secret_(std::move(secret)) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  CHECK(EVP_Digest(secret_.data(), secret_.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
  std::copy_n(digest.begin(), id_.size(), id_.begin());
}

std::array<std::uint8_t, 32> PeerKey::tag(ConstBytes bytes) const {
  std::array<std::uint8_t, 32> tag{};
  unsigned size = 0;
  CHECK(HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()), bytes.data(), bytes.size(), tag.data(),
             &size) != nullptr &&
        size == tag.size());
  return tag;
}

std::vector<std::uint8_t> seal(const PeerPacket& packet, const PeerKey& key) {
  std::array<std::uint8_t, kMaxPeerPacket> buffer;
  ByteWriter out{buffer};
  out.u32(kMagic);
  out.u8(kVersion);
  out.bytes(key.id());
  out.u8(static_cast<std::uint8_t>(packet.sender.size()));
  out.bytes({reinterpret_cast<const std::uint8_t*>(packet.sender.data()), packet.sender.size()});
  out.u64(packet.session);
  out.bytes(packet.challenge);
  out.bytes(packet.echo);
  out.u64(packet.counter);
  out.u16(static_cast<std::uint16_t>(packet.payload.size()));
  out.bytes(packet.payload);
  out.bytes(key.tag(out.written()));
  CHECK(out.ok() && packet.sender.size() <= kMaxSender && packet.payload.size() <= kMaxPeerPayload);
  return {buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(out.size())};
}

Result<PeerPacket> open_packet(ConstBytes bytes, const std::vector<PeerKey>& keys) {
  if (bytes.size() > kMaxPeerPacket || bytes.size() < kTag) return fail("not a packet of a peer");
  ByteReader in{bytes.first(bytes.size() - kTag)};
  if (in.u32() != kMagic) return fail("not a packet of a peer");
  if (const std::uint8_t version = in.u8(); version != kVersion) {
    return fail("a packet of version " + std::to_string(version) + ", and this is version 1");
  }
  std::array<std::uint8_t, 8> id{};
  if (!copy(in, id)) return fail("a packet cut short");
  const auto key = std::find_if(keys.begin(), keys.end(), [&](const PeerKey& each) { return each.id() == id; });
  if (key == keys.end()) return fail("signed with a key that this host does not have");
  const auto tag = key->tag(bytes.first(bytes.size() - kTag));
  if (CRYPTO_memcmp(tag.data(), bytes.last(kTag).data(), kTag) != 0) return fail("its signature is wrong");
  PeerPacket packet;
  const ConstBytes sender = in.take(in.u8());
  packet.sender.assign(sender.begin(), sender.end());
  packet.session = in.u64();
  const bool nonces = copy(in, packet.challenge) && copy(in, packet.echo);
  packet.counter = in.u64();
  const ConstBytes payload = in.take(in.u16());
  packet.payload.assign(payload.begin(), payload.end());
  if (!nonces || !in.ok() || in.remaining() != 0 || packet.sender.empty() || packet.session == 0) {
    return fail("its parts do not fit");
  }
  return packet;
}

}  // namespace baton::steward
