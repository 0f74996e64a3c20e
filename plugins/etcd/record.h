// What Baton keeps in etcd for an instance: PREFIX INSTANCE/holder (who may promote, bound to a lease) and PREFIX
// INSTANCE/generation (the highest that was ever granted and to whom, bound to nothing). Texts and JSON only; speaks to
// nobody.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace baton::etcd {

using Json = nlohmann::json;

/// Who holds an instance: the value of its key. The boot tells a host from one of the same name, and from itself before
/// a reboot.
struct Identity {
  std::string host;
  std::string boot;
  std::uint64_t generation = 0;

  bool same_machine(const Identity& other) const { return host == other.host && boot == other.boot; }
};

/// The holder's key as etcd has it.
struct Held {
  Identity identity;
  std::int64_t lease = 0;
  std::uint64_t created = 0;   ///< create_revision: the fencing token
  std::uint64_t modified = 0;  ///< mod_revision
  bool readable = true;        ///< false: not written by Baton; `identity` is empty
};

/// Both keys at one moment.
struct View {
  std::optional<Held> held;
  std::uint64_t highest = 0;           ///< generation
  Identity last;                       ///< to whom it was granted; empty if a person wrote the key
  std::uint64_t highest_modified = 0;  ///< mod_revision of that key; 0: there is none
};

struct Keys {
  std::string holder;
  std::string generation;
};
Keys keys_of(const std::string& prefix, const std::string& instance);

/// Throws std::runtime_error where etcd cannot have said that.
std::string encode_base64(const std::string& text);
std::string decode_base64(const std::string& text);
/// An unsigned number as the gateway writes it: a string of digits, or absent for 0.
std::uint64_t number(const Json& object, const char* name);
/// The member of that name; null if there is none.
const Json& member(const Json& object, const char* name);

/// The requests. Each answer to read_request() and claim_request() is read by view_of().
Json read_request(const Keys& keys);
/// Writes both keys if nothing has changed since `seen` was read, and reads them back. `generation` 0 leaves that key.
Json claim_request(const Keys& keys, const View& seen, const Identity& identity, std::int64_t lease);
/// Deletes the holder's key if it is still `held`.
Json release_request(const Keys& keys, const Held& held);
/// All of the prefix, keys and values.
Json list_request(const std::string& prefix);

/// Of the answer to a transaction, whichever way it went.
View view_of(const Json& answer, const Keys& keys);
/// One key of the holders' kind.
Held held_of(const Json& pair);
bool succeeded(const Json& answer);

}  // namespace baton::etcd
