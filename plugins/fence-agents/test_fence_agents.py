"""fence-agents with a scripted agent in the style of Debian's, and with the real fence_dummy."""
import json
import pathlib
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
import servers  # noqa: E402
from plugin import Session, complaints  # noqa: E402

# Reads options from stdin, as all agents do, keeps its hosts' power in a file, and misbehaves as `misbehave` says.
AGENT = """#!/usr/bin/python3
import json, os, pathlib, sys, time
here = pathlib.Path(__file__).parent
options = dict(line.rstrip("\\n").split("=", 1) for line in sys.stdin)
with open(here / "calls", "a") as calls:
    calls.write(json.dumps({"options": options, "argv": sys.argv[1:], "environment": dict(os.environ), "at": time.monotonic()}) + "\\n")
rules = json.loads((here / "rules").read_text())
action, plug = options["action"], options.get("plug", "?")
power = here / ("power_" + plug)

def fail(message, code=1):
    sys.stderr.write("2026-11-21 13:20:01,123 ERROR: " + message + "\\n\\n")
    sys.exit(code)

rule = rules.get(action, {})
if "sleep" in rule:
    time.sleep(rule["sleep"])
if "echo" in rule:
    sys.stderr.write("Parse error: Ignoring unknown option 'password=%s'\\n" % options["password"])
if "fail" in rule:
    fail(rule["fail"])
if "password" in rules and options.get("password") != rules["password"]:
    fail("Unable to connect/login to fencing device")
if not power.exists():
    fail("Failed: Unable to obtain correct plug status or plug is not available")
if "say" in rule:
    print(rule["say"])
    sys.exit(rule.get("exit", 0))
if action in ("on", "off"):
    if not rule.get("pretend"):
        power.write_text(action)
        if "late" in rule:
            power.write_text("on")
            (here / "late").write_text(str(rule["late"]))
    print("Success: Powered " + action.upper())
elif action == "status":
    if (here / "late").exists():
        left = int((here / "late").read_text()) - 1
        (here / "late").write_text(str(left))
        if left <= 0:
            power.write_text("off")
    state = power.read_text()
    print("Status: " + state.upper())
    sys.exit(2 if state == "off" else 0)
"""


class Device:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.agent = self.directory / "fence_test"
        self.agent.write_text(AGENT)
        self.agent.chmod(0o755)
        self.behave()
        for plug in ("1", "2"):
            (self.directory / f"power_{plug}").write_text("on")
        self.password = self.directory / "password"
        self.password.write_text("geheim\n")

    def behave(self, **rules):
        (self.directory / "rules").write_text(json.dumps(rules))

    def power(self, plug):
        return (self.directory / f"power_{plug}").read_text()

    def calls(self):
        path = self.directory / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def actions(self):
        return [one["options"]["action"] for one in self.calls()]

    def settings(self, **more):
        return {"agent": str(self.agent), "member": ["db1 plug=1", "db2 plug=2"], **more}


@pytest.fixture
def device():
    with servers.directory() as directory:
        yield Device(directory)


def fence(settings, target="db2", host="db1", timeout=6.0):
    with Session("fence-agents", settings, "act", host_name=host) as session:
        return session.call("fence", timeout, target=target)


def probe(settings, host="db1", timeout=3.0):
    with Session("fence-agents", settings, "probe", host_name=host) as session:
        return session.call("probe", timeout)


def test_the_other_host_is_off_and_confirmed_by_a_second_question(device):
    answer = fence(device.settings())
    assert (answer.status, answer.sentence) == ("ok", "db2 is off, as fence_test confirms")
    assert answer.facts == {"agent": "fence_test", "host": "db2", "confirmed": "yes"}
    assert (device.power("1"), device.power("2"), device.actions()) == ("on", "off", ["off", "status"])


def test_fencing_what_is_off_already_is_harmless(device):
    assert [fence(device.settings()).status for _ in range(2)] == ["ok", "ok"]


def test_options_go_to_stdin_alone_and_the_members_own_win(device):
    secrets = device.directory / "secrets"
    secrets.write_text("# for both\ncommunity=gemeinsam\ndb2 token=nur fuer db2\ndb1 token=falsch\n")
    settings = device.settings(option=["ip=10.0.9.9", "login_timeout=3"], password_file=str(device.password),
                               secrets_file=str(secrets), member=["db1 plug=1", "db2 plug=2 ip=10.0.9.2 'name=rack 7'"])
    assert fence(settings).status == "ok"
    call = device.calls()[0]
    assert call["argv"] == []
    assert call["options"] == {"ip": "10.0.9.2", "login_timeout": "3", "plug": "2", "name": "rack 7", "password": "geheim",
                               "community": "gemeinsam", "token": "nur fuer db2", "action": "off"}
    assert not any("geheim" in value or "gemeinsam" in value for value in call["environment"].values())


def test_an_agent_that_says_success_without_switching_off_is_not_believed(device):
    device.behave(off={"pretend": True})
    answer = fence(device.settings(), timeout=2.0)
    assert (answer.status, answer.facts["cause"], answer.facts["confirmed"]) == ("fatal", "not_confirmed", "no")
    assert answer.sentence == "db2 is still on, says fence_test"
    assert answer.seconds < 2.1


def test_a_power_supply_that_takes_a_moment_is_waited_for(device):
    device.behave(off={"late": 3})
    answer = fence(device.settings())
    assert answer.status == "ok" and device.actions() == ["off", "status", "status", "status"]


def test_an_agent_that_reports_an_error_but_did_it_is_a_success(device):
    (device.directory / "power_2").write_text("off")
    device.behave(off={"fail": "Connection lost"})
    answer = fence(device.settings())
    assert answer.status == "ok"
    assert answer.sentence == "db2 is off, as fence_test confirms; before, it exited with 1: Connection lost"


@pytest.mark.parametrize("rule", [{"say": "Status: OFF", "exit": 0}, {"say": "Usage: fence_test", "exit": 2},
                                  {"say": "Status: ON", "exit": 2}, {"say": "", "exit": 2}, {"say": "Status: OFFLINE", "exit": 2}])
def test_a_status_that_is_not_clearly_off_is_no_proof(device, rule):
    device.behave(status=rule)
    answer = fence(device.settings(), timeout=1.5)
    assert (answer.status, answer.facts["confirmed"]) == ("transient", "no"), answer
    assert answer.sentence.startswith("it is not known whether db2 is off: fence_test gives a status that is neither on nor off")


@pytest.mark.parametrize("message,status,cause", [
    ("Unable to connect/login to fencing device", "transient", "login"),
    ("Connection lost", "transient", "connection"),
    ("Connection timed out", "transient", "timeout"),
    ("Failed: The user does not have the correct privileges to do the requested action.", "config", "privilege"),
    ("Failed: You have to set login password", "config", "auth"),
    ("Failed: Unable to obtain correct plug status or plug is not available", "config", "plug"),
    ("Please use '-h' for usage", "config", "usage"),
    ("something new", "transient", "exit"),
])
def test_errors_are_typed_by_what_the_agent_says(device, message, status, cause):
    device.behave(off={"fail": message}, status={"fail": message})
    answer = fence(device.settings(), timeout=1.5)
    assert (answer.status, answer.facts["cause"]) == (status, cause), answer
    assert message in answer.sentence
    probed = probe(device.settings())
    assert (probed.status, probed.state) == (status, "unknown" if status == "config" else "fail")
    assert probed.facts["cause"] == cause


def test_a_hanging_agent_is_ended_and_its_success_still_found_out(device):
    device.behave(off={"sleep": 60})
    (device.directory / "power_2").write_text("off")
    answer = fence(device.settings(), timeout=2.0)
    assert answer.status == "ok" and answer.seconds < 2.0
    assert "gave no answer within" in answer.sentence
    device.behave(off={"sleep": 60}, status={"sleep": 60})
    hung = fence(device.settings(), timeout=2.0)
    assert (hung.status, hung.facts["cause"]) == ("transient", "timeout") and hung.seconds < 2.1
    assert subprocess.run(["pgrep", "-f", str(device.agent)], capture_output=True).returncode == 1


def test_reboot_is_off_proof_and_on(device):
    answer = fence(device.settings(action="reboot"))
    assert (answer.status, device.actions(), device.power("2")) == ("ok", ["off", "status", "on"], "on")
    assert answer.sentence == "db2 is off, as fence_test confirms; it was switched on again"
    device.behave(on={"fail": "Failed: Timed out waiting to power ON"})
    answer = fence(device.settings(action="reboot"))
    assert (answer.status, answer.facts["switched_on"], device.power("2")) == ("ok", "no", "off")


def test_a_reboot_without_proof_of_off_never_switches_on(device):
    device.behave(off={"pretend": True})
    assert fence(device.settings(action="reboot"), timeout=1.5).status == "fatal"
    assert "on" not in device.actions()


def test_the_own_host_and_unknown_hosts_are_never_fenced(device):
    assert [(one.status, one.facts["cause"]) for one in (fence(device.settings(), target="db1"), fence(device.settings(), target="db9"),
                                                         fence(device.settings(), target=""))] == [
        ("refused", "self"), ("config", "member"), ("config", "member")]
    assert device.calls() == []


def test_the_slower_host_waits_so_that_they_do_not_end_each_other(device):
    begun = time.monotonic()
    assert fence(device.settings(delay="700ms")).status == "ok"
    assert 0.7 <= device.calls()[0]["at"] - begun < 1.5
    assert fence(device.settings(delay="5s"), timeout=2.0).facts["cause"] == "delay"


def test_no_secret_is_shown_even_if_the_agent_repeats_it(device):
    device.behave(off={"echo": True, "fail": "cannot use geheim"}, status={"echo": True, "fail": "geheim is no good"})
    answer = fence(device.settings(password_file=str(device.password)), timeout=1.5)
    assert "geheim" not in answer.sentence and not any("geheim" in value for value in answer.facts.values())
    assert "*** is no good" in answer.sentence


def test_a_wrong_password_is_told_from_a_good_one(device):
    device.behave(password="geheim")
    assert probe(device.settings(password_file=str(device.password))).state == "pass"
    wrong = probe(device.settings())
    assert (wrong.state, wrong.facts["cause"]) == ("fail", "login")


def test_probe_asks_the_others_and_leaves_them_alone(device):
    answer = probe(device.settings())
    assert (answer.status, answer.state, answer.sentence) == ("ok", "pass", "fence_test reaches db2 (on)")
    assert answer.facts == {"power_db2": "on"} and device.actions() == ["status"]
    (device.directory / "power_2").write_text("off")
    assert probe(device.settings()).facts == {"power_db2": "off"}
    assert probe(device.settings(probe="monitor")).sentence == "fence_test reaches db2"
    assert device.actions()[-1] == "monitor"


def test_a_missing_agent_is_for_a_person(device):
    for name in ("fence_does_not_exist", "/nowhere/fence_x"):
        answer = fence(device.settings(agent=name))
        assert (answer.status, answer.facts["cause"]) == ("config", "missing")
        assert probe(device.settings(agent=name)).facts["cause"] == "missing"


def test_the_real_fence_dummy_is_driven_to_off_and_back():
    with servers.directory() as directory:
        status = pathlib.Path(directory, "status")
        status.write_text("on")
        settings = {"agent": "fence_dummy", "member": ["db1", f"db2 status_file={status}"]}
        probed = probe(settings, timeout=10.0)
        assert (probed.state, probed.facts) == ("pass", {"power_db2": "on"}), probed
        answer = fence(settings, timeout=20.0)
        assert (answer.status, status.read_text()) == ("ok", "off"), answer
        again = fence({**settings, "action": "reboot"}, timeout=20.0)
        assert (again.status, again.facts["switched_on"], status.read_text()) == ("ok", "yes", "on"), again


def test_the_real_fence_dummy_that_fails_is_no_fence():
    settings = {"agent": "fence_dummy", "member": ["db1", "db2 type=fail"]}
    answer = fence(settings, timeout=5.0)
    assert answer.status != "ok" and answer.facts["confirmed"] == "no"


@pytest.mark.parametrize("settings,key", [
    ({"agent": "sbin/fence_x"}, "agent"),
    ({"agent": "fence_x -v"}, "agent"),
    ({"member": ["plug=1"]}, "member"),
    ({"member": ["db2 plug=1", "db2 plug=2"]}, "member"),
    ({"member": ["db2 plug"]}, "member"),
    ({"member": ["db2 password=geheim"]}, "member"),
    ({"member": ["db2 action=on"]}, "member"),
    ({"member": ["host1 plug=1"]}, "member"),
    ({"member": ["db2 'plug=1"]}, "member"),
    ({"option": ["passwd=geheim"]}, "option"),
    ({"option": ["verbose"]}, "option"),
    ({"member": ["db2 x=" + "y" * 4000]}, "member"),
])
def test_settings_that_cannot_work_are_named_without_showing_secrets(settings, key):
    found = complaints("fence-agents", {"agent": "fence_dummy", "member": ["db2 plug=1"], **settings})
    assert [name for name, _ in found] == [key]
    assert "geheim" not in found[0][1]


def test_secrets_for_hosts_that_are_no_members_are_named(device):
    secrets = device.directory / "secrets"
    secrets.write_text("db7 password=x\nnonsense\n")
    found = complaints("fence-agents", device.settings(secrets_file=str(secrets)))
    assert found == [("secrets_file", "line 2 is neither KEY=VALUE nor HOST KEY=VALUE"), ("secrets_file", "db7 is no member")]
