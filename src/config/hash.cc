#include "config/hash.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "base/bytes.h"
#include "base/check.h"
#include "config/values.h"

namespace baton::config {
namespace {

std::string hex_digits(ConstBytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const std::uint8_t byte : bytes) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 0xF];
  }
  return hex;
}

}  // namespace

std::string canonical_text(const Document& document) {
  std::vector<const Section*> sections;
  for (const Section& section : document.sections) sections.push_back(&section);
  std::sort(sections.begin(), sections.end(),
            [](const Section* a, const Section* b) { return std::tie(a->type, a->name) < std::tie(b->type, b->name); });
  std::string text;
  for (const Section* section : sections) {
    text += "[" + section->title() + "]\n";
    std::vector<const Entry*> entries;
    for (const Entry& entry : section->entries) entries.push_back(&entry);
    // Lines of a list keep their order among hosts too: an empty value empties what stands before it.
    const auto is_before = [](const Entry* a, const Entry* b) {
      const bool lists = a->spec == nullptr || a->spec->list;
      return lists ? a->key < b->key : std::tie(a->key, a->host) < std::tie(b->key, b->host);
    };
    std::stable_sort(entries.begin(), entries.end(), is_before);
    for (const Entry* entry : entries) {
      text += entry->key;
      if (!entry->host.empty()) text += "@" + std::string(entry->host);
      text += " =";
      const bool is_secret = is_secret_key(entry->key);
      for (const std::string_view word : split_words(is_secret ? kMask : entry->value)) text += " " + std::string(word);
      text += "\n";
    }
  }
  return text;
}

std::string sha256_hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1 && size == 32);
  return hex_digits({digest.data(), size});
}

std::string secret_digest(std::string_view section, std::string_view key, std::string_view content) {
  constexpr int kRounds = 10000;
  const std::string salt = "baton plugin " + std::string(section) + " " + std::string(key);
  std::array<unsigned char, 32> digest{};
  CHECK(PKCS5_PBKDF2_HMAC(content.data(), static_cast<int>(content.size()),
                          reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()), kRounds,
                          EVP_sha256(), static_cast<int>(digest.size()), digest.data()) == 1);
  return hex_digits(digest);
}

}  // namespace baton::config
