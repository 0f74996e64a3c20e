// Words of keepalived.conf that people write into baton.conf, and what there is instead.
#pragma once

#include <string>
#include <string_view>

namespace baton::config {

/// Help for a key that Baton has not and keepalived has; "" for any other word.
std::string keepalived_help(std::string_view key);

}  // namespace baton::config
