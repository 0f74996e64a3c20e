// The steward's request parser: any bytes give a request or a refusal, and what is accepted is within its bounds. What
// LineBuffer cuts never exceeds the limit.
#include <cstdlib>

#include "steward/documents.h"
#include "steward/line_buffer.h"
#include "steward/request.h"

using namespace baton;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  steward::LineBuffer buffer;
  buffer.append(text);
  while (const auto line = buffer.next()) {
    if (line->size() > steward::kMaxRequest) std::abort();
    static_cast<void>(steward::parse_request(*line));
  }
  const auto request = steward::parse_request(text);
  if (!request) {
    // The refusal itself must always be one line of JSON.
    const std::string line = steward::refusal_line(steward::ExitCode::kUsage, request.error());
    if (line.find('\n') != std::string::npos) std::abort();
    return 0;
  }
  if (request->limit < 1 || request->limit > steward::kMaxHistory || request->instance.size() > 32) std::abort();
  if (request->verb == steward::Verb::kFreeze && request->duration <= Nanos{0}) std::abort();
  if (request->duration > steward::kMaxFreeze) std::abort();
  if (steward::nesting_depth(text) > steward::kMaxDepth) std::abort();
  return 0;
}
