// A host under test: the real engine between fake doors. Unless a test says otherwise: eth0 with 192.0.2.10/24 and
// fe80::10, instance "web", VRID 10, priority 100, interval 1 s, one VIP 192.0.2.1/32. Skew_Time 0.609375 s,
// Active_Down_Interval 3.609375 s, by hand.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "vrrp/frame.h"
#include "vrrp/packet.h"
#include "vrrp/receive_rules.h"

namespace baton::engine {

using namespace std::chrono_literals;

inline constexpr Instant kStart{std::chrono::seconds{1000}};
inline constexpr MacAddress kMac{{2, 0, 0, 0, 0, 10}};
inline constexpr MacAddress kOtherMac{{2, 0, 0, 0, 0, 251}};

inline IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }
inline Prefix prefix(std::string_view text) { return *Prefix::parse(text); }

struct SentAdvert {
  Instant at;
  ports::LinkId link;
  int priority;
  vrrp::ChecksumForm form;
  IpAddress source;
  bool operator==(const SentAdvert&) const = default;
};
struct Announcement {
  Instant at;
  IpAddress address;
};
struct UnicastMessage {
  IpAddress source;
  IpAddress destination;
  std::vector<std::uint8_t> message;
};

class FakeDoors final : public ports::FramePort,
                        public ports::LinkPort,
                        public ports::AddressPort,
                        public ports::ReportPort,
                        public ports::IntentPort,
                        public ports::PluginPort {
 public:
  void send_frame(ports::LinkId link, ConstBytes frame) override {
    const vrrp::ParsedFrame parsed = vrrp::parse_frame(frame);
    if (const auto* vrrp_frame = std::get_if<vrrp::VrrpFrame>(&parsed)) {
      const auto advert = vrrp::decode(vrrp_frame->payload, vrrp_frame->envelope);
      ASSERT_TRUE(advert.has_value());
      adverts.push_back({now, link, advert->priority.value(), advert->checksum_form, vrrp_frame->envelope.source});
      last_advert = *advert;
      order.push_back(advert->priority.value() == 0 ? "resign" : "advert");
    } else if (const auto* claim = std::get_if<vrrp::AddressClaim>(&parsed)) {
      announcements.push_back({now, claim->address});
      order.push_back("announce " + claim->address.text());
    }
  }
  void send_unicast(ports::LinkId, const IpAddress& source, const IpAddress& destination, ConstBytes message) override {
    unicast.push_back({source, destination, {message.begin(), message.end()}});
  }
  void flush() override {}
  void watch(ports::LinkId link, const std::string& name, bool ipv4, bool ipv6) override {
    watched.push_back(std::to_string(link) + " " + name + (ipv4 ? " 4" : "") + (ipv6 ? " 6" : ""));
  }
  void forget(ports::LinkId link) override { watched.push_back("forget " + std::to_string(link)); }
  void submit(const ports::AddressCommand& command) override {
    commands.push_back(command);
    static constexpr const char* kVerbs[] = {"install ", "refresh ", "remove "};
    if (command.verb != ports::AddressVerb::kRefresh) {
      order.push_back(kVerbs[static_cast<int>(command.verb)] + command.prefix.address.text());
    }
  }
  void report(const ports::Report& report) override {
    reports.push_back(report);
    if (report.kind == ports::EventKind::kTransition) transitions.push_back(report);
  }
  void publish_instance(std::uint32_t slot, const ports::InstanceState& state) override { instances[slot] = state; }
  void publish_router(std::uint32_t slot, const ports::RouterState& state) override { routers[slot] = state; }
  void publish_texts(std::uint32_t slot, const ports::HandoverTexts& each) override { texts[slot] = each; }
  void retire_instance(std::uint32_t slot) override { instances.erase(slot); }
  void retire_router(std::uint32_t slot) override { routers.erase(slot); }
  ports::RouterCounters& counters(std::uint32_t slot) override { return router_counters[slot]; }
  std::uint64_t record(std::string_view instance, std::string_view what) override {
    intents.push_back(std::string{instance} + ":" + std::string{what});
    return ++last_record;
  }
  std::uint64_t record(const ports::DataRecord& data_record) override {
    intents.push_back(data_record.instance + ":" + std::string{ports::data_role_token(data_record.role)} + " " +
                      std::to_string(data_record.generation) + (data_record.dirty ? " dirty" : ""));
    return ++last_record;
  }
  void use_plugin(ports::PluginId id, const config::Plugin& plugin) override {
    plugins.push_back("use " + std::to_string(id) + " " + plugin.name);
  }
  void forget_plugin(ports::PluginId id) override { plugins.push_back("forget " + std::to_string(id)); }
  ports::ProbeReading read_probe(ports::PluginId id) override { return readings[id]; }
  void act(const ports::ActOrder& act_order) override {
    acts.push_back(std::string{verb_token(act_order.verb)} + " " + std::to_string(act_order.plugin) + " " +
                   std::string{act_order.instance});
    last_act = act_order;
    tickets.push_back(act_order.ticket);
  }
  void call_off(std::uint64_t ticket) override { called_off.push_back(ticket); }
  void publish_check(ports::PluginId id, const ports::CheckState& state) override { checks[id] = state; }
  void retire_check(ports::PluginId id) override { checks.erase(id); }

  Instant now{};
  std::vector<SentAdvert> adverts;
  vrrp::Advert last_advert;
  std::vector<Announcement> announcements;
  std::vector<UnicastMessage> unicast;
  std::vector<std::string> watched, order, intents, plugins, acts;
  std::map<ports::PluginId, ports::ProbeReading> readings;
  std::map<ports::PluginId, ports::CheckState> checks;
  std::uint64_t last_record = 0;
  std::vector<std::uint64_t> tickets;  ///< of the acts, 0 for notify
  std::vector<std::uint64_t> called_off;
  ports::ActOrder last_act;
  std::vector<ports::AddressCommand> commands;
  std::vector<ports::Report> reports, transitions;
  std::map<std::uint32_t, ports::InstanceState> instances;
  std::map<std::uint32_t, ports::HandoverTexts> texts;
  std::map<std::uint32_t, ports::RouterState> routers;
  std::map<std::uint32_t, ports::RouterCounters> router_counters;
};

inline config::Instance web() {
  config::Instance instance;
  instance.name = "web";
  instance.interface = "eth0";
  instance.vrid = Vrid{10};
  instance.addresses = {prefix("192.0.2.1/32")};
  return instance;
}
inline config::Config with(std::vector<config::Instance> instances) {
  config::Config config;
  config.instances = std::move(instances);
  return config;
}

/// How the fake worker answers.
enum class Worker { kDone, kSilent, kForeign, kRefused };

class Bench {
 public:
  explicit Bench(config::Config config = with({web()})) : config_(std::move(config)) { make(); }

  Instant now = kStart;
  FakeDoors doors;
  std::unique_ptr<Engine> engine;
  Worker worker = Worker::kDone;

  void make() {
    const ports::Ports all{doors, doors, doors, doors, doors, doors};
    engine = std::make_unique<Engine>(config_, all, Engine::Board{64, 128});
  }
  /// Starts; the link and the host's own addresses are there.
  Bench& start(bool drained = false) {
    turn([&] { engine->start(now, {}, drained); });
    link_up();
    own_addresses();
    return *this;
  }
  void link_up(ports::LinkId link = 0, bool up = true) {
    ports::LinkState state;
    state.link = link;
    state.present = true;
    state.up = up;
    state.ifindex = 2 + static_cast<int>(link);
    state.mtu = 1500;
    state.mac = kMac;
    turn([&] { engine->on_link(now, state); });
  }
  void own_addresses(ports::LinkId link = 0) {
    turn([&] {
      engine->on_dump_begin(now);
      engine->on_address(now, {.link = link, .prefix = prefix("192.0.2.10/24")});
      engine->on_address(now, {.link = link, .prefix = prefix("fe80::10/64")});
      engine->on_dump_end(now);
    });
  }
  void fact(std::string_view text, bool present, bool ours, ports::LinkId link = 0) {
    turn([&] { engine->on_address(now, {.link = link, .prefix = prefix(text), .present = present, .ours = ours}); });
  }
  /// One turn of the loop around `events`, then the worker's answers in turns of their own.
  template <class Events>
  void turn(Events events) {
    doors.now = now;
    engine->begin_turn(now);
    events();
    engine->on_deadline(now);
    engine->end_turn(now);
    work();
  }
  /// Turns as the engine asks for them, until `until`.
  void run(Instant until) {
    while (const auto next = engine->next_deadline()) {
      if (*next > until) break;
      now = std::max(now, *next);
      turn([] {});
    }
    now = until;
    turn([] {});
  }
  void run_for(Nanos time) { run(now + time); }
  /// Answers what was asked, with the kernel's messages.
  void work() {
    while (worker != Worker::kSilent && answered_ < doors.commands.size())
      answer(doors.commands[answered_++], status());
  }
  void answer(const ports::AddressCommand& command, ports::AddressStatus status) {
    const bool done = status == ports::AddressStatus::kDone;
    const bool appears = command.verb == ports::AddressVerb::kInstall;
    doors.now = now;
    engine->begin_turn(now);
    if (done && command.verb != ports::AddressVerb::kRefresh) {
      engine->on_address(now,
                         {.link = command.link, .prefix = command.prefix, .present = appears, .ours = !command.owner});
    }
    engine->on_address_result(now, {.ticket = command.ticket,
                                    .verb = command.verb,
                                    .link = command.link,
                                    .prefix = command.prefix,
                                    .status = status,
                                    .sys_errno = done ? 0 : 1});
    engine->end_turn(now);
  }

  void hear_frame(ConstBytes frame, ports::LinkId link = 0) {
    turn([&] { engine->on_frame(now, {.link = link, .frame = frame}); });
  }
  /// An advert of another router.
  struct Other {
    int priority = 200;
    std::string_view source = "192.0.2.251";
    MacAddress mac = kOtherMac;
    std::vector<IpAddress> addresses = {ip("192.0.2.1")};
    vrrp::ChecksumForm form = vrrp::ChecksumForm::kPseudoHeader;
    Nanos interval = 1s;
    int vrid = 10;
  };
  static vrrp::Bytes frame(const Other& other) {
    vrrp::Advert advert;
    advert.vrid = Vrid{static_cast<std::uint8_t>(other.vrid)};
    advert.priority = Priority{static_cast<std::uint8_t>(other.priority)};
    advert.max_advertise_interval = other.interval;
    advert.addresses = other.addresses;
    const IpAddress source = ip(other.source);
    return vrrp::multicast_frame(other.mac, source,
                                 vrrp::encode(advert, other.form, source, vrrp::multicast_group(source.family())));
  }
  void hear(const Other& other, ports::LinkId link = 0) { hear_frame(frame(other), link); }

  vrrp::State state(std::uint32_t slot = 0) const { return doors.instances.at(slot).state; }
  ports::HoldingState holding(std::uint32_t slot = 0) const { return doors.instances.at(slot).holding; }
  ReasonSet against(std::uint32_t slot = 0) const { return ReasonSet::from_bits(doors.instances.at(slot).against); }
  bool alarmed(ports::Alarm alarm, std::uint32_t slot = 0) const {
    return (doors.instances.at(slot).alarms >> static_cast<unsigned>(alarm) & 1) != 0;
  }
  const ports::Report* find_alarm(ports::Alarm alarm) const {
    for (const ports::Report& report : doors.reports) {
      if (report.kind == ports::EventKind::kAlarm && report.alarm == alarm) return &report;
    }
    return nullptr;
  }
  std::size_t count_alarms(ports::Alarm alarm) const {
    std::size_t count = 0;
    for (const ports::Report& report : doors.reports) {
      count += report.kind == ports::EventKind::kAlarm && report.alarm == alarm;
    }
    return count;
  }
  /// Active, at kStart + 3.609375 s.
  Bench& become_active() {
    start();
    run(kStart + 3'609'375us);
    return *this;
  }
  void reload(config::Config config) {
    config_ = std::move(config);
    turn([&] { summary = engine->reload(now, config_); });
  }
  CommandResult command(Command command) {
    CommandResult result;
    turn([&] { result = engine->on_command(now, command); });
    return result;
  }
  ReloadSummary summary;

 private:
  ports::AddressStatus status() const {
    if (worker == Worker::kForeign) return ports::AddressStatus::kForeign;
    return worker == Worker::kRefused ? ports::AddressStatus::kRefused : ports::AddressStatus::kDone;
  }

  config::Config config_;
  std::size_t answered_ = 0;
};

}  // namespace baton::engine
