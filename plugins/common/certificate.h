// What TLS says, in words: why a certificate was not accepted, when one expires, what the names in it are, why a
// handshake failed. For plugins that use OpenSSL, themselves or by libcurl. Decides nothing: OpenSSL verifies.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace baton::plugin::tls {

/// What one handshake has shown. The address is handed to OpenSSL by watch(): it must outlive the SSL_CTX.
struct Evidence {
  int verify_error = 0;                 ///< the first X509_V_ERR_..., 0: none
  std::string names;                    ///< for whom the peer's certificate is: "web.example, www.example"
  std::string version;                  ///< "TLSv1.3"; "" before the handshake is done
  std::optional<std::int64_t> expires;  ///< the first end of the certificates in the chain, seconds since 1970
  std::string expires_subject;          ///< whose that is
};

/// Why a handshake failed: a token for the fact `tls_error`, and words that follow "TLS with HOST failed: ".
struct Trouble {
  std::string token;  ///< expired, not_yet_valid, self_signed, untrusted, wrong_name, old_version, not_tls, ...
  std::string words;
};

/// Lets `evidence` see the certificates while `context` verifies them. Does not change what is accepted.
void watch(SSL_CTX* context, Evidence& evidence);

/// After a handshake: version, and the expiry of the chain.
void read_connection(SSL* connection, Evidence& evidence);

/// Why the certificate was refused (Evidence::verify_error).
Trouble explain_verification(const Evidence& evidence);
Trouble explain_wrong_name(const Evidence& evidence, const std::string& wanted);
/// Why the handshake failed, from OpenSSL's reason text ("tlsv1 alert protocol version").
Trouble explain_reason(std::string_view reason);

/// Whole days from now; negative when it is over.
std::int64_t days_until(std::int64_t seconds_since_1970);
/// "2026-11-21 09:30 UTC"
std::string date_words(std::int64_t seconds_since_1970);

}  // namespace baton::plugin::tls
