// Every offset of the plugin interface on a machine with 64-bit pointers: who changes one breaks plugins that are
// already built. The numbers were worked out by hand from plugin.h.
#include <gtest/gtest.h>
#include <plugin.h>

#include <cstddef>
#include <vector>

namespace {

#define AT(type, field, offset) static_assert(offsetof(type, field) == (offset))

AT(baton_key, name, 0);
AT(baton_key, domain, 8);
AT(baton_key, default_text, 16);
AT(baton_key, help, 24);
AT(baton_key, minimum, 32);
AT(baton_key, maximum, 40);
AT(baton_key, type, 48);
AT(baton_key, flags, 52);
static_assert(sizeof(baton_key) == 56);

AT(baton_host, struct_size, 0);
AT(baton_host, abi_minor, 4);
AT(baton_host, context, 8);
AT(baton_host, section, 16);
AT(baton_host, host_name, 24);
AT(baton_host, purpose, 32);
AT(baton_host, text, 40);
AT(baton_host, count, 48);
AT(baton_host, number, 56);
AT(baton_host, say, 64);
AT(baton_host, fact, 72);
AT(baton_host, refuse, 80);
AT(baton_host, position, 88);
AT(baton_host, complain, 96);
AT(baton_host, log, 104);
static_assert(sizeof(baton_host) == 112);

AT(baton_call, struct_size, 0);
AT(baton_call, flags, 4);
AT(baton_call, deadline_ns, 8);
AT(baton_call, timeout_ns, 16);
AT(baton_call, verb, 24);
AT(baton_call, instance, 32);
AT(baton_call, from_state, 40);
AT(baton_call, to_state, 48);
AT(baton_call, reason, 56);
AT(baton_call, reason_words, 64);
AT(baton_call, target, 72);
AT(baton_call, generation, 80);
AT(baton_call, at_ns, 88);
AT(baton_call, position, 96);
AT(baton_call, position_age_ns, 104);
static_assert(sizeof(baton_call) == 112);

AT(baton_result, struct_size, 0);
AT(baton_result, state, 4);
AT(baton_result, role, 8);
AT(baton_result, warning, 12);
AT(baton_result, lag_ms, 16);
AT(baton_result, lag_bytes, 24);
AT(baton_result, generation, 32);
AT(baton_result, token, 40);
AT(baton_result, lease_ns, 48);
static_assert(sizeof(baton_result) == 56);

AT(baton_plugin, struct_size, 0);
AT(baton_plugin, abi_minor, 4);
AT(baton_plugin, name, 8);
AT(baton_plugin, version, 16);
AT(baton_plugin, summary, 24);
AT(baton_plugin, manual, 32);
AT(baton_plugin, act_user, 40);
AT(baton_plugin, keys, 48);
AT(baton_plugin, key_count, 56);
AT(baton_plugin, key_size, 60);
AT(baton_plugin, needs, 64);
AT(baton_plugin, reserved, 68);
AT(baton_plugin, check_settings, 72);
AT(baton_plugin, open, 80);
AT(baton_plugin, close, 88);
AT(baton_plugin, probe, 96);
AT(baton_plugin, position, 104);
AT(baton_plugin, can_promote, 112);
AT(baton_plugin, block_writes, 120);
AT(baton_plugin, unblock_writes, 128);
AT(baton_plugin, drain, 136);
AT(baton_plugin, promote, 144);
AT(baton_plugin, demote, 152);
AT(baton_plugin, step_down, 160);
AT(baton_plugin, rejoin, 168);
AT(baton_plugin, verify, 176);
AT(baton_plugin, enter, 184);
AT(baton_plugin, leave, 192);
AT(baton_plugin, notify, 200);
AT(baton_plugin, acquire, 208);
AT(baton_plugin, renew, 216);
AT(baton_plugin, release, 224);
AT(baton_plugin, fence, 232);
static_assert(sizeof(baton_plugin) == 240);

#undef AT

// c99_plugin.c, which a strict C99 compiler has taken.
extern "C" const baton_plugin c99_plugin;

TEST(PluginLayoutTest, AC99CompilerSeesTheSameStruct) {
  EXPECT_EQ(c99_plugin.struct_size, 240u);
  EXPECT_EQ(c99_plugin.key_size, 56u);
  EXPECT_STREQ(c99_plugin.name, "c99");
  EXPECT_STREQ(c99_plugin.keys[1].name, "second");
  EXPECT_NE(c99_plugin.fence, nullptr);
  baton_result result{};
  EXPECT_EQ(c99_plugin.fence(nullptr, nullptr, &result), BATON_CONFLICT);
  EXPECT_EQ(result.lease_ns, 48);
}

TEST(PluginLayoutTest, TheNumbersOfTheInterfaceAreForEver) {
  EXPECT_EQ(BATON_PLUGIN_ABI_MAJOR, 1);
  EXPECT_EQ((std::vector<int>{BATON_OK, BATON_TRANSIENT, BATON_REFUSED, BATON_CONFIG, BATON_CONFLICT, BATON_FATAL}),
            (std::vector<int>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ((std::vector<int>{BATON_STATE_UNKNOWN, BATON_STATE_PASS, BATON_STATE_FAIL}), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ((std::vector<int>{BATON_ROLE_NONE, BATON_ROLE_PRIMARY, BATON_ROLE_REPLICA}), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ((std::vector<int>{BATON_KEY_TEXT, BATON_KEY_BOOLEAN, BATON_KEY_INTEGER, BATON_KEY_DURATION, BATON_KEY_PATH,
                              BATON_KEY_WORD, BATON_KEY_ADDRESS, BATON_KEY_SECRET}),
            (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(BATON_KEY_REQUIRED, 1u);
  EXPECT_EQ(BATON_KEY_LIST, 2u);
  EXPECT_EQ(BATON_KEY_ACTS, 4u);
  EXPECT_EQ(BATON_NEEDS_NET_RAW, 1u);
}

}  // namespace
