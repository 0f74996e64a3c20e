// One opened plugin: calls its verbs and turns whatever comes back into a bounded, valid answer. An exception is an
// answer, too. Does not know about deadlines beyond telling the plugin; the watchdog does.
#pragma once

#include "base/plugin_verb.h"
#include "ipc/host_channel.h"
#include "ipc/host_order.h"
#include "plugin_host/library.h"
#include "plugin_host/services.h"

namespace baton::plugin_host {

/// What a verb came to.
struct Verdict {
  VerbStatus status = VerbStatus::kOk;
  baton_result numbers{};
  Said said;
};

class Session {
 public:
  Session(const Library& library, const ipc::HostOrder& order, std::string purpose);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Opens the plugin first if it is not open; if that fails, that is the answer.
  Verdict call(const ipc::ActRequest& request);
  std::vector<config::ModuleComplaint> check_settings();

 private:
  template <class Body>
  VerbStatus guarded(Body body);
  VerbStatus open();

  const Library& library_;
  Services services_;
  void* self_ = nullptr;
  bool opened_ = false;
};

/// A probe's verdict as it stands on the page; what is no valid answer becomes kGarbage.
ipc::ProbeOutcome outcome_of(const Verdict& verdict);
ipc::ActAnswer answer_of(const Verdict& verdict);

}  // namespace baton::plugin_host
