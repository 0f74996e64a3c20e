// The configuration hash: equal on all hosts that run the same configuration, whatever the order of sections and files,
// comments and blanks. Values of secret keys are left out, so that the hash may be shown.
#pragma once

#include <string>
#include <string_view>

#include "config/document.h"

namespace baton::config {

/// The text that is hashed: a line for each section and entry, sections by type and name, entries by key, the order
/// within a list kept.
std::string canonical_text(const Document& document);

/// 64 hex digits.
std::string sha256_hex(std::string_view text);

/// Tells whether a secret changed, for who must not know it: 64 hex digits, slow to make so that guessing is, too.
std::string secret_digest(std::string_view section, std::string_view key, std::string_view content);

}  // namespace baton::config
