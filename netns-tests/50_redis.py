"""Redis pairs: the address appears only where the data is proven writable and alone in being so, and a host that comes back with
stale data stays out."""
import time

import pytest

from lib import roles
from lib.proc import hold, wait_until
from lib.redis_pair import PORT, VIP, WRITE_LEAST, RedisPair, writable


def test_the_address_comes_after_the_promotion_and_the_generation_is_in_the_data(scene):
    pair = RedisPair(scene).start()
    data = roles.data_of(pair.daemons["db1"])
    assert (data["role"], data["generation"]) == ("active", 1)
    assert pair.servers["db2"].upstream() == (scene.lab.ip4("db1"), PORT)
    assert roles.data_of(pair.daemons["db2"])["role"] == "standby"
    history = [entry for entry in pair.daemons["db1"].events() if entry.get("verb") in ("acquire", "can_promote", "promote", "verify")]
    assert [entry["verb"] for entry in history][-4:] == ["acquire", "can_promote", "promote", "verify"]


@pytest.mark.limit(120)
def test_a_crash_of_the_holder_moves_the_role_and_loses_no_more_than_is_reported(scene):
    pair = RedisPair(scene, peers=True).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(200)
    moment = pair.lose("db1")
    pair.serving("db2", 30)
    writer.wait_more(50)
    assert roles.data_of(pair.daemons["db2"])["generation"] == 2
    missing = pair.lost(writer, "db2", moment)
    sampler.stop()
    sampler.never_two()
    roles.measure("redis crash", writer, time.monotonic() - (time.time() - moment), len(missing))


@pytest.mark.limit(120)
def test_a_crash_while_the_stream_stood_still_loses_just_what_is_reported(scene):
    pair = RedisPair(scene, peers=True).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(50)
    scene.faults.block("ip saddr %s tcp sport %d" % (scene.lab.ip4("db1"), PORT), host="db2")
    writer.wait_more(300)
    acknowledged = writer.stop()
    roles.wait_heard(pair.daemons["db1"], pair.daemons["db2"], "redis", pair.servers["db1"].position)
    moment = pair.lose("db1")
    pair.serving("db2", 30)
    missing = pair.lost(writer, "db2", moment)
    sampler.stop()
    sampler.never_two()
    assert 280 < len(missing) < len(acknowledged)
    # With the numbers' own length; beside them there may be PING (14 bytes, each 10 s) and REPLCONF GETACK.
    written = sum(WRITE_LEAST - 1 + len("%d" % number) for number in missing)
    most, _ = roles.reported_bound(pair.daemons["db2"])
    assert written <= most <= written + 100


@pytest.mark.limit(120)
def test_a_cut_between_the_hosts_never_promotes_two(scene):
    """db1 loses everything, the witness too: it gives up before db2 may begin."""
    pair = RedisPair(scene).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    scene.faults.unplug("db1")
    pair.serving("db2", 30)
    writer.wait_more(50)
    wait_until(lambda: pair.servers["db1"].role() == "slave", 10, "db1 is not writable any more")
    scene.faults.heal()
    # A write that neither its client nor db2 has heard of may have arrived just before the cut: then db1 stays out with it.
    wait_until(lambda: pair.servers["db1"].linked() or roles.data_of(pair.daemons["db1"]).get("role") == "needs_rejoin", 30, "db1 follows db2, or knows why not")
    writer.stop()
    sampler.stop()
    sampler.never_two()
    assert scene.owners.holders(VIP) == ["db2"]


@pytest.mark.limit(120)
def test_hosts_that_do_not_hear_each_other_move_nothing_while_the_witness_sees_the_holder(scene):
    pair = RedisPair(scene).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    scene.faults.cut_between("db1", "db2")
    wait_until(lambda: any(roles.may_not(entry) for entry in pair.daemons["db2"].events()), 20, "db2 tries, and may not")
    scene.sole("db1", seconds=4)  # longer than a lease
    writer.wait_more(50)
    scene.faults.heal()
    wait_until(pair.servers["db2"].linked, 20, "db2 follows again")
    pair.nothing_lost(writer, sampler, "db1")


@pytest.mark.limit(120)
def test_a_drain_under_load_loses_no_acknowledged_write_and_the_old_holder_follows(scene):
    pair = RedisPair(scene).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(200)
    assert pair.daemons["db1"].control("drain").returncode == 0
    pair.serving("db2", 20)
    writer.wait_more(200)
    wait_until(lambda: pair.servers["db1"].upstream()[0] == scene.lab.ip4("db2") and pair.servers["db1"].linked(), 10, "db1 follows db2")
    acknowledged = set(writer.stop())
    sampler.stop()
    sampler.never_two()
    print("drain: acknowledged %d, longest gap %.2f s" % (len(acknowledged), writer.longest_gap()))
    assert acknowledged <= pair.numbers("db2")
    wait_until(lambda: roles.data_of(pair.daemons["db1"]).get("dirty") is False, 10, "db1 is clean")


@pytest.mark.limit(120)
def test_a_role_that_was_moved_there_and_back_is_moved_again_and_nothing_is_lost(scene):
    pair = RedisPair(scene, lines=("promotion_budget = 10 per 1h",)).start()
    writer, sampler = pair.writer(), pair.sampler()
    giver, taker = "db1", "db2"
    for _ in range(3):
        writer.wait_more(100)
        began = time.monotonic()
        roles.move_away(pair.daemons[giver])
        pair.serving(taker, 30)
        wait_until(lambda: pair.servers[giver].upstream()[0] == scene.lab.ip4(taker) and pair.servers[giver].linked(), 20, "%s follows %s" % (giver, taker))
        assert pair.daemons[giver].control("undrain").returncode == 0
        giver, taker = taker, giver
    writer.wait_more(100)
    acknowledged = set(writer.stop())
    sampler.stop()
    sampler.never_two()
    assert acknowledged <= pair.numbers(giver)
    writer.gaps = [(gap, last) for gap, last in writer.gaps if last + gap > began]
    roles.measure("planned move of a Redis pair", writer, began, 0)


@pytest.mark.limit(120)
def test_a_standby_that_somebody_makes_writable_is_made_a_standby_again(scene):
    pair = RedisPair(scene).start()
    pair.servers["db2"].command("REPLICAOF", "NO", "ONE")
    wait_until(lambda: pair.servers["db2"].role() == "slave", 10, "db2 is a standby again")
    assert scene.owners.holders(VIP) == ["db1"]


@pytest.mark.limit(180)
def test_a_host_that_comes_back_with_writes_of_its_own_stays_out_through_a_restart_and_keeps_them(scene):
    pair = RedisPair(scene, lines=("startup_delay = 0",)).start()
    # Cut off, db1's server takes writes that db2 never sees; its Baton is frozen, or it would block them at once, and then dies.
    pair.daemons["db1"].pause()
    scene.faults.unplug("db1")
    pair.servers["db1"].command("SET", "n:999999", "x")
    pair.daemons["db1"].kill()
    pair.serving("db2", 30)
    pair.servers["db2"].command("SET", "n:1", "x")
    scene.faults.heal()
    one = pair.daemons["db1"].start()
    wait_until(lambda: roles.data_of(one.wait_ready()).get("role") == "needs_rejoin", 30, "db1 knows that its data is no part of db2's")
    assert "999999" in "".join(pair.servers["db1"].keys()), "its writes are kept"
    assert pair.servers["db1"].role() == "slave", "and it takes no more"
    explained = one.control("explain").stdout
    assert "rejoin" in explained, explained
    # A reboot: the server and all of Baton.
    one.kill()
    pair.servers["db1"].kill().start()
    one.start()
    wait_until(lambda: roles.data_of(one.wait_ready()).get("role") == "needs_rejoin", 30, "that survives a reboot")
    assert "999999" in "".join(pair.servers["db1"].keys()) and pair.servers["db1"].role() == "slave"
    assert scene.owners.holders(VIP) == ["db2"]
    # Nobody else is there any more: of the highest priority, it still does not come forward.
    pair.lose("db2")
    wait_until(lambda: scene.owners.holders(VIP) == [], 10, "nobody holds the address")
    alone, asked = time.time(), claims(one)
    hold(lambda: scene.owners.holders(VIP) == [] and not writable(pair.servers["db1"]), 6, "db1 stays out")  # longer than a lease
    scene.silent("db1", since=alone)
    assert claims(one) == asked, "it does not even ask"
    assert one.control("forgive", "svc").returncode == 2
    assert roles.data_of(one)["role"] == "needs_rejoin"
    assert one.control("forgive", "svc", "--i-accept-loss").returncode == 0
    wait_until(lambda: claims(one) > asked, 20, "an operator's word clears it: nothing else had kept it from asking")
    assert one.control("failover", "svc", "--force").returncode == 0
    pair.serving("db1", 30)
    assert "n:999999" in pair.servers["db1"].keys()


def claims(baton):
    return len([entry for entry in baton.events() if entry.get("verb") == "acquire"])
