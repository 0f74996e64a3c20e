// Modules that exist only in tests: a check `http` with a key of each kind, an action `job`, and a notifier.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "config/module.h"

namespace baton::config {

inline VerbSet verb_set(std::initializer_list<PluginVerb> verbs) {
  VerbSet set;
  for (const PluginVerb verb : verbs) set.add(verb);
  return set;
}

inline ModuleKey module_key(const char* name, ModuleKeyType type) {
  ModuleKey key;
  key.name = name;
  key.type = type;
  key.help = std::string("Help of ") + name + ".";
  return key;
}

inline ModuleKey with_default(ModuleKey key, const char* text) {
  key.has_default = true;
  key.default_text = text;
  return key;
}

class FakeModules : public ModuleSource {
 public:
  FakeModules() {
    Module http;
    http.name = "http";
    http.path = "/plugins/http.so";
    http.needs = 1;
    http.verbs = verb_set({PluginVerb::kProbe});
    http.checks_settings = true;
    ModuleKey url = module_key("url", ModuleKeyType::kText);
    url.required = true;
    ModuleKey status = with_default(module_key("status", ModuleKeyType::kInteger), "200");
    status.minimum = 100;
    status.maximum = 599;
    ModuleKey pause = with_default(module_key("pause", ModuleKeyType::kDuration), "5s");
    pause.minimum = 1'000'000'000;
    pause.maximum = 60'000'000'000;
    ModuleKey header = module_key("header", ModuleKeyType::kText);
    header.list = true;
    ModuleKey method = with_default(module_key("method", ModuleKeyType::kWord), "GET");
    method.domain = "GET|HEAD";
    http.keys = {url,
                 status,
                 pause,
                 header,
                 method,
                 module_key("tls", ModuleKeyType::kBoolean),
                 module_key("ca", ModuleKeyType::kPath),
                 module_key("via", ModuleKeyType::kAddress),
                 module_key("login", ModuleKeyType::kSecret)};
    add(http);
    Module job;
    job.name = "job";
    job.path = "/plugins/job.so";
    job.act_user = "worker";
    job.verbs = verb_set({PluginVerb::kEnter, PluginVerb::kLeave});
    add(job);
    Module mail;
    mail.name = "mail";
    mail.path = "/plugins/mail.so";
    mail.needs = 1;
    mail.own = false;
    mail.verbs = verb_set({PluginVerb::kNotify, PluginVerb::kProbe});
    add(mail);
    Module greedy;
    greedy.name = "greedy";
    greedy.path = "/plugins/greedy.so";
    greedy.act_user = "root";
    greedy.verbs = verb_set({PluginVerb::kEnter});
    add(greedy);
  }

  void add(const Module& module) { modules[module.name] = module; }

  Result<Module> describe(const std::string& module) override {
    const auto found = modules.find(module);
    if (found == modules.end()) return fail("there is no module `" + module + "` in /plugins");
    return found->second;
  }
  Result<std::vector<ModuleComplaint>> check_settings(const Module&, const std::string& section, const std::string&,
                                                      const ModuleSettings& settings) override {
    asked.emplace_back(section, settings);
    return complaints;
  }
  std::vector<std::string> names() override {
    std::vector<std::string> list;
    for (const auto& [name, module] : modules) list.push_back(name);
    return list;
  }

  std::map<std::string, Module> modules;
  std::vector<ModuleComplaint> complaints;
  std::vector<std::pair<std::string, ModuleSettings>> asked;
};

}  // namespace baton::config
