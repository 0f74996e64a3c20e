// The baton_host table that plugin code calls, and what it said during one call. Everything from the plugin is bounded
// and made plain here.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"
#include "config/module.h"
#include "ipc/probe_page.h"
#include "plugin_api/plugin.h"

namespace baton::plugin_host {

/// What a plugin said through the table since the last clear().
struct Said {
  std::string sentence;
  std::string position;
  bool position_too_long = false;  ///< half a position would be another one
  ipc::FactList facts;
  std::vector<std::string> refusals;
  std::vector<config::ModuleComplaint> complaints;
};

class Services {
 public:
  /// `settings` as an order has them: values of all keys, defaults filled in. `keys`: their types.
  Services(std::string section, std::string host_name, std::string purpose, const config::ModuleSettings& settings,
           const std::vector<config::ModuleKey>& keys);
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  const baton_host* table() const { return &table_; }
  const Said& said() const { return said_; }
  void clear() { said_ = {}; }

 private:
  struct Values {
    std::vector<std::string> texts;
    std::int64_t number = 0;
  };
  static Services& of(void* context) { return *static_cast<Services*>(context); }
  static const char* text(void* context, const char* key, std::uint32_t index);
  static std::uint32_t count(void* context, const char* key);
  static std::int64_t number(void* context, const char* key);
  static void say(void* context, const char* sentence);
  static void fact(void* context, const char* key, const char* value);
  static void refuse(void* context, const char* reason);
  static void position(void* context, const char* position);
  static void complain(void* context, const char* key, const char* message);
  static void log(void* context, std::uint32_t level, const char* message);
  const Values* find(const char* key) const;

  std::string section_;
  std::string host_name_;
  std::string purpose_;
  std::map<std::string, Values, std::less<>> values_;
  Said said_;
  Instant log_window_{};
  std::uint32_t logged_ = 0;
  baton_host table_{};
};

}  // namespace baton::plugin_host
