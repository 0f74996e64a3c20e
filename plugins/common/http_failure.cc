// What went wrong with a request: libcurl's codes, the errno under them and how far the request got, as one cause and
// one sentence.
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/http_transfer.h"

namespace baton::plugin::http {
namespace {

using std::chrono::milliseconds;

std::string with_port(const std::string& host, const std::string& port) {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
}

void fail_tls(Transfer& transfer, const tls::Trouble& trouble) {
  fail(transfer, Cause::kTls, "TLS with " + transfer.place() + " failed: " + trouble.words);
  transfer.outcome.tls_error = trouble.token;
}

void explain_connect(Transfer& transfer) {
  long error = 0;
  curl_easy_getinfo(transfer.easy.get(), CURLINFO_OS_ERRNO, &error);
  const int number = static_cast<int>(error);
  const std::string words = error != 0 ? std::strerror(number) : std::string{transfer.error.data()};
  if (!transfer.request.unix_socket.empty() && number != ECONNREFUSED && number != EAGAIN) {
    if (number == ENOENT) {
      return fail(transfer, Cause::kMissing, "there is no socket " + transfer.place() + ": its program does not run");
    }
    const char* advice = number == EACCES ? " (the plugin's user needs the right to write to the socket)" : "";
    return fail(transfer, Cause::kLocal, "cannot connect to the socket " + transfer.place() + ": " + words + advice);
  }
  switch (number) {
    case ECONNREFUSED:
      return fail(transfer, Cause::kRefused, transfer.place() + " refused the connection: nobody listens there");
    case ECONNRESET: return fail(transfer, Cause::kReset, transfer.place() + " reset the connection attempt");
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case EHOSTDOWN: return fail(transfer, Cause::kUnreachable, transfer.place() + " cannot be reached: " + words);
    case ETIMEDOUT:
      return fail(transfer, Cause::kConnectTimeout, transfer.place() + " does not answer connection attempts");
    case EACCES:
    case EPERM:
      return fail(transfer, Cause::kLocal, "this host does not let us connect to " + transfer.place() + ": " + words);
    default: return fail(transfer, Cause::kUnreachable, "cannot connect to " + transfer.place() + ": " + words);
  }
}

void explain_timeout(Transfer& transfer) {
  const std::string& place = transfer.place();
  const std::string within = " within " + transfer.waited();
  if (!transfer.outcome.connect) {
    return fail(transfer, Cause::kConnectTimeout, place + " has not answered the connection attempt" + within);
  }
  if (!transfer.ready && transfer.target.https) {
    fail_tls(transfer, {"stalled", "it accepted the connection but did not finish the handshake" + within});
    return;
  }
  if (transfer.outcome.status == 0 && transfer.header_bytes == 0) {
    return fail(transfer, Cause::kTimeout, place + " accepted the connection but has not answered" + within);
  }
  fail(transfer, Cause::kTimeout,
       place + " began to answer (status " + std::to_string(transfer.outcome.status) + ", " +
           std::to_string(transfer.outcome.body.size()) + " bytes of the body) but did not end" + within);
}

/// The connection broke: by reset, by close, or in TLS.
void explain_break(Transfer& transfer) {
  const std::string text = transfer.error.data();
  long error = 0;
  curl_easy_getinfo(transfer.easy.get(), CURLINFO_OS_ERRNO, &error);
  const char* when = !transfer.ready && transfer.target.https ? " during the TLS handshake"
                     : transfer.header_bytes == 0             ? " before it answered"
                                                              : " in the midst of the answer";
  if (error == ECONNRESET || error == EPIPE || text.find("reset by peer") != std::string::npos) {
    return fail(transfer, Cause::kReset, transfer.place() + " reset the connection" + when);
  }
  if (error == ETIMEDOUT || text.find("timed out") != std::string::npos) return explain_timeout(transfer);
  if (transfer.target.https && text.find("alert") != std::string::npos)
    return fail_tls(transfer, tls::explain_reason(text));
  fail(transfer, Cause::kClosed, transfer.place() + " closed the connection" + when);
}

void explain_handshake(Transfer& transfer) {
  const std::string text = transfer.error.data();
  if (text.find("reset by peer") != std::string::npos) return explain_break(transfer);
  if (text.find("SSL_ERROR_SYSCALL") != std::string::npos || text.find("unexpected eof") != std::string::npos) {
    fail_tls(transfer, {"closed", "it closed the connection in the midst of the handshake"});
    return;
  }
  fail_tls(transfer, tls::explain_reason(text));
}

void explain_certificate(Transfer& transfer) {
  transfer.outcome.certificate_expires = transfer.evidence.expires;
  fail_tls(transfer, transfer.evidence.verify_error != 0
                         ? tls::explain_verification(transfer.evidence)
                         : tls::explain_wrong_name(transfer.evidence, transfer.target.name));
}

void explain_too_big(Transfer& transfer) {
  if (transfer.header_bytes > kMaximumHeaders) {
    return fail(transfer, Cause::kTooBig, transfer.place() + " answered with more than 64 KiB of headers");
  }
  fail(transfer, Cause::kTooBig,
       transfer.place() + " answered with more than " + std::to_string(transfer.request.maximum_body) +
           " bytes (max_body)");
}

}  // namespace

std::string Transfer::waited() const {
  return std::to_string(std::chrono::duration_cast<milliseconds>(Clock::now() - begin).count()) + " ms";
}

std::string Transfer::place() const {
  if (!request.unix_socket.empty()) return request.unix_socket;
  const std::string named = with_port(target.host, target.port);
  return outcome.address.empty() || outcome.address == target.host ? named : named + " (" + outcome.address + ")";
}

void fail(Transfer& transfer, Cause cause, std::string sentence) {
  transfer.outcome.cause = cause;
  transfer.outcome.sentence = std::move(sentence);
}

void explain(Transfer& transfer, CURLcode code) {
  const std::string text = transfer.error[0] != '\0' ? transfer.error.data() : curl_easy_strerror(code);
  if (transfer.too_big) return explain_too_big(transfer);
  if (transfer.stopped())
    return fail(transfer, Cause::kStopped, "the request to " + transfer.place() + " was given up");
  switch (code) {
    case CURLE_OK: return;
    case CURLE_OPERATION_TIMEDOUT: return explain_timeout(transfer);
    case CURLE_COULDNT_CONNECT: return explain_connect(transfer);
    case CURLE_PEER_FAILED_VERIFICATION: return explain_certificate(transfer);
    case CURLE_SSL_CONNECT_ERROR: return explain_handshake(transfer);
    case CURLE_SSL_CACERT_BADFILE:
      return fail(transfer, Cause::kLocal,
                  transfer.request.ca_file.empty()
                      ? "this host has no certificate authorities (package ca-certificates); or name them with ca_file"
                      : "ca_file " + transfer.request.ca_file + " has no usable certificate");
    case CURLE_SSL_CERTPROBLEM:
      return fail(transfer, Cause::kLocal, "client_certificate and client_key cannot be used: " + text);
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE: return explain_break(transfer);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      return fail(transfer, Cause::kProtocol, transfer.place() + " does not answer in HTTP: " + text);
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
    case CURLE_URL_MALFORMAT:
    case CURLE_BAD_FUNCTION_ARGUMENT: return fail(transfer, Cause::kLocal, "the request could not be made: " + text);
    default: return fail(transfer, Cause::kProtocol, transfer.place() + ": " + text);
  }
}

const char* token(Cause cause) {
  switch (cause) {
    case Cause::kNone: return "none";
    case Cause::kUrl: return "url";
    case Cause::kLocal: return "local";
    case Cause::kMissing: return "missing";
    case Cause::kDns: return "dns";
    case Cause::kRefused: return "refused";
    case Cause::kUnreachable: return "unreachable";
    case Cause::kConnectTimeout: return "connect_timeout";
    case Cause::kTimeout: return "timeout";
    case Cause::kReset: return "reset";
    case Cause::kClosed: return "closed";
    case Cause::kTls: return "tls";
    case Cause::kProtocol: return "protocol";
    case Cause::kTooBig: return "too_big";
    case Cause::kStopped: return "stopped";
    case Cause::kRedirect: return "redirect";
  }
  return "none";
}

bool is_local(Cause cause) { return cause == Cause::kUrl || cause == Cause::kLocal || cause == Cause::kDns; }

}  // namespace baton::plugin::http
