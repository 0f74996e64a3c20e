"""The systemd unit as it is installed: plugins share its sandbox, so that what it forbids is forbidden to them, too."""
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


@pytest.fixture(scope="module", name="unit")
def _unit():
    return unit_for("/usr")


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local"])
def test_batond_looks_for_plugins_where_they_are_installed(prefix):
    assert unit_for(prefix)["ExecStart"][0].endswith(f" --plugin-dir {prefix}/lib/baton/plugins")


def test_plugins_see_the_host_as_it_is(unit):
    # A private /tmp hides what `file` looks for there; programs with a JIT need memory that is written and executed.
    for hiding in ("PrivateTmp", "MemoryDenyWriteExecute", "PrivateDevices", "PrivateUsers", "ProtectProc", "InaccessiblePaths", "TemporaryFileSystem"):
        assert hiding not in unit, hiding
    assert unit["ProtectHome"] == ["read-only"]


def test_plugins_may_write_where_their_user_may_but_for_programs_and_settings(unit):
    assert unit["ProtectSystem"] == ["full"]  # /usr, /boot, /etc
    assert unit["ReadWritePaths"] == ["-/etc/cron.d"]  # where `cron` works; `-`: there may be no cron


def test_what_the_manual_says_of_the_unit_is_in_the_unit(unit):
    manual = (ROOT / "README.md").read_text(encoding="utf-8").split("## Under systemd")[1].split("\n## ")[0]
    for key in ("ProtectSystem", "ProtectHome", "ReadWritePaths"):
        assert f"`{key}={unit[key][0]}`" in manual
