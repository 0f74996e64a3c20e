"""The crash table of a database's transaction, for the engine alone: its successor takes over what is under way, at each line of a
promotion and of a demotion. Never two writable, and no acknowledged write lost."""
import os
import signal
import time

import pytest

from lib import roles
from lib.proc import wait_until
from lib.redis_crash import CrashedPair
from lib.redis_pair import VIP


def kill_engine(baton):
    pid = wait_until(lambda: baton.process_of("engine"), 5, "an engine runs")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: baton.process_of("engine") not in (None, pid), 5, "a new engine")


def is_standby(pair, host):
    return roles.data_of(pair.daemons[host].wait_ready()).get("role") == "standby" and pair.servers[host].linked()


def move(pair, giver, taker, line, dies):
    """From `giver` to `taker`; the engine of `dies` is killed at `line`. Both may go on afterwards."""
    baton = pair.daemons[dies]
    pair.stop_at(dies, line)
    began = time.monotonic()
    roles.move_away(pair.daemons[giver])
    pair.wait_at(dies, line)
    kill_engine(baton)
    pair.let_go()
    pair.scene.wait_holder(taker, VIP, 40)
    assert pair.servers[taker].role() == "master", line
    pair.clients.wait_more(30)
    wait_until(lambda: pair.servers[giver].upstream()[0] == pair.scene.lab.ip4(taker) and is_standby(pair, giver), 40, "%s follows %s" % (giver, taker))
    assert pair.daemons[giver].control("undrain").returncode == 0
    print(line, dies, "%.1f s" % (time.monotonic() - began))


def start_anew(pair, host):
    """A standby's Baton; so its engine has not died yet."""
    assert pair.daemons[host].stop() == 0
    pair.daemons[host].start()
    wait_until(lambda: is_standby(pair, host), 30, host + " is a standby again")


@pytest.mark.limit(240)
def test_an_engine_killed_on_the_way_up_has_a_successor_that_finishes_the_promotion(scene):
    pair = CrashedPair(scene)
    giver, taker = "db1", "db2"
    for line in ("claiming", "granting", ("first", "fence"), ("first", "can_promote"), "deciding", ("first", "promote"), ("last", "promote"),
                 ("last", "verify")):
        start_anew(pair, taker)
        move(pair, giver, taker, line, taker)
        giver, taker = taker, giver
    assert pair.ended(giver) == []


@pytest.mark.limit(240)
def test_an_engine_killed_on_the_way_down_has_a_successor_that_finishes_the_demotion(scene):
    pair = CrashedPair(scene)
    giver, taker = "db1", "db2"
    for line in (("last", "block_writes"), ("first", "block_writes"), ("last", "demote"), ("first", "demote")):
        move(pair, giver, taker, line, giver)
        start_anew(pair, giver)
        giver, taker = taker, giver
    assert pair.ended(giver) == []


def reexec(baton):
    """An upgrade; the program is the same here (25_reexec.py has another one)."""
    engine = baton.process_of("engine")
    done = baton.control("reexec")
    assert done.returncode == 0, done.stdout + done.stderr
    wait_until(lambda: baton.process_of("engine") not in (None, engine), 5, "a new engine")


@pytest.mark.parametrize("replace", [kill_engine, reexec])
def test_an_engine_replaced_while_it_serves_touches_nothing(scene, replace):
    """The clients' connections stay, and no section is asked anything but how it is."""
    pair = CrashedPair(scene)
    one = pair.daemons["db1"]
    before = pair.servers["db1"].info()
    asked = [entry for entry in one.events() if "verb" in entry]
    refused = len(pair.clients.unknown)
    replace(one)
    wait_until(lambda: roles.data_of(one.wait_ready()).get("role") == "active", 10, "it is Active again")
    pair.clients.wait_more(300)
    data = roles.data_of(one)
    assert (data["step"], data["generation"], data["dirty"]) == ("active", 1, True)
    assert len(pair.clients.unknown) == refused, "no client met an error"
    after = pair.servers["db1"].info()
    assert after["run_id"] == before["run_id"] and after["master_replid"] == before["master_replid"]
    acts = {entry["verb"] for entry in one.events() if "verb" in entry} - {entry["verb"] for entry in asked}
    assert acts <= {"acquire", "renew"}, acts
    assert pair.ended("db1") == []
    assert not scene.owners.changes(VIP, "db2")


def test_no_program_is_replaced_in_the_middle_of_a_promotion(scene):
    pair = CrashedPair(scene)
    taker = pair.daemons["db2"]
    pair.stop_at("db2", ("last", "promote"))
    roles.move_away(pair.daemons["db1"])
    pair.wait_at("db2", ("last", "promote"))
    engine = taker.process_of("engine")
    refused = taker.control("reexec")
    assert refused.returncode == 6 and "instance svc: a promotion is under way" in refused.stderr, refused.stdout + refused.stderr
    assert taker.process_of("engine") == engine
    pair.let_go()
    scene.wait_holder("db2", VIP, 40)
    wait_until(lambda: roles.data_of(taker).get("step") == "active", 20, "the promotion is over")
    reexec(taker)
    assert pair.ended("db2") == []
