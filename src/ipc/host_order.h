// What a plugin host is told at its start: which module, for what, with which settings. Made by the reader of the
// configuration (it alone reads secrets), passed on unread by the guardian but for the few fields it needs to start the
// process, in one sealed memfd a host, so that a section's secrets reach that section alone.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/plugin_verb.h"
#include "base/time.h"

namespace baton::ipc {

enum class HostKind : std::uint8_t { kProbe = 0, kAct = 1 };
std::string_view host_kind_token(HostKind kind);  ///< "probe", "act"

/// The descriptors that a host is started with.
inline constexpr int kOrderDescriptor = 3;  ///< sealed memfd: HostOrder
inline constexpr int kWorkDescriptor = 4;   ///< kProbe: the page, writable; kAct: its end of the channel
inline constexpr int kBellDescriptor = 5;   ///< kProbe: eventfd to ring
inline constexpr int kLogDescriptor = 6;    ///< where baton-plugin-host itself logs; standard error is /dev/null

/// How a host ends by itself. Everything else is a death.
inline constexpr int kHostDone = 0;       ///< it was asked to: SIGTERM, or the engine closed the channel
inline constexpr int kHostRefused = 65;   ///< the order, the descriptors or its rights are not as they should be
inline constexpr int kHostLeft = 70;      ///< the plugin called exit()
inline constexpr int kHostLate = 71;      ///< a call was not back in time; its result says so already
inline constexpr int kHostRecycled = 75;  ///< it had grown too large: to be started anew at once, nothing is wrong
/// It ended with this wait status, and `last`, its last word, says why already.
bool host_said_why(int wait_status, VerbStatus last);

inline constexpr std::size_t kMaxOrderSize = 1u << 20;
inline constexpr std::size_t kMaxFleetSize = 64u << 20;

struct HostOrder {
  std::string section;
  HostKind kind = HostKind::kProbe;
  std::string module_path;  ///< absolute
  std::string module_file;  ///< which file it was when the configuration was read: another one is a reason to restart
  bool own_module = true;   ///< in Baton's plugin directory: its `needs` are granted
  std::string user;         ///< a name; "root" only if the file says so
  std::string host_name;
  Nanos interval{0};
  Nanos timeout{0};                                                        ///< of one probe
  Nanos deadline{0};                                                       ///< of one act
  std::uint32_t ring_for = 3;                                              ///< max(rise, fall)
  std::uint32_t needs = 0;                                                 ///< plugin.h's BATON_NEEDS_
  std::uint64_t incarnation = 0;                                           ///< set by the guardian for each start
  std::vector<std::pair<std::string, std::vector<std::string>>> settings;  ///< every key that has a value, defaults too
  bool operator==(const HostOrder&) const = default;
};

std::vector<std::uint8_t> encode(const HostOrder& order);
Result<HostOrder> decode_order(ConstBytes bytes);
/// All hosts of a configuration.
std::vector<std::uint8_t> encode_fleet(const std::vector<HostOrder>& orders);
Result<std::vector<HostOrder>> decode_fleet(ConstBytes bytes);

}  // namespace baton::ipc
