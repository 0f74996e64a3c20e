"""Planned moves of a Redis pair: nothing that was acknowledged is lost, or it does not happen and everything is as it was."""
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import roles
from lib.gate import Gates
from lib.proc import wait_until
from lib.redis_pair import VIP, RedisPair


def moving_pair(scene, **options):
    options.setdefault("lines", ("promotion_budget = 10 per 1h",))
    return RedisPair(scene, peers=True, **options).start()


def hears_standby(pair, host):
    """`host` has the other one's word that it is a settled standby, whose database is probed."""
    def settled(one):
        data, database = one.get("data", {}), one.get("database", {})
        return (data.get("role"), data.get("step"), database.get("role"), database.get("state")) == ("standby", "standby", "replica", "pass")

    def looks():
        return any(settled(one) for peer in pair.daemons[host].json("status")["peers"] for one in peer["instances"])
    wait_until(looks, 10, "%s hears that the other is a standby" % host)


def gated_pair(scene):
    """One whose transaction stands still where a test wants it, under load."""
    gates = Gates(scene.lab, ("gate",))
    pair = moving_pair(scene, promote=("redis", "gate"), sections=gates.sections())
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    hears_standby(pair, "db1")
    return gates, pair, writer, sampler


def switchover(pair, host, *arguments):
    return pair.daemons[host].control("switchover", "svc", *arguments)


@pytest.mark.limit(180)
@pytest.mark.parametrize("grant", ["witness", "peer"])
def test_a_switchover_under_load_loses_nothing_and_goes_there_and_back(scene, grant):
    pair = moving_pair(scene, grant=grant)
    writer, sampler = pair.writer(), pair.sampler()
    giver, taker = "db1", "db2"
    for _ in range(3):
        writer.wait_more(200)
        hears_standby(pair, giver)
        began = time.monotonic()
        done = switchover(pair, giver)
        took = time.monotonic() - began
        assert done.returncode == 0, done.stdout + done.stderr
        assert "%s has taken over" % taker in done.stdout
        pair.serving(taker, 5)
        writer.wait_more(100)
        wait_until(lambda: pair.servers[giver].upstream()[0] == scene.lab.ip4(taker) and pair.servers[giver].linked(), 20, "%s follows %s" % (giver, taker))
        wait_until(lambda: roles.data_of(pair.daemons[giver])["dirty"] is False, 10, "%s is clean" % giver)
        print("switchover took %.3f s" % took)
        giver, taker = taker, giver
    assert roles.data_of(pair.daemons[giver])["generation"] == 4
    pair.nothing_lost(writer, sampler, giver)
    writer.gaps = [(gap, last) for gap, last in writer.gaps if last + gap > began]
    roles.measure("switchover of a Redis pair, grant = %s" % grant, writer, began, 0)


@pytest.mark.limit(120)
def test_a_dry_run_says_what_was_looked_at_and_changes_nothing(scene):
    pair = moving_pair(scene)
    hears_standby(pair, "db1")
    lag = "0 bytes behind, as the database of db1 sees it"  # the replica's first word to its primary takes a second
    wait_until(lambda: lag in switchover(pair, "db1", "--dry-run").stdout, 5, "the replica has told its primary where it is")
    done = switchover(pair, "db1", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert any("db1 (here): Active, 1 of 1 addresses held; data active, generation 1; database primary" in line for line in lines), lines
    assert any("db2: heard" in line and "data standby" in line and "database replica" in line for line in lines), lines
    assert lines[-1] == "svc: db2 could take over: nothing speaks against it"
    for host in ("db1", "db2"):
        there = switchover(pair, host, "--to", "db1")
        assert (there.returncode, there.stdout) == (0, "db1 already is Active for svc; nothing to do\n"), there.stdout + there.stderr
    assert roles.data_of(pair.daemons["db1"])["generation"] == 1
    assert scene.owners.holders(VIP) == ["db1"]


@pytest.mark.limit(120)
def test_a_switchover_is_refused_when_the_other_host_cannot_take_it(scene):
    """F96: exit 6, with the reason, and nothing changes."""
    pair = moving_pair(scene)
    hears_standby(pair, "db1")
    wrong = switchover(pair, "db1", "--to", "db7")
    assert (wrong.returncode, "no other host is named db7" in wrong.stderr) == (6, True), wrong.stderr
    assert pair.daemons["db2"].control("drain").returncode == 0
    wait_until(lambda: switchover(pair, "db1").returncode == 6, 5, "a drained host is no successor")
    refused = switchover(pair, "db1")
    assert "db2 may not take it: db2 is drained" in refused.stderr
    assert pair.daemons["db2"].control("undrain").returncode == 0
    pair.daemons["db2"].stop()
    assert "db2 has been stopped" in switchover(pair, "db1").stderr
    assert "db2: its Baton has been stopped" in pair.daemons["db1"].control("status").stdout
    pair.daemons["db2"].start().wait_ready()
    hears_standby(pair, "db1")
    pair.daemons["db2"].kill()
    wait_until(lambda: "db2 is not heard any more" in switchover(pair, "db1").stderr, 10, "a host that is gone is no successor")
    assert roles.data_of(pair.daemons["db1"])["generation"] == 1
    assert scene.owners.holders(VIP) == ["db1"]


@pytest.mark.limit(120)
def test_a_second_switchover_at_the_same_time_is_refused_and_a_killed_client_changes_nothing(scene):
    """F96: a single transaction, which the daemon finishes."""
    pair = moving_pair(scene)
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    hears_standby(pair, "db1")
    pair.servers["db2"].freeze()  # db2 cannot answer yet
    first = pair.daemons["db1"].control_process("switchover", "svc")
    wait_until(lambda: (roles.data_of(pair.daemons["db1"])["move"] or {}).get("phase") == "asking", 10, "the first has begun")
    second = switchover(pair, "db1")
    assert second.returncode == 6, second.stdout + second.stderr
    first.send_signal(signal.SIGKILL)
    first.wait()
    pair.servers["db2"].thaw()
    pair.serving("db2", 30)
    pair.nothing_lost(writer, sampler, "db2")


@pytest.mark.limit(180)
def test_a_host_that_cannot_catch_up_gives_the_role_back(scene):
    """After db1's writes were blocked: it serves again, under its own generation."""
    gates, pair, writer, sampler = gated_pair(scene)
    gates.fail("db2", "gate", "drain", "transient")
    done = switchover(pair, "db1")
    assert (done.returncode, "svc: given up:" in done.stderr) == (1, True), done.stdout + done.stderr
    pair.serving("db1", 20)
    writer.wait_more(100)
    assert [entry["verb"] for entry in pair.daemons["db1"].events() if entry.get("verb") == "unblock_writes"], "writes had been blocked"
    data = roles.data_of(pair.daemons["db1"])
    assert (data["generation"], data["move"]["phase"]) == (1, "aborted")
    pair.nothing_lost(writer, sampler, "db1")


@pytest.mark.limit(180)
@pytest.mark.parametrize("line", ["handing", "passed", "promoting"])
def test_an_engine_that_dies_in_the_middle_loses_nothing(scene, line):
    gates, pair, writer, sampler = gated_pair(scene)
    verb = {"handing": "drain", "passed": "promote", "promoting": "promote"}[line]
    gates.stop("db2", "gate", verb)
    first = pair.daemons["db1"].control_process("switchover", "svc")
    gates.wait("db2", "gate", verb)
    victim = pair.daemons["db2" if line == "promoting" else "db1"]
    victim.kill_process("engine")
    gates.open()
    first.wait(60)
    wait_until(lambda: len(scene.owners.holders(VIP)) == 1, 60, "one host holds the address again")
    holder = "db1" if line == "handing" else "db2"
    pair.serving(holder, 60)
    writer.wait_more(100)
    pair.nothing_lost(writer, sampler, holder)


@pytest.mark.limit(180)
def test_started_on_the_standby_the_holder_gives_and_nothing_is_lost(scene):
    pair = moving_pair(scene)
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    hears_standby(pair, "db1")
    asked = switchover(pair, "db2", "--dry-run")
    assert asked.returncode == 0, asked.stdout + asked.stderr
    lines = asked.stdout.splitlines()
    assert lines[0].startswith("svc: db1: Active, 1 of 1 addresses held; data active, generation 1; database primary"), lines
    assert any("db2: heard" in line and "data standby" in line for line in lines), lines
    assert lines[-1] == "svc: db2 could take over: nothing speaks against it"
    assert scene.owners.holders(VIP) == ["db1"]
    giver, taker = "db1", "db2"
    for arguments in ((), ("--to", "db1")):  # without --to it comes to where it was asked for
        hears_standby(pair, giver)
        began = time.monotonic()
        done = switchover(pair, taker, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "svc: %s has taken over after" % taker in done.stdout
        print("switchover started on the standby took %.3f s" % (time.monotonic() - began))
        pair.serving(taker, 5)
        writer.wait_more(100)
        wait_until(lambda: pair.servers[giver].upstream()[0] == scene.lab.ip4(taker) and pair.servers[giver].linked(), 20, "%s follows %s" % (giver, taker))
        wait_until(lambda: roles.data_of(pair.daemons[giver])["dirty"] is False, 10, "%s is clean" % giver)
        giver, taker = taker, giver
    assert roles.data_of(pair.daemons["db1"])["generation"] == 3, "each was performed once"
    pair.nothing_lost(writer, sampler, "db1")


@pytest.mark.limit(120)
def test_started_on_the_standby_the_holders_refusal_is_the_answer(scene):
    pair = moving_pair(scene)
    hears_standby(pair, "db1")
    assert pair.daemons["db2"].control("drain").returncode == 0
    wait_until(lambda: switchover(pair, "db1", "--dry-run").returncode == 6, 5, "db1 has heard of it")
    refused = switchover(pair, "db2")
    assert (refused.returncode, "db1: refused: db2 may not take it: db2 is drained" in refused.stderr) == (6, True), refused.stderr
    assert "db1: Active" in refused.stdout
    assert pair.daemons["db2"].control("undrain").returncode == 0
    wrong = switchover(pair, "db2", "--to", "db7")
    assert (wrong.returncode, "db1: refused: no other host is named db7" in wrong.stderr) == (6, True), wrong.stderr
    scene.faults.block("udp dport 5112")
    wait_until(lambda: "no host is heard that is" in switchover(pair, "db2").stderr, 10, "a holder that is not heard is not asked")
    assert switchover(pair, "db2").returncode == 6
    assert roles.data_of(pair.daemons["db1"])["generation"] == 1
    assert scene.owners.holders(VIP) == ["db1"]


@pytest.mark.limit(180)
@pytest.mark.parametrize("line", ["handing", "promoting"])
def test_started_on_the_standby_the_client_is_told_the_truth_when_the_hosts_cannot_talk_any_more(scene, line):
    gates, pair, writer, sampler = gated_pair(scene)
    verb = {"handing": "drain", "promoting": "promote"}[line]
    gates.stop("db2", "gate", verb)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(pair.daemons["db2"].control, "switchover", "svc", timeout=60)
        gates.wait("db2", "gate", verb)
        scene.faults.block("udp dport 5112")
        gates.open()
        done = asked.result()
    if line == "handing":
        assert (done.returncode, "svc: given up: db1 is not heard any more" in done.stderr) == (1, True), done.stdout + done.stderr
        holder = "db1"
    else:
        assert (done.returncode, "svc: db2 has taken over after" in done.stdout) == (0, True), done.stdout + done.stderr
        holder = "db2"
    pair.serving(holder, 60)
    writer.wait_more(100)
    scene.faults.heal()
    writer.wait_more(200)  # nobody performs an old wish now
    pair.nothing_lost(writer, sampler, holder)


def group_config(key):
    lines = ["[daemon]", "peer_key_file = " + key, "", "[group both]", "member = m0", "member = m1", "priority = 100", "priority@db1 = 200"]
    for link in (0, 1):
        lines += ["", "[instance m%d]" % link, "interface = eth%d" % link, "virtual_router_id = %d" % (10 + link), "advertisement_interval = 100ms",
                  "address = 10.77.%d.50/24" % link]
    for number in (1, 2):
        lines += ["", "[peer db%d]" % number, "address = 10.77.0.%d" % number]
    return "\n".join(lines) + "\n"


@pytest.mark.lab(links=2)
def test_started_on_the_standby_a_group_without_data_moves_too(scene):
    roles.daemon_keys(scene)
    config = group_config(os.path.join(scene.lab.directory, "peer.key"))
    hosts = {host: scene.start("baton", host, config=config) for host in ("db1", "db2")}
    for vip in ("10.77.0.50", "10.77.1.50"):
        scene.wait_holder("db1", vip, 10)
    wait_until(lambda: [one["role"] for peer in hosts["db2"].json("status")["peers"] for one in peer["instances"]] == ["active"], 10, "db2 has heard that db1 is Active")
    asked = hosts["db2"].control("switchover", "--dry-run")
    assert (asked.returncode, "both: would give up the Active role" in asked.stdout) == (0, True), asked.stdout + asked.stderr
    elsewhere = hosts["db2"].control("switchover", "both", "--to", "db7")
    assert (elsewhere.returncode, "db1: refused: no other host is named db7" in elsewhere.stderr) == (6, True), elsewhere.stderr
    done = hosts["db2"].control("switchover")  # all that the other one has
    assert (done.returncode, "both: gives up the Active role" in done.stdout) == (0, True), done.stdout + done.stderr
    for vip in ("10.77.0.50", "10.77.1.50"):
        scene.wait_holder("db2", vip, 5)


@pytest.mark.limit(180)
def test_started_on_the_standby_a_new_steward_does_not_perform_it_again(scene):
    gates, pair, writer, sampler = gated_pair(scene)
    gates.stop("db2", "gate", "drain")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(pair.daemons["db2"].control, "switchover", "svc", timeout=60)
        gates.wait("db2", "gate", "drain")
        pair.daemons["db1"].kill_process("steward")
        done = asked.result()
        gates.open()
    assert (done.returncode, "db1's steward was started anew after it had been asked; it may still happen" in done.stderr) == (7, True), done.stdout + done.stderr
    pair.serving("db2", 60)
    writer.wait_more(200)
    assert roles.data_of(pair.daemons["db2"])["generation"] == 2
    pair.nothing_lost(writer, sampler, "db2")
