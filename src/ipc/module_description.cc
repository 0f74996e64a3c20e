// What baton-plugin-host prints about a module, and the module's complaints about its settings. The printing process
// ran the module's code: everything is bounded and checked before it is believed.
#include <algorithm>

#include "ipc/long_fields.h"
#include "ipc/module_catalog.h"
#include "ipc/plain_text.h"

namespace baton::ipc {
namespace {

constexpr std::uint32_t kModuleMagic = 0x42504D31;  // "BPM1"
constexpr std::uint32_t kComplaintsMagic = 0x42504331;
constexpr std::size_t kMaxKeys = 256;
constexpr std::size_t kMaxComplaints = 64;
constexpr std::size_t kMaxLine = 1024;
constexpr std::size_t kMaxManual = 64 << 10;

/// The manual has lines.
bool fit_lines(std::string_view text, std::size_t limit) {
  if (text.size() > limit) return false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (!is_plain(text.substr(0, end), limit)) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

Unexpected<Error> bad(const char* what) { return fail("read module description", 0, what); }

std::uint64_t key_flags(const config::ModuleKey& key) {
  return (key.required ? 1u : 0u) | (key.list ? 2u : 0u) | (key.has_default ? 4u : 0u) | (key.acts_only ? 8u : 0u);
}

}  // namespace

std::vector<std::uint8_t> encode(const config::Module& module) {
  LongWriter out;
  out.number(kModuleMagic);
  for (const std::string* text :
       {&module.name, &module.path, &module.version, &module.summary, &module.manual, &module.act_user}) {
    out.text(*text);
  }
  out.number(module.abi_minor);
  out.number(module.needs);
  out.number(module.own ? 1 : 0);
  out.number(module.checks_settings ? 1 : 0);
  out.number(module.verbs.bits());
  out.number(module.keys.size());
  for (const config::ModuleKey& key : module.keys) {
    for (const std::string* text : {&key.name, &key.domain, &key.default_text, &key.help}) out.text(*text);
    out.number(static_cast<std::uint64_t>(key.type));
    out.number(key_flags(key));
    out.number(static_cast<std::uint64_t>(key.minimum));
    out.number(static_cast<std::uint64_t>(key.maximum));
  }
  return out.take();
}

Result<config::Module> decode_module(ConstBytes bytes) {
  ByteReader in{bytes};
  if (in.u64() != kModuleMagic) return bad("not a description");
  config::Module module;
  for (std::string* text :
       {&module.name, &module.path, &module.version, &module.summary, &module.manual, &module.act_user}) {
    *text = read_long_text(in);
    if (text == &module.manual ? !fit_lines(*text, kMaxManual) : !is_plain(*text, kMaxLine)) return bad("a text");
  }
  const std::uint64_t minor = in.u64();
  const std::uint64_t needs = in.u64();
  const std::uint64_t own = in.u64();
  const std::uint64_t checks = in.u64();
  const std::uint64_t verbs = in.u64();
  const std::uint64_t keys = in.u64();
  if (!in.ok() || minor > UINT32_MAX || needs > UINT32_MAX || own > 1 || checks > 1) return bad("a number");
  if (verbs >> kPluginVerbs != 0 || keys > kMaxKeys) return bad("verbs or keys");
  module.abi_minor = static_cast<std::uint32_t>(minor);
  module.needs = static_cast<std::uint32_t>(needs);
  module.own = own == 1;
  module.checks_settings = checks == 1;
  module.verbs = VerbSet::from_bits(static_cast<std::uint32_t>(verbs));
  for (std::uint64_t i = 0; i < keys; ++i) {
    config::ModuleKey& key = module.keys.emplace_back();
    for (std::string* text : {&key.name, &key.domain, &key.default_text, &key.help}) {
      *text = read_long_text(in);
      if (!is_plain(*text, kMaxLine)) return bad("the text of a key");
    }
    const std::uint64_t type = in.u64();
    const std::uint64_t flags = in.u64();
    key.minimum = in.i64();
    key.maximum = in.i64();
    if (!in.ok() || type > static_cast<std::uint64_t>(config::ModuleKeyType::kSecret) || flags > 15)
      return bad("a key");
    key.type = static_cast<config::ModuleKeyType>(type);
    key.required = (flags & 1) != 0;
    key.list = (flags & 2) != 0;
    key.has_default = (flags & 4) != 0;
    key.acts_only = (flags & 8) != 0;
  }
  if (in.remaining() != 0) return bad("trailing bytes");
  return module;
}

std::vector<std::uint8_t> encode(const std::vector<config::ModuleComplaint>& complaints) {
  LongWriter out;
  out.number(kComplaintsMagic);
  const std::size_t count = std::min(complaints.size(), kMaxComplaints);
  out.number(count);
  for (std::size_t i = 0; i < count; ++i) {
    out.text(complaints[i].key);
    out.text(complaints[i].message);
  }
  return out.take();
}

Result<std::vector<config::ModuleComplaint>> decode_complaints(ConstBytes bytes) {
  ByteReader in{bytes};
  if (in.u64() != kComplaintsMagic) return fail("read complaints: not a list");
  const std::uint64_t count = in.u64();
  if (count > kMaxComplaints) return fail("read complaints: too many");
  std::vector<config::ModuleComplaint> complaints;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string key = read_long_text(in);
    std::string message = read_long_text(in);
    if (!is_plain(key, kMaxLine) || !is_plain(message, kMaxLine))
      return fail("read complaints: a text that is not plain");
    complaints.push_back({std::move(key), std::move(message)});
  }
  if (!in.ok() || in.remaining() != 0) return fail("read complaints: cut short or too long");
  return complaints;
}

}  // namespace baton::ipc
