// Reading from the file system: F86, F87, F88.
#include "config/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "base/check.h"
#include "tests/config/findings.h"

namespace baton::config {
namespace {

namespace fs = std::filesystem;

// F87: within a second, counted in processor time so that other work on the machine does not matter.
constexpr double kMostSeconds = BATON_SLOW_BUILD ? 10 : 1;

double cpu_seconds_since(std::clock_t start) { return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC; }

class Files : public testing::Test {
 protected:
  Files() {
    std::string pattern = (fs::temp_directory_path() / "baton-config-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    path_ = directory_ / "baton.conf";
  }
  ~Files() override {
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
  }

  fs::path write(const std::string& name, const std::string& text) {
    const fs::path path = directory_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  Loaded load_it() const {
    LoadOptions options;
    options.path = path_.string();
    options.parse.host = "db1";
    return load(options);
  }
  std::vector<std::string> load_briefs() const { return briefs(load_it()); }

  fs::path directory_;
  fs::path path_;
};

TEST_F(Files, AFileIsRead) {
  write("baton.conf", instance(""));
  const Loaded loaded = load_it();
  EXPECT_THAT(briefs(loaded), IsEmpty());
  EXPECT_THAT(loaded.files, ElementsAre(path_.string()));
}

TEST_F(Files, AMissingFileIsAnError) {
  const Loaded loaded = load_it();
  ASSERT_THAT(briefs(loaded), ElementsAre("E001"));
  EXPECT_EQ(loaded.diagnostics[0].message, "cannot read the file: No such file or directory");
}

// inih alone reads a directory as a file without keys, and says that all is well.
TEST_F(Files, ADirectoryIsNoFile) {
  fs::create_directory(path_);
  const Loaded loaded = load_it();
  ASSERT_THAT(briefs(loaded), ElementsAre("E002"));
  EXPECT_EQ(loaded.diagnostics[0].message, "this is a directory, not a file");
}

TEST_F(Files, AFifoIsNotWaitedFor) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const Loaded loaded = load_it();
  ASSERT_THAT(briefs(loaded), ElementsAre("E002"));
  EXPECT_EQ(loaded.diagnostics[0].message, "this is a FIFO, not a file");
}

TEST_F(Files, ADeviceIsNoFile) {
  fs::create_symlink("/dev/zero", path_);
  EXPECT_THAT(load_briefs(), ElementsAre("E002"));
}

TEST_F(Files, ASymbolicLinkIsFollowed) {
  write("real.conf", instance(""));
  fs::create_symlink("real.conf", path_);
  EXPECT_THAT(load_briefs(), IsEmpty());
}

TEST_F(Files, ACircleOfLinksIsNamed) {
  fs::create_symlink("other", path_);
  fs::create_symlink("baton.conf", directory_ / "other");
  const Loaded loaded = load_it();
  ASSERT_THAT(briefs(loaded), ElementsAre("E001"));
  EXPECT_EQ(loaded.diagnostics[0].help, "its symbolic links lead in a circle");
}

TEST_F(Files, AnEmptyFileIsAnErrorThatSaysWhy) {
  write("baton.conf", "");
  const Loaded loaded = load_it();
  ASSERT_THAT(briefs(loaded), ElementsAre("E004"));
  EXPECT_EQ(loaded.diagnostics[0].message, "there is no [instance NAME] section: nothing to do");
}

/// Root reads whatever it likes, so the test does without for as long as this lives.
class AsNobody {
 public:
  AsNobody() : was_root_(::geteuid() == 0) {
    if (was_root_) CHECK(::seteuid(65534) == 0);
  }
  ~AsNobody() {
    if (was_root_) CHECK(::seteuid(0) == 0);
  }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;

 private:
  bool was_root_;
};

TEST_F(Files, AnUnreadableFileIsAnError) {
  write("baton.conf", instance(""));
  ::chmod(directory_.c_str(), 0755);
  ::chmod(path_.c_str(), 0);
  const AsNobody nobody;
  const Loaded loaded = load_it();
  ASSERT_THAT(briefs(loaded), ElementsAre("E001"));
  EXPECT_EQ(loaded.diagnostics[0].message, "cannot read the file: Permission denied");
}

TEST_F(Files, ADropInThatMayNotBeReadIsAnError) {
  write("baton.conf", instance(""));
  const fs::path drop_in = write("conf.d/10.conf", "[instance web]\npriority = 5\n");
  ::chmod(directory_.c_str(), 0755);
  ::chmod(drop_in.c_str(), 0);
  const AsNobody nobody;
  const Loaded loaded = load_it();
  ASSERT_THAT(briefs(loaded), ElementsAre("E001"));
  EXPECT_EQ(loaded.diagnostics[0].file, drop_in.string());
}

TEST_F(Files, DropInsMergeInTheOrderOfTheirNames) {
  write("baton.conf", instance(""));
  write("conf.d/20-b.conf", "[instance web]\naddress = 10.0.0.52/24\n");
  write("conf.d/10-a.conf", "[instance web]\naddress = 10.0.0.51/24\n");
  write("conf.d/notes.txt", "not read\n");
  write("conf.d/.hidden.conf", "not read\n");
  write("conf.d/30.conf.bak", "not read\n");
  const Loaded loaded = load_it();
  ASSERT_TRUE(loaded.config) << render_all(loaded.diagnostics);
  ASSERT_EQ(loaded.files.size(), 3u);
  EXPECT_TRUE(loaded.files[1].ends_with("/conf.d/10-a.conf"));
  const auto& addresses = loaded.config->instances.at(0).addresses;
  ASSERT_EQ(addresses.size(), 3u);
  EXPECT_EQ(addresses[1].text(), "10.0.0.51/24");
  EXPECT_EQ(addresses[2].text(), "10.0.0.52/24");
}

TEST_F(Files, ADuplicateKeyInADropInNamesBothFiles) {
  write("baton.conf", instance("priority = 5\n"));
  const fs::path drop_in = write("conf.d/10.conf", "[instance web]\npriority = 6\n");
  const Loaded loaded = load_it();
  ASSERT_THAT(briefs(loaded), ElementsAre("E024 2:1"));
  EXPECT_EQ(loaded.diagnostics[0].file, drop_in.string());
  EXPECT_THAT(loaded.diagnostics[0].message, HasSubstr(path_.string() + ":5"));
}

TEST_F(Files, ADropInThatIsNoFileIsAnError) {
  write("baton.conf", instance(""));
  fs::create_directory(directory_ / "conf.d");
  fs::create_symlink("nowhere", directory_ / "conf.d/10.conf");
  fs::create_directory(directory_ / "conf.d/20.conf");
  const Loaded loaded = load_it();
  EXPECT_THAT(briefs(loaded), ElementsAre("E001", "E002"));
  EXPECT_TRUE(loaded.diagnostics[0].file.ends_with("/conf.d/10.conf"));
}

TEST_F(Files, ConfDThatIsNoDirectoryIsAnError) {
  write("baton.conf", instance(""));
  write("conf.d", "x");
  EXPECT_THAT(load_briefs(), ElementsAre("E001"));
}

TEST_F(Files, AFileBeyondTheLimitIsNotRead) {
  write("baton.conf", instance("") + std::string(10'000'000, '#'));
  const std::clock_t start = std::clock();
  const Loaded loaded = load_it();
  EXPECT_LT(cpu_seconds_since(start), kMostSeconds);
  ASSERT_THAT(briefs(loaded), ElementsAre("E003"));
  EXPECT_EQ(loaded.diagnostics[0].message, "the file has more than 8388608 bytes");
}

TEST_F(Files, ALineOfAMegabyteIsOneError) {
  write("baton.conf", instance("address = " + std::string(1'000'000, '1') + "\n"));
  EXPECT_THAT(load_briefs(), ElementsAre("E010 5:198"));
}

TEST_F(Files, EightMegabytesOfRubbishAreRefusedWithinASecond) {
  std::string text = instance("");
  while (text.size() < 8'000'000) text += "rubbish = x\n";
  write("baton.conf", text);
  const std::clock_t start = std::clock();
  const Loaded loaded = load_it();
  EXPECT_LT(cpu_seconds_since(start), kMostSeconds);
  EXPECT_EQ(loaded.diagnostics.size(), 1001u);
}

std::string many_instances(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    const std::string n = std::to_string(i);
    text += "[instance i" + n + "]\ninterface = eth" + std::to_string(i / 250) +
            "\nvirtual_router_id = " + std::to_string(i % 250 + 1) + "\naddress = 10." + std::to_string(i / 62500 + 1) +
            "." + std::to_string(i / 250 % 250) + "." + std::to_string(i % 250 + 1) + "/16\npriority@db1 = 120\n";
  }
  return text + "[peer db1]\naddress = 10.200.0.1\n[peer db2]\naddress = 10.200.0.2\n";
}

TEST_F(Files, TheMostInstancesAreReadWithinASecond) {
  write("baton.conf", many_instances(4096));
  const std::clock_t start = std::clock();
  const Loaded loaded = load_it();
  EXPECT_LT(cpu_seconds_since(start), kMostSeconds);
  EXPECT_THAT(briefs(loaded), IsEmpty());
  ASSERT_TRUE(loaded.config);
  EXPECT_EQ(loaded.config->instances.size(), 4096u);
}

TEST_F(Files, TenThousandInstancesAreRefusedWithinASecondAndSaysSo) {
  write("baton.conf", many_instances(10000));
  const std::clock_t start = std::clock();
  const Loaded loaded = load_it();
  EXPECT_LT(cpu_seconds_since(start), kMostSeconds);
  ASSERT_THAT(briefs(loaded), ElementsAre("E058"));
  EXPECT_EQ(loaded.diagnostics[0].message, "there are 10000 instances; at most 4096 are possible");
}

TEST_F(Files, PasswordFilesAreReadAndTheirModeIsJudged) {
  const fs::path password = write("pw", "SECRET\n");
  write("baton.conf", instance("version = 2\npassword_file = " + password.string() + "\n"));
  ::chmod(password.c_str(), 0600);
  EXPECT_THAT(load_briefs(), ElementsAre("W004 6:1"));
  ::chmod(password.c_str(), 0640);
  EXPECT_THAT(load_briefs(), ElementsAre("W004 6:1", "W011 6:17"));
  EXPECT_EQ(load_it().config->instances.at(0).password, "SECRET");
  LoadOptions options;
  options.path = path_.string();
  options.skip_secrets = true;
  EXPECT_EQ(load(options).config->instances.at(0).password, "");
}

TEST_F(Files, AMissingPasswordFileIsAnError) {
  write("baton.conf", instance("version = 2\npassword_file = /nonexistent/pw\n"));
  EXPECT_THAT(load_briefs(), ElementsAre("W004 6:1", "E043 6:17"));
}

}  // namespace
}  // namespace baton::config
