// The verbs that look: status, explain, history, events, version.
#include <poll.h>
#include <unistd.h>

#include "base/version.h"
#include "cli/output.h"
#include "cli/render.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

namespace baton::cli {
namespace {

using namespace std::chrono_literals;
using steward::ExitCode;

constexpr Nanos kPatience = 10s;

/// Asks once; on success the result goes to `show`, whose value is the exit status.
template <class Show>
int ask_once(const Options& options, const Json& request, Show show) {
  auto connection = Connection::open(options.runtime_dir);
  if (!connection) return report_trouble(connection.error(), options);
  const auto answer = connection->ask(request, kPatience);
  if (!answer) return report_trouble(answer.error(), options);
  if (!is_true(*answer, "ok")) return report_refusal(*answer, "", options);
  return show(answer->value("result", Json::object()));
}

Json with_instance(Json request, const std::string& instance) {
  if (!instance.empty()) request["instance"] = instance;
  return request;
}

/// What the wire looked like at the last transition: the history knows. Without an answer the explanation is as good.
void add_capture(const Options& options, Json& instance) {
  const auto last = instance.find("last_transition");
  if (last == instance.end() || !last->is_object()) return;
  (*last)["capture"] = nullptr;
  auto connection = Connection::open(options.runtime_dir);
  if (!connection) return;
  const auto answer =
      connection->ask({{"verb", "history"}, {"instance", text_of(instance, "name")}, {"limit", 200}}, kPatience);
  if (!answer || !is_true(*answer, "ok")) return;
  const Json result = answer->value("result", Json::object());
  for (const Json& entry : list_of(result, "entries")) {
    if (text_of(entry, "event") == "transition") (*last)["capture"] = entry.value("capture", Json(nullptr));
  }
}

int status_exit(const Json& result, bool exit_code) {
  return static_cast<int>(exit_code && is_true(result, "degraded") ? ExitCode::kDegraded : ExitCode::kOk);
}

/// Draws again each second, on one connection, until interrupted or the daemon is gone.
int watch_status(const Options& options, const Json& request, bool exit_code) {
  auto connection = Connection::open(options.runtime_dir);
  if (!connection) return report_trouble(connection.error(), options);
  for (;;) {
    const auto answer = connection->ask(request, kPatience);
    if (!answer) return report_trouble(answer.error(), options);
    if (!is_true(*answer, "ok")) return report_refusal(*answer, "", options);
    const Json result = answer->value("result", Json::object());
    if (options.json) {
      print_json(result);
    } else {
      Options now = options;
      now.width = terminal_width();
      const std::string clear = is_terminal(STDOUT_FILENO) ? "\033[H\033[2J" : "";
      print(clear + text_of(result, "host") + "  " + text_of(result, "time") + "\n" + render_status(result, now));
    }
    // One second between two pictures; a signal ends the program, so there is nothing to wake for.
    if (::poll(nullptr, 0, 1000) != 0) return status_exit(result, exit_code);
  }
}

}  // namespace

int status(const Options& options, const StatusArguments& arguments) {
  const Json request = with_instance({{"verb", "status"}}, arguments.instance);
  if (arguments.watch) return watch_status(options, request, arguments.exit_code);
  return ask_once(options, request, [&](const Json& result) {
    if (options.json) {
      print_json(result);
    } else {
      print(render_status(result, options));
    }
    return status_exit(result, arguments.exit_code);
  });
}

int explain(const Options& options, const std::string& instance) {
  return ask_once(options, with_instance({{"verb", "explain"}}, instance), [&](Json result) {
    for (Json& one : result["instances"]) add_capture(options, one);
    if (options.json) {
      print_json(result);
    } else {
      print(render_explain(result, options));
    }
    return 0;
  });
}

int history(const Options& options, const std::string& instance, std::uint32_t limit) {
  return ask_once(options, with_instance({{"verb", "history"}, {"limit", limit}}, instance), [&](const Json& result) {
    if (options.json) {
      print_json(result);
      return 0;
    }
    for (const Json& entry : list_of(result, "entries")) print(render_event(entry, options));
    if (list_of(result, "entries").empty()) print("no history\n");
    return 0;
  });
}

int events(const Options& options, const std::string& instance, bool follow) {
  auto connection = Connection::open(options.runtime_dir);
  if (!connection) return report_trouble(connection.error(), options);
  const Json request = with_instance({{"verb", "events"}, {"follow", follow}}, instance);
  const auto answer = connection->ask(request, kPatience);
  if (!answer) return report_trouble(answer.error(), options);
  if (!is_true(*answer, "ok")) return report_refusal(*answer, "", options);
  const Json result = answer->value("result", Json::object());
  if (options.json && !follow) {
    print_json(result);
    return 0;
  }
  const auto show = [&](const Json& event) { options.json ? print_json(event) : print(render_event(event, options)); };
  for (const Json& event : list_of(result, "entries")) show(event);
  while (follow) {
    const auto line = connection->receive(0s);
    if (!line) return report_trouble(line.error(), options);
    if (line->contains("event")) show((*line)["event"]);
  }
  return 0;
}

int version(const Options& options) {
  const std::string own{kVersion};
  Json document{{"batonctl", own}, {"daemon", nullptr}};
  if (auto connection = Connection::open(options.runtime_dir)) {
    const auto answer = connection->ask({{"verb", "version"}}, kPatience);
    if (answer && is_true(*answer, "ok"))
      document["daemon"] = text_of(answer->value("result", Json::object()), "version");
  }
  if (options.json) {
    print_json(document);
  } else {
    const std::string daemon = text_of(document, "daemon");
    print("batonctl " + own + "\n" + (daemon.empty() ? "no daemon answers\n" : "batond " + daemon + "\n"));
  }
  return 0;
}

}  // namespace baton::cli
