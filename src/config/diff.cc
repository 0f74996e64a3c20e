#include "config/diff.h"

#include <algorithm>
#include <map>

#include "config/effective.h"
#include "config/report.h"

namespace baton::config {
namespace {

/// Values of one object by key, the keys in the order of the key table.
struct Values {
  std::vector<std::string> order;
  std::map<std::string, std::vector<std::string>> by_key;

  void add(const std::string& key, const std::string& value) {
    const auto [position, is_new] = by_key.try_emplace(key);
    if (is_new) order.push_back(key);
    position->second.push_back(value);
  }
};

Values to_values(const Properties& properties) {
  Values values;
  for (const auto& [key, value] : properties) values.add(key, value);
  return values;
}

std::vector<KeyChange> compare(const Values& before, const Values& after) {
  std::vector<std::string> keys = after.order;
  for (const std::string& key : before.order) {
    if (!after.by_key.contains(key)) keys.push_back(key);
  }
  std::vector<KeyChange> changes;
  for (const std::string& key : keys) {
    const auto old_values = before.by_key.find(key);
    const auto new_values = after.by_key.find(key);
    KeyChange change{.key = key, .before = {}, .after = {}};
    if (old_values != before.by_key.end()) change.before = old_values->second;
    if (new_values != after.by_key.end()) change.after = new_values->second;
    if (change.before != change.after) changes.push_back(std::move(change));
  }
  return changes;
}

/// What differs but must not be shown.
void add_secret(std::vector<KeyChange>& changes, const std::string& key) {
  changes.push_back({.key = key, .before = {std::string(kMask)}, .after = {std::string(kMask)}});
}

/// A password that was not read is unknown, not changed; that its file came or went shows in password_file.
void compare_secrets(const Instance& before, const Instance& after, std::vector<KeyChange>& changes) {
  if (before.password.empty() || after.password.empty()) return;
  if (before.password != after.password) add_secret(changes, "password");
}

/// What shows only its place, or nothing but its mask, may have changed all the same.
void compare_secrets(const Plugin& before, const Plugin& after, std::vector<KeyChange>& changes) {
  for (const Setting& now : after.settings) {
    const auto then = std::find_if(before.settings.begin(), before.settings.end(),
                                   [&](const Setting& setting) { return setting.key == now.key; });
    if (then == before.settings.end()) continue;
    if (now.is_secret || then->is_secret) {
      // One that was not read is unknown, not changed.
      if (!now.digest.empty() && !then->digest.empty() && now.digest != then->digest) add_secret(changes, now.key);
      continue;
    }
    const auto is_mask = [](const std::string& value) { return value == kMask; };
    const bool unknown = std::any_of(now.values.begin(), now.values.end(), is_mask) ||
                         std::any_of(then->values.begin(), then->values.end(), is_mask);
    // Added or removed ones show in the properties already.
    if (is_secret_key(now.key) && !unknown && now.values.size() == then->values.size() && now.values != then->values) {
      add_secret(changes, now.key);
    }
  }
}

template <class T>
void compare_secrets(const T&, const T&, std::vector<KeyChange>&) {}

/// Membership moves the election keys to the group: only the membership itself is told then.
void compare_membership(const Instance& before, const Instance& after, std::vector<KeyChange>& changes) {
  if (before.group == after.group) return;
  KeyChange change{.key = "(member of group)", .before = {}, .after = {}};
  if (!before.group.empty()) change.before.push_back(before.group);
  if (!after.group.empty()) change.after.push_back(after.group);
  changes.insert(changes.begin(), std::move(change));
}

template <class T>
void compare_membership(const T&, const T&, std::vector<KeyChange>&) {}

template <class T, class NameOf>
void compare_lists(std::string_view word, const std::vector<T>& before, const std::vector<T>& after, NameOf name_of,
                   std::vector<ObjectChange>& out) {
  std::map<std::string, const T*> old_objects;
  for (const T& object : before) old_objects.emplace(name_of(object), &object);
  for (const T& object : after) {
    const std::string title = std::string(word) + " " + name_of(object);
    const auto found = old_objects.find(name_of(object));
    if (found == old_objects.end()) {
      out.push_back({ChangeKind::kAdded, title, compare(Values{}, to_values(properties(object)))});
      continue;
    }
    const T& old_object = *found->second;
    std::vector<KeyChange> changes = compare(to_values(properties(old_object)), to_values(properties(object)));
    compare_secrets(old_object, object, changes);
    compare_membership(old_object, object, changes);
    if (!changes.empty()) out.push_back({ChangeKind::kChanged, title, std::move(changes)});
    old_objects.erase(found);
  }
  for (const T& object : before) {
    if (!old_objects.contains(name_of(object))) continue;
    out.push_back({ChangeKind::kRemoved, std::string(word) + " " + name_of(object),
                   compare(to_values(properties(object)), Values{})});
  }
}

std::string joined(const std::vector<std::string>& values) {
  if (values.empty()) return "(none)";
  std::string text;
  for (const std::string& value : values) text += (text.empty() ? "" : ", ") + value;
  return text;
}

/// Of a list, only what came and what went.
std::string render_key(const KeyChange& change) {
  const std::string head = "    " + change.key + ": ";
  if (change.before.size() <= 1 && change.after.size() <= 1) {
    return head + joined(change.before) + " -> " + joined(change.after) + "\n";
  }
  const auto minus = [](const std::vector<std::string>& from, std::vector<std::string> what) {
    std::vector<std::string> rest;
    for (const std::string& value : from) {
      const auto found = std::find(what.begin(), what.end(), value);
      if (found == what.end()) {
        rest.push_back(value);
      } else {
        what.erase(found);
      }
    }
    return rest;
  };
  const std::vector<std::string> gone = minus(change.before, change.after);
  const std::vector<std::string> come = minus(change.after, change.before);
  if (gone.empty() && come.empty()) return head + "in another order: " + joined(change.after) + "\n";
  std::string text;
  if (!gone.empty()) text += head + "- " + joined(gone) + "\n";
  if (!come.empty()) text += head + "+ " + joined(come) + "\n";
  return text;
}

}  // namespace

std::vector<ObjectChange> diff(const Config& before, const Config& after) {
  std::vector<ObjectChange> out;
  std::vector<KeyChange> daemon = compare(to_values(properties(before.daemon)), to_values(properties(after.daemon)));
  if (!daemon.empty()) out.push_back({ChangeKind::kChanged, "daemon", std::move(daemon)});
  const auto name_of = [](const auto& object) { return object.name; };
  compare_lists("instance", before.instances, after.instances, name_of, out);
  compare_lists("group", before.groups, after.groups, name_of, out);
  compare_lists("plugin", before.plugins, after.plugins, name_of, out);
  compare_lists(
      "peer", before.peers, after.peers, [](const Peer& peer) { return peer.host; }, out);
  return out;
}

std::string render_diff(const std::vector<ObjectChange>& changes) {
  std::string text;
  for (const ObjectChange& change : changes) {
    const char sign = change.kind == ChangeKind::kAdded ? '+' : change.kind == ChangeKind::kRemoved ? '-' : '~';
    text += std::string(1, sign) + " " + change.object + "\n";
    if (change.kind != ChangeKind::kChanged) continue;
    for (const KeyChange& key : change.keys) text += render_key(key);
  }
  return text;
}

}  // namespace baton::config
