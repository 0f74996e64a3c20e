#include "plugin_host/services.h"

#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "ipc/plain_text.h"
#include "log/log.h"
#include "posix/clock.h"

namespace baton::plugin_host {
namespace {

constexpr std::size_t kMaxRefusals = 8;
constexpr std::size_t kMaxComplaints = 32;
/// A plugin that logs all the time must not push the daemon's own lines out.
constexpr std::uint32_t kLogLines = 20;
constexpr Nanos kLogWindow = std::chrono::seconds{10};

std::string plain(const char* text, std::size_t limit) { return ipc::plain_text(text, limit); }

/// The reader of the configuration has tested it: here it is only converted.
std::int64_t number_of(config::ModuleKeyType type, const std::string& text) {
  if (type == config::ModuleKeyType::kBoolean) return text == "yes" || text == "on" || text == "true" ? 1 : 0;
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const char* const unit = std::from_chars(text.data(), end, value).ptr;
  if (type != config::ModuleKeyType::kDuration) return value;
  constexpr std::array<std::pair<std::string_view, std::int64_t>, 6> kUnits = {{{"us", 1'000},
                                                                                {"ms", 1'000'000},
                                                                                {"s", 1'000'000'000},
                                                                                {"m", 60'000'000'000},
                                                                                {"h", 3'600'000'000'000},
                                                                                {"d", 86'400'000'000'000}}};
  // "1.5s": the part after the point, as a fraction of the unit.
  const char* rest = unit;
  std::int64_t fraction = 0;
  std::int64_t scale = 1;
  if (rest != end && *rest == '.') {
    for (++rest; rest != end && *rest >= '0' && *rest <= '9'; ++rest) {
      if (scale >= 1'000'000) continue;
      fraction = fraction * 10 + (*rest - '0');
      scale *= 10;
    }
  }
  const std::string_view name{rest, static_cast<std::size_t>(end - rest)};
  for (const auto& [word, factor] : kUnits) {
    if (word == name) return value * factor + fraction * (factor / scale);
  }
  return value;
}

}  // namespace

Services::Services(std::string section, std::string host_name, std::string purpose,
                   const config::ModuleSettings& settings, const std::vector<config::ModuleKey>& keys)
    : section_(std::move(section)), host_name_(std::move(host_name)), purpose_(std::move(purpose)) {
  for (const auto& [name, texts] : settings) {
    Values& values = values_[name];
    values.texts = texts;
    for (const config::ModuleKey& key : keys) {
      if (key.name == name && !texts.empty()) values.number = number_of(key.type, texts.front());
    }
  }
  table_.struct_size = sizeof table_;
  table_.abi_minor = BATON_PLUGIN_ABI_MINOR;
  table_.context = this;
  table_.section = section_.c_str();
  table_.host_name = host_name_.c_str();
  table_.purpose = purpose_.c_str();
  table_.text = &text;
  table_.count = &count;
  table_.number = &number;
  table_.say = &say;
  table_.fact = &fact;
  table_.refuse = &refuse;
  table_.position = &position;
  table_.complain = &complain;
  table_.log = &log;
}

const Services::Values* Services::find(const char* key) const {
  const auto found = key == nullptr ? values_.end() : values_.find(std::string_view{key});
  return found == values_.end() ? nullptr : &found->second;
}

const char* Services::text(void* context, const char* key, std::uint32_t index) {
  const Values* const values = of(context).find(key);
  return values == nullptr || index >= values->texts.size() ? nullptr : values->texts[index].c_str();
}

std::uint32_t Services::count(void* context, const char* key) {
  const Values* const values = of(context).find(key);
  return values == nullptr ? 0 : static_cast<std::uint32_t>(values->texts.size());
}

std::int64_t Services::number(void* context, const char* key) {
  const Values* const values = of(context).find(key);
  return values == nullptr ? 0 : values->number;
}

void Services::say(void* context, const char* sentence) {
  of(context).said_.sentence = ipc::plain_sentence(sentence, ipc::kSentenceLimit);
}

void Services::fact(void* context, const char* key, const char* value) {
  ipc::FactList& facts = of(context).said_.facts;
  const std::string name = plain(key, ipc::kFactKeyLimit);
  if (name.empty()) return;
  for (auto& [known, text] : facts) {
    if (known != name) continue;
    text = plain(value, ipc::kFactValueLimit);
    return;
  }
  if (facts.size() < ipc::kFactLimit) facts.emplace_back(name, plain(value, ipc::kFactValueLimit));
}

void Services::refuse(void* context, const char* reason) {
  std::vector<std::string>& refusals = of(context).said_.refusals;
  if (refusals.size() < kMaxRefusals) refusals.push_back(ipc::plain_sentence(reason, ipc::kSentenceLimit));
}

void Services::position(void* context, const char* position) {
  Said& said = of(context).said_;
  said.position_too_long = position != nullptr && std::strlen(position) > ipc::kPositionLimit;
  said.position = said.position_too_long ? std::string{} : plain(position, ipc::kPositionLimit);
}

void Services::complain(void* context, const char* key, const char* message) {
  std::vector<config::ModuleComplaint>& complaints = of(context).said_.complaints;
  if (complaints.size() >= kMaxComplaints) return;
  complaints.push_back({plain(key, ipc::kFactKeyLimit), ipc::plain_sentence(message, ipc::kSentenceLimit)});
}

void Services::log(void* context, std::uint32_t level, const char* message) {
  Services& self = of(context);
  const Instant now = posix::now();
  if (now - self.log_window_ > kLogWindow) {
    self.log_window_ = now;
    self.logged_ = 0;
  }
  if (++self.logged_ > kLogLines) return;
  const std::string words = self.logged_ == kLogLines ? "(more is left out for 10 s)" : plain(message, 1000);
  const auto severity = level >= BATON_LOG_ERROR     ? log::Level::kError
                        : level == BATON_LOG_WARNING ? log::Level::kWarning
                        : level == BATON_LOG_INFO    ? log::Level::kInfo
                                                     : log::Level::kDebug;
  log::write(severity, "plugin_says", {{"plugin", self.section_}}, words);
}

}  // namespace baton::plugin_host
