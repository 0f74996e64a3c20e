#include "daemon/options.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

namespace baton::daemon {
namespace {

Result<std::string> short_host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return fail("ask the host name", errno);
  const std::string_view whole{name.data()};
  return std::string{whole.substr(0, whole.find('.'))};
}

}  // namespace

Result<Options> parse_options(std::span<char* const> arguments) {
  Options options;
  options.arguments.assign(arguments.begin(), arguments.end());
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string_view whole = arguments[i];
    const std::size_t equals = whole.find('=');
    const std::string_view name = whole.substr(0, equals);
    if (name == "--check" || name == "--selfcheck" || name == "--version" || name == "--help" || name == "-h") {
      if (equals != std::string_view::npos) return fail("option takes no value", 0, std::string{name});
      options.check_only |= name == "--check";
      options.self_check |= name == "--selfcheck";
      options.show_version |= name == "--version";
      options.show_help |= name == "--help" || name == "-h";
      continue;
    }
    std::string* target = name == "--config" || name == "-c" ? &options.config_path
                          : name == "--host"                 ? &options.host
                          : name == "--runtime-dir"          ? &options.runtime_dir
                          : name == "--state-dir"            ? &options.state_dir
                          : name == "--plugin-dir"           ? &options.plugin_dir
                                                             : nullptr;
    if (target == nullptr) return fail("unknown option", 0, std::string{whole});
    if (equals == std::string_view::npos && i + 1 == arguments.size()) {
      return fail("option needs a value", 0, std::string{name});
    }
    *target = equals == std::string_view::npos ? arguments[++i] : whole.substr(equals + 1);
    if (target->empty()) return fail("option needs a value", 0, std::string{name});
    options.host_from_command_line |= target == &options.host;
  }
  if (options.host.empty() && !options.show_help && !options.show_version) {
    auto name = short_host_name();
    if (!name) return Unexpected<Error>{name.error()};
    options.host = *name;
  }
  return options;
}

std::string usage() {
  return "Usage: batond [OPTION]...\n"
         "Moves floating addresses between hosts with VRRP. Runs in the foreground.\n"
         "\n"
         "  -c, --config FILE     configuration (/etc/baton/baton.conf, then conf.d/*.conf beside it)\n"
         "      --host NAME       which `key@HOST` lines apply (the short host name)\n"
         "      --runtime-dir DIR control socket and address journal (/run/baton)\n"
         "      --state-dir DIR   history and intent (/var/lib/baton)\n"
         "      --plugin-dir DIR  plugins (/usr/lib/baton/plugins)\n"
         "      --check           read the configuration, say what is wrong with it, and end\n"
         "      --selfcheck       say whether this program could run here, and end\n"
         "      --version         print the version and end\n"
         "  -h, --help            print this and end\n"
         "\n"
         "Exit status: 0 stopped on request, 1 failed, 2 usage, 5 configuration invalid.\n"
         "Signals: SIGHUP reloads, SIGTERM and SIGINT release all addresses and end.\n";
}

}  // namespace baton::daemon
