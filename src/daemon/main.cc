// batond: a list of steps.
#include <malloc.h>

#include <cstdio>
#include <exception>
#include <span>

#include "base/version.h"
#include "daemon/config_child.h"
#include "daemon/guardian.h"
#include "daemon/log_writer.h"
#include "daemon/options.h"
#include "daemon/premises.h"
#include "daemon/self_check.h"
#include "log/log.h"
#include "posix/process.h"

namespace {

using namespace baton;
using namespace baton::daemon;

constexpr int kOwnMapping = 128 * 1024;  // bytes from which an allocation is a mapping of its own
constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr int kConfigInvalid = 5;

int complain(const Error& error) {
  std::fprintf(stderr, "batond: %s\n", error.message().c_str());
  return kFailed;
}

int start(const Options& options) {
  posix::reset_signals();
  log::open({"guardian"});
  auto premises = prepare(options);
  if (!premises) return complain(premises.error());
  auto configuration = read_configuration({options, premises->users.steward, -1, true});
  if (!configuration) return complain(configuration.error());
  if (!configuration->valid) return kConfigInvalid;
  log::set_level(configuration->facts.log_level);
  auto writer = start_log_writer(configuration->facts, premises->users.scribe);
  if (!writer) return complain(writer.error());
  auto guardian = Guardian::create(options, std::move(*premises), std::move(*configuration));
  if (!guardian) return complain(guardian.error());
  (*guardian)->hold_log_writer(std::move(*writer));
  return (*guardian)->run();
}

/// This process was another program until now; everything runs.
int resume(const Options& options, int inheritance) {
  auto guardian = Guardian::resume(options, inheritance);
  return guardian ? (*guardian)->run() : complain(guardian.error());
}

}  // namespace

int main(int argc, char** argv) {
  // Lists of a thousand instances come and go: they are given back whole, instead of leaving holes in the heap.
  ::mallopt(M_MMAP_THRESHOLD, kOwnMapping);
  try {
    const auto options = parse_options(std::span{argv, static_cast<std::size_t>(argc)});
    if (!options) {
      std::fprintf(stderr, "batond: %s\n%s", options.error().message().c_str(), usage().c_str());
      return kUsage;
    }
    if (options->show_help) return std::fputs(usage().c_str(), stdout) < 0 ? kFailed : 0;
    if (options->show_version) return std::printf("batond %s\n", kVersion) < 0 ? kFailed : 0;
    if (options->check_only) return check_configuration(*options) ? 0 : kConfigInvalid;
    if (options->self_check) return run_self_check(*options);
    const int inheritance = inherited_descriptor();
    return inheritance < 0 ? start(*options) : resume(*options, inheritance);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "batond: %s\n", error.what());
    return kFailed;
  }
}
