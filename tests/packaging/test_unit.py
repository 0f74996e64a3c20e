"""The files for systemd, AppArmor, polkit and needrestart as packages install them, judged by the tools that read them."""
import configparser
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
PLACES = {"@CMAKE_INSTALL_FULL_SBINDIR@": "/usr/sbin", "@CMAKE_INSTALL_FULL_BINDIR@": "/usr/bin", "@CMAKE_INSTALL_PREFIX@": "/usr",
          "@CMAKE_INSTALL_FULL_DOCDIR@": "/usr/share/doc/baton"}
# The engine sends and receives on raw and packet sockets and changes addresses; secrets may belong to others; children run
# as other users and are ended.
CAPABILITIES = {"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_DAC_READ_SEARCH"}


def installed_unit():
    text = (PACKAGING / "systemd/baton.service.in").read_text(encoding="utf-8")
    for name, path in PLACES.items():
        text = text.replace(name, path)
    assert "@CMAKE" not in text
    return text


@pytest.fixture(name="unit_file")
def _unit_file(tmp_path):
    path = tmp_path / "baton.service"
    path.write_text(installed_unit(), encoding="utf-8")
    return path


def values(text, key):
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def test_the_exposure_is_at_most_three(unit_file):
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=30", unit_file],
                          capture_output=True, text=True, timeout=30)
    said = done.stdout.strip().splitlines()[-1]
    assert done.returncode == 0, said
    assert float(re.search(r"exposure level for baton.service: ([0-9.]+)", said)[1]) <= 3.0


def test_it_has_the_capabilities_that_it_works_with_and_no_others():
    assert set(values(installed_unit(), "CapabilityBoundingSet")[0].split()) == CAPABILITIES
    needed = re.search(r"kGuardianCapabilities = \{(.*?)\};", (ROOT / "src/daemon/premises.h").read_text(encoding="utf-8"), re.DOTALL)[1]
    assert set(re.findall(r"CAP_\w+", needed)) == CAPABILITIES


def test_the_manager_waits_for_it_feeds_on_it_and_ends_a_hung_one():
    unit = installed_unit()
    assert values(unit, "Type") == ["notify"]
    assert values(unit, "WatchdogSec") == ["5s"]
    assert values(unit, "WatchdogSignal") == ["SIGKILL"]
    assert values(unit, "Restart") == ["on-failure"]
    assert values(unit, "RestartPreventExitStatus") == ["2 5"]  # usage, configuration invalid: again would be the same


def test_a_reload_checks_before_it_signals_and_what_a_stop_leaves_is_removed():
    unit = installed_unit()
    assert values(unit, "ExecReload") == ["/usr/bin/batonctl check /etc/baton/baton.conf", "/bin/kill -HUP $MAINPID"]
    assert values(unit, "ExecStopPost") == ["-/usr/bin/batonctl cleanup"]


def test_directories_are_those_that_the_daemon_wants():
    lines = [line.split() for line in (PACKAGING / "tmpfiles.conf").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert lines == [["d", "/run/baton", "0775", "baton-engine", "root", "-"], ["d", "/var/lib/baton", "0750", "baton-scribe", "baton-scribe", "-"]]
    premises = (ROOT / "src/daemon/premises.cc").read_text(encoding="utf-8")
    assert "premises.users.engine.uid, ::getegid()}, 0775" in premises
    assert "premises.users.scribe, 0750" in premises
    assert not values(installed_unit(), "(?:Runtime|State)Directory"), "systemd would give them to root again"


@pytest.mark.parametrize("drop_in", sorted(path.name for path in (PACKAGING / "systemd/examples").iterdir()))
def test_the_example_drop_ins_are_units(drop_in):
    text = (PACKAGING / "systemd/examples" / drop_in).read_text(encoding="utf-8")
    parser = configparser.ConfigParser(strict=False)
    parser.optionxform = str
    parser.read_string(text)
    assert parser.sections() == ["Service"]
    assert text.startswith(f"# /etc/systemd/system/baton.service.d/{drop_in}: ")


def test_real_time_is_left_to_a_drop_in():
    unit = installed_unit()
    assert values(unit, "RestrictRealtime") == ["yes"]
    assert not values(unit, "LimitRTPRIO")
    drop_in = (PACKAGING / "systemd/examples/realtime.conf").read_text(encoding="utf-8")
    assert values(drop_in, "RestrictRealtime") == ["no"]
    assert values(drop_in, "LimitRTPRIO") == ["10"]


def test_the_apparmor_profile_parses():
    profile = PACKAGING / "apparmor/usr.sbin.batond"
    done = subprocess.run(["apparmor_parser", "-Q", "-K", profile], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    allowed = {f"CAP_{name.upper()}" for name in re.findall(r"^  capability (\w+),$", profile.read_text(encoding="utf-8"), re.MULTILINE)}
    # What the unit gives; what drop-ins and a start without systemd may give beside it.
    assert allowed == CAPABILITIES | {"CAP_SETPCAP", "CAP_CHOWN", "CAP_IPC_LOCK", "CAP_SYS_NICE"}


def test_the_apparmor_profile_forbids_nothing_until_it_is_enforced():
    """debian/tests/apparmor takes the flag away, and wants a kernel with AppArmor."""
    flags = re.search(r"^profile batond /usr/sbin/batond flags=\((.*)\) \{$", (PACKAGING / "apparmor/usr.sbin.batond").read_text(encoding="utf-8"), re.MULTILINE)
    assert flags[1] == "attach_disconnected, complain"
    assert "s/, complain)/)/" in (PACKAGING / "debian/tests/apparmor").read_text(encoding="utf-8")


def test_a_broken_apparmor_profile_would_be_noticed(tmp_path):
    broken = tmp_path / "broken"
    broken.write_text((PACKAGING / "apparmor/usr.sbin.batond").read_text(encoding="utf-8").replace("capability kill,", "capability kil,"), encoding="utf-8")
    assert subprocess.run(["apparmor_parser", "-Q", "-K", broken], capture_output=True, timeout=60).returncode != 0


def test_needrestart_leaves_it_alone(tmp_path):
    script = tmp_path / "judge.pl"
    script.write_text("our %nrconf = (override_rc => {});\n" + (PACKAGING / "needrestart/baton.conf").read_text(encoding="utf-8") +
                      "for my $unit (@ARGV) {\n"
                      "  my @said = grep { $unit =~ /$_/ } keys %{$nrconf{override_rc}};\n"
                      "  print \"$unit \", (@said ? $nrconf{override_rc}{$said[0]} : 'default'), \"\\n\";\n}\n", encoding="utf-8")
    done = subprocess.run(["perl", "-w", script, "baton.service", "notbaton.service", "baton.service.other"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["baton.service 0", "notbaton.service default", "baton.service.other default"]


def test_the_conffile_of_the_package_sets_nothing():
    """As packaging/debian/rules and packaging/rpm/baton.spec make it: every line of the example a comment."""
    for recipe in ("debian/rules", "rpm/baton.spec"):
        command = re.search(r"packaging/comment-out etc/baton\.conf", (PACKAGING / recipe).read_text(encoding="utf-8"))
        assert command, recipe
    text = subprocess.run([PACKAGING / "comment-out", ROOT / "etc/baton.conf"], capture_output=True, text=True, check=True).stdout
    assert [line for line in text.splitlines() if line and not line.startswith("#")] == []
    assert "\n#[instance web]\n" in text and "\n#address = 10.0.0.50/24\n" in text
    # Taken away again, it is the example.
    again = re.sub(r"^#(?=[^# \n])", "", text, flags=re.MULTILINE)
    assert [line for line in again.splitlines() if line and not line.startswith("#")] == [
        line for line in (ROOT / "etc/baton.conf").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def condition_holds(directory):
    command = values(installed_unit(), "ExecCondition")[0].replace("/etc/baton", str(directory))
    return subprocess.run(["sh", "-c", command.replace('"', "'")], timeout=10).returncode == 0


def test_nothing_is_started_before_something_is_configured(tmp_path):
    config = tmp_path / "baton.conf"
    config.write_text(subprocess.run([PACKAGING / "comment-out", ROOT / "etc/baton.conf"], capture_output=True, text=True, check=True).stdout, encoding="utf-8")
    assert not condition_holds(tmp_path), "no conf.d"
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/README").write_text("[instance web]\n", encoding="utf-8")
    assert not condition_holds(tmp_path), "a README is no configuration"
    (tmp_path / "conf.d/web.conf").write_text("# what it is\n  [instance web]\n", encoding="utf-8")
    assert condition_holds(tmp_path), "conf.d/*.conf counts"
    (tmp_path / "conf.d/web.conf").unlink()
    config.write_text("# comment\n\n[instance web]\n", encoding="utf-8")
    assert condition_holds(tmp_path)
    config.write_text("[instnace web]\n", encoding="utf-8")
    assert condition_holds(tmp_path), "a misspelt section is refused in words, not passed over"
    config.write_text("[daemon]\nlog_level = debug\n[peer db1]\naddress = 10.0.0.1\n", encoding="utf-8")
    assert not condition_holds(tmp_path), "how the daemon runs and who the hosts are asks for nothing"
    config.write_text("\n   # comment\n\n", encoding="utf-8")
    assert not condition_holds(tmp_path)
    config.unlink()
    assert not condition_holds(tmp_path)
