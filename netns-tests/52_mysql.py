"""MariaDB and MySQL pairs: the address appears only where the data is proven writable and alone in being so; a planned move loses
nothing, a crash only the newest tail, and a host that comes back with writes of its own stays out and keeps them."""
import contextlib
import shutil
import threading
import time

import pymysql
import pytest

from lib import roles
from lib.mysql import PORT, VIP, Look, MariaDBs, MySQLs, OnDisks, Pair, ServerLog
from lib.proc import hold, wait_until

import mysql_root  # noqa: E402
from mysql_pair import SEMI_SYNC  # noqa: E402
from servers import Certificates  # noqa: E402


@pytest.fixture(params=["mariadb", "mysql"])
def kind(request):
    """How the servers are made; MySQL skips where it cannot be had."""
    if request.param == "mariadb":
        yield MariaDBs()
        return
    with mysql_root.root() as root:
        yield MySQLs(root)


@pytest.mark.limit(150)
def test_a_planned_move_under_load_loses_no_acknowledged_write(scene, kind):
    pair = Pair(scene, kind).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(200)
    began = time.monotonic()
    roles.hand_over(pair.daemons["db1"])
    pair.serving("db2", 30)
    writer.wait_more(200)
    pair.follows("db1", "db2")
    acknowledged = set(writer.stop())
    sampler.stop()
    sampler.never_two()
    missing = acknowledged - pair.numbers("db2")
    roles.measure(kind.name + " planned", writer, began, len(missing))
    assert not missing, sorted(missing)


@pytest.mark.limit(150)
def test_a_crash_of_the_holder_moves_the_role_and_only_the_newest_tail_may_be_missing(scene, kind):
    pair = Pair(scene, kind).start()
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
    roles.measure(kind.name + " crash", writer, began, len(missing))
    roles.within_bound(pair.daemons["db2"], writer, missing)
    assert roles.data_of(pair.daemons["db2"])["generation"] == 2


@pytest.mark.limit(150)
def test_a_crash_while_replication_stood_still_loses_the_newest_tail_alone_and_the_crashed_host_keeps_it(scene, kind):
    pair = Pair(scene, kind).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    sent = len(writer.acknowledged) - 50  # so many have long been received
    pair.servers["db2"].sql(kind.hold_back)
    writer.wait_more(60)
    acknowledged = writer.stop()
    roles.wait_heard(pair.daemons["db1"], pair.daemons["db2"], "db", lambda: pair.servers["db1"].value("SELECT @@" + kind.position).replace("\n", ""))
    pair.crash("db1")
    pair.serving("db2", 40)
    missing = roles.lost_tail(acknowledged, pair.numbers("db2"))
    assert 60 <= len(missing) <= len(acknowledged) - sent
    assert roles.within_bound(pair.daemons["db2"], writer, missing) == len(missing)
    assert roles.reported_bound(pair.daemons["db2"])[0] == len(missing)
    scene.faults.heal()
    pair.servers["db1"].start()
    pair.daemons["db1"].start()
    wait_until(lambda: roles.data_of(pair.daemons["db1"].wait_ready()).get("role") == "needs_rejoin", 40, "db1 knows that its data is no part of db2's")
    assert set(missing) <= pair.numbers("db1"), "db1 keeps what db2 lacks"
    sampler.stop()
    sampler.never_two()


@pytest.mark.limit(150)
def test_mysql_whose_holder_dies_within_sending_a_transaction_is_replaced_at_once_without_it(scene):
    """MySQL's applier, told to stop, would wait a minute for the rest of it."""
    with mysql_root.root() as root:
        pair = Pair(scene, MySQLs(root)).start()
        one, two = pair.servers["db1"], pair.servers["db2"]
        one.sql("CREATE TABLE shop.big (n INT PRIMARY KEY, filler LONGBLOB)")
        wait_until(lambda: two.value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME='big'") == 1, 20, "db2 has the table")
        scene.faults.block("ip saddr %s tcp sport %d quota over 300 kbytes" % (scene.lab.ip4("db1"), PORT), host="db2")
        one.sql("BEGIN", *["INSERT INTO shop.big VALUES (%d, REPEAT('x', 100000))" % number for number in range(30)], "COMMIT")
        applying = "SELECT PROCESSING_TRANSACTION FROM performance_schema.replication_applier_status_by_coordinator"
        wait_until(lambda: two.value(applying) != "", 20, "db2 has the begin of it")
        roles.wait_heard(pair.daemons["db1"], pair.daemons["db2"], "db", lambda: one.value("SELECT @@gtid_executed").replace("\n", ""))
        began = time.monotonic()
        pair.crash("db1")
        pair.serving("db2", 40)
        print("measure: mysql crash within a transaction: %.2f s" % (time.monotonic() - began))
        assert two.value("SELECT COUNT(*) FROM shop.big") == 0
        assert roles.reported_bound(pair.daemons["db2"])[0] == 1
        scene.faults.heal()
        one.start()
        pair.daemons["db1"].start()
        wait_until(lambda: roles.data_of(pair.daemons["db1"].wait_ready()).get("role") == "needs_rejoin", 40, "db1 knows that its data is no part of db2's")
        assert one.value("SELECT COUNT(*) FROM shop.big") == 30, "db1 keeps it"


@pytest.mark.limit(150)
@pytest.mark.parametrize("grant", ["witness", "peer"])
def test_a_cut_between_the_hosts_moves_nothing_with_and_without_a_witness(scene, kind, grant):
    """The witness sees the holder; without one the other host's word is needed, and does not come."""
    pair = Pair(scene, kind, grant=grant).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(50)
    scene.faults.cut_between("db1", "db2")
    wait_until(lambda: any(roles.may_not(entry) for entry in pair.daemons["db2"].events()), 30, "db2 tries, and may not")
    writer.wait_more(100)
    scene.sole("db1", seconds=4)  # longer than a lease
    scene.faults.heal()
    pair.follows("db2", "db1")
    writer.wait_more(50)
    acknowledged = set(writer.stop())
    sampler.stop()
    sampler.never_two()
    assert acknowledged <= pair.numbers("db1")
    wait_until(lambda: acknowledged <= pair.numbers("db2"), 20, "db2 has all of it")


@pytest.mark.limit(150)
def test_a_holder_that_is_cut_off_gives_up_before_the_other_begins(scene, kind):
    pair = Pair(scene, kind).start()
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


@pytest.mark.limit(200)
def test_a_host_that_comes_back_with_writes_of_its_own_stays_out_through_a_reboot_and_keeps_them(scene, kind):
    """db1, of the highest priority, is cut off, takes a write that db2 never sees, and dies; db2 takes over."""
    pair = Pair(scene, kind).start()
    one, server = pair.daemons["db1"], pair.servers["db1"]
    one.pause()  # or it would block writes at once
    scene.faults.unplug("db1")
    server.sql("INSERT INTO shop.orders (n) VALUES (999999)", user="app", password="app-secret")
    one.kill()
    server.kill()
    pair.serving("db2", 40)
    pair.servers["db2"].sql("INSERT INTO shop.orders (n) VALUES (1)", user="app", password="app-secret")
    scene.faults.heal()
    for reboot in ("the first start", "one more reboot"):
        one.kill()
        server.kill()
        server.start()
        one.start()
        wait_until(lambda: roles.data_of(one.wait_ready()).get("role") == "needs_rejoin", 40, "db1 knows that its data is no part of db2's: " + reboot)
        assert pair.numbers("db1") == {999999}, "what it has alone is kept, and nothing is mixed with it"
        assert not takes_writes(server), "and it takes no more"
        assert scene.owners.holders(VIP) == ["db2"]
        wait_until(lambda: "rejoin" in one.control("explain").stdout and "db2" in one.control("explain").stdout, 10, "explain says it")
        conflict = [line for line in one.control("history").stdout.splitlines() if "conflict" in line][-1]
        assert "stay in its binary logs binlog.000001" in conflict, conflict
    # Nobody else is there any more: it still does not come forward.
    pair.daemons["db2"].kill()
    wait_until(lambda: scene.owners.holders(VIP) == [], 15, "nobody holds the address")
    hold(lambda: scene.owners.holders(VIP) == [] and not takes_writes(server), 4, "db1 stays out")  # longer than a lease


def takes_writes(server):
    try:
        return Look(server)()
    except (pymysql.Error, OSError):
        return False


@pytest.mark.limit(150)
def test_a_wrong_password_a_lost_right_and_a_wrong_certificate_say_nothing_about_the_database_and_move_nothing(scene):
    """Each on the holder's server, until it is mended; connections are ended, so that Baton has to log in again."""
    certificates = Certificates(scene.lab.directory)
    certificates.issue("good", "web.test", names="DNS:localhost,IP:%s,IP:%s" % (scene.lab.ip4("db1"), scene.lab.ip4("db2")))
    for kind in ("crt", "key"):
        shutil.copy(certificates["good." + kind], certificates["server." + kind])
    tls = ["--ssl-ca=" + certificates["ca.crt"], "--ssl-cert=" + certificates["server.crt"], "--ssl-key=" + certificates["server.key"]]
    pair = Pair(scene, MariaDBs(tls), section=("tls = verify", "tls_ca = " + certificates["ca.crt"]), sockets=False).start()
    writer, server = pair.writer(), pair.servers["db1"]
    writer.wait_more(50)

    def certificate(name):
        for kind in ("crt", "key"):
            shutil.copy(certificates[name + "." + kind], certificates["server." + kind])
        return "FLUSH SSL"

    for cause, wrong, right in (("auth", "ALTER USER 'baton_check'@'%' IDENTIFIED BY 'another'", "ALTER USER 'baton_check'@'%' IDENTIFIED BY 'check-secret'"),
                                ("privilege", "REVOKE REPLICA MONITOR ON *.* FROM 'baton_check'@'%'", "GRANT REPLICA MONITOR ON *.* TO 'baton_check'@'%'"),
                                ("tls", "untrusted", "good")):
        change = lambda what: server.sql("SET sql_log_bin=0", certificate(what) if cause == "tls" else what, "KILL USER baton_check")
        change(wrong)
        wait_until(lambda: (check(pair, "db1")["result"], check(pair, "db1")["state"]) == ("config", "unknown"), 20, "the check of db1 may not look: " + cause)
        assert check(pair, "db1")["latest"]["facts"]["cause"] == cause
        scene.sole("db1", seconds=2)
        change(right)
        wait_until(lambda: check(pair, "db1").get("result") == "ok", 20, "it may look again")
    writer.wait_more(50)
    assert set(writer.stop()) <= pair.numbers("db1")
    assert scene.owners.holders(VIP) == ["db1"] and pair.role("db1") == "active"
    assert roles.data_of(pair.daemons["db1"])["generation"] == 1


def check(pair, host):
    return next(one for one in pair.daemons[host].json("status")["checks"] if one["name"] == "db")


@pytest.mark.limit(150)
def test_a_frozen_holder_is_not_known_to_be_read_only_so_nobody_else_is_promoted_until_it_answers(scene):
    """No fence and no watchdog: rather nobody than two."""
    pair = Pair(scene, MariaDBs()).start()
    one, two, server = pair.daemons["db1"], pair.daemons["db2"], pair.servers["db1"]
    writer, frozen = pair.writer(), threading.Event()
    looks = {host: Look(pair.servers[host]) for host in ("db1", "db2")}
    # Frozen it acknowledges nothing, and a look would hang for as long as db2 is to be looked at.
    sampler = roles.Sampler({"db1": lambda: not frozen.is_set() and looks["db1"](), "db2": looks["db2"]})
    writer.wait_more(100)
    frozen.set()
    began = time.monotonic()
    server.freeze()
    wait_until(lambda: told(pair, "db1") == ("transient", "fail", "hung"), 20, "the check of db1 knows that it is hung")
    demotes = lambda: [entry["result"] for entry in one.events() if entry.get("verb") == "demote" and entry["plugin"] == "db"]
    wait_until(lambda: len(demotes()) > 2, 30, "its Baton has tried in vain to demote it, again and again")
    assert set(demotes()[1:]) == {"transient"}
    wait_until(lambda: any(entry.get("verb") == "acquire" and entry["result"] == "refused" for entry in two.events()), 20, "db2 asks for the grant")
    hold(lambda: scene.owners.holders(VIP) == [] and not takes_writes(pair.servers["db2"]), 4, "nobody else is promoted")  # longer than a lease
    frozen.clear()
    server.thaw()
    holder = wait_until(lambda: next((host for host in scene.owners.holders(VIP) if takes_writes(pair.servers[host])), None), 40, "somebody serves again")
    writer.wait_more(50)
    acknowledged = writer.stop()
    sampler.stop()
    sampler.never_two()
    assert longest_pause(sampler) < 1, "the sampler has looked on"
    missing = set(acknowledged) - pair.numbers(holder)
    roles.measure("mariadb frozen holder", writer, began, len(missing))
    assert not missing, sorted(missing)


def longest_pause(sampler):
    at = [when for when, _ in sampler.samples]
    return max(later - earlier for earlier, later in zip(at, at[1:]))


def told(pair, host):
    found = check(pair, host)
    return found["result"], found["state"], ((found["latest"] or {}).get("facts") or {}).get("cause")


@pytest.mark.limit(200)
def test_F76_a_holder_whose_disk_is_full_is_a_warning_and_nothing_moves_until_there_is_room(scene):
    """MariaDB lets the commit wait for room. Another host would not be better: it has no more than what was committed."""
    kind = OnDisks()
    pair = Pair(scene, kind).start()
    one, disk = pair.daemons["db1"], kind.disks["db1"]
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    began = time.time()
    disk.fill()
    wait_until(lambda: told(pair, "db1") == ("ok", "pass", "disk"), 20, "the check of db1 warns of it")
    assert check(pair, "db1")["latest"]["facts"]["disk_free"] == "0%"
    wait_until(lambda: time.time() - writer.at[writer.acknowledged[-1]] > 1.5, 20, "no write is acknowledged any more")
    before = len(writer.acknowledged)
    scene.sole("db1", seconds=6)  # 15 probes, two leases
    assert told(pair, "db1") == ("ok", "pass", "disk") and len(writer.acknowledged) == before
    assert pair.role("db1") == "active" and not takes_writes(pair.servers["db2"])
    disk.free()
    writer.wait_more(50, 90)  # it looks for room once a minute
    wait_until(lambda: told(pair, "db1") == ("ok", "pass", None), 20, "the check of db1 warns no more")
    acknowledged = set(writer.stop())
    sampler.stop()
    sampler.never_two()
    assert acknowledged <= pair.numbers("db1")
    wait_until(lambda: acknowledged <= pair.numbers("db2"), 20, "db2 has all of it, too")
    scene.silent("db2", since=began)
    assert roles.data_of(one)["generation"] == 1 and scene.owners.holders(VIP) == ["db1"]


@pytest.mark.limit(150)
def test_F76_a_holder_without_room_gives_the_role_away_with_all_that_it_acknowledged(scene):
    """Its binary log is not rotated then: MariaDB would turn it off, and what is written after that reaches no standby."""
    kind = OnDisks()
    pair = Pair(scene, kind).start()
    one, server, disk = pair.daemons["db1"], pair.servers["db1"], kind.disks["db1"]
    writer = pair.writer()
    writer.wait_more(100)
    acknowledged = set(writer.stop())
    disk.fill()
    wait_until(lambda: told(pair, "db1") == ("ok", "pass", "disk"), 20, "the check of db1 warns of it")
    moved = one.control("switchover", "svc")
    assert moved.returncode == 0, moved
    pair.serving("db2", 20)
    assert acknowledged <= pair.numbers("db2")
    disk.free()
    assert "Turning logging off" not in ServerLog(server).log()
    wait_until(lambda: roles.data_of(one).get("role") == "standby" and not takes_writes(server), 60, "db1 follows")


def rotate(connection):
    """Until it is killed."""
    with connection.cursor() as cursor, contextlib.suppress(pymysql.Error):
        cursor.execute("FLUSH BINARY LOGS")


@pytest.mark.limit(150)
def test_F76_a_holder_that_has_turned_its_binary_log_off_is_not_moved_away_from(scene):
    kind = OnDisks()
    pair = Pair(scene, kind).start()
    one, server, disk = pair.daemons["db1"], pair.servers["db1"], kind.disks["db1"]
    disk.fill()
    rotates = server.connect()
    thread = threading.Thread(target=rotate, args=(rotates,))
    thread.start()
    wait_until(lambda: server.value("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'FLUSH%'") == 1, 10, "it waits for room")
    with server.connect().cursor() as cursor:
        cursor.execute("KILL QUERY %d" % rotates.thread_id())
    thread.join()
    wait_until(lambda: "Turning logging off" in ServerLog(server).log(), 10, "the binary log is off")
    disk.free()
    wait_until(lambda: told(pair, "db1") == ("ok", "pass", None), 20, "the check of db1 warns no more")
    writer = pair.writer()
    writer.wait_more(50)
    refused = one.control("switchover", "svc")
    words = " ".join((refused.stdout + refused.stderr).split())
    # db2 refuses if it has noticed already that nothing comes.
    there = "has turned its binary log off: what was written since reaches no standby; restart it; it is writable again"
    assert refused.returncode != 0 and (there in words or "Binary log is not open" in words), words
    writer.wait_more(50)
    assert set(writer.stop()) <= pair.numbers("db1")
    assert scene.owners.holders(VIP) == ["db1"] and takes_writes(server) and roles.data_of(one)["generation"] == 1


@pytest.mark.limit(120)
def test_F76_a_standby_whose_disk_is_full_is_a_warning_and_no_place_to_move_to(scene):
    kind = OnDisks()
    pair = Pair(scene, kind).start()
    one, disk = pair.daemons["db1"], kind.disks["db2"]
    possible = lambda: one.control("switchover", "svc", "--dry-run")
    wait_until(lambda: possible().returncode == 0, 30, "db2 could take over")
    began = time.time()
    disk.fill()
    wait_until(lambda: told(pair, "db2") == ("ok", "pass", "disk"), 20, "the check of db2 warns of it")
    for refused in (possible(), one.control("switchover", "svc")):
        words = refused.stdout + refused.stderr
        assert refused.returncode == 6 and "only 0% of" in words and "is free (min_free_disk 5%)" in words, words
    assert not scene.owners.changes(VIP, since=began) and takes_writes(pair.servers["db1"])
    disk.free()
    wait_until(lambda: possible().returncode == 0, 30, "db2 could take over again")
    scene.silent("db2", since=began)
    assert roles.data_of(one)["generation"] == 1


@pytest.mark.limit(200)
def test_F76_a_holder_whose_disk_is_read_only_dies_gives_the_address_up_and_keeps_what_it_acknowledged(scene):
    """MariaDB ends itself at the first write that fails, and does not come up before its disk is mended."""
    kind = OnDisks("ext4")
    pair = Pair(scene, kind).start()
    server, disk = pair.servers["db1"], kind.disks["db1"]
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    began = time.monotonic()
    disk.give_up()
    wait_until(lambda: told(pair, "db1") == ("ok", "fail", "refused"), 30, "the check of db1 fails: %s" % (check(pair, "db1"),))
    wait_until(lambda: "db1" not in scene.owners.holders(VIP), 30, "db1 has not the address any more")
    with pytest.raises(RuntimeError):
        server.start()
    disk.mend()
    server.start()
    assert server.value("SELECT @@read_only") == 1  # the boot guard
    holder = wait_until(lambda: next((host for host in scene.owners.holders(VIP) if takes_writes(pair.servers[host])), None), 60, "somebody serves again")
    writer.wait_more(50)
    acknowledged = set(writer.stop())
    sampler.stop()
    sampler.never_two()
    missing = acknowledged - pair.numbers(holder)
    roles.measure("mariadb read-only disk (%s serves)" % holder, writer, began, len(missing))
    assert not missing, sorted(missing)


@pytest.mark.limit(200)
def test_a_standby_that_has_not_applied_what_it_received_is_not_promoted_until_it_has(scene):
    pair = Pair(scene, MariaDBs(), section=("drain_timeout = 2s",)).start()
    writer = pair.writer()
    writer.wait_more(50)
    behind = pair.servers["db2"].connect()
    with behind.cursor() as cursor:
        cursor.execute("LOCK TABLES shop.orders READ")
    writer.wait_more(100)
    received = set(writer.acknowledged[:-50])
    pair.crash("db1")
    before = len(writer.acknowledged)
    two = pair.daemons["db2"]
    refused = wait_until(lambda: [entry for entry in two.events() if entry.get("verb") == "promote"], 40, "a promotion is tried")[0]
    assert refused["result"] == "refused" and "is not applied within 2 s (drain_timeout)" in refused["text"], refused
    assert "promotion" in two.control("explain").stdout
    assert scene.owners.holders(VIP) == []
    behind.close()
    pair.serving("db2", 60)
    writer.wait_more(50)
    acknowledged = writer.stop()
    present = pair.numbers("db2")
    assert received <= present
    roles.lost_tail(acknowledged[:before], present)


@pytest.mark.limit(200)
def test_semi_synchronous_nothing_acknowledged_is_lost_by_a_move_nor_by_a_crash_and_the_crashed_one_follows(scene):
    pair = Pair(scene, MariaDBs(SEMI_SYNC), section=("durability = strict",)).start()
    wait_until(lambda: waits_for_standby(pair, 1), 20, "writes wait for the standby")
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(200)
    began = time.monotonic()
    roles.hand_over(pair.daemons["db1"])
    pair.serving("db2", 30)
    writer.wait_more(50)
    pair.follows("db1", "db2")
    planned = set(writer.acknowledged) - pair.numbers("db2")
    roles.measure("mariadb semi-sync planned", writer, began, len(planned))
    assert not planned, sorted(planned)
    assert pair.daemons["db1"].control("undrain").returncode == 0
    wait_until(lambda: waits_for_standby(pair, 2), 20, "writes wait for the new standby")
    writer.gaps.clear()
    writer.wait_more(100)
    began = time.monotonic()
    pair.crash("db2")
    pair.serving("db1", 40)
    writer.wait_more(50)
    missing = set(writer.stop()) - pair.numbers("db1")
    roles.measure("mariadb semi-sync crash", writer, began, len(missing))
    assert not missing, sorted(missing)
    roles.within_bound(pair.daemons["db1"], writer, missing)
    scene.faults.heal()
    pair.servers["db2"].start()
    pair.daemons["db2"].start()
    pair.follows("db2", "db1", 40)
    sampler.stop()
    sampler.never_two()


@pytest.mark.limit(200)
def test_semi_synchronous_hosts_that_do_not_hear_each_other_acknowledge_nothing_and_then_only_one_side_of_a_cut(scene):
    """The holder alone has the witness' word and stays, but its commits wait; cut off from the witness, too, it gives up first."""
    pair = Pair(scene, MariaDBs(SEMI_SYNC), section=("durability = strict",)).start()
    wait_until(lambda: waits_for_standby(pair, 1), 20, "writes wait for the standby")
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    scene.faults.cut_between("db1", "db2")
    cut_at = time.time()
    wait_until(lambda: any(roles.may_not(entry) for entry in pair.daemons["db2"].events()), 30, "db2 tries, and may not")
    scene.sole("db1", seconds=4)  # longer than a lease
    assert max(writer.at.values()) < cut_at + 0.2, "nothing is acknowledged without the standby"
    assert roles.data_of(pair.daemons["db1"])["generation"] == 1
    scene.faults.heal()
    writer.wait_more(50)
    pair.follows("db2", "db1")
    scene.faults.cut("db1")
    before = len(writer.acknowledged)
    pair.serving("db2", 40)
    writer.wait_more(50)
    wait_until(lambda: pair.servers["db1"].value("SELECT @@read_only") == 1, 10, "db1 takes no writes any more")
    scene.faults.heal()
    # What its commits waited with is in no acknowledgement; it may have it alone, and then keeps it.
    wait_until(lambda: pair.kind.upstream(pair.servers["db1"]) == (scene.lab.ip4("db2"), True) or pair.role("db1") == "needs_rejoin", 40, "db1 follows, or knows why not")
    acknowledged = writer.stop()
    sampler.stop()
    sampler.never_two()
    assert len(acknowledged) > before
    missing = set(acknowledged) - pair.numbers("db2")
    assert not missing, sorted(missing)
    assert scene.owners.holders(VIP) == ["db2"]


def waits_for_standby(pair, generation):
    """Both know that this generation's commits wait for the other's acknowledgement."""
    row = "SELECT generation, strict FROM baton.baton_generation ORDER BY generation DESC LIMIT 1"
    return all(server.sql(row) == ((generation, 1),) for server in pair.servers.values())


@pytest.mark.limit(120)
def test_the_last_holder_goes_on_alone_after_an_orderly_restart_of_baton(scene):
    pair = Pair(scene, MariaDBs()).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(50)
    pair.crash("db2")
    one = pair.daemons["db1"]
    one.stop()
    wait_until(lambda: scene.owners.holders(VIP) == [], 5, "nobody serves")
    one.start()
    pair.serving("db1", 40)
    writer.wait_more(50)
    acknowledged = set(writer.stop())
    sampler.stop()
    sampler.never_two()
    assert acknowledged <= pair.numbers("db1")
