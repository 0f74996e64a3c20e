#include "ipc/host_channel.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace baton::ipc {
namespace {

using std::chrono::milliseconds;

ActRequest full_request() {
  ActRequest request;
  request.nonce = 77;
  request.verb = PluginVerb::kFence;
  request.timeout = milliseconds{800};
  request.instance = "web";
  request.from_state = "backup";
  request.to_state = "active";
  request.reason = "active_down_expired";
  request.reason_words = "the Active router fell silent";
  request.target = "host2";
  request.position = std::string(1023, '7');
  request.position_age = milliseconds{1400};
  request.planned = request.forced = request.resumes = true;
  request.generation = 3;
  request.wall_clock_ns = 1'700'000'000'000'000'000;
  return request;
}

ActAnswer full_answer() {
  ActAnswer answer;
  answer.nonce = 77;
  answer.status = VerbStatus::kRefused;
  answer.role = ApplicationRole::kReplica;
  answer.lag_ms = 5;
  answer.lag_bytes = 6;
  answer.generation = 7;
  answer.token = 8;
  answer.lease = milliseconds{9};
  answer.took = milliseconds{10};
  answer.sentence = "not now";
  answer.position = std::string(1023, '8');
  answer.facts = {{"cause", "lag"}};
  answer.refusals = {"lag is 5 ms", "a backup is running"};
  return answer;
}

TEST(HostChannelTest, RequestsAndAnswersArriveAsTheyWere) {
  const auto request = decode_request(encode(full_request()));
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(*request, full_request());
  const auto answer = decode_answer(encode(full_answer()));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(*answer, full_answer());
}

TEST(HostChannelTest, EveryCutAndEveryTrailingByteIsAnError) {
  const auto request = encode(full_request());
  const auto answer = encode(full_answer());
  for (std::size_t size = 0; size < request.size(); ++size) {
    EXPECT_FALSE(decode_request(ConstBytes{request}.first(size)).has_value()) << size;
  }
  for (std::size_t size = 0; size < answer.size(); ++size) {
    EXPECT_FALSE(decode_answer(ConstBytes{answer}.first(size)).has_value()) << size;
  }
  auto longer = answer;
  longer.push_back(0);
  EXPECT_FALSE(decode_answer(longer).has_value());
  longer = request;
  longer.push_back(0);
  EXPECT_FALSE(decode_request(longer).has_value());
}

TEST(HostChannelTest, OneIsNotTakenForTheOther) {
  EXPECT_FALSE(decode_answer(encode(full_request())).has_value());
  EXPECT_FALSE(decode_request(encode(full_answer())).has_value());
}

TEST(HostChannelTest, ValuesThatDoNotExistAreErrors) {
  auto bytes = encode(full_answer());
  bytes[12] = 6;  // status: after magic and nonce
  EXPECT_FALSE(decode_answer(bytes).has_value());
  bytes = encode(full_answer());
  bytes[13] = 3;  // role
  EXPECT_FALSE(decode_answer(bytes).has_value());
  bytes = encode(full_request());
  bytes[12] = 18;  // verb
  EXPECT_FALSE(decode_request(bytes).has_value());
  ActRequest request = full_request();
  request.timeout = Nanos{0};
  EXPECT_FALSE(decode_request(encode(request)).has_value());
  request.timeout = Nanos::max();
  EXPECT_FALSE(decode_request(encode(request)).has_value());
}

TEST(HostChannelTest, ControlCharactersOfTheWireAreErrors) {
  auto bytes = encode(full_answer());
  const std::string_view sentence = "not now";
  const auto at = std::search(bytes.begin(), bytes.end(), sentence.begin(), sentence.end());
  ASSERT_NE(at, bytes.end());
  *at = '\n';
  EXPECT_FALSE(decode_answer(bytes).has_value());
}

TEST(HostChannelTest, TooMuchIsCutAndStillFits) {
  ActAnswer answer = full_answer();
  answer.sentence = std::string(70'000, 's');
  answer.position = std::string(70'000, 'p');
  answer.facts.assign(100, {std::string(200, 'k'), std::string(200, 'v')});
  answer.refusals.assign(100, std::string(1000, 'r'));
  const auto bytes = encode(answer);
  EXPECT_LE(bytes.size(), kMaxHostMessage);
  const auto read = decode_answer(bytes);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->sentence.size(), 255u);
  EXPECT_EQ(read->facts.size(), 16u);
  EXPECT_EQ(read->refusals, std::vector<std::string>(8, std::string(252, 'r') + "..."));
}

}  // namespace
}  // namespace baton::ipc
