#include "plugin_host/library.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "config/plugin_section.h"
#include "ipc/plain_text.h"
#include "posix/fd.h"

namespace baton::plugin_host {
namespace {

constexpr std::size_t kMaxStruct = 64u << 10;
constexpr std::size_t kMaxKeys = 256;
constexpr std::size_t kMaxManual = 64u << 10;
constexpr std::size_t kMaxLine = 512;
constexpr std::size_t kMaxDefault = 1024;
/// All that is needed to know what it is; a verb that does not fit is one that it does not have.
constexpr std::size_t kLeastStruct = offsetof(baton_plugin, probe);
constexpr std::size_t kLeastKey = offsetof(baton_key, flags) + sizeof(std::uint32_t);

Result<void> check_one(const std::string& path, bool is_file) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return fail("load plugin", errno, path);
  if (facts.st_uid != 0)
    return fail("load plugin: " + path + " belongs to user " + std::to_string(facts.st_uid) + ", not to root");
  // Root's own group, too: where there is an access control list, its mask stands in the group's place.
  const bool others = (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  const bool sticky = !is_file && (facts.st_mode & S_ISVTX) != 0;
  if (others && !sticky) return fail("load plugin: " + path + " can be written by others than root");
  if (is_file && !S_ISREG(facts.st_mode)) return fail("load plugin: " + path + " is no regular file");
  return {};
}

/// Each directory that is gone through, those of links as well: who can write there decides where the way leads.
Result<void> check_way(const std::string& path) {
  std::string way = path;
  std::string done;  // no link in it
  int links = 0;
  for (std::size_t at = 0; at < way.size();) {
    if (auto directory = check_one(done.empty() ? "/" : done, false); !directory) return directory;
    const std::size_t begin = std::min(way.find_first_not_of('/', at), way.size());
    const std::size_t end = std::min(way.find('/', begin), way.size());
    const std::string name = way.substr(begin, end - begin);
    at = end;
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      done.erase(std::min(done.rfind('/'), done.size()));
      continue;
    }
    std::array<char, PATH_MAX> target{};
    const ssize_t size = ::readlink((done + "/" + name).c_str(), target.data(), target.size());
    if (size < 0) {
      done += "/" + name;
      continue;
    }
    constexpr int kMostLinks = 40;
    if (++links > kMostLinks) return fail("load plugin", ELOOP, path);
    const std::string leads(target.data(), static_cast<std::size_t>(size));
    if (leads.starts_with('/')) done.clear();
    way = leads + way.substr(at);
    at = 0;
  }
  return {};
}

std::string machine_name(unsigned machine) {
  switch (machine) {
    case EM_X86_64: return "x86-64";
    case EM_386: return "x86";
    case EM_AARCH64: return "aarch64";
    case EM_ARM: return "arm";
    case EM_RISCV: return "riscv";
    case EM_PPC64: return "ppc64";
    case EM_S390: return "s390";
    default: return "machine " + std::to_string(machine);
  }
}

struct ElfKind {
  unsigned char bits = 0;
  unsigned machine = 0;
  unsigned type = 0;
};
bool read_elf(int file, ElfKind& kind) {
  std::array<unsigned char, 20> head{};
  if (::pread(file, head.data(), head.size(), 0) != static_cast<ssize_t>(head.size())) return false;
  if (std::memcmp(head.data(), ELFMAG, SELFMAG) != 0) return false;
  kind.bits = head[EI_CLASS];
  const bool little = head[EI_DATA] == ELFDATA2LSB;
  const auto half = [&](std::size_t at) {
    return little ? static_cast<unsigned>(head[at] | head[at + 1] << 8)
                  : static_cast<unsigned>(head[at] << 8 | head[at + 1]);
  };
  kind.type = half(16);
  kind.machine = half(18);
  return true;
}

/// dlopen says "wrong ELF class" at best.
Result<void> check_architecture(int file, const std::string& path) {
  ElfKind theirs;
  if (!read_elf(file, theirs)) return fail("load plugin: " + path + " is no shared object");
  ElfKind ours;
  const posix::Fd self{::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)};
  if (!self.valid() || !read_elf(self.get(), ours)) return {};
  if (theirs.bits != ours.bits || theirs.machine != ours.machine) {
    return fail("load plugin: " + path + " was built for " + machine_name(theirs.machine) + ", this host is " +
                machine_name(ours.machine));
  }
  if (theirs.type != ET_DYN) return fail("load plugin: " + path + " is no shared object");
  return {};
}

std::string line_of(const char* text, std::size_t limit = kMaxLine) { return ipc::plain_text(text, limit); }

bool good_name(std::string_view name) {
  const auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; };
  return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), good);
}

Result<config::ModuleKey> describe_key(const baton_key& from, const std::string& path) {
  config::ModuleKey key;
  key.name = line_of(from.name, 64);
  if (!good_name(key.name)) {
    return fail("load plugin: " + path + " declares the key '" + key.name +
                "': names have 1 to 32 characters of a-z, 0-9, _ and -");
  }
  for (const char* own : {"module", "interval", "timeout", "rise", "fall", "user", "deadline"}) {
    if (key.name == own)
      return fail("load plugin: " + path + " declares the key '" + key.name + "', which is Baton's own");
  }
  if (from.type > BATON_KEY_SECRET)
    return fail("load plugin: " + path + " declares the key '" + key.name + "' with an unknown type");
  key.type = static_cast<config::ModuleKeyType>(from.type);
  key.required = (from.flags & BATON_KEY_REQUIRED) != 0;
  key.list = (from.flags & BATON_KEY_LIST) != 0;
  key.acts_only = (from.flags & BATON_KEY_ACTS) != 0;
  if (key.acts_only && from.type != BATON_KEY_SECRET) {
    return fail("load plugin: " + path + " declares the key '" + key.name +
                "' for acts only (BATON_KEY_ACTS): that is for secrets");
  }
  key.has_default = from.default_text != nullptr;
  key.domain = line_of(from.domain);
  key.default_text = line_of(from.default_text, kMaxDefault);
  key.help = line_of(from.help);
  key.minimum = from.minimum;
  key.maximum = from.maximum;
  if (!key.has_default || (key.default_text.empty() && !key.required)) return key;
  if (const auto trouble = config::check_value(key, key.default_text)) {
    return fail("load plugin: " + path + " declares the key '" + key.name +
                "' with a default that is no value of its own: " + trouble->message);
  }
  return key;
}

/// The manual keeps its lines.
std::string manual_of(const char* text) {
  if (text == nullptr) return {};
  const std::string_view whole{text, ::strnlen(text, kMaxManual)};
  std::string manual;
  std::size_t begin = 0;
  while (begin < whole.size()) {
    const std::size_t end = std::min(whole.find('\n', begin), whole.size());
    manual += ipc::plain_text(whole.substr(begin, end - begin), 4096) + "\n";
    begin = end + 1;
  }
  return manual;
}

VerbSet verbs_of(const baton_plugin& plugin) {
  const auto table = verb_functions(plugin);
  VerbSet verbs;
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table[i] != nullptr) verbs.add(static_cast<PluginVerb>(i));
  }
  return verbs;
}

Result<void> take_keys(Library& library, const std::string& path) {
  const baton_plugin& plugin = library.plugin;
  if (plugin.key_count == 0) return {};
  if (plugin.key_count > kMaxKeys || plugin.keys == nullptr || plugin.key_size < kLeastKey || plugin.key_size > 4096) {
    return fail("load plugin: the key table of " + path + " makes no sense");
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(plugin.keys);
  for (std::uint32_t i = 0; i < plugin.key_count; ++i) {
    baton_key key{};
    std::memcpy(&key, bytes + std::size_t{i} * plugin.key_size, std::min<std::size_t>(plugin.key_size, sizeof key));
    auto described = describe_key(key, path);
    if (!described) return Unexpected<Error>{described.error()};
    for (const config::ModuleKey& earlier : library.module.keys) {
      if (earlier.name == described->name)
        return fail("load plugin: " + path + " declares the key '" + earlier.name + "' twice");
    }
    library.keys.push_back(key);
    library.module.keys.push_back(std::move(*described));
  }
  return {};
}

Result<Library> take(const baton_plugin* symbol, const std::string& path) {
  std::uint32_t size = 0;
  std::memcpy(&size, symbol, sizeof size);
  if (size < kLeastStruct) {
    return fail("load plugin: the struct baton_plugin_v1 of " + path + " is too short: " + std::to_string(size) +
                " bytes, at least " + std::to_string(kLeastStruct) + " are needed");
  }
  if (size > kMaxStruct)
    return fail("load plugin: the struct baton_plugin_v1 of " + path + " makes no sense: " + std::to_string(size) +
                " bytes");
  Library library;
  std::memcpy(&library.plugin, symbol, std::min<std::size_t>(size, sizeof library.plugin));
  config::Module& module = library.module;
  module.name = line_of(library.plugin.name, 64);
  if (!good_name(module.name)) return fail("load plugin: " + path + " has no proper name");
  module.path = path;
  module.version = line_of(library.plugin.version, 64);
  module.summary = line_of(library.plugin.summary);
  module.manual = manual_of(library.plugin.manual);
  module.act_user = line_of(library.plugin.act_user, 64);
  if (module.act_user == "root")
    return fail("load plugin: " + path + " wants to act as root by itself; that must be written in the configuration");
  module.abi_minor = library.plugin.abi_minor;
  module.needs = library.plugin.needs & BATON_NEEDS_NET_RAW;
  module.checks_settings = library.plugin.check_settings != nullptr;
  module.verbs = verbs_of(library.plugin);
  if (module.verbs == VerbSet{}) return fail("load plugin: " + path + " has no verb");
  if (auto taken = take_keys(library, path); !taken) return Unexpected<Error>{taken.error()};
  return library;
}

}  // namespace

std::array<baton_verb, kPluginVerbs> verb_functions(const baton_plugin& plugin) {
  return {plugin.probe,  plugin.position, plugin.can_promote, plugin.block_writes, plugin.unblock_writes,
          plugin.drain,  plugin.promote,  plugin.demote,      plugin.step_down,    plugin.rejoin,
          plugin.verify, plugin.enter,    plugin.leave,       plugin.notify,       plugin.acquire,
          plugin.renew,  plugin.release,  plugin.fence};
}

Result<void> check_trust(const std::string& path) {
  if (auto file = check_one(path, true); !file) return file;
  for (std::size_t end = path.rfind('/'); end != std::string::npos;
       end = end == 0 ? std::string::npos : path.rfind('/', end - 1)) {
    if (auto directory = check_one(end == 0 ? "/" : path.substr(0, end), false); !directory) return directory;
  }
  return {};
}

Result<Library> load_library(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> resolved{::realpath(path.c_str(), nullptr), &std::free};
  if (!resolved) return fail("load plugin", errno, path);
  const std::string real = resolved.get();
  if (auto safe = check_way(path); !safe) return Unexpected<Error>{safe.error()};
  if (auto trusted = check_trust(real); !trusted) return Unexpected<Error>{trusted.error()};
  const posix::Fd file{::open(real.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
  if (!file.valid() && errno == EACCES) {
    const passwd* const user = ::getpwuid(::geteuid());
    return fail("load plugin: user " + (user == nullptr ? std::to_string(::geteuid()) : std::string{user->pw_name}) +
                " may not read " + real + ": chmod 755 it");
  }
  if (!file.valid()) return fail("load plugin", errno, real);
  if (auto fits = check_architecture(file.get(), real); !fits) return Unexpected<Error>{fits.error()};
  // Through the descriptor: what was looked at is what is loaded.
  void* const handle = ::dlopen(("/proc/self/fd/" + std::to_string(file.get())).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const why = ::dlerror();
    return fail("load plugin: " + real + ": " + (why == nullptr ? "cannot be loaded" : ipc::plain_text(why, 300)));
  }
  const void* const symbol = ::dlsym(handle, "baton_plugin_v1");
  if (symbol == nullptr) {
    for (const char* newer : {"baton_plugin_v2", "baton_plugin_v3"}) {
      if (::dlsym(handle, newer) != nullptr) {
        return fail("load plugin: " + real + " was built for a newer plugin interface (it exports " + newer +
                    ", this Baton knows baton_plugin_v1)");
      }
    }
    return fail("load plugin: " + real + " does not export baton_plugin_v1: it is no Baton plugin");
  }
  return take(static_cast<const baton_plugin*>(symbol), real);
}

}  // namespace baton::plugin_host
