#include "plugin_host/describe.h"

#include <linux/capability.h>
#include <unistd.h>

#include "ipc/module_catalog.h"
#include "posix/rights.h"

namespace baton::plugin_host {
namespace {

bool write_all(int out, ConstBytes bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::write(out, bytes.data(), bytes.size());
    if (size <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(size));
  }
  return true;
}

std::string text_of(const config::Module& module) {
  std::string text = module.name + " " + module.version + ": " + module.summary + "\nverbs:";
  for (std::size_t i = 0; i < kPluginVerbs; ++i) {
    const auto verb = static_cast<PluginVerb>(i);
    if (module.verbs.has(verb)) text += " " + std::string{verb_token(verb)};
  }
  text += "\n";
  for (const config::ModuleKey& key : module.keys) {
    text += "  " + key.name +
            (key.required      ? " (required)"
             : key.has_default ? " (" + key.default_text + ")"
                               : "") +
            "  " + key.help + "\n";
  }
  return text;
}

}  // namespace

Result<void> become_asker(const std::string& user) {
  if (::geteuid() != 0 || user == "root") return {};
  const auto found = posix::find_user(user.empty() ? "baton-check" : user);
  if (!found) return Unexpected<Error>{found.error()};
  // A raw socket is kept here and given up, or not, by what the order says.
  return posix::drop_to_user(*found, {CAP_NET_RAW});
}

bool print_module(const config::Module& module, int out, bool for_people) {
  if (!for_people) return write_all(out, ipc::encode(module));
  const std::string text = text_of(module);
  return write_all(out, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

bool print_complaints(const std::vector<config::ModuleComplaint>& complaints, int out) {
  return write_all(out, ipc::encode(complaints));
}

}  // namespace baton::plugin_host
