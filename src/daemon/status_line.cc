#include "daemon/status_line.h"

#include <algorithm>
#include <cstring>

namespace baton::daemon {
namespace {

constexpr std::size_t kMostNames = 5;

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMostNames); ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kMostNames) text += ", ...";
  return text;
}

}  // namespace

std::string status_line(const std::vector<ipc::BoardReader::Entry>& entries) {
  std::vector<std::string> active;
  std::vector<std::string> alarming;
  for (const auto& entry : entries) {
    const std::string name{entry.instance.name.data(),
                           ::strnlen(entry.instance.name.data(), entry.instance.name.size())};
    if (entry.instance.state == vrrp::State::kActive) active.push_back(name);
    if (entry.instance.alarms != 0) alarming.push_back(name);
  }
  std::string line = "Active for " + (active.empty() ? "none" : std::to_string(active.size())) + " of " +
                     std::to_string(entries.size());
  if (!active.empty()) line += ": " + listed(active);
  if (!alarming.empty()) line += "; alarms on " + listed(alarming);
  return line;
}

}  // namespace baton::daemon
