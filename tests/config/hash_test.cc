// The hash tells whether hosts run the same configuration: it sees values, not how they are laid out.
#include "config/hash.h"

#include "tests/config/findings.h"

namespace baton::config {
namespace {

constexpr const char* kPeers = "[peer db1]\naddress = 10.0.0.1\n[peer db2]\naddress = 10.0.0.2\n";

std::string hash_of(const std::string& text, const std::string& host = "db1") {
  return config_of(text, on_host(host)).hash;
}

// FIPS 180-2's first example.
TEST(Hash, IsSha256) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Hash, IsTheSameOnEveryHost) {
  const std::string text = instance("priority@db1 = 110\npriority = 100\n") + kPeers;
  EXPECT_EQ(hash_of(text, "db1"), hash_of(text, "db2"));
}

TEST(Hash, DoesNotSeeCommentsBlanksAndOrder) {
  const std::string text = instance("priority@db1 = 110\npriority = 100\n") + kPeers;
  const std::string other = "# why\n" + std::string(kPeers) + "\n" + instance("priority=100\npriority@db1   =  110 \n");
  EXPECT_EQ(hash_of(text), hash_of(other));
}

TEST(Hash, DoesNotSeeHowFilesAreCut) {
  const Loaded parts =
      parse({{"baton.conf", instance("")}, {"conf.d/1.conf", "[instance web]\npriority = 7\n"}}, on_host("db1"));
  ASSERT_TRUE(parts.config);
  EXPECT_EQ(parts.config->hash, hash_of(instance("priority = 7\n")));
}

TEST(Hash, SeesEveryValueOfEveryHost) {
  const std::string text = instance("priority@db1 = 110\npriority@db2 = 100\n") + kPeers;
  EXPECT_NE(hash_of(text), hash_of(instance("priority@db1 = 110\npriority@db2 = 101\n") + kPeers));
  EXPECT_NE(hash_of(text), hash_of(instance("priority@db1 = 110\npriority = 100\n") + kPeers));
}

TEST(Hash, SeesTheOrderOfAList) {
  EXPECT_NE(hash_of(instance("address = 10.0.0.51/24\naddress = 10.0.0.52/24\n")),
            hash_of(instance("address = 10.0.0.52/24\naddress = 10.0.0.51/24\n")));
}

TEST(Hash, DoesNotSeeSecrets) {
  const auto with = [](const std::string& key, const std::string& value) {
    return instance("[plugin p]\nmodule = m\n" + key + " = " + value + "\n");
  };
  EXPECT_EQ(hash_of(with("password", "abc")), hash_of(with("password", "abd")));
  EXPECT_NE(hash_of(with("user", "abc")), hash_of(with("user", "abd")));
}

}  // namespace
}  // namespace baton::config
