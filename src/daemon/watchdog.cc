#include "daemon/watchdog.h"

#include <fcntl.h>
#include <linux/watchdog.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace baton::daemon {
namespace {

using ports::DataRole;
using ports::PromotionStep;

constexpr char kFood = '1';
constexpr char kMagicClose = 'V';

std::string_view name_of(const ports::InstanceState& instance) {
  const auto end = std::find(instance.name.begin(), instance.name.end(), '\0');
  return {instance.name.data(), static_cast<std::size_t>(end - instance.name.begin())};
}

/// Its database may take writes, or is on the way there or back.
bool may_be_writable(const ports::InstanceState& instance) {
  const auto step = static_cast<PromotionStep>(instance.promotion_step);
  const bool between = step >= PromotionStep::kPromoting && step <= PromotionStep::kClearing;
  // Behind a demotion that succeeded, or in a planned move whose writes are blocked: the grant goes back, or has gone.
  if (step > PromotionStep::kDemoting) return false;
  return between || instance.data_role == DataRole::kPromoting || instance.data_role == DataRole::kActive ||
         instance.data_role == DataRole::kDemoting;
}

/// Holds a grant and may promote at any moment: what it was fed with before must not outlast the grant.
bool about_to_promote(const ports::InstanceState& instance) {
  const auto step = static_cast<PromotionStep>(instance.promotion_step);
  return step >= PromotionStep::kWaiting && step <= PromotionStep::kDeciding;
}

/// A new engine that has not read yet what this host did before, or demotes to be certain, proves nothing.
bool proves_standby(const ports::InstanceState& instance) {
  const auto step = static_cast<PromotionStep>(instance.promotion_step);
  return step != PromotionStep::kReading && step != PromotionStep::kDemoting;
}

}  // namespace

bool Feeder::deserves(const ipc::BoardReader& board, Instant now) {
  bool granted = true;
  for (std::uint32_t slot = 0; slot < board.instance_bound(); ++slot) {
    const auto instance = board.instance(slot);
    if (!instance || instance->data_role == DataRole::kNone) continue;
    const Instant until{Nanos{instance->granted_until_ns}};
    const bool demotes = static_cast<PromotionStep>(instance->promotion_step) == PromotionStep::kDemoting;
    // The demotion after a planned move: the grant was given back before, by a host that took no writes any more.
    if (demotes && until == Instant{}) continue;
    if (may_be_writable(*instance)) {
      writable_[std::string{name_of(*instance)}] = until;
    } else if (proves_standby(*instance)) {
      if (const auto found = writable_.find(name_of(*instance)); found != writable_.end()) writable_.erase(found);
      if (about_to_promote(*instance)) granted = granted && until - now >= timeout_;
    }
  }
  if (writable_.empty()) return granted;
  const bool loop_runs = now - board.heartbeat().at <= config::kWatchdogSlack;
  return loop_runs && granted && std::all_of(writable_.begin(), writable_.end(), [&](const auto& entry) {
           return entry.second == kNever || entry.second - now >= timeout_;
         });
}

Result<WatchdogDevice> WatchdogDevice::open(const std::string& path, Nanos timeout) {
  posix::Fd fd{::open(path.c_str(), O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)};
  if (!fd.valid()) return fail("open watchdog", errno, path);
  struct stat about {};
  if (::fstat(fd.get(), &about) != 0) return fail("look at watchdog", errno, path);
  if (!S_ISCHR(about.st_mode) && !S_ISREG(about.st_mode)) return fail("open watchdog: it is no device", 0, path);
  watchdog_info info{};
  const bool real = ::ioctl(fd.get(), WDIOC_GETSUPPORT, &info) == 0;
  if (!real && S_ISCHR(about.st_mode)) return fail("open watchdog: this device is none", errno, path);
  WatchdogDevice device{std::move(fd), real, path};
  if (auto set = device.set_timeout(timeout); !set) {
    device.disarm();
    return Unexpected<Error>{set.error()};
  }
  if (auto fed = device.feed(); !fed) return Unexpected<Error>{fed.error()};
  return device;
}

/// Never longer than asked for: the order of times depends on it.
Result<void> WatchdogDevice::set_timeout(Nanos timeout) {
  if (!real_) return {};
  const int wanted = static_cast<int>(timeout / std::chrono::seconds{1});
  int seconds = wanted;
  if (::ioctl(fd_.get(), WDIOC_SETTIMEOUT, &seconds) != 0 && ::ioctl(fd_.get(), WDIOC_GETTIMEOUT, &seconds) != 0) {
    return fail("set the watchdog's timeout", errno, path_);
  }
  if (seconds > wanted) {
    return fail("set the watchdog's timeout: it knows none below " + std::to_string(seconds) + "s", 0, path_);
  }
  return {};
}

Result<void> WatchdogDevice::write(char what) {
  const ssize_t written = ::write(fd_.get(), &what, 1);
  if (written == 1) return {};
  return fail("feed watchdog", written < 0 ? errno : EIO, path_);
}

Result<void> WatchdogDevice::feed() { return write(kFood); }

void WatchdogDevice::disarm() {
  if (!fd_.valid()) return;
  static_cast<void>(write(kMagicClose));
  fd_.reset();
}

}  // namespace baton::daemon
