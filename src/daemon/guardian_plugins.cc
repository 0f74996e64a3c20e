// What the guardian adds to its plugin hosts: where they are, which children are not theirs, and the fleet that the
// reader of the configuration made.
#include "daemon/guardian.h"
#include "ipc/module_catalog.h"
#include "log/log.h"
#include "posix/clock.h"

namespace baton::daemon {

PluginHosts::Setting Guardian::host_setting() {
  PluginHosts::Setting setting;
  setting.program = ipc::find_places(options_.plugin_dir).host_program;
  setting.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"};
  setting.open_log = log::open_for_program;
  setting.own = [this] { return own_children(); };
  return setting;
}

std::set<pid_t> Guardian::own_children() const {
  std::set<pid_t> own;
  for (const Worker& one : workers_) {
    if (one.child.running()) own.insert(one.child.pid());
  }
  for (const posix::Child& child : dying_) own.insert(child.pid());
  if (log_writer_.running()) own.insert(log_writer_.pid());
  if (reader_) own.insert(reader_->pid());
  if (successor_.child.running()) own.insert(successor_.child.pid());
  if (reexec_ && reexec_->check) own.insert(reexec_->check->pid());
  return own;
}

/// Strictly decoded all the same: it went through a process that reads what people write.
void Guardian::take_fleet(const posix::Fd& fleet) {
  const auto bytes = posix::read_sealed(fleet.get(), ipc::kMaxFleetSize);
  auto orders =
      bytes ? ipc::decode_fleet(*bytes) : Result<std::vector<ipc::HostOrder>>{Unexpected<Error>{bytes.error()}};
  if (!orders) {
    log::error("plugins_not_started", {}, orders.error().message());
    return;
  }
  hosts_.set_fleet(posix::now(), std::move(*orders));
}

}  // namespace baton::daemon
