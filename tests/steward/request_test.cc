#include "steward/request.h"

#include <gtest/gtest.h>

#include "steward/line_buffer.h"

namespace baton::steward {
namespace {

using namespace std::chrono_literals;

std::string refusal(std::string_view line) {
  const auto request = parse_request(line);
  return request ? "accepted" : request.error();
}

TEST(RequestTest, VerbAloneIsEnough) {
  const auto request = parse_request(R"({"verb":"status"})");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->verb, Verb::kStatus);
  EXPECT_EQ(request->instance, "");
}

TEST(RequestTest, ArgumentsAreTaken) {
  EXPECT_EQ(parse_request(R"({"verb":"history","limit":7,"instance":"web"})")->limit, 7u);
  EXPECT_EQ(parse_request(R"({"verb":"history","limit":7,"instance":"web"})")->instance, "web");
  EXPECT_TRUE(parse_request(R"({"verb":"events","follow":true})")->follow);
  EXPECT_TRUE(parse_request(R"({"verb":"switchover","dry_run":true})")->dry_run);
  EXPECT_EQ(parse_request(R"({"verb":"switchover","to":"db2"})")->to, "db2");
  EXPECT_EQ(parse_request(R"({"verb":"switchover","to":7})").error(), "to: expected a HOST of at most 32 characters");
  EXPECT_EQ(parse_request(R"({"verb":"drain","to":"db2"})").error(), "unknown argument for verb 'drain'");
  EXPECT_EQ(parse_request(R"({"verb":"freeze","for_ms":7200000})")->duration, 2h);
  EXPECT_EQ(parse_request(R"({"verb":"reload","confirm_within_ms":60000})")->confirm_within, 60s);
  EXPECT_EQ(parse_request(R"({"verb":"reload"})")->confirm_within, 0s);
  EXPECT_TRUE(parse_request(R"({"verb":"confirm","revert":true})")->revert);
  EXPECT_FALSE(parse_request(R"({"verb":"confirm"})")->revert);
}

TEST(RequestTest, MetricsHaveNamesAndAFormat) {
  EXPECT_EQ(parse_request(R"({"verb":"metrics"})")->metrics, MetricsWish{});
  const auto asked = parse_request(R"({"verb":"metrics","names":"keepalived-exporter","format":"text"})");
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->metrics.names, MetricNames::kKeepalivedExporter);
  EXPECT_EQ(asked->metrics.format, MetricsFormat::kText);
  EXPECT_EQ(refusal(R"({"verb":"metrics","names":"snmp"})"), "names: expected baton or keepalived-exporter");
  EXPECT_EQ(refusal(R"({"verb":"metrics","format":7})"), "format: expected openmetrics or text");
  EXPECT_EQ(refusal(R"({"verb":"status","format":"text"})"), "unknown argument for verb 'status'");
}

TEST(RequestTest, WhatIsNoJsonObjectIsRefused) {
  EXPECT_EQ(refusal(""), "request is not JSON");
  EXPECT_EQ(refusal("status"), "request is not JSON");
  EXPECT_EQ(refusal(R"({"verb":"status")"), "request is not JSON");
  EXPECT_EQ(refusal(R"({"verb":"status"} trailing)"), "request is not JSON");
  EXPECT_EQ(refusal(R"(["status"])"), "request is not a JSON object");
  EXPECT_EQ(refusal("{\"verb\":\"\xff\xfe\"}"), "request is not JSON");
}

TEST(RequestTest, UnknownVerbsAndArgumentsAreErrors) {
  EXPECT_EQ(refusal("{}"), "request has no \"verb\"");
  EXPECT_EQ(refusal(R"({"verb":3})"), "request has no \"verb\"");
  EXPECT_EQ(refusal(R"({"verb":"reboot"})"), "unknown verb");
  EXPECT_EQ(refusal(R"({"verb":"status","limt":3})"), "unknown argument for verb 'status'");
  EXPECT_EQ(refusal(R"({"verb":"thaw","instance":"web"})"), "unknown argument for verb 'thaw'");
}

TEST(RequestTest, ValuesOfAWrongTypeOrRangeAreErrors) {
  EXPECT_EQ(refusal(R"({"verb":"history","limit":0})"), "limit: expected a number from 1 to 100000");
  EXPECT_EQ(refusal(R"({"verb":"history","limit":-1})"), "limit: expected a number from 1 to 100000");
  EXPECT_EQ(refusal(R"({"verb":"history","limit":100001})"), "limit: expected a number from 1 to 100000");
  EXPECT_EQ(refusal(R"({"verb":"history","limit":1.5})"), "limit: expected a number from 1 to 100000");
  EXPECT_EQ(refusal(R"({"verb":"events","follow":1})"), "follow: expected true or false");
  EXPECT_EQ(refusal(R"({"verb":"status","instance":"aaaaaaaaaabbbbbbbbbbccccccccccddd"})"),
            "instance: expected a name of at most 32 characters");
}

TEST(RequestTest, FreezeNeedsATimeThatEnds) {
  EXPECT_EQ(refusal(R"({"verb":"freeze"})"), "freeze: for_ms is missing");
  EXPECT_EQ(refusal(R"({"verb":"reload","confirm_within_ms":86400001})"),
            "confirm_within_ms: expected milliseconds from 1000 to 86400000");
  EXPECT_EQ(refusal(R"({"verb":"reload","dry_run":true,"confirm_within_ms":60000})"),
            "reload: dry_run applies nothing to confirm");
  EXPECT_EQ(refusal(R"({"verb":"confirm","confirm_within_ms":60000})"), "unknown argument for verb 'confirm'");
  EXPECT_EQ(refusal(R"({"verb":"freeze","for_ms":999})"), "for_ms: expected milliseconds from 1000 to 31536000000");
  EXPECT_EQ(refusal(R"({"verb":"freeze","for_ms":18446744073709551615})"),
            "for_ms: expected milliseconds from 1000 to 31536000000");
}

TEST(RequestTest, DeepNestingIsRefusedBeforeItIsParsed) {
  EXPECT_EQ(refusal(std::string(50'000, '[')), "request nested deeper than 4");
  EXPECT_EQ(refusal(R"({"verb":"status","a":{"b":{"c":{"d":1}}}})"), "unknown argument for verb 'status'");
  EXPECT_EQ(refusal(R"({"verb":"status","a":{"b":{"c":{"d":{}}}}})"), "request nested deeper than 4");
}

TEST(RequestTest, BracketsInsideStringsAreNoNesting) {
  EXPECT_EQ(nesting_depth(R"({"a":"[[[[[[\"[[["})"), 1);
  EXPECT_EQ(nesting_depth(R"([[]])"), 2);
  EXPECT_EQ(nesting_depth("]]]]"), 0);
}

TEST(RequestTest, OversizedRequestIsRefused) {
  EXPECT_EQ(refusal(std::string(64 * 1024 + 1, ' ')), "request longer than 65536 bytes");
}

TEST(RequestTest, OnlyLookingVerbsAreReads) {
  for (const Verb verb :
       {Verb::kStatus, Verb::kExplain, Verb::kHistory, Verb::kEvents, Verb::kConfig, Verb::kVersion, Verb::kMetrics}) {
    EXPECT_TRUE(only_reads(verb, false)) << verb_token(verb);
  }
  for (const Verb verb :
       {Verb::kReload, Verb::kSwitchover, Verb::kFreeze, Verb::kThaw, Verb::kDrain, Verb::kUndrain, Verb::kReexec}) {
    EXPECT_FALSE(only_reads(verb, false)) << verb_token(verb);
  }
  EXPECT_TRUE(only_reads(Verb::kSwitchover, true));
  EXPECT_FALSE(only_reads(Verb::kReload, true));
}

TEST(LineBufferTest, CutsLinesHoweverTheyArrive) {
  LineBuffer buffer;
  buffer.append("{\"verb\"");
  EXPECT_FALSE(buffer.next());
  buffer.append(":1}\r\nsecond\nrest");
  EXPECT_EQ(buffer.next(), "{\"verb\":1}");
  EXPECT_EQ(buffer.next(), "second");
  EXPECT_FALSE(buffer.next());
  EXPECT_FALSE(buffer.overflown());
}

TEST(LineBufferTest, LineBeyondTheLimitOverflowsWithAndWithoutNewline) {
  LineBuffer endless;
  endless.append(std::string(kMaxRequest, 'x'));
  EXPECT_FALSE(endless.overflown());
  endless.append("x");
  EXPECT_TRUE(endless.overflown());
  LineBuffer ended;
  ended.append(std::string(kMaxRequest + 1, 'x') + "\n");
  EXPECT_FALSE(ended.next());
  EXPECT_TRUE(ended.overflown());
}

}  // namespace
}  // namespace baton::steward
