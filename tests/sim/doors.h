// The fake ports: each door passes its calls to the host it belongs to. After the engine has died in the middle of a
// turn they do nothing.
#pragma once

#include "ports/ports.h"
#include "tests/sim/host.h"

namespace baton::sim {

struct Host::Doors {
  struct Frames : ports::FramePort {
    Host* host = nullptr;
    void send_frame(ports::LinkId link, ConstBytes frame) override;
    void send_unicast(ports::LinkId link, const IpAddress& source, const IpAddress& destination,
                      ConstBytes message) override;
    void flush() override;
  };
  struct Links : ports::LinkPort {
    Host* host = nullptr;
    void watch(ports::LinkId link, const std::string& name, bool ipv4, bool ipv6) override;
    void forget(ports::LinkId link) override;
  };
  struct Addresses : ports::AddressPort {
    Host* host = nullptr;
    void submit(const ports::AddressCommand& command) override;
    void flush() override;
  };
  struct Reports : ports::ReportPort {
    Host* host = nullptr;
    ports::RouterCounters lost{};  ///< what a dying engine still counts
    void report(const ports::Report& report) override;
    void publish_instance(std::uint32_t slot, const ports::InstanceState& state) override;
    void publish_router(std::uint32_t slot, const ports::RouterState& state) override;
    void publish_texts(std::uint32_t slot, const ports::HandoverTexts& texts) override;
    void publish_check(ports::PluginId, const ports::CheckState&) override {}
    void retire_check(ports::PluginId) override {}
    void retire_instance(std::uint32_t slot) override;
    void retire_router(std::uint32_t slot) override;
    ports::RouterCounters& counters(std::uint32_t slot) override;
  };
  struct Intents : ports::IntentPort {
    Host* host = nullptr;
    std::uint64_t record(std::string_view instance, std::string_view what) override;
    std::uint64_t record(const ports::DataRecord& record) override;
  };
  struct Plugins : ports::PluginPort {
    Host* host = nullptr;
    void use_plugin(ports::PluginId id, const config::Plugin& plugin) override;
    void forget_plugin(ports::PluginId id) override;
    ports::ProbeReading read_probe(ports::PluginId id) override;
    void act(const ports::ActOrder& order) override;
    void call_off(std::uint64_t ticket) override;
  };

  explicit Doors(Host& host);
  ports::Ports ports() { return {frames, links, addresses, reports, intents, plugins}; }

  Frames frames;
  Links links;
  Addresses addresses;
  Reports reports;
  Intents intents;
  Plugins plugins;
};

}  // namespace baton::sim
