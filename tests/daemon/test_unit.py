"""The systemd unit as it is installed: plugins share its limits, so that what it forbids is forbidden to them, too."""
import os
import pathlib
import re
import subprocess
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def unit_for(prefix):
    """{directive: [values]} of the unit for this prefix; only configured, nothing is built."""
    with tempfile.TemporaryDirectory(prefix="baton-unit-") as build:
        subprocess.run(["cmake", "-S", ROOT, "-B", build, f"-DCMAKE_INSTALL_PREFIX={prefix}", "-DBATON_TESTS=OFF", "-DBATON_PLUGINS=OFF"],
                       check=True, capture_output=True, timeout=120)
        text = (pathlib.Path(build) / "baton.service").read_text(encoding="utf-8")
    unit = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        unit.setdefault(key, []).append(value)
    return unit


def test_links_of_installed_manuals_lead_to_installed_files():
    manuals = {path.name: path for path in (pathlib.Path(os.environ.get("BATON_BUILD_DIR", ROOT / "build/release")) / "manuals").glob("*.md")}
    examples = {path.name for path in (ROOT / "etc/examples").iterdir()}
    assert {"cron.md", "exec.md", "ping.md"} <= set(manuals)
    for name, path in manuals.items():
        source = ROOT / "plugins" / name.removesuffix(".md") / "README.md"
        words = source.read_text(encoding="utf-8").replace("](../../etc/examples/", "](../examples/")
        assert path.read_text(encoding="utf-8") == re.sub(r"\]\(\.\./([a-z-]+)/README\.md", r"](\1.md", words), name
        for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
            assert link in manuals or link.removeprefix("../examples/") in examples, f"{name}: {link}"


def test_another_prefix_gets_everything_and_nothing_else_anything():
    with tempfile.TemporaryDirectory(prefix="baton-unit-") as directory:
        build, prefix = directory + "/build", directory + "/prefix"
        subprocess.run(["cmake", "-S", ROOT, "-B", build, "-DBATON_TESTS=OFF", "-DBATON_PLUGINS=OFF"], check=True, capture_output=True, timeout=120)
        script = pathlib.Path(build, "cmake_install.cmake").read_text(encoding="utf-8")
        code = script[script.index("set(etc /etc/baton)"):]
        pathlib.Path(build, "only.cmake").write_text(code[:code.index("file(INSTALL")] + code[code.index("file(INSTALL"):].split("endif()")[0] + "endif()\n",
                                                     encoding="utf-8")
        for root, chosen, there in (("", prefix, prefix + "/etc/baton/baton.conf"), (prefix + "/root", "/usr/local", prefix + "/root/etc/baton/baton.conf")):
            subprocess.run(["cmake", f"-DCMAKE_INSTALL_PREFIX={chosen}", "-P", build + "/only.cmake"], check=True, capture_output=True,
                           env=dict(os.environ, DESTDIR=root))
            assert pathlib.Path(there).exists()


@pytest.fixture(scope="module", name="unit")
def _unit():
    return unit_for("/usr")


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local"])
def test_batond_looks_for_plugins_where_they_are_installed(prefix):
    assert unit_for(prefix)["ExecStart"][0].endswith(f" --plugin-dir {prefix}/lib/baton/plugins")


def test_plugins_see_the_host_but_for_its_temporary_files_and_devices(unit):
    # Programs with a JIT need memory that is written and executed; `process` looks at those of others.
    for hiding in ("MemoryDenyWriteExecute", "PrivateUsers", "ProtectProc", "ProcSubset", "InaccessiblePaths", "TemporaryFileSystem"):
        assert hiding not in unit, hiding
    assert unit["ProtectHome"] == ["read-only"]


def test_plugins_may_write_where_their_user_may_but_for_programs_and_settings(unit):
    assert unit["ProtectSystem"] == ["strict"]
    # `-`: there may be none of it. /etc/cron.d is where `cron` works.
    assert unit["ReadWritePaths"] == ["/run /var -/srv -/opt -/mnt -/media -/data -/etc/cron.d"]


def test_a_drop_in_gives_plugins_the_hosts_view():
    text = (ROOT / "packaging/systemd/examples/host-view.conf").read_text(encoding="utf-8")
    for line in ("PrivateTmp=no", "PrivateDevices=no", "ProtectSystem=full"):
        assert f"\n{line}\n" in text


def test_what_the_manual_says_of_the_unit_is_in_the_unit(unit):
    manual = (ROOT / "README.md").read_text(encoding="utf-8").split("## Under systemd")[1].split("\n## ")[0]
    for key in ("ProtectSystem", "ProtectHome", "ReadWritePaths", "PrivateTmp", "PrivateDevices", "WatchdogSec"):
        assert f"`{key}={unit[key][0]}`" in manual
