// The JSON documents of the control protocol (CONTROL.md), as pure functions of a HostView. Field names are a promise
// to programs: add, never rename. RFC 8347's names stand under "virtual-routers" exactly as the YANG module writes
// them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/version.h"
#include "config/config.h"
#include "engine/engine.h"
#include "steward/exit_code.h"
#include "steward/request.h"
#include "steward/view.h"

namespace baton::steward {

using Json = nlohmann::ordered_json;

/// The checks of an instance: how they are used, what is settled, what was said last.
Json check_use_documents(const InstanceView& instance, const HostView& host);
/// `instance` "" = all. Names that do not exist give an empty list: the caller checks first.
Json status_document(const HostView& host, std::string_view instance);
/// One virtual router under RFC 8347's names (protocol rules M-01, M-02), with "statistics".
Json virtual_router_document(const RouterView& router, const InstanceView& instance, const HostView& host);
/// {"instances":[...]}: why this role, the numbers compared, what speaks against, what would change it.
Json explain_document(const HostView& host, std::string_view instance);

/// A report as `events` and `history` show it. `wall_clock_ns` 0 = not known.
Json event_document(const ports::Report& report, std::string_view instance, std::uint64_t sequence,
                    std::int64_t wall_clock_ns, const HostNames& names);

/// The running configuration: {"host","hash","path","text","sections":[{"section","keys":[{"key","value"}]}]}. No
/// secrets.
Json config_document(const config::Config& config, const std::string& path);
/// What the engine said to a command: {"lines":[...]}.
Json command_document(const engine::CommandResult& result);

/// One line of the protocol, without the newline. Bytes that are no UTF-8 are replaced.
std::string answer_line(Verb verb, const Json& result);
std::string refusal_line(ExitCode exit, const std::string& error, const Json& result = nullptr);
std::string event_line(const Json& event);
std::string dump(const Json& json);

}  // namespace baton::steward
