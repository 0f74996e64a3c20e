// TLS in words: see certificate.h.
#include "common/certificate.h"

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <array>
#include <cctype>
#include <chrono>
#include <ctime>
#include <memory>

namespace baton::plugin::tls {
namespace {

constexpr std::size_t kMaximumNames = 4;
constexpr std::size_t kMaximumName = 80;

struct FreeNames {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

/// Certificates come from the peer: only plain characters reach people's screens.
std::string printable(const unsigned char* text, int length) {
  std::string out;
  for (int i = 0; i < length && out.size() < kMaximumName; ++i) {
    out += std::isprint(text[i]) != 0 ? static_cast<char>(text[i]) : '?';
  }
  return out;
}

std::string common_name(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (index < 0) return "a certificate without a name";
  const ASN1_STRING* name = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index));
  return printable(ASN1_STRING_get0_data(name), ASN1_STRING_length(name));
}

std::string address_text(const ASN1_OCTET_STRING* address) {
  const unsigned char* bytes = ASN1_STRING_get0_data(address);
  if (ASN1_STRING_length(address) == 4) {
    return std::to_string(bytes[0]) + "." + std::to_string(bytes[1]) + "." + std::to_string(bytes[2]) + "." +
           std::to_string(bytes[3]);
  }
  return "an IPv6 address";
}

std::string names_of(X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, FreeNames> names{
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr))};
  std::string out;
  std::size_t count = 0;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS && name->type != GEN_IPADD) continue;
    if (++count > kMaximumNames) return out + ", ...";
    if (!out.empty()) out += ", ";
    if (name->type == GEN_DNS) {
      out += printable(ASN1_STRING_get0_data(name->d.dNSName), ASN1_STRING_length(name->d.dNSName));
    } else {
      out += address_text(name->d.iPAddress);
    }
  }
  return out.empty() ? common_name(certificate) : out;
}

std::optional<std::int64_t> end_of(const X509* certificate) {
  std::tm time{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) != 1) return std::nullopt;
  return ::timegm(&time);
}

void note_end(const X509* certificate, Evidence& evidence) {
  const auto end = end_of(certificate);
  if (!end || (evidence.expires && *evidence.expires <= *end)) return;
  evidence.expires = end;
  evidence.expires_subject = common_name(certificate);
}

int evidence_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int see_certificate(int accepted, X509_STORE_CTX* store) {
  const auto* connection = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  if (connection == nullptr) return accepted;
  auto* evidence = static_cast<Evidence*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), evidence_index()));
  X509* certificate = X509_STORE_CTX_get_current_cert(store);
  if (evidence == nullptr || certificate == nullptr) return accepted;
  // At the first trouble the leaf may not have been looked at yet: the names are always the leaf's.
  if (X509* leaf = X509_STORE_CTX_get0_cert(store); leaf != nullptr && evidence->names.empty()) {
    evidence->names = names_of(leaf);
  }
  if (accepted == 0 && evidence->verify_error == 0) {
    evidence->verify_error = X509_STORE_CTX_get_error(store);
    evidence->expires = end_of(certificate);
    evidence->expires_subject = common_name(certificate);
  }
  return accepted;
}

struct Reason {
  std::string_view text;
  const char* token;
  const char* words;
};

constexpr auto kReasons = std::to_array<Reason>({
    {"alert protocol version", "old_version", "it refuses TLS 1.2 and newer; older versions are not used"},
    {"unsupported protocol", "old_version", "it speaks only TLS 1.1 or older; TLS 1.2 is the least that is accepted"},
    {"wrong ssl version", "old_version", "it speaks only an old version of TLS; TLS 1.2 is the least that is accepted"},
    {"wrong version number", "not_tls", "it does not speak TLS on this port"},
    {"packet length too long", "not_tls", "it does not speak TLS on this port"},
    {"http request", "not_tls", "it does not speak TLS on this port"},
    {"alert certificate required", "client_certificate", "it asks for a client certificate (client_certificate)"},
    {"alert unknown ca", "client_certificate", "it does not trust the issuer of our client certificate"},
    {"alert bad certificate", "client_certificate", "it does not accept our client certificate"},
    {"alert certificate expired", "client_certificate", "it says that our client certificate has expired"},
    {"alert certificate unknown", "client_certificate", "it does not accept our client certificate"},
    {"alert access denied", "client_certificate", "it denies access to our client certificate"},
    {"alert unrecognized name", "wrong_name", "it does not serve this name (server_name)"},
    {"alert handshake failure", "handshake",
     "it refuses the handshake: no common cipher, or a client certificate is missing"},
    {"dh key too small", "weak", "its key exchange is too weak"},
    {"ee key too small", "weak", "the key of its certificate is too short"},
    {"ca md too weak", "weak", "its certificate is signed with a broken hash"},
    {"unexpected eof", "closed", "it closed the connection in the midst of the handshake"},
});

}  // namespace

void watch(SSL_CTX* context, Evidence& evidence) {
  SSL_CTX_set_ex_data(context, evidence_index(), &evidence);
  SSL_CTX_set_verify(context, SSL_CTX_get_verify_mode(context), &see_certificate);
}

void read_connection(SSL* connection, Evidence& evidence) {
  evidence.version = SSL_get_version(connection);
  X509* leaf = SSL_get0_peer_certificate(connection);
  if (leaf == nullptr) return;
  evidence.names = names_of(leaf);
  evidence.expires.reset();
  note_end(leaf, evidence);
  const STACK_OF(X509)* chain = SSL_get0_verified_chain(connection);
  for (int i = 0; chain != nullptr && i < sk_X509_num(chain); ++i) note_end(sk_X509_value(chain, i), evidence);
}

Trouble explain_verification(const Evidence& evidence) {
  const std::string whose = "the certificate of \"" + evidence.expires_subject + "\" ";
  const std::string when = evidence.expires ? date_words(*evidence.expires) : "an unreadable time";
  switch (evidence.verify_error) {
    case X509_V_ERR_CERT_HAS_EXPIRED: return {"expired", whose + "expired on " + when};
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return {"not_yet_valid", whose + "is not valid yet (or this host's clock is wrong)"};
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return {"self_signed", whose + "is self-signed and not in ca_file"};
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return {"untrusted",
              "the issuer \"" + evidence.expires_subject + "\" of its certificate is not trusted (ca_file)"};
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return {"untrusted",
              whose + "is not from a trusted issuer (ca_file), or the server does not send the whole chain"};
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return {"wrong_name", "its certificate is for " + evidence.names};
    case X509_V_ERR_CERT_REVOKED: return {"revoked", whose + "is revoked"};
    case X509_V_ERR_INVALID_PURPOSE: return {"purpose", whose + "is not meant for a TLS server"};
    default: return {"certificate", whose + "is refused: " + X509_verify_cert_error_string(evidence.verify_error)};
  }
}

Trouble explain_wrong_name(const Evidence& evidence, const std::string& wanted) {
  return {"wrong_name", "its certificate is for " + (evidence.names.empty() ? "another name" : evidence.names) +
                            ", not for " + wanted + " (server_name)"};
}

Trouble explain_reason(std::string_view reason) {
  for (const Reason& known : kReasons) {
    if (reason.find(known.text) != std::string_view::npos) return {known.token, known.words};
  }
  return {"handshake", reason.empty() ? "the handshake failed" : std::string{reason}};
}

std::int64_t days_until(std::int64_t seconds_since_1970) {
  using std::chrono::system_clock;
  const auto now = std::chrono::floor<std::chrono::seconds>(system_clock::now()).time_since_epoch().count();
  const std::int64_t left = seconds_since_1970 - now;
  return left >= 0 ? left / 86400 : -((-left + 86399) / 86400);
}

std::string date_words(std::int64_t seconds_since_1970) {
  const std::time_t time = seconds_since_1970;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[40];
  return std::string{text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts)};
}

}  // namespace baton::plugin::tls
