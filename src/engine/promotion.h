// The transition transaction of an instance that promotes (design section 7; roles sections 3 and 4): which act comes
// next on the way to being the writable host and back, what is on disk before it, and what speaks against trying.
// One thing at a time, newest target wins, and whatever a crash leaves behind is resumed or undone from the record.
// Pure: it asks for records and acts, and is told what became of them; addresses and adverts are the mover's.
//
//   up:    claim (recorded) -> grant -> wait for the old addresses -> fence -> can_promote -> decide (recorded)
//          -> promote -> verify -> Active (recorded): the addresses may come
//   down:  block_writes -> the addresses leave -> demote (in reverse order) -> give the grant back
//          -> Standby (recorded). Nothing here waits for a disk: "Active" on disk already says that this host has to be
//          demoted.
//   A planned move ties the two together (promotion_handover.cc); who may promote at all: promotion_grant.cc; what a
//   restart finds: promotion_restart.cc.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/plugin_verb.h"
#include "base/reason.h"
#include "base/time.h"
#include "config/config.h"
#include "engine/lease.h"
#include "ports/data_record.h"
#include "ports/handover.h"
#include "ports/ports.h"

namespace baton::engine {

using ports::PromotionStep;

class Promotion {
 public:
  using Step = PromotionStep;
  enum class Row : std::uint8_t { kPromote, kWitness, kFence };
  struct Section {
    ports::PluginId plugin = 0;
    VerbSet verbs;
    Nanos deadline{0};
    bool operator==(const Section&) const = default;
  };
  struct Setup {
    config::Grant grant = config::Grant::kUnsafe;
    std::vector<Section> promote;
    std::vector<Section> witness;
    std::vector<Section> fence;
    std::string host = {};            ///< this one
    std::vector<std::string> others;  ///< the other hosts: whom a fence has to end
    bool resume_alone = false;
    Nanos cooldown{0};
    std::uint32_t budget = 3;
    Nanos budget_window = std::chrono::hours{1};
    bool operator==(const Setup&) const = default;
  };
  struct Act {
    Row row = Row::kPromote;
    std::size_t index = 0;  ///< of the section in its row
    ports::PluginId plugin = 0;
    PluginVerb verb = PluginVerb::kPromote;
    std::string target;
    std::string position;
    Instant position_at = kNever;  ///< a crash: when the old holder's probe saw it; kNever: not known
    Nanos position_age{-1};        ///< how old it was when that was last heard to have the role
    bool planned = false;
    bool forced = false;   ///< an operator takes upon himself what may be lost
    bool resumes = false;  ///< nobody else has been promoted since this host's data was the writable one
    std::uint64_t generation = 0;
    Nanos deadline{0};
  };
  using Ask = std::variant<ports::DataRecord, Act>;

  Promotion(std::string instance, Setup setup);
  /// Changed configuration; what is under way goes on with the old one until its row is through.
  void configure(Setup setup);

  // ---- What is known from before ----
  /// The record of an earlier life, or none. Until then nothing is claimed.
  void recall(Instant now, const ports::DataRecord& record);
  /// Continues a predecessor engine's step, with what it published.
  void adopt(Instant now, const ports::InstanceState& old, const ports::HandoverWord& word = {});

  /// Another host's word.
  void heard(Instant now, const ports::PeerFact& fact);
  /// The generation that stands in this host's data.
  void saw_generation(std::uint64_t generation);

  // ---- Targets ----
  /// The mastership is ours. `free_at`: until then the old holder's addresses may still be on its links.
  void claim(Instant now, Instant free_at);
  void leave(Instant now);
  /// The host that the data should follow; "" = not known. `heard_at`: its last advert.
  void follow(Instant now, const std::string& host, Instant heard_at = {});
  /// An operator takes the responsibility: lifts manual's wait, failures, and what is not known.
  void permit(Instant now);
  /// Nothing new is promoted while the host is not guarded; what is promoted stays so.
  void guard(bool guarded) { guarded_ = guarded; }
  void forgive(Instant now);
  /// Offers the role to `host`, as move `number`; `only_ask`: no more than the question whether it could take it.
  /// False: this host does not hold it, or a move is under way.
  bool offer(Instant now, const std::string& host, std::uint64_t number, bool only_ask);
  /// All that speaks against this host besides its data: an offer is refused because of it.
  void host_is(ReasonSet against) { objections_ = against; }

  // ---- What is to be done ----
  /// A record or an act; it counts as running until recorded() or acted().
  std::optional<Ask> next(Instant now);
  /// The same for the witnesses, which are asked beside everything else.
  std::optional<Act> next_witness(Instant now);
  void recorded(Instant now);
  void acted(Instant now, const ports::ActResult& result);
  void witnessed(Instant now, std::size_t index, const ports::ActResult& result);
  /// All addresses are off the links.
  void addresses_gone(Instant now);
  /// What a probe says the data is; `at`: when it looked. `generation`: that stands in it, 0 if not known.
  void observe(Instant now, Instant at, ports::PluginId plugin, ApplicationRole role, std::uint64_t generation);
  /// Whether anything of this section is still to be asked, also under a configuration that is on its way out.
  bool uses(ports::PluginId plugin) const;
  /// The next time after `now` at which something of this changes by itself.
  Instant next_deadline(Instant now) const;

  // ---- What follows ----
  PromotionStep step() const { return step_; }
  bool may_hold() const { return step_ == PromotionStep::kActive; }
  bool clearing() const { return step_ == PromotionStep::kClearing; }
  /// Another host may be granted it soon: the addresses wait for nothing any more, not for writes to be blocked,
  /// either.
  bool overdue(Instant now) const {
    const bool may_have_them =
        step_ == PromotionStep::kActive || step_ == PromotionStep::kBlocking || step_ == PromotionStep::kUnblocking;
    return may_have_them && grant_lost(now);
  }
  /// The promotion that is under way must not be finished: it is not wanted any more, or another host may be promoted
  /// soon.
  bool must_break_off(Instant now) const;
  /// Nothing keeps the mastership here: the data is demoted, or that has been tried in vain.
  bool left() const;
  /// An Active whose data is given away, or was, has no business with the mastership.
  bool wants_mastership() const { return target_ == Target::kActive; }
  /// In a planned move, from the moment that the jobs have to be stopped until it is over.
  bool giving() const { return word_.gives && !is_over(word_.phase) && word_.phase != ports::HandoverPhase::kAsking; }
  /// A promotion may stop and start the database: until it is through, and checks have seen its end, they do not
  /// decide. The same for the giver of a planned move.
  bool shielded(Instant now) const;
  /// What this host tells the others.
  const ports::HandoverWord& word() const { return word_; }
  const ports::Promise& promise() const { return promise_; }
  /// Why it takes the mastership with its data promoted already.
  Reason why_it_serves() const { return continued_ ? Reason::kContinued : Reason::kHandedOver; }
  /// No other host is heard any more.
  bool alone(Instant now) const;
  /// F77: the HOST whose data is writable beside this one's; "" = none.
  std::string conflicting(Instant now) const;
  /// The HOST that was promoted under this host's generation, since when both are fenced; "" = none.
  const std::string& double_of() const { return double_; }
  /// What speaks against being Active; while it serves, any of these makes it leave.
  ReasonSet against(Instant now) const;
  /// The plugin's words for it.
  const ports::Sentence& sentence() const { return sentence_; }
  const ports::DataRecord& record() const { return record_; }
  /// The highest generation of which it is known that somebody was promoted: claims that came to nothing do not count.
  std::uint64_t promoted() const { return std::max(record_.promoted, seen_); }
  /// What the host's data is to people.
  ports::DataRole role() const;
  /// Until when the budget is spent, and the cooldown lasts; Instant{}: it is not, and there was no promotion.
  Instant budget_free_at() const;
  Instant rested_at() const;
  /// Until when the grant is relied upon; kNever: it does not lapse.
  Instant granted_until() const;

 private:
  enum class Target : std::uint8_t { kStandby, kActive };
  /// Another host's newest word, and where its data stood when it last had the role.
  struct Heard {
    ports::PeerFact fact;
    Instant at{};
    std::string position{};
    Instant position_at{};
    Instant held_at{};  ///< last heard to have the role
  };
  void enter(Instant now, PromotionStep step);
  bool move_on(Instant now);
  std::optional<Ask> ask(Instant now);
  std::optional<Ask> ask_record(ports::DataRole role);
  std::optional<Ask> ask_act();
  std::vector<Section> row() const;
  std::optional<PluginVerb> verb_for(const Section& section) const;
  void row_done(Instant now);
  void abandon(Instant now, Reason reason);
  void punish(Instant now, Reason reason);
  void serve(Instant now);
  void climbed(Instant now, const ports::ActResult& result);
  void demoted(Instant now, const ports::ActResult& result);
  void standby_reached(Instant now);
  bool not_writable() const;
  bool standby_settled() const { return followed_known_ && followed_ == wanted_upstream_; }
  bool climbing() const { return step_ >= PromotionStep::kClaiming && step_ <= PromotionStep::kVerifying; }
  bool data_lost(Instant now) const;
  /// The promotion cannot be finished: what was made writable is demoted again.
  void undo(Instant now, Reason reason);
  void taken_back();
  void describe(Act& act, std::size_t place) const;
  static bool has_row(PromotionStep step);
  /// The host that takes, in a planned move, before it claims.
  static bool takes(Step step) { return step >= Step::kOffered && step <= Step::kCaughtUp; }

  // promotion_restart.cc
  void look_for_proof(ApplicationRole role, std::uint64_t generation);
  bool still_granted(Instant now) const;
  bool prove(Instant now);

  // promotion_grant.cc
  bool grant(Instant now);
  bool ask_witnesses(Instant now);
  bool ask_peers(Instant now);
  bool grant_lost(Instant now) const;
  bool nobody_took_over(Instant now, std::uint64_t since) const;
  bool generations_unique() const;
  void look_for_double(const ports::PeerFact& fact);
  bool awaits_word(Instant now) const;
  bool promises_expected() const;
  bool awaits_promise(Instant now) const;
  void consider_promise(Instant now);
  bool has_promised(const std::string& host, Instant now) const;
  bool silent(const std::string& host, Instant now) const;
  void choose_whom_to_fence(Instant now);
  const Heard* last_holder(const std::string& host) const;
  bool was_last() const;
  std::uint64_t next_generation() const;
  bool has_own_fence() const;
  bool can_fence_by_database(Instant now) const;

  // promotion_handover.cc
  bool hand_over(Instant now);
  bool take_over(Instant now);
  bool answer_offer(Instant now);
  const ports::HandoverWord* word_from_other() const;
  bool hears_other(Instant now) const { return !silent(word_.with, now); }
  void conclude(ports::HandoverPhase phase, std::string_view sentence);
  bool taken_over(Instant now) const;
  void give(Instant now);
  void taken(Instant now);
  void lose_track(Instant now, std::string_view how);
  void regain(Instant now);
  bool regained(Instant now);
  void resume(Instant now, std::string_view why);
  void offered(Instant now, const ports::ActResult& result);
  Nanos row_patience() const;
  std::vector<std::string> positions_of(const std::string& word) const;
  bool planned() const { return word_.phase == ports::HandoverPhase::kTaking; }

  static constexpr int kTries = 3;
  static constexpr Nanos kTryPause = std::chrono::seconds{1};
  static constexpr Nanos kFirstPenalty = std::chrono::seconds{5};
  static constexpr Nanos kLongestPenalty = std::chrono::minutes{5};
  static constexpr Nanos kLongestRetry = std::chrono::seconds{60};
  static constexpr Nanos kRejoinPause = std::chrono::seconds{60};  ///< somebody may have mended the data
  /// So long a witness is asked that does not answer; then another host may try, that perhaps reaches it.
  static constexpr Nanos kGrantPatience = std::chrono::seconds{10};
  /// So long for a lease to lapse that another host holds: the others would have to wait just the same.
  static constexpr Nanos kLeasePatience = std::chrono::seconds{90};
  /// Pairs: so long a refusal is asked again, such as a link that has not been silent for long enough.
  static constexpr Nanos kRefusalPatience = std::chrono::seconds{15};
  static constexpr Nanos kDriftTime = std::chrono::seconds{2};  ///< so long a probe may contradict the role
  /// Two probes and a report may overlap with a change of roles.
  static constexpr Nanos kConflictTime = std::chrono::seconds{3};
  /// Beyond the deadlines of the other host's acts.
  static constexpr Nanos kAnswerPatience = std::chrono::seconds{5};
  static constexpr Nanos kSettleTime = std::chrono::seconds{10};  ///< until checks have seen a promotion's end
  /// After a restart: the writable one without addresses, until it has proven that it may be.
  static constexpr Nanos kProvingPatience = std::chrono::seconds{5};
  /// A host that runs says something within it: it tells its part each second, and at once when somebody claims.
  static constexpr Nanos kWordTime = std::chrono::milliseconds{1500};
  /// An operator answers for what is so now: a claim that begins later needs another word.
  static constexpr Nanos kPermitTime = std::chrono::seconds{60};
  static constexpr std::size_t kMaxPosition = 1023;

  std::string instance_;
  Setup setup_;
  std::optional<Setup> successor_;
  ports::DataRecord record_;
  std::vector<Lease> leases_;

  PromotionStep step_ = PromotionStep::kReading;
  Target target_ = Target::kStandby;
  std::size_t index_ = 0;    ///< how many of the step's row are through
  std::size_t host_ = 0;     ///< kFencing: of whom_
  bool asked_ = false;       ///< something runs
  bool descending_ = false;  ///< it was, or may have been, the writable one
  int tries_ = 0;
  bool again_ = false;  ///< kClaiming: with a higher generation, and no more patience than before
  Instant not_before_{};
  Instant free_at_{};
  Instant since_{};            ///< of kActive, or of the last demotion
  Instant settled_at_{};       ///< kActive: from when on checks decide
  ports::DataRecord written_;  ///< what the scribe has been asked to keep
  bool dirty_before_ = false;  ///< before the promotion that is under way
  bool touched_ = false;       ///< by that promotion the data may have become writable
  std::uint64_t seen_ = 0;     ///< the highest that stands in the data, or that a holder has
  std::uint64_t own_ = 0;      ///< under which this host was promoted; 0: not since it was clean, or not known
  bool unproven_ = false;      ///< dirty in an earlier life: another host may have taken over since
  bool stamped_ = false;       ///< kProving: the data is writable and of this host's generation
  bool disproved_ = false;     ///< kProving: it is not
  bool continued_ = false;     ///< promoted in an earlier life

  // Standby.
  std::string wanted_upstream_;
  std::string demoting_to_;
  std::string followed_;
  bool followed_known_ = false;      ///< demoted since the start
  bool demoted_ = false;             ///< a demotion has ended, and nothing has made the data writable since
  Instant tried_at_{};               ///< kDemoting: the first answer that was no success
  std::vector<Instant> replica_at_;  ///< by section: its probe has seen that it is not writable
  Instant rejoin_at_{};              ///< kNeedsRejoin: asked again
  bool stuck_ = false;               ///< demoting fails
  bool contradicted_ = false;        ///< kDemoting: a section's data is not part of the other's history
  std::vector<bool> answers_;        ///< by section: its newest probe told a role
  bool permitted_ = false;
  Instant permit_ends_{};
  bool guarded_ = true;
  std::vector<Instant> contrary_since_;  ///< Active, by section: its probe says otherwise; {} = it does not

  // Other hosts.
  std::map<std::string, Heard> heard_;  ///< by HOST
  std::vector<std::string> whom_;       ///< kFencing: the hosts
  bool by_database_ = false;            ///< kFencing: after a refusal, by the database's own verb
  bool claimed_in_boot_ = false;        ///< the number in record_ is of this boot: a witness grants it once more
  bool proven_last_ = false;            ///< this claim's witnesses have granted nobody else anything since was_last()
  ports::Promise promise_;
  std::uint64_t others_ = 0;  ///< the highest number that another host has claimed: never to be claimed here
  std::string double_;
  Instant word_until_{};  ///< after a start
  std::string conflicting_;
  Instant conflict_since_{};

  // A planned move.
  ports::HandoverWord word_;
  bool only_ask_ = false;
  Instant patience_until_{};
  std::vector<std::string> positions_;  ///< by place in setup_.promote
  bool mastership_ = false;             ///< claim(), and no leave() since
  ReasonSet objections_;

  // Why not.
  Reason trouble_ = Reason::kNone;
  Instant trouble_until_{};
  Nanos penalty_ = kFirstPenalty;
  ports::Sentence sentence_;
  std::deque<Instant> promotions_;  ///< within the budget's window
};

}  // namespace baton::engine
