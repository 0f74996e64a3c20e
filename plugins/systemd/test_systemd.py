"""The systemd plugin against the real systemd, process 1 of a machine of its own (tests/plugins/systemd_machine.py)."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/plugins"))
import plugin  # noqa: E402
from systemd_machine import Machine  # noqa: E402

SLEEP = "[Service]\nExecStart=/bin/sleep infinity\n"
TIMER = "[Timer]\nOnCalendar=2099-01-01\n[Install]\nWantedBy=timers.target\n"


@pytest.fixture(scope="module")
def machine():
    one = Machine()
    try:
        yield one.start()
    finally:
        one.stop()


def await_state(machine, unit, *wanted):
    end = time.monotonic() + 5
    while (state := machine.show(unit, "ActiveState")) not in wanted:
        assert time.monotonic() < end, f"{unit} is {state}, wanted {wanted}"
        time.sleep(0.02)


def journal_of(machine):
    """A service's script writes its doings there."""
    path = machine.share / "order"
    return path.read_text().split() if path.exists() else []


def recorder(name):
    return (f"[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'echo +{name} >>/run/share/order'\n"
            f"ExecStop=/bin/sh -c 'echo -{name} >>/run/share/order'\n")


# --- the check

def test_a_running_service_passes_with_its_facts(machine):
    machine.unit("pass.service", SLEEP)
    machine.run(["systemctl", "start", "pass"])
    answer = machine.call("systemd", "probe", {"unit": "pass"})
    assert (answer.status, answer.state) == ("ok", "pass")
    assert answer.sentence.startswith("pass.service is active (running) since 20")
    assert answer.sentence.endswith(" UTC")
    facts = answer.facts
    assert (facts["unit"], facts["active_state"], facts["sub_state"], facts["result"], facts["restarts"]) == (
        "pass.service", "active", "running", "success", "0")
    assert facts["main_pid"] == machine.show("pass", "MainPID")
    assert "cause" not in facts


def test_a_failed_service_fails_with_result_and_exit_status(machine):
    machine.unit("three.service", "[Service]\nExecStart=/bin/sh -c 'exit 3'\n")
    machine.run(["systemctl", "start", "three"])
    await_state(machine, "three", "failed")
    answer = machine.call("systemd", "probe", {"unit": "three.service"})
    assert (answer.status, answer.state) == ("ok", "fail")
    assert answer.sentence.startswith("three.service has failed since 20")
    assert answer.sentence.endswith("UTC: result exit-code, its main process exited with status 3")
    assert (answer.facts["result"], answer.facts["last_exit"], answer.facts["cause"]) == (
        "exit-code", "exited with status 3", "state")


def test_a_killed_service_fails_with_the_signal(machine):
    machine.unit("killed.service", SLEEP)
    machine.run(["systemctl", "start", "killed"])
    machine.run(["systemctl", "kill", "-s", "KILL", "killed"])
    await_state(machine, "killed", "failed")
    answer = machine.call("systemd", "probe", {"unit": "killed"})
    assert answer.state == "fail"
    assert answer.sentence.endswith("result signal, its main process was killed by SIGKILL")


def test_an_inactive_service_fails_and_says_what_was_wanted(machine):
    machine.unit("idle.service", SLEEP)
    answer = machine.call("systemd", "probe", {"unit": "idle"})
    assert (answer.state, answer.sentence) == ("fail", "idle.service is inactive (dead); wanted: active")


def test_a_wanted_inactive_service_passes_and_a_running_one_then_fails(machine):
    machine.unit("off.service", SLEEP)
    settings = {"unit": "off", "state": "inactive"}
    assert machine.call("systemd", "probe", settings).state == "pass"
    machine.run(["systemctl", "start", "off"])
    answer = machine.call("systemd", "probe", settings)
    assert answer.state == "fail"
    assert answer.sentence.endswith("; wanted: inactive")


def test_activating_passes_only_where_it_is_accepted(machine):
    machine.unit("slow.service", "[Service]\nType=oneshot\nExecStart=/bin/sleep infinity\n")
    machine.run(["systemctl", "start", "--no-block", "slow"])
    await_state(machine, "slow", "activating")
    assert machine.call("systemd", "probe", {"unit": "slow"}).state == "fail"
    assert machine.call("systemd", "probe", {"unit": "slow", "state": ["active", "activating"]}).state == "pass"


def test_the_sub_state_narrows(machine):
    machine.unit("exited.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n")
    machine.run(["systemctl", "start", "exited"])
    assert machine.call("systemd", "probe", {"unit": "exited"}).state == "pass"
    answer = machine.call("systemd", "probe", {"unit": "exited", "sub_state": "running"})
    assert answer.state == "fail"
    assert answer.sentence.endswith("; wanted: active (running)")


def test_of_several_units_the_first_bad_one_is_named(machine):
    machine.unit("one.service", SLEEP)
    machine.unit("two.service", SLEEP)
    machine.run(["systemctl", "start", "one"])
    answer = machine.call("systemd", "probe", {"unit": ["one", "two"]})
    assert (answer.state, answer.facts["unit"], answer.facts["one.service"]) == ("fail", "two.service", "active (running)")
    machine.run(["systemctl", "start", "two"])
    answer = machine.call("systemd", "probe", {"unit": ["one", "two"]})
    assert (answer.state, answer.sentence) == ("pass", "all 2 units are as wanted: one.service and two.service")


def test_a_unit_that_does_not_exist_is_for_a_person(machine):
    answer = machine.call("systemd", "probe", {"unit": "nothing"})
    assert (answer.status, answer.state, answer.facts["cause"]) == ("config", "unknown", "missing")
    assert answer.sentence == "there is no unit nothing.service on this host (systemctl cat nothing.service)"


def test_a_broken_unit_file_fails_with_systemds_words(machine):
    machine.unit("broken.service", "[Service]\nType=oneshot\n")
    answer = machine.call("systemd", "probe", {"unit": "broken"})
    assert (answer.state, answer.facts["cause"]) == ("fail", "unit")
    assert answer.sentence.startswith("systemd cannot load broken.service: ")
    assert "bad-setting" in answer.sentence or "bad unit file setting" in answer.sentence


def test_an_unprivileged_user_may_check_by_the_system_bus(machine):
    machine.unit("seen.service", SLEEP)
    machine.run(["systemctl", "start", "seen"])
    answer = machine.call("systemd", "probe", {"unit": "seen"}, user="nobody")
    assert (answer.status, answer.state) == ("ok", "pass")


def test_root_without_capabilities_may_act(machine):
    """As the daemon runs it with `user = root`."""
    machine.unit("bare.service", SLEEP)
    answer = machine.call("systemd", "enter", {"unit": "bare"}, capabilities=False)
    assert (answer.status, answer.sentence) == ("ok", "started bare.service")


# --- the action

def test_enter_starts_in_order_and_leave_stops_in_reverse(machine):
    (machine.share / "order").unlink(missing_ok=True)
    for name in ("first", "second", "third"):
        machine.unit(f"{name}.service", recorder(name))
    settings = {"unit": ["first", "second", "third"]}
    answer = machine.call("systemd", "enter", settings)
    assert (answer.status, answer.sentence) == (
        "ok", "started first.service; started second.service; started third.service")
    assert answer.facts["changed"] == "3"
    assert machine.call("systemd", "leave", settings).status == "ok"
    assert journal_of(machine) == ["+first", "+second", "+third", "-third", "-second", "-first"]


def test_enter_and_leave_may_be_repeated(machine):
    machine.unit("again.service", SLEEP)
    assert machine.call("systemd", "enter", {"unit": "again"}).status == "ok"
    process = machine.show("again", "MainPID")
    answer = machine.call("systemd", "enter", {"unit": "again"})
    assert (answer.status, answer.sentence, answer.facts["changed"]) == ("ok", "again.service was running", "0")
    assert machine.show("again", "MainPID") == process
    assert machine.call("systemd", "leave", {"unit": "again"}).sentence == "stopped again.service"
    answer = machine.call("systemd", "leave", {"unit": "again"})
    assert (answer.status, answer.sentence) == ("ok", "again.service was not running")


def test_a_target_takes_its_units_along(machine):
    """With the targets that are installed, and a unit as the manual has it."""
    for name in ("baton-active@.target", "baton-standby@.target"):
        machine.unit(name, (ROOT / "plugins/systemd" / name).read_text())
    machine.unit("job.service", "[Unit]\nPartOf=baton-active@pg.target\n" + SLEEP + "[Install]\nWantedBy=baton-active@pg.target\n")
    machine.run(["systemctl", "enable", "job"])
    settings = {"unit": "baton-active@pg.target", "standby_unit": "baton-standby@pg.target"}
    assert machine.call("systemd", "enter", settings).status == "ok"
    await_state(machine, "job", "active")
    answer = machine.call("systemd", "leave", settings)
    assert (answer.status, machine.show("job", "ActiveState")) == ("ok", "inactive")
    assert machine.show("baton-standby@pg.target", "ActiveState") == "active"


def test_a_failed_member_of_a_target_is_told(machine):
    machine.unit("sour.service", "[Unit]\nBefore=meal.target\n[Service]\nType=oneshot\nExecStart=/bin/false\n")
    machine.unit("meal.target", "[Unit]\nWants=sour.service\n")
    answer = machine.call("systemd", "enter", {"unit": "meal.target"})
    assert (answer.status, answer.sentence) == ("ok", "started meal.target; but of meal.target sour.service has failed")
    assert (plugin_warning := [text for level, text in answer.log if level == 2]) and "sour.service" in plugin_warning[0]


def test_what_an_act_starts_is_in_no_cgroup_of_baton_and_outlives_it(machine):
    """Called from a service that stands for Baton, and is then killed with all that its cgroup holds."""
    machine.unit("free.service", SLEEP)
    call = machine.share / "call.py"
    call.write_text(f"import sys\nsys.path.insert(0, {str(ROOT / 'tests/plugins')!r})\nimport plugin\n"
                    "print(plugin.call('systemd', 'enter', {'unit': 'free'}, timeout=5).status, flush=True)\n"
                    "open('/run/share/called', 'w').close()\nimport signal\nsignal.pause()\n")
    machine.unit("host.service", f"[Service]\nEnvironment=BATON_PLUGIN_DIR={plugin.PLUGIN_DIR.resolve()}\n"
                                 "ExecStart=/usr/bin/python3 /run/share/call.py\n")
    machine.run(["systemctl", "start", "host"])
    end = time.monotonic() + 10
    while not (machine.share / "called").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert machine.show("free", "ControlGroup") == "/system.slice/free.service"
    machine.run(["systemctl", "kill", "-s", "KILL", "host"])
    await_state(machine, "host", "failed")
    assert machine.show("free", "ActiveState") == "active"


def test_a_timer_is_enabled_for_this_boot_only_and_disabled_again(machine):
    machine.unit("backup.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n")
    machine.unit("backup.timer", TIMER)
    answer = machine.call("systemd", "enter", {"timer": "backup"})
    assert (answer.status, answer.sentence) == ("ok", "enabled backup.timer; started backup.timer")
    assert (machine.show("backup.timer", "UnitFileState"), machine.show("backup.timer", "ActiveState")) == (
        "enabled-runtime", "active")
    answer = machine.call("systemd", "leave", {"timer": "backup"})
    assert (answer.status, answer.sentence) == ("ok", "stopped backup.timer; disabled backup.timer")
    assert (machine.show("backup.timer", "UnitFileState"), machine.show("backup.timer", "ActiveState")) == (
        "disabled", "inactive")


def test_a_timer_that_was_enabled_for_good_is_disabled_at_leave_too(machine):
    machine.unit("good.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n")
    machine.unit("good.timer", TIMER)
    machine.run(["systemctl", "enable", "--runtime", "good.timer"])
    machine.run(["systemctl", "enable", "--now", "good.timer"])
    assert machine.call("systemd", "leave", {"timer": "good"}).status == "ok"
    assert machine.run(["systemctl", "is-enabled", "good.timer"], check=False).stdout == "disabled\n"


def test_a_timer_is_enabled_for_good_when_asked_and_not_at_all_with_no(machine):
    for name in ("lasting", "plain"):
        machine.unit(f"{name}.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n")
        machine.unit(f"{name}.timer", TIMER)
    assert machine.call("systemd", "enter", {"timer": "lasting", "enable": "persistent"}).status == "ok"
    assert machine.show("lasting.timer", "UnitFileState") == "enabled"
    assert machine.call("systemd", "enter", {"timer": "plain", "enable": "no"}).sentence == "started plain.timer"
    assert machine.show("plain.timer", "UnitFileState") == "disabled"


def test_a_restore_timer_and_its_running_job_stop_before_anything_starts(machine):
    (machine.share / "order").unlink(missing_ok=True)
    machine.unit("restore.service", "[Service]\nType=oneshot\nExecStart=/bin/sleep infinity\n"
                                    "ExecStopPost=/bin/sh -c 'echo -restore >>/run/share/order'\n")
    machine.unit("restore.timer", TIMER)
    machine.unit("database.service", recorder("database"))
    settings = {"unit": "database", "standby_timer": "restore"}
    assert machine.call("systemd", "leave", settings).status == "ok"
    assert machine.show("restore.timer", "ActiveState") == "active"
    machine.run(["systemctl", "start", "--no-block", "restore"])
    await_state(machine, "restore", "activating")
    answer = machine.call("systemd", "enter", settings)
    assert (answer.status, answer.sentence) == (
        "ok", "stopped restore.timer; disabled restore.timer; stopped restore.service; started database.service")
    assert journal_of(machine) == ["-restore", "+database"]
    assert machine.show("restore.timer", "ActiveState") == "inactive"


def test_a_unit_that_fails_to_start_says_why_and_those_after_it_do_not_start(machine):
    (machine.share / "order").unlink(missing_ok=True)
    machine.unit("bad.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 7'\n")
    machine.unit("after.service", recorder("after"))
    answer = machine.call("systemd", "enter", {"unit": ["bad", "after"]})
    assert answer.status == "transient"
    assert answer.sentence.startswith("could not start: bad.service has failed since 20")
    assert answer.sentence.endswith("result exit-code, its main process exited with status 7")
    assert journal_of(machine) == []


def test_a_missing_program_is_for_a_person(machine):
    machine.unit("absent.service", "[Service]\nType=exec\nExecStart=/nonexistent/program\n")
    answer = machine.call("systemd", "enter", {"unit": "absent"})
    assert answer.status == "config"
    assert answer.sentence.endswith("exited with status 203 (its program cannot be executed)")


def test_a_failed_unit_that_may_no_longer_start_is_started_after_all(machine):
    """A takeover is not defeated by an old count of starts."""
    machine.unit("limited.service", "[Unit]\nStartLimitBurst=1\nStartLimitIntervalSec=1h\n[Service]\n"
                                    "ExecStart=/bin/sh -c '[ -e /run/share/well ] && exec sleep infinity'\n")
    machine.run(["systemctl", "start", "limited"])
    await_state(machine, "limited", "failed")
    (machine.share / "well").touch()
    refused = machine.call("systemd", "enter", {"unit": "limited", "reset_failed": "no"})
    assert refused.status != "ok"
    answer = machine.call("systemd", "enter", {"unit": "limited"})
    assert (answer.status, answer.sentence) == ("ok", "started limited.service")


def test_an_unmet_condition_is_refused_and_named(machine):
    machine.unit("needs.service", "[Unit]\nConditionPathExists=/nonexistent/licence\n" + SLEEP)
    answer = machine.call("systemd", "enter", {"unit": "needs"})
    assert (answer.status, answer.sentence) == (
        "refused", "needs.service was not started: its ConditionPathExists=/nonexistent/licence is not met")


@pytest.mark.parametrize("condition,status,words", [
    ("/nonexistent/a", "refused", "once1.service was not started: its ConditionPathExists=/nonexistent/a is not met"),
    ("/bin", "ok", "ran once2.service")])
def test_a_oneshot_that_ran_is_told_from_one_that_did_not(machine, condition, status, words):
    name = words.split(".service")[0].split()[-1]
    machine.unit(f"{name}.service", f"[Unit]\nConditionPathExists={condition}\n[Service]\nType=oneshot\nExecStart=/bin/true\n")
    for _ in range(2):
        answer = machine.call("systemd", "enter", {"unit": name})
        assert (answer.status, answer.sentence) == (status, words)


def test_a_unit_that_is_masked_or_missing_is_for_a_person(machine):
    machine.unit("hidden.service", SLEEP)
    machine.run(["systemctl", "mask", "--runtime", "hidden"])
    answer = machine.call("systemd", "enter", {"unit": "hidden"})
    assert (answer.status, answer.sentence) == ("config", "hidden.service is masked: systemctl unmask hidden.service")
    answer = machine.call("systemd", "enter", {"unit": "nowhere.target"})
    assert (answer.status, answer.facts["cause"]) == ("config", "missing")
    assert machine.call("systemd", "leave", {"unit": "nowhere.target"}).status == "config"


def test_a_slow_start_ends_at_the_deadline(machine):
    machine.unit("crawl.service", "[Service]\nType=oneshot\nExecStart=/bin/sleep infinity\n")
    answer = machine.call("systemd", "enter", {"unit": "crawl"}, timeout=1.0)
    assert (answer.status, answer.facts["cause"]) == ("transient", "timeout")
    assert answer.sentence.startswith("crawl.service is not started within ")
    assert 0.9 < answer.seconds < 1.3
    machine.run(["systemctl", "kill", "-s", "KILL", "crawl"])


def test_a_unit_that_will_not_stop_does_not_keep_the_others_from_being_stopped(machine):
    machine.unit("gentle.service", SLEEP)
    machine.unit("stubborn.service", "[Service]\nExecStart=/bin/sh -c 'trap \"\" TERM; touch /run/share/trapped; "
                                     "while :; do sleep 1; done'\nTimeoutStopSec=1h\n")
    settings = {"unit": ["gentle", "stubborn"], "standby_unit": "idle2"}
    machine.unit("idle2.service", SLEEP)
    assert machine.call("systemd", "enter", {"unit": ["gentle", "stubborn"]}).status == "ok"
    end = time.monotonic() + 5
    while not (machine.share / "trapped").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    answer = machine.call("systemd", "leave", settings, timeout=1.5)
    assert answer.status == "transient"
    assert answer.sentence.startswith("stubborn.service is not stopped within ")
    assert answer.facts["done"] == "stopped gentle.service"
    assert machine.show("gentle", "ActiveState") == "inactive"
    assert machine.show("idle2", "ActiveState") == "inactive", "the standby's unit must not run beside the Active's"
    machine.run(["systemctl", "kill", "-s", "KILL", "stubborn"])


def test_without_polkit_an_unprivileged_user_is_denied_and_told_the_remedy(machine):
    machine.unit("guarded.service", SLEEP)
    answer = machine.call("systemd", "enter", {"unit": "guarded"}, user="nobody")
    assert (answer.status, answer.facts["cause"]) == ("config", "denied")
    assert answer.sentence.startswith("nobody may not start guarded.service (")
    assert answer.sentence.endswith("): allow org.freedesktop.systemd1.manage-units for it in /etc/polkit-1/rules.d, "
                                    "or write `user = root`")
    machine.unit("guarded.timer", TIMER)
    answer = machine.call("systemd", "enter", {"timer": "guarded"}, user="nobody")
    assert "nobody may not enable guarded.timer (" in answer.sentence
    assert answer.sentence.endswith("): write `user = root`, or `enable = no` for timers that are only started and stopped")
    assert machine.show("guarded", "ActiveState") == "inactive"


def test_the_manuals_polkit_rule_lets_its_user_do_just_that(machine):
    """The rule itself, from the manual, with polkitd and by the system bus."""
    manual = (ROOT / "plugins/systemd/README.md").read_text()
    rule = re.search(r"```js\n(.*?)```", manual, re.DOTALL)[1].replace("baton-act", "nobody")
    assert '"postgresql.service", "backup.timer"' in rule and "nobody" in rule
    machine.run(["mount", "-t", "tmpfs", "-o", "mode=755", "rules", "/etc/polkit-1/rules.d"])
    machine.run(["tee", "/etc/polkit-1/rules.d/60-baton.rules"], input=rule)
    machine.unit("polkit.service", "[Service]\nType=dbus\nBusName=org.freedesktop.PolicyKit1\n"
                                   "ExecStart=/usr/lib/polkit-1/polkitd --no-debug\n")
    oneshot = "[Service]\nType=oneshot\nExecStart=/bin/true\n"
    for name, text in {"postgresql.service": SLEEP, "other.service": SLEEP, "backup.service": oneshot, "backup.timer": TIMER,
                       "restore.service": "[Unit]\nConditionPathExists=/nonexistent\n" + oneshot}.items():
        machine.unit(name, text)
    settings = {"unit": "postgresql", "timer": "backup", "enable": "no"}
    try:
        machine.run(["systemctl", "start", "polkit"])
        answer = machine.call("systemd", "enter", settings, user="nobody")
        assert (answer.status, answer.sentence) == ("ok", "started postgresql.service; started backup.timer")
        assert machine.show("postgresql", "ActiveState") == "active"
        assert machine.call("systemd", "enter", {"unit": "backup"}, user="nobody").sentence == "ran backup.service"
        assert machine.call("systemd", "enter", {"unit": "restore"}, user="nobody").status == "refused"
        answer = machine.call("systemd", "leave", settings, user="nobody")
        assert (answer.status, answer.sentence) == ("ok", "stopped backup.timer; stopped postgresql.service")
        for other in ({"unit": "other"}, {"timer": "backup"}):
            answer = machine.call("systemd", "enter", other, user="nobody")
            assert (answer.status, answer.facts["cause"]) == ("config", "denied")
        assert machine.show("other", "ActiveState") == "inactive"
    finally:
        machine.run(["systemctl", "stop", "polkit"])
        (machine.unit_directory / "polkit.service").unlink()
        machine.run(["systemctl", "daemon-reload"])
        machine.run(["umount", "/etc/polkit-1/rules.d"])


def test_a_unit_that_starts_at_boot_by_itself_is_warned_of(machine):
    machine.unit("eager.service", SLEEP + "[Install]\nWantedBy=multi-user.target\n")
    machine.run(["systemctl", "enable", "eager"])
    answer = machine.call("systemd", "enter", {"unit": "eager"})
    assert [text.split(":")[0] for level, text in answer.log if level == 2] == ["eager.service is enabled"]


# --- systemd itself

def test_a_host_that_systemd_does_not_run_is_said():
    """In a mount namespace with an empty /run."""
    script = (f"import sys; sys.path.insert(0, {str(ROOT / 'tests/plugins')!r}); import plugin\n"
              "for verb in ('probe', 'enter'):\n"
              "    answer = plugin.call('systemd', verb, {'unit': 'web'}); print(answer.status, answer.state, answer.sentence)\n")
    done = subprocess.run(["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh", "/usr/bin/python3", "-c",
                           script], stdout=subprocess.PIPE, text=True, check=True, timeout=20)
    assert done.stdout.splitlines() == [
        "config unknown systemd does not run this host: there is no /run/systemd/system"] * 2


def test_without_a_bus_root_still_acts_and_others_are_told():
    machine = Machine(bus=False)
    try:
        machine.start()
        machine.unit("lone.service", SLEEP)
        assert machine.call("systemd", "enter", {"unit": "lone"}).status == "ok"
        answer = machine.call("systemd", "probe", {"unit": "lone"}, user="nobody")
        assert (answer.status, answer.state) == ("config", "unknown")
        assert answer.sentence == ("cannot connect to /run/dbus/system_bus_socket as nobody: No such file or directory: "
                                   "start dbus, or write `user = root`, which needs no bus")
    finally:
        machine.stop()


@pytest.mark.parametrize("user", [None, "nobody"])
def test_a_frozen_systemd_is_unknown_within_the_timeout(user):
    machine = Machine()
    try:
        machine.start()
        machine.unit("web.service", SLEEP)
        os.kill(machine.pid, signal.SIGSTOP)
        answer = machine.call("systemd", "probe", {"unit": "web"}, timeout=0.8, user=user)
        assert (answer.status, answer.state, answer.facts["cause"]) == ("transient", "unknown", "timeout")
        assert 0.7 < answer.seconds < 1.1
    finally:
        machine.stop()


# --- the settings

def test_settings_are_refused_that_cannot_be_meant():
    assert plugin.complaints("systemd", {"unit": "web"}) == []
    assert plugin.complaints("systemd", {}) == [
        (None, "names no unit: write unit, timer, standby_unit or standby_timer")]
    assert plugin.complaints("systemd", {"unit": "we b"}) == [("unit", "'we b' has a ' ', which no unit name has")]
    assert plugin.complaints("systemd", {"unit": "baton-active@.target"}) == [
        ("unit", "'baton-active@.target' is a template; write what stands between @ and the dot")]
    assert plugin.complaints("systemd", {"timer": "a.service"}) == [("timer", "a.service is no timer: write it as a unit")]
    assert plugin.complaints("systemd", {"unit": "a", "standby_unit": "a.service"}) == [
        ("standby_unit", "a.service is to run while Active, too")]
    assert plugin.complaints("systemd", {"unit": ["a", "a.service"]})[0] == ("unit", "a.service stands here twice")
