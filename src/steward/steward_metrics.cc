// What the steward has to do with metrics: it renders them for who asks, and serves them where the configuration says.
#include <algorithm>

#include "posix/clock.h"
#include "steward/metrics.h"
#include "steward/steward_process.h"

namespace baton::steward {

std::string StewardProcess::metrics(MetricsWish wish) const {
  HostView host = view();
  host.tallies = knowledge_.tallies();
  return metrics_text(host, wish);
}

Json StewardProcess::metrics_document(MetricsWish wish) const {
  return {{"content_type", content_type(wish.format)}, {"text", metrics(wish)}};
}

/// When the Active was heard last of whom a transition says that it was lost; read only then.
Instant StewardProcess::last_heard(const ports::Report& report) const {
  const bool lost = report.kind == ports::EventKind::kTransition && report.reason == Reason::kActiveDownExpired;
  const auto instance = lost ? reader_.instance(report.instance) : std::nullopt;
  Instant heard{};
  for (std::uint32_t i = 0; instance && i < instance->router_count; ++i) {
    const auto router = reader_.router(instance->first_router_slot + i);
    if (router) heard = std::max(heard, Instant{Nanos{router->heard_at_ns}});
  }
  return heard;
}

}  // namespace baton::steward
