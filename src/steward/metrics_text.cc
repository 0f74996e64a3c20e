#include "steward/metrics_text.h"

#include <cstdlib>

namespace baton::steward {
namespace {

/// Of a value between quotes.
void append_escaped(std::string& text, std::string_view value) {
  for (const char character : value) {
    switch (character) {
      case '\\': text += "\\\\"; break;
      case '"': text += "\\\""; break;
      case '\n': text += "\\n"; break;
      default: text += character;
    }
  }
}

std::string_view suffix_of(MetricType type) {
  if (type == MetricType::kCounter) return "_total";
  return type == MetricType::kInfo ? "_info" : "";
}

}  // namespace

std::string_view type_token(MetricType type) {
  switch (type) {
    case MetricType::kGauge: return "gauge";
    case MetricType::kCounter: return "counter";
    case MetricType::kInfo: return "info";
    case MetricType::kHistogram: return "histogram";
  }
  return "unknown";
}

std::string sample_name(const MetricSpec& spec) { return std::string{spec.name} + std::string{suffix_of(spec.type)}; }

std::string_view content_type(MetricsFormat format) {
  return format == MetricsFormat::kOpenMetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                               : "text/plain; version=0.0.4; charset=utf-8";
}

std::string seconds_text(std::int64_t ns) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::string text = ns < 0 ? "-" : "";
  text += std::to_string(std::abs(ns / kSecond));
  const std::int64_t rest = std::abs(ns % kSecond);
  if (rest == 0) return text;
  std::string fraction = std::to_string(kSecond + rest).substr(1);
  while (fraction.back() == '0') fraction.pop_back();
  return text + "." + fraction;
}

void MetricsText::begin(const MetricSpec& spec) {
  spec_ = spec;
  opened_ = false;
}

void MetricsText::write_row(std::string_view suffix, Labels labels, Label last, const std::string& value) {
  const std::string sample = sample_name(spec_);
  if (!opened_) {
    opened_ = true;
    // The older format knows samples only, no families, and has no info and no unit.
    const bool open = format_ == MetricsFormat::kOpenMetrics;
    const std::string family = open ? std::string{spec_.name} : sample;
    const bool as_gauge = !open && spec_.type == MetricType::kInfo;
    text_ += "# HELP " + family + " " + std::string{spec_.help} + "\n# TYPE " + family + " ";
    text_ += as_gauge ? "gauge" : type_token(spec_.type);
    text_ += "\n";
    if (open && !spec_.unit.empty()) text_ += "# UNIT " + family + " " + std::string{spec_.unit} + "\n";
  }
  text_ += sample;
  text_ += suffix;
  char before = '{';
  const auto add = [&](const Label& label) {
    text_ += before;
    before = ',';
    text_ += label.first;
    text_ += "=\"";
    append_escaped(text_, label.second);
    text_ += '"';
  };
  for (const Label& label : labels) add(label);
  if (!last.first.empty()) add(last);
  if (before == ',') text_ += '}';
  text_ += ' ';
  text_ += value;
  text_ += '\n';
}

void MetricsText::row_histogram(Labels labels, const DurationHistogram& histogram) {
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < kDurationBounds.size(); ++i) {
    below += histogram.counts[i];
    std::string bound = seconds_text(kDurationBounds[i].count());
    // OpenMetrics wants a number that is read back as it was written: whole ones with a point.
    if (bound.find('.') == std::string::npos) bound += ".0";
    write_row("_bucket", labels, {"le", bound}, std::to_string(below));
  }
  below += histogram.counts.back();
  write_row("_bucket", labels, {"le", "+Inf"}, std::to_string(below));
  write_row("_count", labels, {}, std::to_string(below));
  write_row("_sum", labels, {}, seconds_text(static_cast<std::int64_t>(histogram.sum_ns)));
}

std::string MetricsText::take() {
  if (format_ == MetricsFormat::kOpenMetrics) text_ += "# EOF\n";
  return std::move(text_);
}

}  // namespace baton::steward
