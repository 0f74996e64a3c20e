#include "steward/scrape.h"

#include <gtest/gtest.h>

namespace baton::steward {
namespace {

int refusal(std::string_view head) {
  const auto scrape = parse_scrape(head);
  return scrape ? 200 : static_cast<int>(scrape.error());
}

TEST(ScrapeTest, PrometheusGetsOpenMetricsAndWhoDoesNotAskForItTheOlderFormat) {
  const auto asked = parse_scrape(
      "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9112\r\nUser-Agent: Prometheus/2.42.0\r\n"
      "ACCEPT: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n\r\n");
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->wish.format, MetricsFormat::kOpenMetrics);
  EXPECT_EQ(asked->wish.names, MetricNames::kBaton);
  EXPECT_FALSE(asked->head_only);
  const auto plain = parse_scrape("GET /metrics HTTP/1.0\r\nX-Note: application/openmetrics-text\r\n\r\n");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->wish.format, MetricsFormat::kText);
}

TEST(ScrapeTest, NamesAreChosenByTheQuery) {
  const auto asked = parse_scrape("HEAD /metrics?names=keepalived-exporter HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->wish.names, MetricNames::kKeepalivedExporter);
  EXPECT_TRUE(asked->head_only);
  EXPECT_EQ(refusal("GET /metrics?names=snmp HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(refusal("GET /metrics?name=baton HTTP/1.1\r\n\r\n"), 400);
}

TEST(ScrapeTest, OnlyMetricsAreServedAndOnlyRead) {
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\n\r\n"), 404);
  EXPECT_EQ(refusal("GET /metrics/ HTTP/1.1\r\n\r\n"), 404);
  EXPECT_EQ(refusal("GET /../metrics HTTP/1.1\r\n\r\n"), 404);
  EXPECT_EQ(refusal("POST /metrics HTTP/1.1\r\n\r\n"), 405);
  EXPECT_EQ(refusal("get /metrics HTTP/1.1\r\n\r\n"), 405);
}

TEST(ScrapeTest, WhatIsNoRequestIsRefused) {
  for (const char* head : {"\r\n\r\n", "GET\r\n\r\n", "GET /metrics\r\n\r\n", "GET  HTTP/1.1\r\n\r\n",
                           "GET /metrics HTTP/2\r\n\r\n", "GET /metrics HTTP/1.1 \r\n\r\n", "\x16\x03\x01\r\n\r\n"}) {
    EXPECT_EQ(refusal(head), 400) << head;
  }
}

TEST(ScrapeTest, AnswersSayWhatTheyAreAndHowLong) {
  EXPECT_EQ(http_answer({.wish = {.format = MetricsFormat::kText}}, "a 1\n"),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: 4\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\na 1\n");
  EXPECT_EQ(http_answer({.wish = {}, .head_only = true}, "# EOF\n"),
            "HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"
            "Content-Length: 6\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(http_refusal(HttpRefusal::kMethodNotAllowed),
            "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\nContent-Type: text/plain\r\nContent-Length: 23\r\n"
            "Connection: close\r\n\r\n405 Method Not Allowed\n");
}

}  // namespace
}  // namespace baton::steward
