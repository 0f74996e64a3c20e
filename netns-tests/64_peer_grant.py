"""grant = peer, without a witness: the other host's promise, its database demoted from here, or an operator; nobody rather than two."""
import time

import pytest

from lib import roles
from lib.proc import hold, wait_until
from lib.redis_pair import VIP, RedisPair, writable


def peer_pair(scene):
    return RedisPair(scene, grant="peer", peers=True, interval_ms=300).start()


@pytest.mark.limit(120)
def test_a_cut_between_the_hosts_moves_nothing_and_never_promotes_two(scene):
    pair = peer_pair(scene)
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    scene.faults.cut_between("db1", "db2")
    wait_until(lambda: any(entry.get("reason") in ("no_grant", "fence_failed") for entry in pair.daemons["db2"].events()), 40, "db2 may not")
    hold(lambda: not writable(pair.servers["db2"]), 5, "db2 stays a standby")
    writer.wait_more(100)
    scene.faults.heal()
    wait_until(lambda: pair.servers["db2"].linked(), 20, "db2 follows again")
    pair.nothing_lost(writer, sampler, "db1")
    assert scene.owners.holders(VIP) == ["db1"]


@pytest.mark.limit(120)
def test_a_database_whose_baton_is_dead_is_demoted_from_the_other_host_before_that_one_promotes(scene):
    pair = peer_pair(scene)
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    began = time.monotonic()
    pair.daemons["db1"].kill()
    pair.serving("db2", 40)
    writer.wait_more(50)
    assert not writable(pair.servers["db1"])
    acknowledged = set(writer.stop())
    sampler.stop()
    sampler.never_two()
    fences = [entry for entry in pair.daemons["db2"].events() if entry.get("verb") == "fence"]
    assert fences[-1]["result"] == "ok", fences
    roles.measure("redis, grant = peer, the holder's Baton dies", writer, began, len(acknowledged - pair.numbers("db2")))
    assert acknowledged <= pair.numbers("db2")


@pytest.mark.limit(150)
def test_a_dead_host_that_nothing_can_fence_is_replaced_only_by_an_operators_word(scene):
    pair = peer_pair(scene)
    writer = pair.writer()
    writer.wait_more(100)
    moment = pair.lose("db1")
    wait_until(lambda: any(entry.get("reason") in ("no_grant", "fence_failed") for entry in pair.daemons["db2"].events()), 40, "db2 may not")
    assert scene.owners.holders(VIP) == []
    done = pair.daemons["db2"].control("failover", "svc", "--force")
    assert done.returncode == 0, done.stdout + done.stderr
    pair.serving("db2", 40)
    writer.wait_more(50)
    pair.lost(writer, "db2", moment)
