#include "linux/speakers.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace baton::linux {
namespace {

constexpr std::string_view kVrrpEnding = ":0070";  ///< of the local address: where TCP has a port, the protocol
constexpr std::size_t kInodeColumn = 9;

}  // namespace

std::vector<ino_t> vrrp_sockets(std::istream& raw_table) {
  std::vector<ino_t> found;
  for (std::string line; std::getline(raw_table, line);) {
    std::istringstream words{line};
    std::vector<std::string> columns;
    for (std::string word; words >> word;) columns.push_back(word);
    if (columns.size() <= kInodeColumn || !columns[1].ends_with(kVrrpEnding)) continue;
    const std::string& text = columns[kInodeColumn];
    ino_t inode = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), inode);
    if (error == std::errc{} && end == text.data() + text.size()) found.push_back(inode);
  }
  return found;
}

bool others_speak_vrrp(const std::vector<ino_t>& own) {
  for (const char* path : {"/proc/thread-self/net/raw", "/proc/thread-self/net/raw6"}) {
    std::ifstream table{path};
    for (const ino_t inode : vrrp_sockets(table)) {
      if (std::find(own.begin(), own.end(), inode) == own.end()) return true;
    }
  }
  return false;
}

}  // namespace baton::linux
