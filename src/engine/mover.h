// One instance or group while it runs: its virtual routers (vrrp::Group decides the election), its addresses, its
// alarms and its deadlines. Everything that happens to it comes in through here with `now`; effects leave through the
// ports. Knows no other instance.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "engine/address_lifetime.h"
#include "engine/addresses.h"
#include "engine/advertiser.h"
#include "engine/alarms.h"
#include "engine/announcer.h"
#include "engine/context.h"
#include "engine/eligibility.h"
#include "engine/follow_up.h"
#include "engine/plan.h"
#include "engine/promotion.h"
#include "vrrp/group.h"
#include "vrrp/receive_rules.h"

namespace baton::engine {

/// RFC 8347's identities (M-02): what happened last to a router, and why an Active became it.
ports::LastEvent last_event(vrrp::State to, Reason reason, ports::LastEvent before);
ports::NewMasterReason new_master_reason(vrrp::State to, Reason reason);

class Mover {
 public:
  Mover(Context& context, MoverId id, Plan plan, std::uint32_t instance_slot, std::uint32_t first_router_slot);
  ~Mover();
  Mover(const Mover&) = delete;
  Mover& operator=(const Mover&) = delete;

  // ---- Life ----
  void start(Instant now, const Facts& facts);
  /// Continues a predecessor's state; nothing is sent or reported but a notice. REQUIRES the same wire identity.
  void adopt(Instant now, const ports::AdoptedInstance& adopted, const Facts& facts);
  /// Leaves every role; stopped() when done.
  void stop(Instant now, Reason reason);
  bool stopped() const { return stopped_; }
  bool stopping() const { return stop_reason_.has_value(); }
  /// S-13, V-04: applies a plan with the same wire identity without a restart.
  void change(Instant now, Plan plan);

  // ---- Events ----
  /// The loop did not turn for `gap`, or an Active's adverts are overdue: I5, before anything is sent.
  void stall_test(Instant now, Nanos gap);
  void on_deadline(Instant now, Instant limit);
  void on_advert(Instant now, std::size_t router, const vrrp::VrrpFrame& frame);
  void on_claim(Instant now, std::size_t vip, const vrrp::AddressClaim& claim);
  void on_vrid_in_use_here(Instant now, std::size_t router, const IpAddress& source);
  void on_own_address_claimed(Instant now, ports::LinkId link, const vrrp::AddressClaim& claim);
  void on_link_changed(Instant now, ports::LinkId link, bool mac_changed);
  void on_own_addresses_changed(Instant now, ports::LinkId link);
  void on_vip_fact(Instant now, std::size_t vip, const ports::AddressFact& fact);
  void on_dump_begin();
  void on_dump_end(Instant now);
  void on_result(Instant now, std::size_t vip, const ports::AddressResult& result);
  void on_send_error(Instant now, ports::LinkId link, int sys_errno);
  /// A check has something new to say.
  void on_check(Instant now, ports::PluginId plugin);
  void on_act_result(Instant now, const ports::ActResult& result);
  /// The role that the data of a section has, looked at again.
  void on_role(Instant now, ports::PluginId plugin);
  void on_roles(Instant now);
  void compare_checks(Instant now);
  void on_recorded(Instant now, std::uint64_t ticket);
  /// Engine's Context has the records of an earlier life.
  void on_recalled(Instant now);
  void on_guard(Instant now);
  void on_peer(Instant now, const ports::PeerFact& fact);
  /// Whether it asks anything of this section, or still has to.
  bool uses(ports::PluginId plugin) const;

  // ---- Commands ----
  void switchover(Instant now);
  /// A planned move to `host`, or only the question; see Promotion::offer.
  bool offer(Instant now, const std::string& host, std::uint64_t number, bool only_ask);
  bool promotes() const { return promotion_ != nullptr; }
  /// REQUIRES promotes().
  ReasonSet promotion_against(Instant now) const { return promotion_->against(now); }
  bool demotes() const { return promotion_->step() == ports::PromotionStep::kDemoting; }
  /// Its role moves together with a database's.
  bool moves_data() const { return !promoted_.empty(); }
  /// Backup, and an Active that has the data is heard.
  bool hears_holder(Instant now) const;
  void set_drained(Instant now, bool drained);
  void freeze(Instant now, Instant until);
  /// An operator takes the responsibility: for a promotion that nothing grants, or for what the record says.
  void permit(Instant now);
  void forgive(Instant now);
  /// Ends freeze and switchover.
  void thaw(Instant now);

  // ---- For the engine ----
  const Plan& plan() const { return plan_; }
  MoverId id() const { return id_; }
  vrrp::State state() const { return group_.state(); }
  bool frozen() const { return facts_.frozen; }
  bool switched_over() const { return facts_.switched_over; }
  bool drained() const { return facts_.drained; }
  /// What keeps it from being Active.
  ReasonSet against() const { return against_; }
  bool releasing() const { return releasing_; }
  std::uint32_t instance_slot() const { return instance_slot_; }
  std::uint32_t first_router_slot() const { return first_router_slot_; }
  /// The least Active_Down_Interval that any of its routers may have to keep to.
  Nanos shortest_down_interval() const { return shortest_down_; }
  Nanos shortest_interval() const { return shortest_interval_; }
  void publish(Instant now);
  bool dirty = false;
  std::unique_ptr<Plan> successor;  ///< to be started in its place once it has stopped

 private:
  struct Router {
    std::uint32_t slot = 0;
    ports::LinkId link = 0;
    IpAddress primary;
    Reason unusable = Reason::kInterfaceMissing;  ///< kNone: takes part
    Advertiser advertiser;
    FormChoice forms{config::Checksum::kAuto};
    std::optional<vrrp::ReceiveRules> rules;
    ports::RouterCounters* counters = nullptr;
    ports::LastEvent last_event = ports::LastEvent::kNone;
    Instant owed_since{};
    bool owed = false;  ///< adopted: an advert was due before the link was known
    // The last Active that was obeyed, for people.
    IpAddress heard;
    std::uint8_t heard_priority = 0;
    Instant heard_at{};
    Instant heard_published{};
    // Beside an Active that we are: routers that should yield.
    Instant beside_since{};
    Instant beside_last{};
    std::uint32_t beside_count = 0;
    MacAddress beside_mac;
    // Heard but rejected.
    Instant rejected_since{};
    Instant rejected_last{};
    std::uint32_t rejected_count = 0;
    // Priority 0.
    Instant resigned_last{};
    std::uint32_t resigned_count = 0;
  };
  enum Timer : std::uint8_t {
    kGroup,
    kReleaseOver,
    kStartupOver,
    kThaw,
    kCooldownOver,
    kRetry,
    kInstall,
    kRefresh,
    kAnnounce,
    kRepeat,
    kAnnounceRefresh,
    kDuplicateOver,
    kSendFailing,
    kAlarm,
    kFollowUp,
    kPromotion,
    kTimers,
  };

  // mover.cc
  void perform(Instant now, const vrrp::GroupStep& step);
  void act(Instant now, std::size_t router, const vrrp::Action& action);
  void send_advert(Instant now, std::size_t router, Priority priority);
  void transition(Instant now, const vrrp::ReportTransition& transition);
  void update_against(Instant now);
  void release(Instant now, Reason reason);
  void finish_release(Instant now);
  void halt(Instant now);
  void linger_over();
  void listen_again(Instant now);
  std::size_t pending_addresses() const {
    return vips_.count(VipState::kInstalling) + vips_.count(VipState::kRemoving);
  }
  void run_timers(Instant now);
  void settle(Instant now);
  void schedule(Instant now);
  void build_routers();
  vrrp::RouterParameters parameters_of(std::size_t router) const;
  std::vector<vrrp::RouterParameters> all_parameters() const;
  Priority priority() const;

  // mover_links.cc
  void look_at_links(Instant now);
  void look_at_router(Instant now, std::size_t router);
  Reason find_fault(const Router& router, const RouterPlan& plan, IpAddress& source) const;
  IpAddress choose_source(const Link& link, const config::Instance& instance, Family family, bool& waiting) const;
  void renew_wire(std::size_t router);
  void expect_sending(Instant now);

  // mover_frames.cc
  void discarded(Instant now, std::size_t router, const vrrp::Envelope& envelope, vrrp::DecodeError error);
  void own_source_heard(Instant now, std::size_t router, const vrrp::VrrpFrame& frame);
  void accepted(Instant now, std::size_t router, const vrrp::VrrpFrame& frame, const vrrp::Advert& advert,
                const vrrp::AcceptRemarks& remarks);
  void note(Instant now, std::size_t router, vrrp::Remark remark);
  void beside_us(Instant now, Router& router, const vrrp::VrrpFrame& frame, const vrrp::Advert& advert);
  void claims_beside_us(Instant now, MacAddress owner);
  void resigned(Instant now, Router& router, const vrrp::VrrpFrame& frame);
  void heard_form(Instant now, std::size_t router, const vrrp::Advert& advert, bool obeyed);

  // mover_addresses.cc
  void make_vips();
  void choose_lifetime();
  void drop_vip_places();
  void hold(Instant now);
  void let_go(Instant now);
  void install_more(Instant now);
  void install(Instant now, std::uint32_t vip);
  void remove(Instant now, std::uint32_t vip);
  void refresh_more(Instant now);
  void refresh_result(Instant now, Vip& vip, const ports::AddressResult& result);
  void install_result(Instant now, Vip& vip, const ports::AddressResult& result);
  void remove_result(Instant now, Vip& vip, const ports::AddressResult& result);
  void gone(Instant now, Vip& vip);
  void retry_addresses(Instant now);
  void installed(Instant now, std::uint32_t vip);
  void announce_more(Instant now);
  void repeat_announcements(Instant now, bool refresh);
  void count_gone(Instant now, const Vip& vip);
  std::uint32_t index_of(const Vip& vip) const { return static_cast<std::uint32_t>(&vip - &vips_[0]); }

  // mover_plugins.cc
  void bind_plugins();
  void rebind_plugins(Instant now, const config::Election& before);
  bool weigh_checks(Instant now);
  void weigh_followed();
  bool isolated(Instant now) const;
  void tell_notified(const vrrp::ReportTransition& change);
  void run_follow_ups(Instant now);
  void ask(ports::PluginId plugin, PluginVerb verb);
  void name_culprit(ports::Report& report) const;

  // mover_promotion.cc
  Promotion::Setup promotion_setup() const;
  void make_promotion(Instant now);
  void run_promotion(Instant now);
  bool ask_promotion(Instant now);
  void ask_act(Instant now, const Promotion::Act& act);
  bool on_promotion_result(Instant now, const ports::ActResult& result);
  bool witness_news(Instant now, const Promotion::Act& act, VerbStatus status);
  void renew_priority(Instant now);
  bool note_word(Instant now);
  const ports::HandoverWord& word() const;
  bool ask_to_step_down(Instant now, const std::string& host, std::uint64_t number, bool only_ask);
  void stepped_down(Instant now, const ports::ActResult& result);
  void follow_handover(Instant now);
  void look_for_conflict(Instant now);
  Instant old_addresses_gone(Instant now) const;
  bool jobs_stop(Instant now) const;
  bool serves_nothing_yet() const;

  // mover_report.cc
  ports::Report report_about(const Router* router) const;
  ports::Report report_act(Instant now, ports::PluginId plugin, PluginVerb verb, const ports::ActResult& result,
                           std::optional<Nanos> position_age = std::nullopt);
  void alarm(Instant now, ports::Alarm alarm, const ports::Report& report, Nanos lasts);
  void alarm_over(Instant now, ports::Alarm alarm);
  void report_holding(Instant now);
  void report_announced(Instant now);
  void publish_router(std::size_t router);
  void touch();
  Nanos while_heard() const;
  std::uint64_t command(ports::AddressVerb verb, std::uint32_t vip, Instant not_after);
  const config::Instance& instance_of(std::size_t router) const { return plan_.members[plan_.routers[router].member]; }
  static constexpr Nanos kForEver = Nanos::max();
  static constexpr Nanos kRepeatPause =
      std::chrono::seconds{10};  ///< between two reports of the same failure of a witness
  static constexpr Nanos kJobsPatience = std::chrono::seconds{10};  ///< so long a demotion waits for jobs to be left

  Context& context_;
  const MoverId id_;
  Plan plan_;
  const std::uint32_t instance_slot_;
  const std::uint32_t first_router_slot_;
  std::vector<Router> routers_;
  vrrp::Group group_;
  Facts facts_;
  ReasonSet against_;
  Alarms alarms_;
  std::array<Instant, kTimers> timers_;

  // The role.
  Reason reason_ = Reason::kStartup;
  ports::NewMasterReason new_master_reason_ = ports::NewMasterReason::kNotMaster;
  std::uint32_t transitions_ = 0;
  Instant since_{};
  std::optional<Reason> stop_reason_;
  bool stopped_ = false;
  bool adopting_ = false;  ///< until the first dump is complete

  // Leaving Active by ourselves: addresses first, then priority 0.
  bool releasing_ = false;
  Reason release_reason_ = Reason::kNone;

  // Addresses.
  VipTable vips_;
  Announcer announcer_;
  AddressLifetime lifetime_;
  bool wanted_ = false;  ///< the addresses are to be on the links
  bool held_reported_ = false;
  std::optional<Instant> unannounced_since_;  ///< all are in the kernel; not each has been announced yet
  std::size_t install_next_ = 0;
  std::size_t refresh_next_ = 0;
  std::size_t refreshes_out_ = 0;
  Instant refresh_began_{};
  Nanos retry_pause_ = std::chrono::seconds{10};
  std::array<Instant, 5> gone_{};  ///< the last times that somebody took an address away
  std::size_t gone_next_ = 0;
  MacAddress rival_mac_;
  Instant switched_at_{};

  // Plugins.
  std::vector<ports::PluginId> checks_;      ///< by place in election.checks
  std::vector<ports::PluginId> follow_ups_;  ///< by place in election.follow_up
  std::vector<ports::PluginId> notified_;
  std::vector<ports::PluginId> farewells_;  ///< no longer configured here, but still to be left
  Verdict verdict_;
  FollowUp follow_up_;
  std::uint64_t act_ticket_ = 0;  ///< of the act that runs; 0: none
  ports::PluginId act_plugin_ = 0;
  PluginVerb act_verb_ = PluginVerb::kEnter;
  bool act_is_farewell_ = false;
  std::uint32_t acts_ = 0;
  bool lingering_ = false;  ///< stopped but for what has to be left

  // The transaction; none: what is held needs no promotion.
  std::unique_ptr<Promotion> promotion_;
  std::vector<ports::PluginId> promoted_;   ///< by place in election.promote
  std::vector<ports::PluginId> witnesses_;  ///< by place in election.witness
  std::vector<ports::PluginId> fences_;     ///< by place in election.fence
  struct Asked {
    std::uint64_t ticket = 0;
    Promotion::Act act;
    Instant at{};
    bool called_off = false;
  };
  /// What is under way. Only instances that move data have one: they are few, the others many.
  struct Moving {
    std::optional<Asked> act;
    std::vector<Asked> witness_acts;
    std::map<std::size_t, std::pair<VerbStatus, Instant>> witness_told;  ///< by place: the last failure that was told
    std::uint64_t record_ticket = 0;
    ports::HandoverWord noted_word;
    ports::HandoverWord followed_word;   ///< grant = follow: how the database was asked to move its primary
    std::uint64_t step_down_ticket = 0;  ///< 0: it is not being asked
    ports::PluginId step_down_plugin = 0;
  };
  std::unique_ptr<Moving> moving_;  ///< from the first `promote` on
  bool promoting_ = false;          ///< inside run_promotion
  bool shielded_ = false;           ///< Promotion::shielded, as it was last looked at
  Instant started_at_{};

  Nanos shortest_interval_{0};
  Nanos shortest_down_{0};
};

}  // namespace baton::engine
