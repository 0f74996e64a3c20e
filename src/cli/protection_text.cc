#include "cli/protection_text.h"

#include "config/effective.h"

namespace baton::cli {
namespace {

using namespace std::chrono_literals;

std::string names(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& name : list) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string bullets(const std::string& title, const std::vector<std::string>& sentences) {
  if (sentences.empty()) return {};
  std::string text = "  " + title + ":\n";
  for (const std::string& sentence : sentences) text += "    - " + sentence + "\n";
  return text;
}

std::string times_text(const config::PromotionTimes& times) {
  std::string text = "  times: address lifetime ";
  text += times.address_lifetime == 0s ? "without end" : config::duration_text(times.address_lifetime);
  if (times.watchdog) text += ", watchdog " + config::duration_text(*times.watchdog);
  if (times.lease) text += ", lease " + config::duration_text(*times.lease);
  return text + ", takeover wait " + config::duration_text(times.takeover_wait) + "\n";
}

Json milliseconds(std::optional<Nanos> time) { return time ? Json(*time / 1ms) : Json(nullptr); }

}  // namespace

std::string render_protection(const config::Protection& protection) {
  std::string text = protection.object + ": grant = " + std::string(config::grant_word(protection.grant));
  if (!protection.witnesses.empty()) text += " (" + names(protection.witnesses) + ")";
  if (protection.grant != config::Grant::kFollow) {
    std::string fences;
    if (protection.grant == config::Grant::kPeer && !protection.own_fences.empty())
      fences = names(protection.own_fences) + " (the database itself)";
    if (!protection.fences.empty()) fences += (fences.empty() ? "" : ", then ") + names(protection.fences);
    text += fences.empty() ? ", no fence" : ", fence " + fences;
    text += protection.watchdog.empty() ? ", no watchdog" : ", watchdog " + protection.watchdog;
  }
  text += "\n";
  if (protection.grant != config::Grant::kFollow) text += times_text(protection.times);
  return text + bullets("guaranteed", protection.holds) + bullets("not guaranteed", protection.open);
}

Json protection_json(const std::vector<config::Protection>& protections) {
  Json list = Json::array();
  for (const config::Protection& one : protections) {
    const config::PromotionTimes& times = one.times;
    list.push_back({{"object", one.object},
                    {"grant", config::grant_word(one.grant)},
                    {"witness", one.witnesses},
                    {"fence", one.fences},
                    {"own_fence", one.own_fences},
                    {"watchdog", one.watchdog.empty() ? Json(nullptr) : Json(one.watchdog)},
                    {"preempt", one.preempt},
                    {"resume_alone", one.resume_alone},
                    {"times",
                     {{"address_lifetime_ms", milliseconds(times.address_lifetime)},
                      {"watchdog_ms", milliseconds(times.watchdog)},
                      {"lease_ms", milliseconds(times.lease)},
                      {"takeover_wait_ms", milliseconds(times.takeover_wait)}}},
                    {"guaranteed", one.holds},
                    {"not_guaranteed", one.open}});
  }
  return list;
}

}  // namespace baton::cli
