#include "linux/filter_rules.h"

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netlink.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>

namespace baton::linux {
namespace {

constexpr std::size_t kBuffer = 1 << 16;
constexpr std::uint32_t kCatchAll = 2;        ///< NFT_SET_ELEM_CATCHALL, since Linux 5.13
constexpr std::uint32_t kConcatenated = 128;  ///< NFT_SET_CONCAT, since 5.6
constexpr std::uint32_t kEgressHook = 1;      ///< NF_NETDEV_EGRESS, since 5.16
constexpr std::uint32_t kInetIngress = 5;     ///< NF_INET_INGRESS, since 5.10

template <class T, void (*Free)(const T*)>
struct FreeWith {
  void operator()(const T* object) const { Free(object); }
};
using ChainPtr = std::unique_ptr<nftnl_chain, FreeWith<nftnl_chain, nftnl_chain_free>>;
using RulePtr = std::unique_ptr<nftnl_rule, FreeWith<nftnl_rule, nftnl_rule_free>>;
using SetPtr = std::unique_ptr<nftnl_set, FreeWith<nftnl_set, nftnl_set_free>>;
struct SocketClose {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};
using Socket = std::unique_ptr<mnl_socket, SocketClose>;

std::string text(const char* words) { return words == nullptr ? std::string{} : words; }

FilterBytes bytes_of(const void* data, std::uint32_t size) {
  if (data == nullptr) return {};
  const auto* begin = static_cast<const std::uint8_t*>(data);
  return {begin, begin + size};
}

FilterBytes bytes_of(const nftnl_expr* expression, std::uint16_t attribute) {
  std::uint32_t size = 0;
  const void* data = nftnl_expr_get(expression, attribute, &size);
  return bytes_of(data, size);
}

/// The kernel's number of a register as its first word: 1 to 4 are the old ones of 16 bytes.
unsigned first_word(std::uint32_t number) { return number <= NFT_REG_4 ? number * 4 : number - NFT_REG32_00 + 4; }

unsigned register_of(const nftnl_expr* expression, std::uint16_t attribute) {
  return first_word(nftnl_expr_get_u32(expression, attribute));
}

Decide decision_of(std::int32_t verdict, const char* chain) {
  switch (verdict) {
    case NF_ACCEPT: return {Verdict::kAccept};
    case NF_DROP: return {Verdict::kDrop};
    case NFT_JUMP: return {Verdict::kJump, text(chain)};
    case NFT_GOTO: return {Verdict::kGoto, text(chain)};
    case NFT_RETURN: return {Verdict::kReturn};
    case NFT_CONTINUE:
    case NFT_BREAK: return {Verdict::kContinue};
    default: return {(verdict & NF_VERDICT_MASK) == NF_QUEUE ? Verdict::kQueue : Verdict::kDrop};
  }
}

LoadMeta::Key meta_key(std::uint32_t key) {
  using Key = LoadMeta::Key;
  switch (key) {
    case NFT_META_PROTOCOL: return Key::kProtocol;
    case NFT_META_NFPROTO: return Key::kNfProtocol;
    case NFT_META_L4PROTO: return Key::kL4Protocol;
    case NFT_META_IIF: return Key::kInterfaceIn;
    case NFT_META_OIF: return Key::kInterfaceOut;
    case NFT_META_IIFNAME: return Key::kNameIn;
    case NFT_META_OIFNAME: return Key::kNameOut;
    case NFT_META_PKTTYPE: return Key::kPacketType;
    default: return Key::kUnforeseen;
  }
}

using Reader = FilterStep (*)(const nftnl_expr*);

FilterStep read_payload(const nftnl_expr* e) {
  if (!nftnl_expr_is_set(e, NFTNL_EXPR_PAYLOAD_DREG)) return Harmless{};  // it writes into the packet
  const std::uint32_t base = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_BASE);
  const unsigned target = register_of(e, NFTNL_EXPR_PAYLOAD_DREG);
  const std::size_t size = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_LEN);
  // Beyond the headers: nothing that is known.
  if (base > NFT_PAYLOAD_TRANSPORT_HEADER) return LoadPayload{target, LoadPayload::Base::kTransport, 1u << 20, size};
  return LoadPayload{target, static_cast<LoadPayload::Base>(base), nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET),
                     size};
}
FilterStep read_meta(const nftnl_expr* e) {
  if (!nftnl_expr_is_set(e, NFTNL_EXPR_META_DREG)) return Harmless{};
  return LoadMeta{register_of(e, NFTNL_EXPR_META_DREG), meta_key(nftnl_expr_get_u32(e, NFTNL_EXPR_META_KEY))};
}
FilterStep read_conntrack(const nftnl_expr* e) {
  if (!nftnl_expr_is_set(e, NFTNL_EXPR_CT_DREG)) return Harmless{};
  return LoadConntrack{register_of(e, NFTNL_EXPR_CT_DREG), nftnl_expr_get_u32(e, NFTNL_EXPR_CT_KEY) == NFT_CT_STATE};
}
FilterStep read_bitwise(const nftnl_expr* e) {
  const bool masks = nftnl_expr_get_u32(e, NFTNL_EXPR_BITWISE_OP) == NFT_BITWISE_BOOL;
  return Bitwise{register_of(e, NFTNL_EXPR_BITWISE_SREG), register_of(e, NFTNL_EXPR_BITWISE_DREG),
                 bytes_of(e, NFTNL_EXPR_BITWISE_MASK), masks ? bytes_of(e, NFTNL_EXPR_BITWISE_XOR) : FilterBytes{}};
}
FilterStep read_compare(const nftnl_expr* e) {
  return Compare{register_of(e, NFTNL_EXPR_CMP_SREG), static_cast<Comparison>(nftnl_expr_get_u32(e, NFTNL_EXPR_CMP_OP)),
                 bytes_of(e, NFTNL_EXPR_CMP_DATA)};
}
FilterStep read_range(const nftnl_expr* e) {
  return InRange{register_of(e, NFTNL_EXPR_RANGE_SREG), nftnl_expr_get_u32(e, NFTNL_EXPR_RANGE_OP) == NFT_RANGE_NEQ,
                 bytes_of(e, NFTNL_EXPR_RANGE_FROM_DATA), bytes_of(e, NFTNL_EXPR_RANGE_TO_DATA)};
}
FilterStep read_lookup(const nftnl_expr* e) {
  const bool map = nftnl_expr_is_set(e, NFTNL_EXPR_LOOKUP_DREG);
  if (map && nftnl_expr_get_u32(e, NFTNL_EXPR_LOOKUP_DREG) != NFT_REG_VERDICT) return Unforeseen{"map"};
  return Lookup{register_of(e, NFTNL_EXPR_LOOKUP_SREG), text(nftnl_expr_get_str(e, NFTNL_EXPR_LOOKUP_SET)),
                (nftnl_expr_get_u32(e, NFTNL_EXPR_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV) != 0, map};
}
FilterStep read_immediate(const nftnl_expr* e) {
  if (nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_DREG) != NFT_REG_VERDICT) {
    return SetRegister{register_of(e, NFTNL_EXPR_IMM_DREG), bytes_of(e, NFTNL_EXPR_IMM_DATA)};
  }
  return decision_of(static_cast<std::int32_t>(nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT)),
                     nftnl_expr_get_str(e, NFTNL_EXPR_IMM_CHAIN));
}
/// iptables' own matches, kept as they were by iptables-nft.
FilterStep read_match(const nftnl_expr* e) {
  const std::string name = text(nftnl_expr_get_str(e, NFTNL_EXPR_MT_NAME));
  if (name == "comment") return Harmless{};
  const FilterBytes info = bytes_of(e, NFTNL_EXPR_MT_INFO);
  if (name == "conntrack" && info.size() >= sizeof(xt_conntrack_mtinfo3)) {
    xt_conntrack_mtinfo3 wanted{};
    std::memcpy(&wanted, info.data(), sizeof wanted);
    const unsigned asked = wanted.match_flags & ~unsigned{XT_CONNTRACK_STATE_ALIAS};
    if (asked == XT_CONNTRACK_STATE && wanted.invert_flags == 0) return StateMatch{wanted.state_mask};
  }
  return Unforeseen{name};
}
FilterStep read_target(const nftnl_expr* e) {
  const std::string name = text(nftnl_expr_get_str(e, NFTNL_EXPR_TG_NAME));
  if (name == "REJECT") return Decide{Verdict::kDrop};
  if (name == "NFQUEUE") return Decide{Verdict::kQueue};
  return Harmless{};  // LOG, MARK, TCPMSS, SNAT...: they change it or tell of it
}

FilterStep step_of(const nftnl_expr* expression) {
  static constexpr std::pair<std::string_view, Reader> kReaders[] = {
      {"payload", read_payload}, {"meta", read_meta},     {"ct", read_conntrack},  {"bitwise", read_bitwise},
      {"cmp", read_compare},     {"range", read_range},   {"lookup", read_lookup}, {"immediate", read_immediate},
      {"match", read_match},     {"target", read_target},
  };
  const std::string name = text(nftnl_expr_get_str(expression, NFTNL_EXPR_NAME));
  for (const auto& [known, reader] : kReaders) {
    if (name == known) return reader(expression);
  }
  if (name == "reject") return Decide{Verdict::kDrop};
  if (name == "queue") return Decide{Verdict::kQueue};
  if (name == "fwd") return Decide{Verdict::kDrop};  // it leaves by another interface instead
  for (const std::string_view harmless : {"counter", "log", "notrack", "dup", "objref", "nat", "masq", "redir", "last",
                                          "synproxy", "tproxy", "flow_offload"}) {
    if (name == harmless) return Harmless{};
  }
  return Unforeseen{name};
}

int note_comment(const nftnl_udata* attribute, void* comment) {
  if (nftnl_udata_type(attribute) == NFTNL_UDATA_RULE_COMMENT) {
    *static_cast<std::string*>(comment) = text(static_cast<const char*>(nftnl_udata_get(attribute)));
  }
  return 0;
}

FilterRule rule_of(const nftnl_rule* rule) {
  FilterRule read;
  read.handle = nftnl_rule_get_u64(rule, NFTNL_RULE_HANDLE);
  std::uint32_t size = 0;
  if (const void* data = nftnl_rule_get_data(rule, NFTNL_RULE_USERDATA, &size); data != nullptr) {
    nftnl_udata_parse(data, size, note_comment, &read.comment);
  }
  nftnl_expr_iter* expressions = nftnl_expr_iter_create(rule);
  while (const nftnl_expr* expression = nftnl_expr_iter_next(expressions)) read.steps.push_back(step_of(expression));
  nftnl_expr_iter_destroy(expressions);
  return read;
}

FilterHook hook_of(FilterFamily family, std::uint32_t number) {
  if (family == FilterFamily::kNetdev) return number == kEgressHook ? FilterHook::kEgress : FilterHook::kIngress;
  if (number == kInetIngress) return FilterHook::kIngress;
  return number <= NF_INET_POST_ROUTING ? static_cast<FilterHook>(number) : FilterHook::kForward;
}

FilterChain chain_of(const nftnl_chain* chain) {
  FilterChain read;
  read.family = static_cast<FilterFamily>(nftnl_chain_get_u32(chain, NFTNL_CHAIN_FAMILY));
  read.table = text(nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE));
  read.name = text(nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME));
  read.base = nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM);
  if (!read.base) return read;
  read.hook = hook_of(read.family, nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM));
  read.priority = nftnl_chain_get_s32(chain, NFTNL_CHAIN_PRIO);
  read.drops = nftnl_chain_get_u32(chain, NFTNL_CHAIN_POLICY) == NF_DROP;
  if (nftnl_chain_is_set(chain, NFTNL_CHAIN_DEV))
    read.devices.push_back(text(nftnl_chain_get_str(chain, NFTNL_CHAIN_DEV)));
  if (nftnl_chain_is_set(chain, NFTNL_CHAIN_DEVICES)) {
    const char* const* devices = nftnl_chain_get_array(chain, NFTNL_CHAIN_DEVICES);
    for (; devices != nullptr && *devices != nullptr; ++devices) read.devices.push_back(text(*devices));
  }
  return read;
}

FilterSet set_of(const nftnl_set* set) {
  FilterSet read;
  read.family = static_cast<FilterFamily>(nftnl_set_get_u32(set, NFTNL_SET_FAMILY));
  read.table = text(nftnl_set_get_str(set, NFTNL_SET_TABLE));
  read.name = text(nftnl_set_get_str(set, NFTNL_SET_NAME));
  read.key_size = nftnl_set_get_u32(set, NFTNL_SET_KEY_LEN);
  const std::uint32_t flags = nftnl_set_get_u32(set, NFTNL_SET_FLAGS);
  read.intervals = (flags & NFT_SET_INTERVAL) != 0;
  read.unforeseen = read.intervals && (flags & kConcatenated) != 0;
  return read;
}

int note_element(nftnl_set_elem* element, void* elements) {
  SetElement read;
  std::uint32_t size = 0;
  const void* key = nftnl_set_elem_get(element, NFTNL_SET_ELEM_KEY, &size);
  read.key = bytes_of(key, size);
  const std::uint32_t flags =
      nftnl_set_elem_is_set(element, NFTNL_SET_ELEM_FLAGS) ? nftnl_set_elem_get_u32(element, NFTNL_SET_ELEM_FLAGS) : 0;
  read.interval_end = (flags & NFT_SET_ELEM_INTERVAL_END) != 0;
  read.catch_all = (flags & kCatchAll) != 0;
  if (nftnl_set_elem_is_set(element, NFTNL_SET_ELEM_VERDICT)) {
    read.decision = decision_of(static_cast<std::int32_t>(nftnl_set_elem_get_u32(element, NFTNL_SET_ELEM_VERDICT)),
                                nftnl_set_elem_get_str(element, NFTNL_SET_ELEM_CHAIN));
  }
  static_cast<std::vector<SetElement>*>(elements)->push_back(std::move(read));
  return 0;
}

using Take = std::function<void(const nlmsghdr*)>;

int pass_message(const nlmsghdr* message, void* take) {
  (*static_cast<const Take*>(take))(message);
  return MNL_CB_OK;
}

/// One dump after the other over one socket.
class Dumper {
 public:
  static Result<Dumper> open() {
    Socket socket{mnl_socket_open(NETLINK_NETFILTER)};
    if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
      return fail("open the packet filter's socket", errno);
    }
    return Dumper{std::move(socket)};
  }

  /// `fill` adds what narrows the dump. A kernel that does not know the subsystem has nothing to tell.
  Result<void> dump(std::uint16_t type, std::uint16_t family, const Take& fill_request, const Take& take) {
    std::array<char, kBuffer> buffer{};
    nlmsghdr* request = nftnl_nlmsg_build_hdr(buffer.data(), type, family, NLM_F_DUMP, ++sequence_);
    fill_request(request);
    if (mnl_socket_sendto(socket_.get(), request, request->nlmsg_len) < 0) return fail("ask the packet filter", errno);
    for (;;) {
      const ssize_t size = mnl_socket_recvfrom(socket_.get(), buffer.data(), buffer.size());
      if (size < 0) return fail("read the packet filter", errno);
      const int status =
          mnl_cb_run(buffer.data(), static_cast<std::size_t>(size), sequence_, mnl_socket_get_portid(socket_.get()),
                     pass_message, const_cast<void*>(static_cast<const void*>(&take)));
      if (status == MNL_CB_STOP) return {};
      if (status < 0) return fail("read the packet filter", errno);
    }
  }

 private:
  explicit Dumper(Socket socket) : socket_(std::move(socket)) {}
  Socket socket_;
  std::uint32_t sequence_ = 0;
};

void nothing_more(const nlmsghdr*) {}

Result<void> read_chains(Dumper& dumper, Ruleset& ruleset) {
  return dumper.dump(NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, nothing_more, [&](const nlmsghdr* message) {
    const ChainPtr chain{nftnl_chain_alloc()};
    if (chain && nftnl_chain_nlmsg_parse(message, chain.get()) == 0) ruleset.chains.push_back(chain_of(chain.get()));
  });
}

Result<void> read_rules(Dumper& dumper, Ruleset& ruleset) {
  return dumper.dump(NFT_MSG_GETRULE, NFPROTO_UNSPEC, nothing_more, [&](const nlmsghdr* message) {
    const RulePtr rule{nftnl_rule_alloc()};
    if (!rule || nftnl_rule_nlmsg_parse(message, rule.get()) != 0) return;
    const auto family = static_cast<FilterFamily>(nftnl_rule_get_u32(rule.get(), NFTNL_RULE_FAMILY));
    const std::string table = text(nftnl_rule_get_str(rule.get(), NFTNL_RULE_TABLE));
    const std::string name = text(nftnl_rule_get_str(rule.get(), NFTNL_RULE_CHAIN));
    for (FilterChain& chain : ruleset.chains) {
      if (chain.family == family && chain.table == table && chain.name == name) {
        chain.rules.push_back(rule_of(rule.get()));
      }
    }
  });
}

Result<void> read_sets(Dumper& dumper, Ruleset& ruleset) {
  const auto done = dumper.dump(NFT_MSG_GETSET, NFPROTO_UNSPEC, nothing_more, [&](const nlmsghdr* message) {
    const SetPtr set{nftnl_set_alloc()};
    if (set && nftnl_set_nlmsg_parse(message, set.get()) == 0) ruleset.sets.push_back(set_of(set.get()));
  });
  if (!done) return done;
  for (FilterSet& set : ruleset.sets) {
    const SetPtr wanted{nftnl_set_alloc()};
    if (!wanted) return fail("read the packet filter", ENOMEM);
    nftnl_set_set_str(wanted.get(), NFTNL_SET_TABLE, set.table.c_str());
    nftnl_set_set_str(wanted.get(), NFTNL_SET_NAME, set.name.c_str());
    const auto read = dumper.dump(
        NFT_MSG_GETSETELEM, static_cast<std::uint16_t>(set.family),
        [&](const nlmsghdr* request) {
          nftnl_set_elems_nlmsg_build_payload(const_cast<nlmsghdr*>(request), wanted.get());
        },
        [&](const nlmsghdr* message) {
          const SetPtr part{nftnl_set_alloc()};
          if (part && nftnl_set_elems_nlmsg_parse(message, part.get()) == 0) {
            nftnl_set_elem_foreach(part.get(), note_element, &set.elements);
          }
        });
    if (!read) return read;
  }
  return {};
}

}  // namespace

Result<Ruleset> read_ruleset() {
  auto dumper = Dumper::open();
  if (!dumper) {
    if (dumper.error().sys_errno == EPROTONOSUPPORT) return Ruleset{};
    return Unexpected<Error>{dumper.error()};
  }
  Ruleset ruleset;
  for (const auto read : {read_chains, read_rules, read_sets}) {
    const auto done = read(*dumper, ruleset);
    if (done) continue;
    const int sys_errno = done.error().sys_errno;
    if (sys_errno == EOPNOTSUPP || sys_errno == EINVAL) return ruleset;  // no nf_tables in this kernel
    return Unexpected<Error>{done.error()};
  }
  return ruleset;
}

}  // namespace baton::linux
