// http::Client: see http_request.h. Names are resolved here and handed to libcurl as addresses; redirects are followed
// here, one request each. What went wrong is told by http_failure.cc.
#include "common/http_request.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <utility>

#include "common/http_transfer.h"
#include "common/text_file.h"

namespace baton::plugin::http {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaximumCaFile = 4 * 1024 * 1024;

void append(List& list, const std::string& line) {
  if (curl_slist* longer = curl_slist_append(list.get(), line.c_str()); longer != nullptr) {
    static_cast<void>(list.release());
    list.reset(longer);
  }
}

std::string part(CURLU* url, CURLUPart what, unsigned flags) {
  char* text = nullptr;
  if (curl_url_get(url, what, &text, flags) != CURLUE_OK) return {};
  std::string out = text;
  curl_free(text);
  return out;
}

/// As it may be shown: what may be a name and a password is left out, also where the url is too broken to be taken
/// apart.
std::string shown(const std::string& url) {
  const std::size_t scheme = url.find("://");
  const std::size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  const std::size_t at = url.rfind('@');
  return at == std::string::npos || at < begin ? url : url.substr(0, begin) + "********" + url.substr(at);
}

Target parse(const std::string& text, const std::string& server_name) {
  Target target;
  const std::unique_ptr<CURLU, UrlFree> url{curl_url()};
  const CURLUcode code = curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0);
  if (code != CURLUE_OK) {
    target.error = "the url \"" + shown(text) + "\" cannot be used: " + curl_url_strerror(code);
    return target;
  }
  const std::string scheme = part(url.get(), CURLUPART_SCHEME, 0);
  if (scheme != "http" && scheme != "https") {
    target.error = "the url \"" + shown(text) + "\" cannot be used: only http:// and https:// are spoken";
    return target;
  }
  // Urls stand in sentences, facts and logs.
  if (!part(url.get(), CURLUPART_USER, 0).empty() || !part(url.get(), CURLUPART_PASSWORD, 0).empty()) {
    target.error = "the url \"" + shown(text) + "\" has a name or password in it, where everybody would see it";
    target.has_credentials = true;
    return target;
  }
  target.https = scheme == "https";
  target.port = part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  target.host = part(url.get(), CURLUPART_HOST, 0);
  if (target.host.starts_with('[')) target.host = target.host.substr(1, target.host.size() - 2);
  target.name = server_name.empty() ? target.host : server_name;
  if (!server_name.empty()) curl_url_set(url.get(), CURLUPART_HOST, server_name.c_str(), 0);
  target.url = part(url.get(), CURLUPART_URL, 0);
  if (target.host.empty() || target.url.empty()) target.error = "the url \"" + shown(text) + "\" has no usable host";
  return target;
}

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

std::string unusable_url(const std::string& url, const std::string& instead) {
  const Target target = parse(url, "");
  return target.has_credentials && !instead.empty() ? target.error + ": use " + instead : target.error;
}

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
