// What a reload would change, in words.
#include "config/diff.h"

#include "tests/config/findings.h"

namespace baton::config {
namespace {

std::string difference(const std::string& before, const std::string& after) {
  return render_diff(diff(config_of(before), config_of(after)));
}

TEST(Diff, NothingChangedIsEmpty) {
  EXPECT_EQ(difference(instance(""), instance("# a comment\npriority = 100\n")), "");
  EXPECT_EQ(difference(instance(""), "# moved down\n\n" + instance("")), "");
}

TEST(Diff, AKeyWithOldAndNewValue) {
  EXPECT_EQ(difference(instance("priority = 100\n"), instance("priority = 110\npreempt = no\n")),
            "~ instance web\n"
            "    priority: 100 -> 110\n"
            "    preempt: yes -> no\n");
}

TEST(Diff, ListsShowWhatCameAndWhatWent) {
  EXPECT_EQ(difference(instance("address = 10.0.0.51/24\naddress = 10.0.0.52/24\n"),
                       instance("address = 10.0.0.52/24\naddress = 10.0.0.53/24\n")),
            "~ instance web\n"
            "    address: - 10.0.0.51/24\n"
            "    address: + 10.0.0.53/24\n");
  EXPECT_EQ(difference(instance("address = 10.0.0.51/24\naddress = 10.0.0.52/24\n"),
                       instance("address = 10.0.0.52/24\naddress = 10.0.0.51/24\n")),
            "~ instance web\n"
            "    address: in another order: 10.0.0.50/24, 10.0.0.52/24, 10.0.0.51/24\n");
}

TEST(Diff, ObjectsThatComeAndGo) {
  const std::string two = "[instance two]\ninterface = eth1\nvirtual_router_id = 5\naddress = 10.0.1.50/24\n";
  EXPECT_EQ(difference(instance(""), instance(two)), "+ instance two\n");
  EXPECT_EQ(difference(instance(two), instance("[daemon]\nlog_level = debug\n")),
            "~ daemon\n    log_level: info -> debug\n- instance two\n");
}

TEST(Diff, ChangesAreDataToo) {
  const auto changes = diff(config_of(instance("")), config_of(instance("priority = 7\n")));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0], (ObjectChange{ChangeKind::kChanged, "instance web", {{"priority", {"100"}, {"7"}}}}));
}

TEST(Diff, JoiningAGroupIsTold) {
  EXPECT_THAT(difference(instance(""), instance("[group g]\nmember = web\n")),
              testing::StartsWith("~ instance web\n    (member of group): (none) -> g\n    priority: 100 -> (none)\n"));
}

TEST(Diff, AChangedPasswordIsSeenButNotShown) {
  ParseOptions options = on_host("db1");
  const auto with = [&](const std::string& password) {
    options.read_secret = [=](const std::string&) { return SecretText{password, false}; };
    return config_of(instance("version = 2\npassword_file = /pw\n"), options);
  };
  EXPECT_EQ(render_diff(diff(with("hunter2"), with("hunter3"))),
            "~ instance web\n    password: ******** -> ********\n");
  EXPECT_EQ(render_diff(diff(with("hunter2"), with("hunter2"))), "");
}

TEST(Diff, ASecretThatWasNotReadIsNotAChange) {
  Config before = config_of(instance("version = 2\npassword_file = /pw\n"));
  Config after = before;
  after.instances.at(0).password = "hunter2";
  EXPECT_EQ(render_diff(diff(before, after)), "");
  const auto with = [](const std::string& token) {
    return instance("[plugin p]\nmodule = m\napi_token = " + token + "\n");
  };
  EXPECT_EQ(difference(with("********"), with("abc")), "");
}

TEST(Diff, AChangedSecretOfAPluginIsSeenButNotShown) {
  const auto with = [](const std::string& token) {
    return instance("[plugin p]\nmodule = m\napi_token = " + token + "\n");
  };
  EXPECT_EQ(difference(with("abc"), with("abd")), "~ plugin p\n    api_token: ******** -> ********\n");
}

}  // namespace
}  // namespace baton::config
