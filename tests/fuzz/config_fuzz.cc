// Arbitrary text as a configuration file: never a crash; a Config comes out if and only if there is no error; it
// survives the way to another process and its own effective text.
#include <cstdlib>

#include "config/effective.h"
#include "config/reader.h"
#include "config/serialize.h"
#include "tests/config/fake_modules.h"

namespace {

using namespace baton;

void require(bool holds) {
  if (!holds) std::abort();
}

/// What may differ between a file and its effective text: places and the hash of the words.
config::Config without_places(config::Config config) {
  config.hash.clear();
  for (auto& instance : config.instances) instance.defined_at.clear();
  for (auto& group : config.groups) group.defined_at.clear();
  for (auto& plugin : config.plugins) plugin.defined_at.clear();
  for (auto& peer : config.peers) peer.defined_at.clear();
  return config;
}

bool has_masked_settings(const config::Config& config) {
  return config::effective(config).find(" = ********\n") != std::string::npos;
}

/// A Config comes out or an error, and what comes out survives both of its ways.
void read(std::vector<config::SourceText> sources, const config::ParseOptions& options) {
  const config::Loaded loaded = config::parse(std::move(sources), options);
  require(loaded.config.has_value() == !config::has_errors(loaded.diagnostics));
  require(loaded.diagnostics.empty() == config::render_all(loaded.diagnostics).empty());
  if (!loaded.config) return;
  const auto bytes = config::serialize(*loaded.config);
  const auto again = config::deserialize(bytes);
  require(again.has_value() && *again == *loaded.config);
  if (has_masked_settings(*loaded.config)) return;
  const config::Loaded reread = config::parse({{"effective", config::effective(*loaded.config)}}, options);
  require(reread.config.has_value());
  require(without_places(*reread.config) == without_places(*loaded.config));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  // Two files, cut at the first form feed, so that merging is met too.
  const std::size_t cut = std::min(text.find('\f'), text.size());
  std::vector<config::SourceText> sources{{"baton.conf", text.substr(0, cut)}};
  if (cut < text.size()) sources.push_back({"conf.d/10.conf", text.substr(cut + 1)});
  config::ParseOptions options{.host = "db1", .interfaces = {}, .read_secret = {}};
  read(sources, options);
  // And with modules that say which keys they have.
  config::FakeModules modules;
  options.modules = &modules;
  options.read_secret = [](const std::string& path) -> Result<config::SecretText> {
    // Few can be read: their digests are slow on purpose.
    if (path.size() % 16 != 9) return fail("cannot read the file");
    return config::SecretText{path, path.back() == 'x'};
  };
  read(std::move(sources), options);
  return 0;
}
