// What a monitoring plugin prints: a line for people, a |, and performance data.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace baton_exec {

struct Spoken {
  std::string sentence;
  std::vector<std::pair<std::string, std::string>> values;  ///< label, value with its unit
};

/// Splits at the first |. What is no 'label'=value is passed over.
Spoken split_performance_data(const std::string& line);

}  // namespace baton_exec
