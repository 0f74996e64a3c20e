#include "cli/keepalived_write.h"

#include <algorithm>
#include <array>
#include <set>

#include "config/values.h"

namespace baton::cli::keepalived {
namespace {

constexpr auto kTypes = std::to_array<std::string_view>({"daemon", "instance", "group", "plugin"});
/// RFC 5737: nobody's. Stands where no file names a host's address.
constexpr std::string_view kNobody = "192.0.2.";

Section* find(Conversion& conversion, std::string_view type, const std::string& name) {
  const auto found = std::find_if(conversion.sections.begin(), conversion.sections.end(),
                                  [&](const Section& section) { return section.type == type && section.name == name; });
  return found == conversion.sections.end() ? nullptr : &*found;
}

std::vector<std::string> values_of(const Section& section, const std::string& key) {
  std::vector<std::string> values;
  for (const auto& [name, value] : section.keys) {
    if (name == key) values.push_back(value);
  }
  return values;
}

std::string only_value(const Section& section, const std::string& key) {
  const std::string* value = section.find(key);
  return value == nullptr ? "" : *value;
}

bool has_v6(const Section& instance) {
  const std::string* address = instance.find("address");
  return address != nullptr && address->find(':') != std::string::npos;
}

/// Hosts may call the same virtual router differently: those of the first are taken.
class Renamer {
 public:
  Renamer(HostPart& first, HostPart& other) : first_(first), other_(other) {}

  void run() {
    for (Section& section : other_.conversion.sections) {
      if (section.type != "instance" || find(first_.conversion, "instance", section.name) != nullptr) continue;
      if (const Section* same = same_router(section)) rename(section, same->name);
    }
  }

 private:
  const Section* same_router(const Section& section) {
    for (const Section& candidate : first_.conversion.sections) {
      const bool fits = candidate.type == "instance" &&
                        find(other_.conversion, "instance", candidate.name) == nullptr &&
                        only_value(candidate, "virtual_router_id") == only_value(section, "virtual_router_id") &&
                        has_v6(candidate) == has_v6(section);
      if (fits) return &candidate;
    }
    return nullptr;
  }

  void rename(Section& section, const std::string& name) {
    const std::string old = section.name;
    other_.conversion.remarks.push_back({section.place, "vrrp_instance " + old + " { ... }", Outcome::kLookAt,
                                         "it is [instance " + name + "], as on " + first_.host});
    section.name = name;
    replace(old, name);
    for (const char* suffix : {"-scripts", "-notify"}) {
      if (Section* plugin = find(other_.conversion, "plugin", old + suffix)) {
        plugin->name = name + suffix;
        replace(old + suffix, name + suffix);
      }
    }
  }

  /// In what refers to it.
  void replace(const std::string& old, const std::string& name) {
    for (Section& section : other_.conversion.sections) {
      for (auto& [key, value] : section.keys) {
        if ((key == "member" || key == "follow_up") && value == old) value = name;
      }
    }
  }

  HostPart& first_;
  HostPart& other_;
};

class Writer {
 public:
  Writer(std::vector<HostPart> parts, const PeerAddresses& peers) : parts_(std::move(parts)), peers_(peers) {}

  Written run() {
    for (std::size_t i = 1; i < parts_.size(); ++i) Renamer{parts_[0], parts_[i]}.run();
    for (const std::string_view type : kTypes) write_type(type);
    if (!parts_.front().host.empty()) {
      for (std::size_t i = 0; i < parts_.size(); ++i) write_peer(i);
    }
    collect_remarks();
    const std::string top = head() + remarks_text(remarks_) + "\n";
    std::vector<Place> origins(static_cast<std::size_t>(std::count(top.begin(), top.end(), '\n')));
    origins.insert(origins.end(), origins_.begin(), origins_.end());
    return {top + body_, std::move(origins), std::move(remarks_), instances_};
  }

 private:
  std::string head() const {
    std::string text = "# Made by `batonctl import` from";
    for (const HostPart& part : parts_) text += " " + (part.host.empty() ? "" : part.host + "=") + part.file;
    text +=
        "\n# Read it, then `batonctl check FILE --host HOST`; the same file goes to every host as "
        "/etc/baton/baton.conf.\n";
    return text;
  }

  void write_type(std::string_view type) {
    std::set<std::string> done;
    for (const HostPart& part : parts_) {
      for (const Section& section : part.conversion.sections) {
        if (section.type == type && done.insert(section.name).second) write_section(section);
      }
    }
  }

  void write_section(const Section& like) {
    std::vector<std::pair<std::string, const Section*>> versions;
    for (HostPart& part : parts_) {
      const Section* section = find(part.conversion, like.type, like.name);
      if (section != nullptr) versions.emplace_back(part.host, section);
    }
    if (like.type == "instance") ++instances_;
    if (like.type == "instance" && versions.size() < parts_.size()) remark_missing(like);
    body_ += (body_.empty() ? "[" : "\n[") + like.type + (like.name.empty() ? "" : " " + like.name) + "]\n";
    std::set<std::string> done;
    for (const auto& [host, section] : versions) {
      for (const auto& [key, value] : section->keys) {
        if (done.insert(key).second) write_key(key, versions);
      }
    }
    origins_.resize(static_cast<std::size_t>(std::count(body_.begin(), body_.end(), '\n')), like.place);
  }

  void write_key(const std::string& key, const std::vector<std::pair<std::string, const Section*>>& versions) {
    const std::vector<std::string> first = values_of(*versions.front().second, key);
    const bool same = std::all_of(versions.begin(), versions.end(),
                                  [&](const auto& version) { return values_of(*version.second, key) == first; });
    if (same) return write_values(key, first);
    if (key == "unicast_peer") {
      if (const auto all = shared_peers(versions)) return write_values(key, *all);
    }
    for (const auto& [host, section] : versions) write_values(key + "@" + host, values_of(*section, key));
  }

  void write_values(const std::string& key, const std::vector<std::string>& values) {
    for (const std::string& value : values) body_ += key + " = " + value + "\n";
  }

  /// All hosts' addresses in one list, if each host names the others': its own is passed over.
  static std::optional<std::vector<std::string>> shared_peers(
      const std::vector<std::pair<std::string, const Section*>>& versions) {
    std::vector<std::string> all;
    for (const auto& [host, section] : versions) {
      const std::vector<std::string> own = values_of(*section, "unicast_source");
      if (own.size() != 1) return std::nullopt;
      all.push_back(own[0]);
    }
    const std::set<std::string> expected(all.begin(), all.end());
    for (std::size_t i = 0; i < versions.size(); ++i) {
      const std::vector<std::string> peers = values_of(*versions[i].second, "unicast_peer");
      std::set<std::string> named(peers.begin(), peers.end());
      named.insert(all[i]);
      if (named != expected) return std::nullopt;
    }
    return all;
  }

  void remark_missing(const Section& section) {
    remarks_.push_back({section.place, "vrrp_instance " + section.name + " { ... }", Outcome::kLookAt,
                        "not every host's file has it: here all hosts will"});
  }

  void write_peer(std::size_t index) {
    const HostPart& part = parts_[index];
    std::vector<std::string> addresses;
    if (const auto given = peers_.find(part.host); given != peers_.end()) addresses = given->second;
    if (addresses.empty()) addresses = sources(part.conversion);
    if (addresses.empty()) {
      addresses.push_back(std::string{kNobody} + std::to_string(index + 1));
      remarks_.push_back({{part.file, 0},
                          "[peer " + part.host + "]",
                          Outcome::kLookAt,
                          "its address is not in the file: replace " + addresses[0] + ", or import with --peer " +
                              part.host + "=ADDRESS"});
    }
    body_ += "\n[peer " + part.host + "]\n";
    write_values("address", addresses);
  }

  /// What a host sends its adverts from.
  static std::vector<std::string> sources(const Conversion& conversion) {
    std::vector<std::string> found;
    for (const Section& section : conversion.sections) {
      for (const auto& [key, value] : section.keys) {
        const bool is_source = key == "unicast_source" || key == "source_address";
        const auto address = config::parse_address(value);
        if (!is_source || !address || (address->is_ipv6() && address->is_link_local())) continue;
        if (std::find(found.begin(), found.end(), value) == found.end()) found.push_back(value);
      }
    }
    return found;
  }

  /// Those of all hosts: where one file is read for several, each once.
  void collect_remarks() {
    std::set<std::pair<std::string, std::string>> known;
    std::vector<Remark> all;
    for (HostPart& part : parts_) {
      for (Remark& remark : part.conversion.remarks) {
        if (known.emplace(text_of(remark.place) + remark.text, remark.why).second) all.push_back(std::move(remark));
      }
    }
    std::move(remarks_.begin(), remarks_.end(), std::back_inserter(all));
    remarks_ = std::move(all);
  }

  std::vector<HostPart> parts_;
  const PeerAddresses& peers_;
  std::string body_;
  std::vector<Place> origins_;  ///< of the lines of body_
  std::vector<Remark> remarks_;
  std::size_t instances_ = 0;
};

}  // namespace

std::string remarks_text(const std::vector<Remark>& remarks) {
  static constexpr auto kTitles =
      std::to_array<std::pair<Outcome, std::string_view>>({{Outcome::kNotConverted, "Not converted:"},
                                                           {Outcome::kLookAt, "Converted, but look at it:"},
                                                           {Outcome::kNotNeeded, "Not needed:"}});
  std::string text;
  for (const auto& [outcome, title] : kTitles) {
    std::string list;
    for (const Remark& remark : remarks) {
      if (remark.outcome == outcome)
        list += "#   " + text_of(remark.place) + ": " + remark.text + ": " + remark.why + "\n";
    }
    if (!list.empty()) text += "#\n# " + std::string{title} + "\n" + list;
  }
  return text;
}

Written write(std::vector<HostPart> parts, const PeerAddresses& peers) { return Writer{std::move(parts), peers}.run(); }

}  // namespace baton::cli::keepalived
