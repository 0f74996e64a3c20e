// SPDX-License-Identifier: GPL-2.0-or-later
//
// manager.cc: systemd's D-Bus interface (org.freedesktop.systemd1(5)) by sd-bus. Decides which socket to use, how long
// to wait and what a refusal means; refuses to wait past the deadline.
#include "manager.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>
#include <utility>

namespace baton_systemd {
namespace {

using baton::plugin::Status;

constexpr const char* kDestination = "org.freedesktop.systemd1";
constexpr const char* kManagerPath = "/org/freedesktop/systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
constexpr const char* kUnit = "org.freedesktop.systemd1.Unit";
constexpr const char* kService = "org.freedesktop.systemd1.Service";
constexpr const char* kPrivateSocket = "/run/systemd/private";
constexpr const char* kSystemBus = "/run/dbus/system_bus_socket";
constexpr std::size_t kMostMembers = 64;

struct ErrorFree {
  sd_bus_error error = SD_BUS_ERROR_NULL;
  ErrorFree() = default;
  ErrorFree(const ErrorFree&) = delete;
  ErrorFree& operator=(const ErrorFree&) = delete;
  ~ErrorFree() { sd_bus_error_free(&error); }
};
struct SlotFree {
  void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
};
struct TextFree {
  void operator()(char* text) const { std::free(text); }
};

std::string user_name() {
  const passwd* entry = ::getpwuid(::geteuid());
  return entry == nullptr ? "uid " + std::to_string(::geteuid()) : entry->pw_name;
}

/// The interface of the unit's type, if it has a Result.
const char* result_interface(const std::string& name) {
  if (name.ends_with(".service")) return kService;
  if (name.ends_with(".socket")) return "org.freedesktop.systemd1.Socket";
  if (name.ends_with(".timer")) return "org.freedesktop.systemd1.Timer";
  if (name.ends_with(".mount")) return "org.freedesktop.systemd1.Mount";
  if (name.ends_with(".automount")) return "org.freedesktop.systemd1.Automount";
  if (name.ends_with(".swap")) return "org.freedesktop.systemd1.Swap";
  if (name.ends_with(".path")) return "org.freedesktop.systemd1.Path";
  if (name.ends_with(".scope")) return "org.freedesktop.systemd1.Scope";
  return nullptr;
}

/// What would let a user do it. To enable units is no right to give away: it makes its owner root.
std::string remedy(const std::string& doing) {
  if (doing.starts_with("enable") || doing.starts_with("disable") || doing.starts_with("reload")) {
    return "write `user = root`, or `enable = no` for timers that are only started and stopped";
  }
  return "allow org.freedesktop.systemd1.manage-units for it in /etc/polkit-1/rules.d, or write `user = root`";
}

bool any_of(std::string_view name, std::initializer_list<std::string_view> names) {
  for (const std::string_view one : names) {
    if (name == one) return true;
  }
  return false;
}

}  // namespace

Manager::Manager(const baton::plugin::Call& call) : call_(call), timeout_ms_(call.remaining_ms()) {
  if (::access("/run/systemd/system", F_OK) != 0) {
    throw Trouble(Status::kConfig, "no-systemd", "systemd does not run this host: there is no /run/systemd/system");
  }
  if (::geteuid() == 0 && ::access(kPrivateSocket, F_OK) == 0) {
    connect(kPrivateSocket, false);
  } else {
    connect(kSystemBus, true);
  }
}

void Manager::connect(const std::string& path, bool bus_client) {
  sd_bus* bus = nullptr;
  if (sd_bus_new(&bus) < 0) throw Trouble(Status::kTransient, "protocol", "no memory for a D-Bus connection");
  bus_.reset(bus);
  int result = sd_bus_set_address(bus, ("unix:path=" + path).c_str());
  if (result >= 0) result = sd_bus_set_bus_client(bus, bus_client ? 1 : 0);
  if (result >= 0) result = sd_bus_start(bus);
  // sd_bus_call would wait for the greeting without limit: that is done here, with one.
  while (result >= 0) {
    const int ready = sd_bus_is_ready(bus);
    if (ready != 0) {
      result = ready;
      break;
    }
    result = sd_bus_process(bus, nullptr);
    if (result == 0) {
      const std::uint64_t left = remaining_us("connect to " + path);
      result = sd_bus_wait(bus, left);
    }
  }
  if (result > 0) return;
  const std::string words =
      std::string{"cannot connect to "} + path + " as " + user_name() + ": " + ::strerror(-result);
  if (result == -ENOENT) {
    throw Trouble(Status::kConfig, "missing", words + ": start dbus, or write `user = root`, which needs no bus");
  }
  if (result == -EACCES || result == -EPERM) throw Trouble(Status::kConfig, "denied", words);
  throw Trouble(Status::kTransient, result == -ECONNREFUSED ? "refused" : "protocol", words);
}

std::uint64_t Manager::remaining_us(const std::string& doing) const {
  const std::int64_t left = call_.remaining().count() / 1000;
  if (left > 0) return static_cast<std::uint64_t>(left);
  throw Trouble(Status::kTransient, "timeout", "no time left to " + doing + ": systemd did not answer in time");
}

Manager::Message Manager::request(const char* member) {
  sd_bus_message* message = nullptr;
  const int result = sd_bus_message_new_method_call(bus_.get(), &message, kDestination, kManagerPath, kManager, member);
  if (result < 0) {
    throw Trouble(Status::kTransient, "protocol", std::string{"D-Bus call "} + member + ": " + ::strerror(-result));
  }
  return Message{message};
}

Manager::Message Manager::ask(Message message, const std::string& doing) {
  const std::uint64_t left = remaining_us(doing);
  ErrorFree error;
  sd_bus_message* reply = nullptr;
  const int result = sd_bus_call(bus_.get(), message.get(), left, &error.error, &reply);
  if (result < 0) refuse(result, error.error, doing);
  return Message{reply};
}

void Manager::refuse(int result, const sd_bus_error& error, const std::string& doing) const {
  const std::string_view name = error.name == nullptr ? "" : error.name;
  const std::string words = error.message != nullptr ? error.message : ::strerror(-result);
  if (any_of(name,
             {"org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
              "org.freedesktop.DBus.Error.AuthFailed"}) ||
      result == -EACCES || result == -EPERM) {
    throw Trouble(Status::kConfig, "denied", user_name() + " may not " + doing + " (" + words + "): " + remedy(doing));
  }
  if (any_of(name, {"org.freedesktop.DBus.Error.Timeout", "org.freedesktop.DBus.Error.NoReply"}) ||
      result == -ETIMEDOUT) {
    throw Trouble(Status::kTransient, "timeout",
                  "systemd did not answer within the time that was left, asked to " + doing);
  }
  if (any_of(name, {"org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner"})) {
    throw Trouble(Status::kTransient, "refused", "systemd is not on the system bus, asked to " + doing + ": " + words);
  }
  if (any_of(name, {"org.freedesktop.systemd1.NoSuchUnit", "org.freedesktop.DBus.Error.FileNotFound"}) ||
      result == -ENOENT) {
    throw Trouble(Status::kConfig, "missing", "cannot " + doing + ": " + words);
  }
  const bool for_a_person =
      any_of(name, {"org.freedesktop.systemd1.UnitMasked", "org.freedesktop.systemd1.BadUnitSetting",
                    "org.freedesktop.systemd1.LoadFailed", "org.freedesktop.systemd1.OnlyByDependency",
                    "org.freedesktop.systemd1.UnitLinked", "org.freedesktop.DBus.Error.InvalidArgs",
                    "org.freedesktop.DBus.Error.UnixProcessIdUnknown", "org.freedesktop.DBus.Error.FileExists"});
  throw Trouble(for_a_person ? Status::kConfig : Status::kTransient, for_a_person ? "unit" : "protocol",
                "cannot " + doing + ": " + words);
}

std::string Manager::object_path(const std::string& name) {
  Message message = request("LoadUnit");
  sd_bus_message_append(message.get(), "s", name.c_str());
  const Message reply = ask(std::move(message), "load " + name);
  const char* path = nullptr;
  if (sd_bus_message_read(reply.get(), "o", &path) < 0 || path == nullptr) {
    throw Trouble(Status::kTransient, "protocol", "systemd answered LoadUnit for " + name + " with something else");
  }
  return path;
}

std::string Manager::text(const std::string& path, const char* interface, const char* property) {
  sd_bus_set_method_call_timeout(bus_.get(), remaining_us(std::string{"read "} + property));
  ErrorFree error;
  char* value = nullptr;
  const int result =
      sd_bus_get_property_string(bus_.get(), kDestination, path.c_str(), interface, property, &error.error, &value);
  const std::unique_ptr<char, TextFree> owner{value};
  if (result < 0) refuse(result, error.error, std::string{"read "} + property);
  return value == nullptr ? std::string{} : std::string{value};
}

std::uint64_t Manager::number(const std::string& path, const char* interface, const char* property, char type) {
  sd_bus_set_method_call_timeout(bus_.get(), remaining_us(std::string{"read "} + property));
  ErrorFree error;
  union {
    std::int32_t i;
    std::uint32_t u;
    std::uint64_t t;
    int b;
  } value{};
  value.t = 0;
  const int result = sd_bus_get_property_trivial(bus_.get(), kDestination, path.c_str(), interface, property,
                                                 &error.error, type, &value);
  if (result < 0) refuse(result, error.error, std::string{"read "} + property);
  if (type == 't') return value.t;
  if (type == 'b') return value.b != 0 ? 1 : 0;
  return value.u;
}

std::vector<std::string> Manager::texts(const std::string& path, const char* property) {
  sd_bus_set_method_call_timeout(bus_.get(), remaining_us(std::string{"read "} + property));
  ErrorFree error;
  char** values = nullptr;
  const int result =
      sd_bus_get_property_strv(bus_.get(), kDestination, path.c_str(), kUnit, property, &error.error, &values);
  if (result < 0) refuse(result, error.error, std::string{"read "} + property);
  std::vector<std::string> all;
  for (char** one = values; one != nullptr && *one != nullptr; ++one) {
    all.emplace_back(*one);
    std::free(*one);
  }
  std::free(static_cast<void*>(values));
  return all;
}

Unit Manager::unit(const std::string& name) {
  const std::string path = object_path(name);
  Unit unit;
  unit.name = name;
  unit.load_state = text(path, kUnit, "LoadState");
  unit.active_state = text(path, kUnit, "ActiveState");
  unit.sub_state = text(path, kUnit, "SubState");
  unit.since_us = number(path, kUnit, "StateChangeTimestamp", 't');
  if (unit.load_state != "loaded") {
    ErrorFree error;
    sd_bus_message* reply = nullptr;
    sd_bus_set_method_call_timeout(bus_.get(), remaining_us("read LoadError"));
    const int result =
        sd_bus_get_property(bus_.get(), kDestination, path.c_str(), kUnit, "LoadError", &error.error, &reply, "(ss)");
    const Message owner{reply};
    const char* kind = nullptr;
    const char* words = nullptr;
    if (result >= 0 && sd_bus_message_read(reply, "(ss)", &kind, &words) > 0 && words != nullptr)
      unit.load_error = words;
    return unit;
  }
  unit.file_state = text(path, kUnit, "UnitFileState");
  unit.condition_tested = number(path, kUnit, "ConditionTimestamp", 't') != 0;
  unit.condition_met = !unit.condition_tested || number(path, kUnit, "ConditionResult", 'b') != 0;
  if (!unit.condition_met) unit.condition = unmet_condition(path);
  ErrorFree error;
  sd_bus_message* reply = nullptr;
  sd_bus_set_method_call_timeout(bus_.get(), remaining_us("read Job"));
  if (sd_bus_get_property(bus_.get(), kDestination, path.c_str(), kUnit, "Job", &error.error, &reply, "(uo)") >= 0) {
    std::uint32_t id = 0;
    const char* job = nullptr;
    if (sd_bus_message_read(reply, "(uo)", &id, &job) > 0) unit.job_pending = id != 0;
    sd_bus_message_unref(reply);
  }
  const char* interface = result_interface(name);
  if (interface != nullptr) unit.result = text(path, interface, "Result");
  if (interface == kService) read_service(path, interface, &unit);
  return unit;
}

void Manager::read_service(const std::string& path, const char* interface, Unit* unit) {
  unit->type = text(path, interface, "Type");
  unit->exit_code = static_cast<std::int32_t>(number(path, interface, "ExecMainCode", 'i'));
  unit->exit_status = static_cast<std::int32_t>(number(path, interface, "ExecMainStatus", 'i'));
  unit->main_pid = static_cast<std::uint32_t>(number(path, interface, "MainPID", 'u'));
  unit->restarts = static_cast<std::uint32_t>(number(path, interface, "NRestarts", 'u'));
}

std::string Manager::unmet_condition(const std::string& path) {
  ErrorFree error;
  sd_bus_message* reply = nullptr;
  sd_bus_set_method_call_timeout(bus_.get(), remaining_us("read Conditions"));
  const int result = sd_bus_get_property(bus_.get(), kDestination, path.c_str(), kUnit, "Conditions", &error.error,
                                         &reply, "a(sbbsi)");
  const Message owner{reply};
  if (result < 0 || sd_bus_message_enter_container(reply, 'a', "(sbbsi)") < 0) return "";
  const char* type = nullptr;
  const char* parameter = nullptr;
  int trigger = 0;
  int negate = 0;
  std::int32_t state = 0;  // above 0: met, below: not, 0: not tested since the unit was loaded
  std::string untested;
  int count = 0;
  for (; sd_bus_message_read(reply, "(sbbsi)", &type, &trigger, &negate, &parameter, &state) > 0; ++count) {
    const std::string words =
        std::string{type} + "=" + (trigger != 0 ? "|" : "") + (negate != 0 ? "!" : "") + parameter;
    if (state < 0) return words;
    untested = words;
  }
  return count == 1 ? untested : "";
}

/// systemd forgets a unit that has ended well, and one whose condition was not met, together with its job. Only this
/// signal, sent before JobRemoved, shows that its conditions were met and it did run.
int Manager::properties_changed(sd_bus_message* message, void* self, sd_bus_error*) {
  const char* interface = nullptr;
  if (sd_bus_message_read(message, "s", &interface) <= 0 || std::string_view{interface} != kUnit) return 0;
  if (sd_bus_message_enter_container(message, 'a', "{sv}") <= 0) return 0;
  const char* property = nullptr;
  while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
    if (sd_bus_message_read(message, "s", &property) <= 0) return 0;
    if (std::string_view{property} == "ConditionResult") {
      int met = 0;
      if (sd_bus_message_read(message, "v", "b", &met) > 0 && met != 0)
        static_cast<Manager*>(self)->condition_seen_ = true;
      return 0;
    }
    sd_bus_message_skip(message, "v");
    sd_bus_message_exit_container(message);
  }
  return 0;
}

int Manager::job_removed(sd_bus_message* message, void* self, sd_bus_error*) {
  auto* manager = static_cast<Manager*>(self);
  std::uint32_t id = 0;
  const char* job = nullptr;
  const char* unit = nullptr;
  const char* result = nullptr;
  if (sd_bus_message_read(message, "uoss", &id, &job, &unit, &result) > 0 && manager->job_ == job) {
    manager->job_result_ = result;
  }
  return 0;
}

void Manager::subscribe() {
  if (subscribed_) return;
  sd_bus_set_method_call_timeout(bus_.get(), remaining_us("subscribe to jobs"));
  const int result = sd_bus_match_signal(bus_.get(), nullptr, kDestination, kManagerPath, kManager, "JobRemoved",
                                         &Manager::job_removed, this);
  if (result < 0) {
    throw Trouble(Status::kTransient, "protocol", std::string{"cannot follow systemd's jobs: "} + ::strerror(-result));
  }
  ask(request("Subscribe"), "follow systemd's jobs");
  subscribed_ = true;
}

std::string Manager::run_job(const char* member, const std::string& name, const std::string& doing,
                             std::chrono::nanoseconds reserve) {
  subscribe();
  sd_bus_slot* slot = nullptr;
  sd_bus_set_method_call_timeout(bus_.get(), remaining_us("follow " + name));
  sd_bus_match_signal(bus_.get(), &slot, kDestination, object_path(name).c_str(), "org.freedesktop.DBus.Properties",
                      "PropertiesChanged", &Manager::properties_changed, this);
  const std::unique_ptr<sd_bus_slot, SlotFree> followed{slot};
  condition_seen_ = false;
  Message message = request(member);
  sd_bus_message_append(message.get(), "ss", name.c_str(), "replace");
  const Message reply = ask(std::move(message), doing);
  const char* job = nullptr;
  if (sd_bus_message_read(reply.get(), "o", &job) < 0 || job == nullptr) {
    throw Trouble(Status::kTransient, "protocol", "systemd named no job, asked to " + doing);
  }
  job_ = job;
  job_result_.clear();
  while (true) {
    const int result = sd_bus_process(bus_.get(), nullptr);
    if (result < 0) {
      throw Trouble(Status::kTransient, "protocol",
                    "lost the connection to systemd, asked to " + doing + ": " + ::strerror(-result));
    }
    if (!job_result_.empty()) return job_result_;
    if (result > 0) continue;
    const std::int64_t left = (call_.remaining() - reserve).count() / 1000;
    if (left <= 0) return "late";
    sd_bus_wait(bus_.get(), static_cast<std::uint64_t>(left));
  }
}

Unit Manager::start(const std::string& name, std::chrono::nanoseconds reserve) {
  const std::string result = run_job("StartUnit", name, "start " + name, reserve);
  if (result == "late") {
    throw Trouble(Status::kTransient, "timeout",
                  name + " is not started within " + std::to_string(timeout_ms_) + " ms; systemd goes on starting it");
  }
  Unit now = unit(name);
  const bool tested = condition_seen_ || (now.condition_tested && now.condition_met);
  if ((result == "done" || result == "skipped") && now.is_down() && !tested) {
    now.condition_met = false;
    now.condition = unmet_condition(object_path(name));
  }
  const bool ran = now.type == "oneshot" && now.is_down() && now.result == "success" && now.condition_met;
  if (result == "done" && (now.is_up() || ran)) return now;
  if (!now.condition_met && now.is_down()) {
    throw Trouble(Status::kRefused, "condition",
                  name + " was not started: " +
                      (now.condition.empty() ? "one of its conditions" : "its " + now.condition) + " is not met");
  }
  if (result == "dependency") {
    throw Trouble(
        Status::kTransient, "job",
        name + " was not started: a unit that it requires did not start (systemctl list-dependencies " + name + ")");
  }
  if (result != "done" && result != "failed" && result != "timeout") {
    throw Trouble(Status::kTransient, "job", "the job to start " + name + " ended as " + result + "; " + describe(now));
  }
  // 200 and up: systemd could not even run the program, and will not be able to by itself.
  const bool setup = now.exit_code == CLD_EXITED && now.exit_status >= 200 && now.exit_status <= 245;
  throw Trouble(setup ? Status::kConfig : Status::kTransient, "unit", "could not start: " + describe(now));
}

Unit Manager::stop(const std::string& name, std::chrono::nanoseconds reserve) {
  const std::string result = run_job("StopUnit", name, "stop " + name, reserve);
  if (result == "late") {
    throw Trouble(Status::kTransient, "timeout",
                  name + " is not stopped within " + std::to_string(timeout_ms_) +
                      " ms; systemd goes on and kills it after its TimeoutStopSec");
  }
  Unit now = unit(name);
  if (now.is_down()) return now;
  throw Trouble(Status::kTransient, "job",
                "the job to stop " + name + " ended as " + result + ", but " + describe(now));
}

void Manager::reset_failed(const std::string& name) {
  Message message = request("ResetFailedUnit");
  sd_bus_message_append(message.get(), "s", name.c_str());
  ask(std::move(message), "start " + name);
}

std::string Manager::file_state(const std::string& name) {
  Message message = request("GetUnitFileState");
  sd_bus_message_append(message.get(), "s", name.c_str());
  const Message reply = ask(std::move(message), "read whether " + name + " is enabled");
  const char* state = nullptr;
  sd_bus_message_read(reply.get(), "s", &state);
  return state == nullptr ? "" : state;
}

void Manager::enable(const std::string& name, bool runtime) {
  Message message = request("EnableUnitFiles");
  sd_bus_message_append(message.get(), "asbb", 1, name.c_str(), runtime ? 1 : 0, 0);
  ask(std::move(message), "enable " + name);
  reload();
}

void Manager::disable(const std::string& name, bool runtime) {
  Message message = request("DisableUnitFiles");
  sd_bus_message_append(message.get(), "asb", 1, name.c_str(), runtime ? 1 : 0);
  ask(std::move(message), "disable " + name);
  reload();
}

/// As systemctl does after enable and disable: systemd then sees the links.
void Manager::reload() { ask(request("Reload"), "reload systemd's units"); }

std::string Manager::triggered_by(const std::string& timer) {
  return text(object_path(timer), "org.freedesktop.systemd1.Timer", "Unit");
}

std::vector<std::string> Manager::failed_members(const std::string& target) {
  const std::string path = object_path(target);
  std::vector<std::string> failed;
  for (const char* property : {"Requires", "Wants"}) {
    std::vector<std::string> members = texts(path, property);
    if (members.size() > kMostMembers) members.resize(kMostMembers);
    for (const std::string& member : members) {
      if (text(object_path(member), kUnit, "ActiveState") == "failed") failed.push_back(member);
    }
  }
  return failed;
}

}  // namespace baton_systemd
