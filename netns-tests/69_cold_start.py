"""Both hosts start at once after both died with their databases: the one whose data is the newest serves, whatever the priorities, never
two are writable, and nothing that was acknowledged is lost (roles section 3)."""
import time

import pytest

from lib import roles
from lib.proc import hold, wait_until
from lib.redis_pair import PORT, VIP, RedisPair, writable

# Before a write is acknowledged it is in the file: what a killed server has told its client is there after its next start.
OPTIONS = ("appendfsync always",)
OTHER = {"db1": "db2", "db2": "db1"}


def die(pair):
    """Both hosts, as when the power of both fails."""
    for host, baton in pair.daemons.items():
        baton.kill()
        pair.servers[host].kill()
    wait_until(lambda: pair.scene.owners.holders(VIP) == [], 15, "nobody has the address any more")


def start(pair):
    """All at once."""
    began = time.time()
    for server in pair.servers.values():
        server.start(wait=False)
    for baton in pair.daemons.values():
        baton.start()
    for server in pair.servers.values():
        wait_until(server.answers, 20, "%s answers" % server.name)
    return began


@pytest.mark.limit(180)
@pytest.mark.parametrize("grant", ["witness", "peer"])
@pytest.mark.parametrize("newer", ["db1", "db2"])  # db1 has the higher priority
def test_the_one_with_the_newer_data_serves_after_both_died(scene, grant, newer):
    """The other one lacks the last writes of the same generation."""
    older = OTHER[newer]
    pair = RedisPair(scene, grant=grant, peers=True, interval_ms=300, options=OPTIONS, lines=("promotion_budget = 10 per 1h",)).start()
    if newer == "db2":
        roles.hand_over(pair.daemons["db1"])
        pair.serving("db2", 10)
        wait_until(lambda: roles.data_of(pair.daemons["db1"]).get("dirty") is False and pair.servers["db1"].linked(), 20, "db1 follows")
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    scene.faults.block("ip saddr %s tcp sport %d" % (scene.lab.ip4(newer), PORT), host=older)
    writer.wait_more(200)
    generation = roles.data_of(pair.daemons[newer])["generation"]
    behind = pair.numbers(older)
    die(pair)
    acknowledged = set(writer.acknowledged)
    assert len(acknowledged - behind) > 150, "%s has all but %d" % (older, len(acknowledged - behind))
    scene.faults.heal()
    began = start(pair)
    pair.serving(newer, 90)
    took = time.time() - began
    assert not scene.owners.changes(VIP, older, began), "%s had the address" % older
    writer.wait_more(50)
    assert acknowledged <= pair.numbers(newer)
    wait_until(lambda: pair.servers[older].linked() and acknowledged <= pair.numbers(older), 60, "%s follows, and gets what it lacked" % older)
    pair.nothing_lost(writer, sampler, newer)
    assert not any(older in hosts for at, hosts in sampler.samples if at >= began), "%s was writable" % older
    assert roles.data_of(pair.daemons[newer])["generation"] > generation
    assert scene.owners.holders(VIP) == [newer]
    asked = [entry["result"] for entry in pair.daemons[older].events() if entry.get("verb") == "can_promote" and roles.told_at(entry) > began]
    assert "ok" not in asked, "%s might have been promoted" % older
    print("measure: both hosts die and start at once, grant = %s, %s has the newer data: it serves %.1f s after that; the other one was refused %d times" % (grant, newer, took, len(asked)))


@pytest.mark.limit(180)
def test_the_newer_generation_serves_after_both_died_and_the_others_writes_are_kept(scene):
    """db1, of the higher priority, has more writes, but of the generation before: db2 was promoted since."""
    pair = RedisPair(scene, peers=True, interval_ms=300, options=OPTIONS).start()
    pair.daemons["db1"].pause()  # or it would block writes at once
    scene.faults.unplug("db1")
    for number in range(999000, 999100):
        pair.servers["db1"].command("SET", "n:%d" % number, "x")
    pair.daemons["db1"].kill()
    pair.serving("db2", 40)
    writer = pair.writer()
    writer.wait_more(20)
    acknowledged = set(writer.stop())
    die(pair)
    scene.faults.heal()
    sampler = pair.sampler()
    began = start(pair)
    pair.serving("db2", 90)
    assert acknowledged <= pair.numbers("db2")
    wait_until(lambda: roles.data_of(pair.daemons["db1"].wait_ready()).get("role") == "needs_rejoin", 60, "db1's data is no part of db2's")
    hold(lambda: scene.owners.holders(VIP) == ["db2"] and not writable(pair.servers["db1"]), 2, "db2 serves alone")
    sampler.stop()
    sampler.never_two()
    assert not any("db1" in hosts for _, hosts in sampler.samples), "db1 was writable"
    assert not scene.owners.changes(VIP, "db1", began)
    assert "n:999099" in pair.servers["db1"].keys(), "what it has alone is kept"
