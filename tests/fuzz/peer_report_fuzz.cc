// Arbitrary bytes as what another host says of itself: never a crash, and what decodes is within its limits and encodes
// to something that says the same.
#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "ipc/plain_text.h"
#include "steward/peer_report.h"

namespace {

using namespace baton;

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto report = steward::decode_peer_report({data, size});
  if (!report) return 0;
  require(report->engine <= 3);
  for (const steward::PeerInstance& instance : report->instances) {
    require(instance.data_role <= ports::DataRole::kNeedsRejoin && instance.role <= ApplicationRole::kReplica);
    require(ipc::is_plain(instance.name, 64) && ipc::is_plain(instance.position, 1023));
  }
  for (const steward::WishAnswer& answer : report->answers) {
    require(ipc::is_plain(answer.error, 400) && steward::fitted(answer) == answer);
  }
  // However many parts it takes, together they say what was said.
  std::vector<steward::PeerInstance> again;
  std::vector<std::pair<std::string, bool>> checks;
  steward::Wish wish;
  std::vector<steward::WishAnswer> answers;
  std::optional<std::int64_t> wall_clock_ns;
  for (const std::vector<std::uint8_t>& part : steward::encode(*report)) {
    auto read = steward::decode_peer_report(part);
    require(read && read->config_hash == report->config_hash && read->instances_all == report->instances_all);
    std::move(read->instances.begin(), read->instances.end(), std::back_inserter(again));
    std::move(read->checks.begin(), read->checks.end(), std::back_inserter(checks));
    std::move(read->answers.begin(), read->answers.end(), std::back_inserter(answers));
    if (read->wish.number != 0) wish = read->wish;
    if (read->wall_clock_ns) wall_clock_ns = read->wall_clock_ns;
  }
  require(again == report->instances && checks == report->checks && wish == report->wish &&
          answers == report->answers && wall_clock_ns == report->wall_clock_ns);
  return 0;
}
