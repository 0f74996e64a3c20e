// TLS on a Connection: TLS 1.2 at least, the peer's certificate verified for server_name unless that is switched off.
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <cerrno>
#include <utility>

#include "common/connection.h"
#include "common/resolver.h"
#include "common/text_file.h"

namespace baton::plugin::net {
namespace {

constexpr std::size_t kMaximumCaFile = 4 * 1024 * 1024;

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;
using Certificate = std::unique_ptr<X509, FreeCertificate>;
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;

Bio open_text(const std::string& text) { return Bio{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))}; }

/// An encrypted key is an error, not a question at a terminal.
int no_password(char*, int, int, void*) { return -1; }

Certificate next_certificate(BIO* bio) { return Certificate{PEM_read_bio_X509(bio, nullptr, &no_password, nullptr)}; }

/// Puts every certificate of the text into the store. False: there is none.
bool trust(SSL_CTX* context, const std::string& text) {
  const Bio bio = open_text(text);
  bool any = false;
  while (const Certificate certificate = next_certificate(bio.get())) {
    any = X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate.get()) == 1 || any;
  }
  ERR_clear_error();  // the end of the text is an error to OpenSSL
  return any;
}

std::string last_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* text = ERR_reason_error_string(code);
  ERR_clear_error();
  return text == nullptr ? std::string{} : std::string{text};
}

Trouble local(std::string sentence) { return {.cause = "local", .sentence = std::move(sentence), .local = true}; }

}  // namespace

Outcome Connection::load_certificate(const TlsSettings& settings) {
  if (settings.client_certificate.empty()) return std::nullopt;
  const Bio certificates = open_text(settings.client_certificate);
  const Certificate own = next_certificate(certificates.get());
  if (!own || SSL_CTX_use_certificate(context_.get(), own.get()) != 1) {
    return local("client_certificate cannot be used: " + last_reason());
  }
  while (const Certificate more = next_certificate(certificates.get()))
    SSL_CTX_add1_chain_cert(context_.get(), more.get());
  ERR_clear_error();
  const Bio text = open_text(settings.client_key.empty() ? settings.client_certificate : settings.client_key);
  const Key key{PEM_read_bio_PrivateKey(text.get(), nullptr, &no_password, nullptr)};
  if (!key) return local("client_key cannot be used: it is no PEM key, or it is encrypted");
  if (SSL_CTX_use_PrivateKey(context_.get(), key.get()) != 1 || SSL_CTX_check_private_key(context_.get()) != 1) {
    return local("client_key cannot be used: it is not the key of client_certificate");
  }
  return std::nullopt;
}

Outcome Connection::prepare_tls(const TlsSettings& settings) {
  ERR_clear_error();
  context_.reset(SSL_CTX_new(TLS_client_method()));
  if (!context_) return local("OpenSSL cannot be used: " + last_reason());
  SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context_.get(), settings.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (!settings.verify) {
    // Nobody is asked.
  } else if (settings.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context_.get());
  } else {
    // Read for each probe, so that renewed authorities count at once.
    const TextFile file = read_text_file(settings.ca_file, kMaximumCaFile);
    if (!file.error.empty()) return local("ca_file " + file.error);
    if (!trust(context_.get(), file.text)) return local("ca_file " + settings.ca_file + " has no usable certificate");
  }
  if (Outcome trouble = load_certificate(settings)) return trouble;
  tls::watch(context_.get(), evidence_);
  ssl_.reset(SSL_new(context_.get()));
  if (!ssl_) return local("OpenSSL cannot be used: " + last_reason());
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl_.get());
  if (is_address(settings.server_name)) {
    X509_VERIFY_PARAM_set1_ip_asc(parameters, settings.server_name.c_str());
  } else {
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    X509_VERIFY_PARAM_set1_host(parameters, settings.server_name.c_str(), settings.server_name.size());
    // SSL_set_tlsext_host_name() without the cast in that macro; OpenSSL copies the name.
    SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(settings.server_name.c_str()));
  }
  return std::nullopt;
}

Outcome Connection::start_tls(const TlsSettings& settings) {
  if (Outcome trouble = prepare_tls(settings)) {
    ssl_.reset();
    return trouble;
  }
  SSL_set_fd(ssl_.get(), socket_);
  for (;;) {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_connect(ssl_.get());
    if (result == 1) break;
    const int error = SSL_get_error(ssl_.get(), result);
    const bool waits = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
    if (!waits) return explain_handshake(error, settings);
    Outcome late = wait(error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, "");
    if (!late) continue;
    late->cause = "tls";
    late->tls_error = "stalled";
    late->sentence = "TLS with " + place() +
                     " failed: it accepted the connection but did not finish the handshake within " + waited();
    return late;
  }
  tls::read_connection(ssl_.get(), evidence_);
  return std::nullopt;
}

Outcome Connection::explain_handshake(int error, const TlsSettings& settings) {
  const int system_error = errno;
  const std::string reason = last_reason();
  tls::Trouble trouble;
  const bool name = evidence_.verify_error == X509_V_ERR_HOSTNAME_MISMATCH ||
                    evidence_.verify_error == X509_V_ERR_IP_ADDRESS_MISMATCH;
  if (settings.verify && name) {
    trouble = tls::explain_wrong_name(evidence_, settings.server_name);
  } else if (settings.verify && evidence_.verify_error != 0) {
    trouble = tls::explain_verification(evidence_);
  } else if (error == SSL_ERROR_SYSCALL && system_error != 0) {
    return explain_break(system_error, "during the TLS handshake");
  } else if (error == SSL_ERROR_SYSCALL) {
    trouble = tls::explain_reason("unexpected eof");
  } else {
    trouble = tls::explain_reason(reason);
  }
  return Trouble{
      .cause = "tls", .sentence = "TLS with " + place() + " failed: " + trouble.words, .tls_error = trouble.token};
}

Outcome Connection::continue_tls(int result, const std::string& doing, const std::string& late_words) {
  const int system_error = errno;
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ) return wait(POLLIN, late_words);
  if (error == SSL_ERROR_WANT_WRITE) return wait(POLLOUT, late_words);
  const std::string reason = last_reason();
  if (error == SSL_ERROR_SYSCALL && system_error != 0) return explain_break(system_error, doing);
  if (error == SSL_ERROR_ZERO_RETURN || error == SSL_ERROR_SYSCALL ||
      reason.find("unexpected eof") != std::string::npos) {
    return Trouble{.cause = "closed", .sentence = place() + " closed the connection " + doing};
  }
  // With TLS 1.3 a refused client certificate shows only now.
  const tls::Trouble trouble = tls::explain_reason(reason);
  return Trouble{
      .cause = "tls", .sentence = "TLS with " + place() + " failed: " + trouble.words, .tls_error = trouble.token};
}

}  // namespace baton::plugin::net
