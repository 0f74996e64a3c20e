// http::Client: see http_request.h. Names are resolved here and handed to libcurl as addresses; redirects are followed
// here, one request each. Decides which libcurl error is which cause, and the sentence for it.
#include "common/http_request.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <utility>

#include "common/certificate.h"
#include "common/text_file.h"

namespace baton::plugin::http {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kMaximumHeaders = 64 * 1024;
constexpr std::size_t kMaximumCaFile = 4 * 1024 * 1024;

struct EasyFree {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct UrlFree {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Easy = std::unique_ptr<CURL, EasyFree>;
using List = std::unique_ptr<curl_slist, ListFree>;

void append(List& list, const std::string& line) {
  if (curl_slist* longer = curl_slist_append(list.get(), line.c_str()); longer != nullptr) {
    static_cast<void>(list.release());
    list.reset(longer);
  }
}

/// The parts of the url that connecting needs.
struct Target {
  bool https = false;
  std::string host;  ///< without brackets
  std::string port;
  std::string url;   ///< for libcurl: with server_name in place of the host
  std::string name;  ///< host of `url`: what the certificate must be for
  std::string error;
};

std::string part(CURLU* url, CURLUPart what, unsigned flags) {
  char* text = nullptr;
  if (curl_url_get(url, what, &text, flags) != CURLUE_OK) return {};
  std::string out = text;
  curl_free(text);
  return out;
}

Target parse(const std::string& text, const std::string& server_name) {
  Target target;
  const std::unique_ptr<CURLU, UrlFree> url{curl_url()};
  const CURLUcode code = curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0);
  if (code != CURLUE_OK) {
    target.error = "the url \"" + text + "\" cannot be used: " + curl_url_strerror(code);
    return target;
  }
  const std::string scheme = part(url.get(), CURLUPART_SCHEME, 0);
  if (scheme != "http" && scheme != "https") {
    target.error = "the url \"" + text + "\" cannot be used: only http:// and https:// are spoken";
    return target;
  }
  target.https = scheme == "https";
  target.port = part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  target.host = part(url.get(), CURLUPART_HOST, 0);
  if (target.host.starts_with('[')) target.host = target.host.substr(1, target.host.size() - 2);
  target.name = server_name.empty() ? target.host : server_name;
  if (!server_name.empty()) curl_url_set(url.get(), CURLUPART_HOST, server_name.c_str(), 0);
  target.url = part(url.get(), CURLUPART_URL, 0);
  if (target.host.empty() || target.url.empty()) target.error = "the url \"" + text + "\" has no usable host";
  return target;
}

std::string with_port(const std::string& host, const std::string& port) {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
}

/// One request, not following anything. libcurl's callbacks write here.
struct Transfer {
  const Request& request;
  const Target& target;
  Outcome& outcome;
  Clock::time_point begin;
  Clock::time_point until;
  Easy easy{};
  List headers{};
  List addresses{};
  tls::Evidence evidence{};
  std::array<char, CURL_ERROR_SIZE> error{};
  std::size_t header_bytes = 0;
  bool ready = false;  ///< connected, and the TLS handshake done
  bool too_big = false;

  bool stopped() const { return request.stop != nullptr && *request.stop; }
  milliseconds left() const {
    const auto rest = std::chrono::duration_cast<milliseconds>(until - Clock::now());
    return std::max(rest, milliseconds{0});
  }
  std::string waited() const {
    return std::to_string(std::chrono::duration_cast<milliseconds>(Clock::now() - begin).count()) + " ms";
  }
  /// The peer, as people know it: "web.example:443 (10.0.0.5)".
  std::string place() const {
    if (!request.unix_socket.empty()) return request.unix_socket;
    const std::string named = with_port(target.host, target.port);
    return outcome.address.empty() || outcome.address == target.host ? named : named + " (" + outcome.address + ")";
  }
};

std::size_t on_body(char* bytes, std::size_t, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  std::string& body = transfer.outcome.body;
  const std::size_t room = transfer.request.maximum_body - body.size();
  body.append(bytes, std::min(count, room));
  if (count <= room) return count;
  transfer.too_big = true;
  return 0;
}

std::size_t on_header(char*, std::size_t, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  transfer.header_bytes += count;
  if (transfer.header_bytes <= kMaximumHeaders) return count;
  transfer.too_big = true;
  return 0;
}

/// A peer that vanishes in mid-stream must not keep data waiting in the kernel for longer than we wait.
int on_socket(void* self, curl_socket_t socket, curlsocktype) {
  const auto timeout = static_cast<unsigned>(std::max<std::int64_t>(1, static_cast<Transfer*>(self)->left().count()));
  ::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
  return CURL_SOCKOPT_OK;
}

CURLcode on_tls(CURL*, void* context, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  tls::watch(static_cast<SSL_CTX*>(context), transfer.evidence);
  // TCP stands; libcurl does not tell before the handshake is done.
  transfer.outcome.connect = std::chrono::round<milliseconds>(Clock::now() - transfer.begin);
  return CURLE_OK;
}

int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Transfer*>(self)->stopped() ? 1 : 0;
}

/// Connected; the request goes out next.
int on_ready(void* self, char* address, char*, int, int) {
  auto& transfer = *static_cast<Transfer*>(self);
  transfer.ready = true;
  if (address != nullptr) transfer.outcome.address = address;
  curl_tlssessioninfo* session = nullptr;
  if (curl_easy_getinfo(transfer.easy.get(), CURLINFO_TLS_SSL_PTR, &session) == CURLE_OK && session != nullptr &&
      session->backend == CURLSSLBACKEND_OPENSSL && session->internals != nullptr) {
    tls::read_connection(static_cast<SSL*>(session->internals), transfer.evidence);
  }
  return CURL_PREREQFUNC_OK;
}

template <class Value>
void set(Transfer& transfer, CURLoption option, Value value) {
  curl_easy_setopt(transfer.easy.get(), option, value);
}

void set_blob(Transfer& transfer, CURLoption option, const std::string& text) {
  curl_blob blob{};
  // libcurl takes a void* and copies.
  blob.data = const_cast<char*>(text.data());
  blob.len = text.size();
  blob.flags = CURL_BLOB_COPY;
  curl_easy_setopt(transfer.easy.get(), option, &blob);
}

/// What is sent.
void set_request(Transfer& transfer) {
  const Request& request = transfer.request;
  set(transfer, CURLOPT_URL, transfer.target.url.c_str());
  set(transfer, CURLOPT_PROTOCOLS_STR, "http,https");
  set(transfer, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  set(transfer, CURLOPT_USERAGENT, "baton");
  if (request.method == "HEAD") set(transfer, CURLOPT_NOBODY, 1L);
  if (request.body) {
    set(transfer, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body->size()));
    set(transfer, CURLOPT_POSTFIELDS, request.body->c_str());
    // No pause of a second for "100 Continue", and no guess at the type of the body.
    append(transfer.headers, "Expect:");
    append(transfer.headers, "Content-Type:");
  }
  set(transfer, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  for (const std::string& header : request.headers) append(transfer.headers, header);
  set(transfer, CURLOPT_HTTPHEADER, transfer.headers.get());
  if (!request.user.empty()) {
    set(transfer, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    set(transfer, CURLOPT_USERNAME, request.user.c_str());
    set(transfer, CURLOPT_PASSWORD, request.password.c_str());
  }
}

void set_connection(Transfer& transfer, const std::vector<std::string>& addresses) {
  const Request& request = transfer.request;
  set(transfer, CURLOPT_NOSIGNAL, 1L);
  set(transfer, CURLOPT_PROXY, "");
  set(transfer, CURLOPT_FRESH_CONNECT, 1L);
  set(transfer, CURLOPT_FORBID_REUSE, 1L);
  set(transfer, CURLOPT_TIMEOUT_MS, static_cast<long>(std::max<std::int64_t>(1, transfer.left().count())));
  set(transfer, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::max<std::int64_t>(1, transfer.left().count())));
  if (request.stop != nullptr) {
    set(transfer, CURLOPT_NOPROGRESS, 0L);
    set(transfer, CURLOPT_XFERINFOFUNCTION, &on_progress);
    set(transfer, CURLOPT_XFERINFODATA, &transfer);
  }
  set(transfer, CURLOPT_SOCKOPTFUNCTION, &on_socket);
  set(transfer, CURLOPT_SOCKOPTDATA, &transfer);
  set(transfer, CURLOPT_PREREQFUNCTION, &on_ready);
  set(transfer, CURLOPT_PREREQDATA, &transfer);
  if (!request.unix_socket.empty()) {
    set(transfer, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
    return;
  }
  if (is_address(transfer.target.name)) return;
  std::string line = transfer.target.name + ":" + transfer.target.port + ":";
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const bool six = addresses[i].find(':') != std::string::npos;
    line += (i == 0 ? "" : ",") + (six ? "[" + addresses[i] + "]" : addresses[i]);
  }
  append(transfer.addresses, line);
  set(transfer, CURLOPT_RESOLVE, transfer.addresses.get());
}

/// False: outcome says which file.
bool set_tls(Transfer& transfer) {
  const Request& request = transfer.request;
  set(transfer, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(transfer, CURLOPT_SSL_ENABLE_ALPN, 0L);
  set(transfer, CURLOPT_SSL_VERIFYPEER, request.verify ? 1L : 0L);
  set(transfer, CURLOPT_SSL_VERIFYHOST, request.verify ? 2L : 0L);
  set(transfer, CURLOPT_SSL_CTX_FUNCTION, &on_tls);
  set(transfer, CURLOPT_SSL_CTX_DATA, &transfer);
  if (!request.ca_file.empty() && request.verify) {
    // Read for each request, so that renewed authorities count at once.
    const TextFile file = read_text_file(request.ca_file, kMaximumCaFile);
    if (!file.error.empty()) {
      transfer.outcome.cause = Cause::kLocal;
      transfer.outcome.sentence = "ca_file " + file.error;
      return false;
    }
    set(transfer, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    set_blob(transfer, CURLOPT_CAINFO_BLOB, file.text);
  }
  if (request.client_certificate.empty()) return true;
  set(transfer, CURLOPT_SSLCERTTYPE, "PEM");
  set(transfer, CURLOPT_SSLKEYTYPE, "PEM");
  set_blob(transfer, CURLOPT_SSLCERT_BLOB, request.client_certificate);
  set_blob(transfer, CURLOPT_SSLKEY_BLOB, request.client_key.empty() ? request.client_certificate : request.client_key);
  set(transfer, CURLOPT_KEYPASSWD, "");  // an encrypted key is an error, not a question at a terminal
  return true;
}

void set_answer(Transfer& transfer) {
  set(transfer, CURLOPT_WRITEFUNCTION, &on_body);
  set(transfer, CURLOPT_WRITEDATA, &transfer);
  set(transfer, CURLOPT_HEADERFUNCTION, &on_header);
  set(transfer, CURLOPT_HEADERDATA, &transfer);
  set(transfer, CURLOPT_ERRORBUFFER, transfer.error.data());
}

void fail(Transfer& transfer, Cause cause, std::string sentence) {
  transfer.outcome.cause = cause;
  transfer.outcome.sentence = std::move(sentence);
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
      return fail(transfer, Cause::kLocal, "ca_file " + transfer.request.ca_file + " has no usable certificate");
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

void read_times(Transfer& transfer) {
  long status = 0;
  curl_off_t connect = 0;
  char* address = nullptr;
  char* location = nullptr;
  curl_easy_getinfo(transfer.easy.get(), CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(transfer.easy.get(), CURLINFO_CONNECT_TIME_T, &connect);
  curl_easy_getinfo(transfer.easy.get(), CURLINFO_PRIMARY_IP, &address);
  curl_easy_getinfo(transfer.easy.get(), CURLINFO_REDIRECT_URL, &location);
  Outcome& outcome = transfer.outcome;
  outcome.status = static_cast<int>(status);
  if (!outcome.connect && (connect > 0 || transfer.ready))
    outcome.connect = std::chrono::round<milliseconds>(std::chrono::microseconds{connect});
  if (outcome.address.empty() && address != nullptr) outcome.address = address;
  if (location != nullptr) outcome.location = location;
  outcome.tls_version = transfer.evidence.version;
  if (transfer.evidence.version.empty()) return;
  outcome.certificate_expires = transfer.evidence.expires;
  outcome.certificate_subject = transfer.evidence.expires_subject;
}

/// One exchange. `until` leaves room to say what happened.
Outcome exchange(const Request& request, const Target& target, Resolver& resolver, Clock::time_point begin,
                 Clock::time_point until) {
  Outcome outcome;
  outcome.url = target.url;
  Transfer transfer{.request = request, .target = target, .outcome = outcome, .begin = begin, .until = until};
  Resolved resolved;
  if (request.unix_socket.empty()) {
    do {  // in pieces, so that `stop` is seen
      resolved = resolver.resolve(target.host, std::min<Clock::duration>(until - Clock::now(), milliseconds{200}));
    } while (resolved.waiting && !transfer.stopped() && Clock::now() < until);
    outcome.dns = resolved.error;
    if (resolved.addresses.empty()) {
      fail(transfer, Cause::kDns,
           "no address for " + target.host + ": " + resolved.error + " (after " + transfer.waited() + ")");
      return outcome;
    }
  }
  transfer.easy.reset(curl_easy_init());
  if (!transfer.easy) {
    fail(transfer, Cause::kLocal, "libcurl cannot be used: out of memory");
    return outcome;
  }
  set_answer(transfer);
  set_request(transfer);
  set_connection(transfer, resolved.addresses);
  if (target.https && !set_tls(transfer)) return outcome;
  const CURLcode code = curl_easy_perform(transfer.easy.get());
  read_times(transfer);
  explain(transfer, code);
  return outcome;
}

bool redirects(const Outcome& outcome) {
  return outcome.cause == Cause::kNone && !outcome.location.empty() &&
         (outcome.status == 301 || outcome.status == 302 || outcome.status == 303 || outcome.status == 307 ||
          outcome.status == 308);
}

bool names_credentials(const std::string& header) {
  std::string name = header.substr(0, header.find(':'));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name == "authorization" || name == "cookie" || name == "host";
}

/// What of the request goes to the target of a redirect.
void prepare_redirect(Request& request, const Target& from, const Target& to, int status) {
  if (status == 303 || ((status == 301 || status == 302) && request.method == "POST")) {
    if (request.method != "HEAD") request.method = "GET";
    request.body.reset();
  }
  if (from.https == to.https && from.host == to.host && from.port == to.port) return;
  request.user.clear();
  request.password.clear();
  request.client_certificate.clear();
  request.client_key.clear();
  std::erase_if(request.headers, &names_credentials);
}

}  // namespace

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

std::string unusable_url(const std::string& url) { return parse(url, "").error; }

Client::Client(std::chrono::nanoseconds resolve_every) : resolver_(resolve_every) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets that a peer may have closed
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(ready);
}

Outcome Client::perform(const Request& given, std::chrono::nanoseconds timeout) {
  const auto begin = Clock::now();
  const auto spare = std::clamp<std::chrono::nanoseconds>(timeout / 20, milliseconds{1}, milliseconds{50});
  const auto until = begin + timeout - spare;
  const auto finish = [begin](Outcome outcome) {
    outcome.total = std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
    return outcome;
  };
  Request request = given;
  Target target = parse(request.url, request.server_name);
  if (!target.error.empty()) {
    Outcome unusable;
    unusable.cause = Cause::kUrl;
    unusable.sentence = target.error;
    return finish(std::move(unusable));
  }
  for (int followed = 0;; ++followed) {
    Outcome outcome = exchange(request, target, resolver_, begin, until);
    if (!redirects(outcome) || request.follow_redirects == 0) return finish(std::move(outcome));
    Target next = parse(outcome.location, "");
    // The same server under its server_name: connect to where the url says.
    if (next.host == target.name) next.host = target.host;
    const bool weaker = target.https && !next.https;
    if (next.error.empty() && !weaker && followed < request.follow_redirects) {
      prepare_redirect(request, target, next, outcome.status);
      target = std::move(next);
      continue;
    }
    outcome.cause = Cause::kRedirect;
    outcome.sentence =
        !next.error.empty() ? next.error
        : weaker            ? "redirected from https to http (" + outcome.location + "), which is never followed"
                 : "redirected more than " + std::to_string(followed) + " times, at last to " + outcome.location;
    return finish(std::move(outcome));
  }
}

}  // namespace baton::plugin::http
