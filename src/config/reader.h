// Reads, merges and validates the configuration: text in, a Config or a list of diagnostics out. `parse` is pure;
// `load` reads FILE and then `conf.d/*.conf` beside it, sorted by name. A Config comes out if and only if no diagnostic
// is an error.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/error.h"
#include "config/config.h"
#include "config/diagnostic.h"
#include "config/module.h"

namespace baton::config {

/// What this host has now, for the semantic lint. Leave out addresses that Baton itself holds, or each VIP looks like
/// the host's own.
struct InterfaceFact {
  std::string name;
  std::vector<Prefix> prefixes;
  std::uint32_t mtu = 1500;
  MacAddress mac = {};  ///< zero: none, or not known
};

/// A file's bytes and the mode bits that matter for a secret.
struct SecretText {
  std::string text;
  bool others_may_read = false;  ///< any permission for group or others
};
/// Reads one secret file; the Error's message is shown.
using SecretReader = std::function<Result<SecretText>(const std::string& path)>;

struct ParseOptions {
  /// HOST: `--host NAME`, else the short host name. Must be one of the [peer] sections if there are any.
  std::string host;
  bool host_from_command_line = false;  ///< only the words of the diagnostic differ
  /// nullopt = unknown: lints that need them are skipped.
  std::optional<std::vector<InterfaceFact>> interfaces;
  /// Empty function: password files are not read, passwords stay empty (`batonctl check` as a user who may not read
  /// them).
  SecretReader read_secret;
  /// Who knows the modules; must outlive the call. nullptr: nobody can be asked, and the modules' own keys are taken as
  /// they stand.
  ModuleSource* modules = nullptr;
  /// $CREDENTIALS_DIRECTORY, where a secret that is no absolute path stands. "": this service has none. nullopt: not to
  /// be known here (`batonctl`).
  std::optional<std::string> credentials_directory = {};
  /// Whether this host has the user. Empty function: not judged.
  std::function<bool(const std::string& user)> user_exists = {};
  /// Only the reader itself sets it: the host is read to find what is wrong there.
  bool is_other_host = false;
  /// False: values and references are read, but what they mean together is not judged, nor what other hosts would read.
  /// For text that was judged before, as the effective configuration of a running daemon.
  bool judge = true;
};

struct LoadOptions {
  std::string path = "/etc/baton/baton.conf";
  ParseOptions parse;  ///< `read_secret` is set by load() unless `skip_secrets`
  bool skip_secrets = false;
};

/// One file in memory.
struct SourceText {
  std::string name;
  std::string text;
};

struct Loaded {
  std::optional<Config> config;
  std::vector<Diagnostic> diagnostics;  ///< sorted; errors and warnings
  std::vector<std::string> files;       ///< read, in order
};

/// Reads from the file system, blocking; each file once, at most kMaxFileSize bytes.
Loaded load(const LoadOptions& options);

/// `sources` in the order in which they merge.
Loaded parse(std::vector<SourceText> sources, const ParseOptions& options);

}  // namespace baton::config
