"""MariaDB and MySQL pairs: the address appears only where the data is proven writable and alone in being so; a planned move loses
nothing, a crash only the newest tail, and a host that comes back with writes of its own stays out and keeps them."""
import time

import pytest

from lib import roles
from lib.mysql import VIP, MariaDBs, Pair
from lib.proc import wait_until


@pytest.mark.limit(150)
def test_a_planned_move_under_load_loses_no_acknowledged_write(scene):
    pair = Pair(scene, MariaDBs()).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(200)
    began = time.monotonic()
    roles.move_away(pair.daemons["db1"])
    pair.serving("db2", 30)
    writer.wait_more(200)
    pair.follows("db1", "db2")
    acknowledged = set(writer.stop())
    sampler.stop()
    sampler.never_two()
    missing = acknowledged - pair.numbers("db2")
    roles.measure("mariadb planned", writer, began, len(missing))
    assert not missing, sorted(missing)


@pytest.mark.limit(150)
def test_a_crash_of_the_holder_moves_the_role_and_only_the_newest_tail_may_be_missing(scene):
    pair = Pair(scene, MariaDBs()).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(200)
    began = time.monotonic()
    pair.crash("db1")
    before = len(writer.acknowledged)
    pair.serving("db2", 40)
    writer.wait_more(100)
    acknowledged = writer.stop()
    sampler.stop()
    sampler.never_two()
    present = pair.numbers("db2")
    missing = roles.lost_tail(acknowledged[:before], present)
    assert set(acknowledged[before:]) <= present, "what was acknowledged by the new holder is there"
    roles.measure("mariadb crash", writer, began, len(missing))
    bound = roles.reported_bound(pair.daemons["db2"])
    assert bound is None or len(missing) <= bound, "%d are missing, and the promotion said at most %d" % (len(missing), bound)
    assert roles.data_of(pair.daemons["db2"])["generation"] == 2
    print([e["text"] if "text" in e else e for e in pair.daemons["db2"].events()][-12:])


@pytest.mark.limit(150)
def test_a_cut_between_the_hosts_moves_nothing_while_the_witness_sees_the_holder(scene):
    pair = Pair(scene, MariaDBs()).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(50)
    scene.faults.cut_between("db1", "db2")
    wait_until(lambda: any(e.get("verb") == "acquire" for e in pair.daemons["db2"].events()), 20, "db2 asks the witness")
    writer.wait_more(300)
    scene.sole("db1", seconds=6)  # longer than a lease
    scene.faults.heal()
    pair.follows("db2", "db1")
    writer.wait_more(50)
    acknowledged = set(writer.stop())
    sampler.stop()
    sampler.never_two()
    assert acknowledged <= pair.numbers("db1")
    wait_until(lambda: acknowledged <= pair.numbers("db2"), 20, "db2 has all of it")
    print("gap", writer.longest_gap())


@pytest.mark.limit(150)
def test_a_holder_that_is_cut_off_gives_up_before_the_other_begins(scene):
    pair = Pair(scene, MariaDBs()).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    scene.faults.unplug("db1")
    before = len(writer.acknowledged)
    pair.serving("db2", 40)
    writer.wait_more(50)
    wait_until(lambda: pair.servers["db1"].value("SELECT @@read_only") == 1, 10, "db1 takes no writes any more")
    scene.faults.heal()
    acknowledged = writer.stop()
    missing = roles.lost_tail(acknowledged[:before], pair.numbers("db2"))
    # It follows, unless it has something that db2 never got.
    if missing or pair.numbers("db1") - pair.numbers("db2"):
        wait_until(lambda: pair.role("db1") == "needs_rejoin", 40, "db1 keeps what it has alone")
    else:
        pair.follows("db1", "db2", 40)
    sampler.stop()
    sampler.never_two()
    assert scene.owners.holders(VIP) == ["db2"]
