// Another program in a process of its own: chosen descriptors, environment, user and rights, nothing else of ours.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "posix/process.h"
#include "posix/rights.h"

namespace baton::posix {

struct Program {
  std::string path;                              ///< absolute
  std::vector<std::string> arguments;            ///< without the program's own name
  std::vector<std::string> environment;          ///< "NAME=VALUE", all of it
  std::vector<std::pair<int, int>> descriptors;  ///< ours, its number there; 0, 1 and 2 are /dev/null unless named
  std::optional<User> user;                      ///< nullopt: stays who we are; otherwise no groups but its own
  bool same_rights = false;                      ///< keeps what the caller may do; REQUIRES no `user`
  bool raw_network = false;                      ///< CAP_NET_RAW, also across exec; every other capability is gone
};
/// Forks and executes; in a process group of its own, with no_new_privs, killed when this process ends. What goes wrong
/// after the fork is exit status 126 (rights, descriptors) or 127 (cannot be executed). REQUIRES a single-threaded
/// caller. Error: no process could be made, or the file cannot be executed.
Result<Child> start_program(const Program& program);

/// True if the file that this process was started from is gone: an upgrade has put another one in its place.
bool own_program_replaced();
/// Where that file was when this process was started from it; something else may stand there now.
Result<std::string> own_program_path();

/// Becomes another program, keeping its number, children and the descriptors without close-on-exec. `program`: a
/// descriptor of the file (O_PATH is enough). `arguments`: all of them, the first is the name. Returns only the error.
Error execute(int program, std::vector<std::string> arguments, std::vector<std::string> environment);
/// Whether these descriptors outlive execute().
void set_inherited(std::span<const int> descriptors, bool inherited);
/// Of this process: "NAME=VALUE", without those of `name`.
std::vector<std::string> environment_without(const std::string& name);

}  // namespace baton::posix
