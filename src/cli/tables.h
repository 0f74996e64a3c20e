// The tables that the program works by, as one JSON document: verbs, configuration keys, reasons, alarms, notices,
// codes. The manual is made from it (packaging/man/generate.py), so that the manual says what the program does.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace CLI {
class App;
}

namespace baton::cli {

/// `app`: batonctl's command line, with all its verbs.
nlohmann::ordered_json tables_json(const CLI::App& app);
/// "Exit status: 0 ok, 1 failed, ...", in lines for a terminal of 120 columns.
std::string exit_status_text();

}  // namespace baton::cli
