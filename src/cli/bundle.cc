#include "cli/bundle.h"

#include <algorithm>

namespace baton::cli {
namespace {

constexpr std::size_t kNameWidth = 18;
constexpr std::size_t kSizeWidth = 9;

std::string padded_left(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

std::string padded_right(const std::string& text, std::size_t width) {
  return text + std::string(width - std::min(width, text.size()), ' ');
}

}  // namespace

void Bundle::add(const std::string& name, const std::string& what, std::string_view text, const std::string& trouble) {
  entries_.push_back({name, what, scrubber_.scrub(text), scrubber_.scrub(trouble)});
}

void Bundle::add_json(const std::string& name, const std::string& what, const Json& document) {
  add(name, what, document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void Bundle::miss(const std::string& name, const std::string& what, const std::string& why) {
  entries_.push_back({name, what, {}, scrubber_.scrub(why), false});
}

std::string Bundle::manifest(const std::string& head) const {
  std::string text = head + "\n" + padded_right("FILE", kNameWidth) + padded_left("BYTES", kSizeWidth) + "  WHAT\n";
  for (const Entry& entry : entries_) {
    const std::string size = entry.there ? std::to_string(entry.text.size()) : "-";
    text += padded_right(entry.name, kNameWidth) + padded_left(size, kSizeWidth) + "  " + entry.what;
    if (!entry.trouble.empty()) text += (entry.there ? " (not all: " : " (not there: ") + entry.trouble + ")";
    text += "\n";
  }
  return text;
}

Json Bundle::manifest_json() const {
  Json list = Json::array();
  for (const Entry& entry : entries_) {
    Json one{{"name", entry.name}, {"what", entry.what}};
    one["bytes"] = entry.there ? Json(entry.text.size()) : Json(nullptr);
    one["trouble"] = entry.trouble.empty() ? Json(nullptr) : Json(entry.trouble);
    list.push_back(std::move(one));
  }
  return list;
}

std::vector<ArchiveFile> Bundle::files(const std::string& head) const {
  std::vector<ArchiveFile> files{{directory_ + "/MANIFEST", manifest(head)}};
  for (const Entry& entry : entries_) {
    if (entry.there) files.push_back({directory_ + "/" + entry.name, entry.text});
  }
  return files;
}

}  // namespace baton::cli
