// What Baton tells a monitoring system: one table of families, each with the function that reads it from a HostView.
// Manuals, `batonctl metrics` and the listener are made from it. Labels are names of this host's own configuration and
// words of fixed lists, never what is heard: no packet can make a new series, and no transition does.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "steward/metrics_text.h"
#include "steward/view.h"

namespace baton::steward {

struct MetricFamily {
  MetricSpec spec;
  void (*read)(const HostView& host, MetricsText& out);
};
std::span<const MetricFamily> metric_families(MetricNames names);

std::string metrics_text(const HostView& host, MetricsWish wish);

}  // namespace baton::steward
