"""reload --confirm-within: the configuration before comes back, exactly as it was, unless somebody says `confirm` in time."""
import os
import time

from lib.daemons import BATON_BIN
from lib.proc import run, wait_until

VIP, ADDED = "10.77.0.50", "10.77.0.51"


def ok(done):
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return done


def change(baton):
    """Another address in the file; the hash of what ran before."""
    before = baton.json("status")["config_hash"]
    baton.services[0].vips = ("10.77.0.50/24", "10.77.0.51/24")
    baton.configure()
    return before


def reload_within(scene, baton, time_):
    before = change(baton)
    said = ok(baton.control("reload", "--confirm-within", time_)).stdout
    assert "applied\n" in said and "unless you say `batonctl confirm`" in said, said
    scene.wait_holder("db1", ADDED, 3)
    return before


def wait_rolled_back(scene, baton, before, deadline):
    wait_until(lambda: baton.json("status")["rolled_back"], deadline, "it is rolled back")
    wait_until(lambda: not scene.owners.holders(ADDED), 3, "the address that was added is gone")
    status = baton.json("status")
    assert status["config_hash"] == before and status["confirm_within_ms"] is None


def news(baton):
    return [entry["text"] for entry in baton.json("history")["entries"] if entry.get("reason") == "config_changed" and entry["instance"] is None]


def test_what_nobody_confirms_is_rolled_back_without_moving_anything_else(scene):
    one, _ = scene.pair()
    began, transitions = time.time(), one.transitions()
    asked = time.monotonic()
    before = reload_within(scene, one, "3s")
    status = one.json("status")
    assert 0 < status["confirm_within_ms"] <= 3000 and not status["rolled_back"] and status["config_hash"] != before
    assert "RELOAD WAITS: rolled back in" in ok(one.control("status")).stdout
    wait_rolled_back(scene, one, before, 6)
    assert 2.9 < time.monotonic() - asked
    assert not scene.owners.changes(VIP, since=began) and one.transitions() == transitions
    text = ok(one.control("status")).stdout
    assert "ROLLED BACK" in text and one.config in text
    told = news(one)
    assert len(told) == 2 and "waits for `batonctl confirm`" in told[0] and "rolled back, not confirmed within 3 s" in told[1], told
    assert "event=reload_rolled_back" in one.log()
    late = one.control("confirm")
    assert late.returncode == 6 and "too late" in late.stderr
    assert "baton_config_last_reload_success 0\n" in ok(one.control("metrics")).stdout
    # The file still has it: the difference can be seen, and a reload without a time takes it.
    assert "10.77.0.51/24" in one.control("config", "diff").stdout
    ok(one.control("reload"))
    scene.wait_holder("db1", ADDED, 3)
    assert not one.json("status")["rolled_back"]


def test_what_is_confirmed_stays(scene):
    one, _ = scene.pair()
    reload_within(scene, one, "2s")
    confirmed = ok(one.control("confirm"))
    assert "stays in force" in confirmed.stdout
    status = one.json("status")
    assert status["confirm_within_ms"] is None and not status["rolled_back"]
    time.sleep(2.5)  # longer than it would have waited
    assert scene.owners.holders(ADDED) == ["db1"]
    again = one.control("confirm")
    assert again.returncode == 6 and "no reload waits" in again.stderr
    assert "confirmed" in news(one)[-1]


def test_an_operator_takes_it_back_at_once(scene):
    one, _ = scene.pair()
    before = reload_within(scene, one, "10m")
    assert "in force again" in ok(one.control("confirm", "--revert")).stdout
    wait_rolled_back(scene, one, before, 1)
    assert "as an operator asked" in news(one)[-1]


def test_a_second_reload_is_refused_while_one_waits(scene):
    one, _ = scene.pair()
    before = reload_within(scene, one, "10m")
    one.services[0].priority = 77
    one.configure()
    for words in (("reload",), ("reload", "--confirm-within", "5s")):
        refused = one.control(*words)
        assert refused.returncode == 6 and "batonctl confirm" in refused.stderr, refused
    assert ok(one.control("reload", "--dry-run")).stdout.endswith("not applied\n")
    one.hang_up()  # SIGHUP is a reload, too
    wait_until(lambda: one.log().count("event=reload_refused") == 3, 3, "the signal is refused like the others")
    assert one.instance()["effective_priority"] == 200
    ok(one.control("confirm", "--revert"))
    wait_rolled_back(scene, one, before, 3)
    ok(one.control("reload"))
    assert one.instance()["effective_priority"] == 77


def test_it_comes_back_though_engine_and_steward_died_and_the_file_is_rubbish(scene):
    one, _ = scene.pair()
    before = reload_within(scene, one, "6s")
    one.write("baton.conf", "[rubbish\n")
    engine, steward = one.process_of("engine"), one.process_of("steward")
    one.kill_process("engine")
    wait_until(lambda: one.process_of("engine") not in (None, engine), 3, "a new engine")
    one.kill_process("steward")
    wait_until(lambda: one.process_of("steward") not in (None, steward), 3, "a new steward")
    wait_until(lambda: one.control("status").returncode == 0, 5, "it answers")
    status = one.json("status")
    assert 0 < status["confirm_within_ms"] < 6000 and status["config_hash"] != before
    wait_rolled_back(scene, one, before, 10)
    scene.sole("db1", seconds=0.5)


def test_an_engine_that_keeps_dying_over_it_gets_the_configuration_before(scene):
    one, _ = scene.pair()
    before = reload_within(scene, one, "10m")
    for _ in range(3):
        engine = one.process_of("engine")
        one.kill_process("engine")
        wait_until(lambda gone=engine: one.process_of("engine") not in (None, gone), 3, "a new engine")
    wait_rolled_back(scene, one, before, 3)
    assert "the engine died three times" in news(one)[-1]
    scene.wait_holder("db1", deadline=5)
    assert "event=engine_given_up" not in one.log()


def test_the_steward_that_starts_after_a_rollback_knows_of_it(scene):
    one, _ = scene.pair()
    before = reload_within(scene, one, "10m")
    ok(one.control("confirm", "--revert"))
    wait_rolled_back(scene, one, before, 3)
    steward = one.process_of("steward")
    one.kill_process("steward")
    wait_until(lambda: one.process_of("steward") not in (None, steward), 3, "a new steward")
    wait_until(lambda: one.control("status").returncode == 0, 5, "it answers")
    assert one.json("status")["rolled_back"]


def test_a_bad_file_is_refused_and_nothing_waits(scene):
    one, _ = scene.pair()
    one.write("baton.conf", one.compose() + "\n[instance other]\ninterfce = eth0\n")
    assert one.control("reload", "--confirm-within", "60s").returncode == 5
    assert one.json("status")["confirm_within_ms"] is None
    assert one.control("confirm").returncode == 6


def test_a_time_that_is_none_is_a_usage_error():
    for words, complaint in ((("reload", "--confirm-within", "60"), "from 1s to 1d"), (("reload", "--confirm-within", "2d"), "from 1s to 1d"),
                             (("reload", "--dry-run", "--confirm-within", "60s"), "--dry-run")):
        done = run(os.path.join(BATON_BIN, "batonctl"), *words, check=False)
        assert done.returncode == 2 and complaint in done.stderr, done
