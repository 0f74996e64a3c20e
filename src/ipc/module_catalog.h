// The modules in the plugin directory, asked through `baton-plugin-host`, each in a short-lived unprivileged process:
// no plugin code runs in who asks. Answers are remembered for the life of the object. Used by batond's reader of the
// configuration and by batonctl.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "config/module.h"

namespace baton::ipc {

/// Limit of one question to a module.
inline constexpr Nanos kDescribeLimit = std::chrono::seconds{3};

struct CatalogPlaces {
  std::string plugin_dir;    ///< where `module = NAME` is NAME.so
  std::string host_program;  ///< baton-plugin-host
};
/// `plugin_dir` "" and the host program: beside this program as built (../lib/baton/plugins, ./baton-plugin-host), else
/// where they are installed.
CatalogPlaces find_places(const std::string& plugin_dir);

struct CatalogFiles {
  std::vector<std::string> names;   ///< of modules
  std::vector<std::string> others;  ///< files that no `module =` finds
};

class ModuleCatalog : public config::ModuleSource {
 public:
  explicit ModuleCatalog(CatalogPlaces places) : places_(std::move(places)) {}

  Result<config::Module> describe(const std::string& module) override;
  Result<std::vector<config::ModuleComplaint>> check_settings(const config::Module& module, const std::string& section,
                                                              const std::string& host,
                                                              const config::ModuleSettings& settings) override;
  std::vector<std::string> names() override;
  /// What stands in the plugin directory. Error: it cannot be looked into.
  Result<CatalogFiles> look() const;
  const CatalogPlaces& places() const { return places_; }

 private:
  CatalogPlaces places_;
  std::map<std::string, Result<config::Module>> known_;
};

/// What the host program prints: for both ends.
std::vector<std::uint8_t> encode(const config::Module& module);
Result<config::Module> decode_module(ConstBytes bytes);
std::vector<std::uint8_t> encode(const std::vector<config::ModuleComplaint>& complaints);
Result<std::vector<config::ModuleComplaint>> decode_complaints(ConstBytes bytes);

}  // namespace baton::ipc
