#include "cli/output.h"

#include <cstdio>

#include "cli/render.h"

namespace baton::cli {

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void print_json(const Json& document) { print(document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"); }

int report_trouble(const Trouble& trouble, const Options& options) {
  const int exit = static_cast<int>(trouble.exit);
  if (options.json) {
    print_json({{"ok", false}, {"exit", exit}, {"error", trouble.text}});
  } else {
    std::fprintf(stderr, "batonctl: %s\n", trouble.text.c_str());
  }
  return exit;
}

int report_refusal(const Json& answer, const std::string& details, const Options& options) {
  const int exit = static_cast<int>(number_of(answer, "exit"));
  if (options.json) {
    print_json(answer);
  } else {
    print(details);
    std::fprintf(stderr, "batonctl: %s\n", text_of(answer, "error").c_str());
  }
  return exit != 0 ? exit : static_cast<int>(steward::ExitCode::kFailed);
}

}  // namespace baton::cli
