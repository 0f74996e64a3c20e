// Metrics as text: what one family's rows look like in OpenMetrics 1.0 and in Prometheus's older text format, which
// node_exporter's textfile collector reads. Knows nothing of what is measured.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/duration_histogram.h"

namespace baton::steward {

enum class MetricType { kGauge, kCounter, kInfo, kHistogram };
/// "gauge", "counter", "info", "histogram".
std::string_view type_token(MetricType type);

/// One family. Manuals are made from this.
struct MetricSpec {
  std::string_view name;  ///< without "_total" and "_info"; with its unit
  MetricType type = MetricType::kGauge;
  std::string_view unit;    ///< "seconds", "bytes"; "" = none
  std::string_view labels;  ///< for people: "instance, vrid"
  std::string_view help;
};
/// As queries write it: with "_total" or "_info"; a histogram's has _bucket, _count and _sum besides.
std::string sample_name(const MetricSpec& spec);

enum class MetricsFormat { kOpenMetrics, kText };
std::string_view content_type(MetricsFormat format);

/// keepalived-exporter's names: for dashboards that were made for keepalived.
enum class MetricNames { kBaton, kKeepalivedExporter };

struct MetricsWish {
  MetricNames names = MetricNames::kBaton;
  MetricsFormat format = MetricsFormat::kOpenMetrics;
  bool operator==(const MetricsWish&) const = default;
};

/// "1.5" from 1'500'000'000: exact, without an exponent.
std::string seconds_text(std::int64_t ns);

class MetricsText {
 public:
  using Label = std::pair<std::string_view, std::string_view>;
  using Labels = std::initializer_list<Label>;

  explicit MetricsText(MetricsFormat format) : format_(format) {}

  /// Rows that follow belong to this family; one without a row leaves no trace.
  void begin(const MetricSpec& spec);
  void row(Labels labels, std::uint64_t value) { write_row({}, labels, {}, std::to_string(value)); }
  /// A duration, or a time since 1970.
  void row_seconds(Labels labels, std::int64_t ns) { write_row({}, labels, {}, seconds_text(ns)); }
  void row_flag(Labels labels, bool value) { write_row({}, labels, {}, value ? "1" : "0"); }
  void row_histogram(Labels labels, const DurationHistogram& histogram);
  /// The whole text, with its end.
  std::string take();

 private:
  void write_row(std::string_view suffix, Labels labels, Label last, const std::string& value);

  MetricsFormat format_;
  MetricSpec spec_;
  bool opened_ = false;  ///< its head is written
  std::string text_;
};

}  // namespace baton::steward
