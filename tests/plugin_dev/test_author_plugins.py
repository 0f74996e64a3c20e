"""What an author of plugins gets: from the installed files alone a C99 and a C++20 plugin build, load and work."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/plugins"))
sys.path.insert(0, str(ROOT / "netns-tests/lib"))
import author_plugins
from plugin import Session, call

BUILD = pathlib.Path(os.environ.get("BATON_BUILD_DIR", ROOT / "build/release"))


@pytest.fixture(scope="module")
def built():
    # Below /run: what lies under /tmp could be changed by others, and Baton would refuse it.
    with tempfile.TemporaryDirectory(prefix="baton-author-", dir="/run") as target:
        os.chmod(target, 0o755)
        yield author_plugins.build_all(BUILD, target), pathlib.Path(target)


def test_both_export_the_one_symbol_and_nothing_else(built):
    for path in built[0].values():
        symbols = subprocess.run(["nm", "-D", "--defined-only", path], check=True, capture_output=True, text=True).stdout
        assert [line.split()[-1] for line in symbols.splitlines()] == ["baton_plugin_v1"]


def test_the_installed_files_are_headers_package_files_and_the_template(built):
    prefix = built[1] / "prefix"
    files = sorted(str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file())
    assert files == ["include/baton/plugin.h", "include/baton/plugin.hpp",
                     "share/cmake/BatonPlugin/BatonPluginConfig.cmake", "share/cmake/BatonPlugin/BatonPluginConfigVersion.cmake",
                     *(f"share/doc/baton/plugin-template/{name}"
                       for name in ("CMakeLists.txt", "Makefile", "README.md", "disk_free.c", "role_file.cc")),
                     "share/pkgconfig/baton-plugin.pc"]
    for path in prefix.rglob("*"):
        assert not path.is_file() or str(ROOT) not in path.read_text(), f"{path} names the source tree"


def test_the_c_check_passes_and_fails_by_its_limit(built):
    path = built[0]["disk_free"]
    answer = call(path, "probe", {"path": "/proc", "least_percent": "100"})  # no blocks at all: nothing is short of room
    assert (answer.status, answer.state, answer.sentence) == ("ok", "pass", "/proc has 100 % free, 100 % are needed")
    assert answer.facts == {"free_percent": "100"}
    answer = call(path, "probe", {"path": "/", "least_percent": "100"})
    assert (answer.status, answer.state) == ("ok", "fail")
    answer = call(path, "probe", {"path": "/nowhere"})
    assert (answer.status, answer.state) == ("transient", "unknown")
    assert answer.sentence == "cannot look at /nowhere: No such file or directory"


def test_the_cpp_action_is_idempotent(built, tmp_path):
    marker = tmp_path / "active"
    with Session(built[0]["role_file"], {"path": str(marker)}, purpose="act") as session:
        for _ in range(2):
            assert session.call("enter", instance="web").status == "ok"
            assert marker.read_text() == "web\n"
        assert session.call("probe").state == "pass"
        for _ in range(2):
            assert session.call("leave", instance="web").status == "ok"
            assert not marker.exists()
        assert session.call("probe").state == "fail"
    answer = call(built[0]["role_file"], "enter", {"path": "/nowhere/active"})
    assert (answer.status, answer.sentence) == ("config", "cannot write /nowhere/active: No such file or directory")


def test_the_makefile_builds_and_installs_where_pkg_config_says(built, tmp_path):
    prefix = built[1] / "prefix"
    shutil.copytree(prefix / author_plugins.TEMPLATE, tmp_path / "mine")
    environment = dict(os.environ, PKG_CONFIG_PATH=str(prefix / "share/pkgconfig"), CFLAGS="-Wall -Wextra -Werror")
    done = subprocess.run(["make", "install", f"DESTDIR={tmp_path}/root", "PLUGIN_DIR=/usr/lib/baton/plugins"],
                          cwd=tmp_path / "mine", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    installed = tmp_path / "root/usr/lib/baton/plugins"
    assert sorted(path.name for path in installed.iterdir()) == ["disk_free.so", "role_file.so"]
    where = subprocess.run(["pkg-config", "--variable=plugindir", "baton-plugin"], env=environment, check=True,
                           capture_output=True, text=True).stdout.strip()
    assert pathlib.Path(where).resolve() == prefix / "lib/baton/plugins"


def test_find_package_refuses_another_major_version(built, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(p LANGUAGES C CXX)\nfind_package(BatonPlugin 2.0 REQUIRED)\n")
    done = subprocess.run(["cmake", "-S", tmp_path, "-B", tmp_path / "b", f"-DCMAKE_PREFIX_PATH={built[1] / 'prefix'}"],
                          capture_output=True, text=True)
    assert done.returncode != 0 and "version: 1.1" in done.stderr, done.stderr


@pytest.mark.parametrize("compiler, language", [("gcc", "-std=c99"), ("clang-14", "-std=c11"), ("g++", "-std=c++20"),
                                                ("clang++-14", "-std=c++20")])
def test_the_headers_compile_alone_and_without_a_warning(built, tmp_path, compiler, language):
    header = "plugin.hpp" if "++" in compiler else "plugin.h"
    source = tmp_path / ("one.cc" if "++" in compiler else "one.c")
    source.write_text(f"#include <baton/{header}>\nint nothing(void);\nint nothing(void) {{ return BATON_PLUGIN_ABI_MAJOR; }}\n")
    done = subprocess.run([compiler, language, "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                           f"-I{built[1] / 'prefix/include'}", source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def compile_verbs(built, tmp_path, members, then=""):
    source = tmp_path / "verbs.cc"
    source.write_text("#include <plugin.hpp>\nusing namespace baton::plugin;\nclass Mine {\n public:\n  explicit Mine(const Host&) {}\n"
                      + members + "\n};\nBATON_PLUGIN(Mine, About{.name = \"mine\", .version = \"1\", .summary = \"Mine\"})\n" + then)
    return subprocess.run(["g++", "-std=c++20", "-Wall", "-Wextra", "-Werror", "-Wno-address", "-fsyntax-only", f"-I{built[1]}/prefix/include/baton", source],
                          capture_output=True, text=True)


@pytest.mark.parametrize("verb", [
    "Result probe(const Call&) { return pass(\"\"); }",
    "Result probe(const Call&) const { return pass(\"\"); }",
    "Result probe(const Call&) noexcept { return pass(\"\"); }",
    "Result probe(Call) { return pass(\"\"); }",
    "static Result probe(const Call&) { return pass(\"\"); }",
    "Result probe(const Call&) { return probe(1); }\n  Result probe(int) { return pass(\"\"); }"])
def test_a_verb_may_be_written_as_one_writes_it(built, tmp_path, verb):
    done = compile_verbs(built, tmp_path, verb, 'constexpr auto again = detail::describe<Mine>(About{.name = "mine", .version = "1", .summary = "Mine"});\n'
                         'static_assert(again.probe != nullptr && again.enter == nullptr);\n')
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("members, words", [
    ("Result probe() { return pass(\"\"); }", "the verb probe must be: baton::plugin::Result probe(const baton::plugin::Call&)"),
    ("Result promote(Call&) { return done(); }\n  Result probe(const Call&) { return pass(\"\"); }",
     "the verb promote must be: baton::plugin::Result promote(const baton::plugin::Call&)"),
    ("Result prob(const Call&) { return pass(\"\"); }", "a plugin needs a verb that is public"),
    (" private:\n  Result probe(const Call&) { return pass(\"\"); }", "a plugin needs a verb that is public")])
def test_a_verb_that_would_not_be_found_is_an_error_in_words(built, tmp_path, members, words):
    done = compile_verbs(built, tmp_path, members)
    assert done.returncode != 0 and words in done.stderr, done.stderr
    assert done.stderr.count("error:") == 1, done.stderr


def test_the_plugin_host_describes_both(built):
    for name, path in built[0].items():
        done = subprocess.run([BUILD / "bin/baton-plugin-host", "--describe", path], capture_output=True)
        assert done.returncode == 0, done.stderr
        assert name.encode() in done.stdout
    described = {name: json.loads(subprocess.run([BUILD / "bin/batonctl", "plugin", "help", path, "--json"], check=True,
                                                 capture_output=True, text=True).stdout) for name, path in built[0].items()}
    assert described["disk_free"]["verbs"] == ["probe"]
    assert [(key["name"], key["type"], key["default"], key["minimum"], key["maximum"]) for key in described["disk_free"]["keys"]] == [
        ("path", "path", None, None, None), ("least_percent", "integer", "5", "1", "100")]
    assert described["role_file"]["verbs"] == ["probe", "enter", "leave"]


def test_both_are_used_by_their_absolute_path(built, tmp_path):
    file = tmp_path / "baton.conf"
    file.write_text(f"""[instance web]
interface = lo
virtual_router_id = 51
address = 10.9.0.50/32
check = room
follow_up = marker
[plugin room]
module = {built[0]["disk_free"]}
path = /proc
[plugin marker]
module = {built[0]["role_file"]}
path = {tmp_path}/active
user = root
""")
    batonctl = BUILD / "bin/batonctl"
    done = subprocess.run([batonctl, "check", file], capture_output=True, text=True)
    assert done.returncode == 0 and "E0" not in done.stdout, done.stdout
    done = subprocess.run([batonctl, "plugin", "test", "room", "--config", file], capture_output=True, text=True)
    assert done.returncode == 0 and "/proc has 100 % free, 5 % are needed" in done.stdout, done.stdout + done.stderr
    for verb, is_there in (("enter", True), ("leave", False)):
        done = subprocess.run([batonctl, "plugin", "test", "marker", "--verb", verb, "--really", "--config", file],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert (tmp_path / "active").exists() == is_there


def test_one_that_others_could_change_is_refused_with_the_reason(built):
    path = built[1] / "plugins/loose.so"
    shutil.copy(built[0]["disk_free"], path)
    os.chmod(path, 0o666)
    done = subprocess.run([BUILD / "bin/batonctl", "plugin", "help", path], capture_output=True, text=True)
    path.unlink()
    assert done.returncode == 1 and f"{path} can be written by others than root" in done.stderr
