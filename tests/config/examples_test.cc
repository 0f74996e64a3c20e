// The files under etc/ work as they are, on every host that they name. What modules say to their sections is tested
// with the real modules by tests/cli/test_examples.py.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/config/findings.h"

namespace baton::config {
namespace {

namespace fs = std::filesystem;

bool is_of_plugin(const fs::path& file) { return file.filename().string().starts_with("plugin-"); }

std::vector<fs::path> example_files() {
  const fs::path etc = fs::path(BATON_SOURCE_DIR) / "etc";
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(etc)) {
    if (entry.path().extension() == ".conf") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string read_text(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

TEST(Examples, AreThoseThatTheManualNames) {
  std::vector<std::string> names;
  for (const fs::path& file : example_files()) {
    if (!is_of_plugin(file)) names.push_back(file.filename().string());
  }
  EXPECT_THAT(names,
              ElementsAre("baton.conf", "dual-stack.conf", "groups.conf", "unicast.conf", "v2-beside-keepalived.conf"));
}

TEST(Examples, LoadOnEveryHostWithoutAFinding) {
  for (const fs::path& file : example_files()) {
    const std::string text = read_text(file);
    const bool is_unicast = file.filename() == "unicast.conf";
    // Whoever is named first.
    const std::size_t peer_line = text.find("\n[peer ") + 7;
    const Config first = config_of(text, on_host(text.substr(peer_line, text.find(']', peer_line) - peer_line)));
    ASSERT_EQ(first.peers.size(), 2u) << file;
    for (const Peer& peer : first.peers) {
      const Loaded loaded = parse_text(text, on_host(peer.host));
      ASSERT_TRUE(loaded.config) << file << "\n" << render_all(loaded.diagnostics);
      std::vector<std::string> codes;
      for (const Diagnostic& diagnostic : loaded.diagnostics) codes.push_back(diagnostic.code);
      EXPECT_EQ(codes, is_unicast ? std::vector<std::string>{"W003"} : std::vector<std::string>{}) << file;
      EXPECT_EQ(loaded.config->hash, first.hash);
    }
  }
}

TEST(Examples, TheMainFilePrefersTheFirstHost) {
  const std::string text = read_text(fs::path(BATON_SOURCE_DIR) / "etc/baton.conf");
  EXPECT_EQ(config_of(text, on_host("db1")).instances.at(0).election.priority, Priority{110});
  EXPECT_EQ(config_of(text, on_host("db2")).instances.at(0).election.priority, Priority{100});
}

}  // namespace
}  // namespace baton::config
