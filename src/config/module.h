// What a module says about itself, and who can be asked: the door through which the reader of the configuration learns
// which keys a [plugin] section may have. The implementation runs `baton-plugin-host --describe`
// (ipc/module_catalog.h); tests have their own.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/plugin_verb.h"

namespace baton::config {

/// plugin.h's BATON_KEY_.
enum class ModuleKeyType : std::uint8_t {
  kText,
  kBoolean,
  kInteger,
  kDuration,
  kPath,
  kWord,
  kAddress,
  kSecret,
};

struct ModuleKey {
  std::string name;
  ModuleKeyType type = ModuleKeyType::kText;
  bool required = false;
  bool list = false;
  bool has_default = false;
  bool acts_only = false;  ///< a secret that the process of the probes does not get
  std::string domain;
  std::string default_text;
  std::string help;
  std::int64_t minimum = 0;  ///< both 0: no limits; durations in nanoseconds
  std::int64_t maximum = 0;
  bool operator==(const ModuleKey&) const = default;
};

struct Module {
  std::string name;
  std::string path;  ///< absolute
  std::string version;
  std::string summary;
  std::string manual;
  std::string act_user;  ///< "" = baton-act
  std::uint32_t abi_minor = 0;
  std::uint32_t needs = 0;
  bool own = true;               ///< in Baton's plugin directory
  bool checks_settings = false;  ///< has check_settings
  VerbSet verbs;
  std::vector<ModuleKey> keys;
  bool operator==(const Module&) const = default;
};

using ModuleSettings = std::vector<std::pair<std::string, std::vector<std::string>>>;
struct ModuleComplaint {
  std::string key;  ///< "" = the section as a whole
  std::string message;
};

class ModuleSource {
 public:
  virtual ~ModuleSource() = default;
  /// `module` as it stands in the file: a name, or an absolute path. Error: why it cannot be used, in words
  /// ("/usr/lib/baton/plugins/x.so is writable by others"). The same question gets the same answer.
  virtual Result<Module> describe(const std::string& module) = 0;
  /// The module's own look at its settings as host `host` has them (defaults filled in, secrets as their content).
  virtual Result<std::vector<ModuleComplaint>> check_settings(const Module& module, const std::string& section,
                                                              const std::string& host,
                                                              const ModuleSettings& settings) = 0;
  /// Names of the modules there are.
  virtual std::vector<std::string> names() = 0;
};

}  // namespace baton::config
