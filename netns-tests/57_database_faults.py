"""Fault rows of databases (F75 to F78, F81, F82), in a live Redis pair: each has a result of its own, and the address is never where
the data is not proven writable and alone in being so."""
import os
import shutil
import time

import pytest

from lib import roles
from lib.gate import Gates
from lib.proc import hold, wait_until
from lib.redis_pair import PORT, VIP, Client, calm_pair, writable

import redis_server as rs
from redis_pair import break_snapshots
from servers import Certificates


def check(baton, name="redis"):
    return next((one for one in baton.json("status").get("checks", []) if one["name"] == name), {})


def settled(baton, cause, result, state, deadline=15):
    """The check of Redis, once it is so."""
    def so():
        found = check(baton)
        latest = found.get("latest") or {}
        return found if (found.get("result"), found.get("state"), latest.get("facts", {}).get("cause")) == (result, state, cause) else None
    try:
        return wait_until(so, deadline, every=0.05)
    except AssertionError:
        raise AssertionError("the check should be %s, %s, cause %s, but is %s" % (result, state, cause, check(baton))) from None


def fine(baton, deadline=15):
    wait_until(lambda: check(baton).get("state") == "pass" and check(baton).get("result") == "ok", deadline, "the check passes again: %s" % check(baton))


def acted(baton, verb, plugin="redis"):
    return [entry for entry in baton.events() if entry.get("verb") == verb and entry.get("plugin") == plugin]


# ---- F75: credentials -------------------------------------------------------------------------------------------------


@pytest.mark.limit(120)
def test_F75_wrong_credentials_and_lost_rights_of_the_check_are_named_and_move_nothing(scene):
    pair = calm_pair(scene).start()
    one, server = pair.daemons["db1"], pair.servers["db1"]
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(50)
    began = time.time()
    for change, back, cause in ((("resetpass", ">another"), ("resetpass", ">" + rs.CHECK_PASSWORD), "auth"), (("off",), ("on",), "auth"), (("-info",), ("+info",), "privilege")):
        server.command("ACL", "SETUSER", rs.CHECK_USER, *change)
        found = settled(one, cause, "config", "unknown")
        assert rs.CHECK_PASSWORD not in found["text"] and scene.lab.ip4("db1") in found["text"]
        scene.sole("db1", seconds=2)
        server.command("ACL", "SETUSER", rs.CHECK_USER, *back)
        fine(one)
    scene.silent("db2", since=began)
    pair.nothing_lost(writer, sampler, "db1")
    assert roles.data_of(one)["generation"] == 1


class PlainClient(Client):
    """By the port without TLS."""

    def __init__(self, timeout):
        self.connection = rs.Connection(VIP, PLAIN_PORT, timeout)


PLAIN_PORT = 6380


@pytest.mark.limit(120)
def test_F75_a_certificate_of_another_authority_and_another_authoritys_file_are_named_and_move_nothing(scene):
    """The holder's server gets a certificate of one that nobody knows; then both hosts' Baton gets the wrong authority."""
    certificates = Certificates(scene.lab.directory)
    for name, authority in (("server", "ca"), ("renewed", "other-ca")):
        certificates.issue(name, "web.test", names="IP:%s,IP:%s" % (scene.lab.ip4("db1"), scene.lab.ip4("db2")), ca=authority)
    trusted = os.path.join(scene.lab.directory, "trusted.crt")
    shutil.copy(certificates["ca.crt"], trusted)
    # Baton and the replica come by TLS.
    pair = calm_pair(scene, section=("tls = yes", "tls_ca = " + trusted), options=(
        "port %d" % PLAIN_PORT, "tls-port %d" % PORT, "tls-replication yes", "tls-auth-clients no", "tls-ca-cert-file " + certificates["ca.crt"],
        "tls-cert-file " + certificates["server.crt"], "tls-key-file " + certificates["server.key"])).start()
    one, server = pair.daemons["db1"], pair.servers["db1"]
    writer, sampler = pair.until_the_end(roles.Writer(scene.lab.namespace("client"), PlainClient)), pair.sampler()
    writer.wait_more(50)
    began = time.time()
    present = lambda name: server.command("CONFIG", "SET", "tls-cert-file", certificates[name + ".crt"], "tls-key-file", certificates[name + ".key"])
    for wrong, right, hosts in ((lambda: present("renewed"), lambda: present("server"), ("db1",)),
                                (lambda: shutil.copy(certificates["other-ca.crt"], trusted), lambda: shutil.copy(certificates["ca.crt"], trusted), ("db1", "db2"))):
        wrong()
        for host in hosts:
            found = settled(pair.daemons[host], "tls", "config", "unknown")
            assert "(tls_ca)" in found["text"] and scene.lab.ip4(host) in found["text"], found
        scene.sole("db1", seconds=3)  # longer than a check's word counts
        right()
        for host in hosts:
            fine(pair.daemons[host])
    scene.silent("db2", since=began)
    pair.nothing_lost(writer, sampler, "db1")
    assert roles.data_of(one)["generation"] == 1


@pytest.mark.limit(120)
def test_F75_a_password_file_that_is_not_there_or_that_others_may_read_is_refused_by_check_and_reload(scene):
    pair = calm_pair(scene).start()
    one = pair.daemons["db1"]
    path = os.path.join(scene.lab.directory, "check.password")
    os.chmod(path, 0o644)
    done = one.control("check", "--host", "db1", one.config)
    assert "warning[W011]" in done.stdout and path in done.stdout, done.stdout
    os.rename(path, path + ".away")
    done = one.control("check", "--host", "db1", one.config)
    assert done.returncode == 5 and "error[" in done.stdout and path in done.stdout, done.stdout
    assert one.control("reload").returncode == 5
    scene.sole("db1", seconds=1)
    assert pair.servers["db1"].role() == "master"


@pytest.mark.limit(150)
def test_F75_a_host_whose_drive_login_is_wrong_does_not_take_over_and_says_so_until_it_is_mended(scene):
    pair = calm_pair(scene).start()
    two = pair.daemons["db2"]
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    pair.servers["db2"].command("ACL", "SETUSER", rs.DRIVE_USER, "resetpass", ">another")
    scene.faults.unplug("db1")
    pair.daemons["db1"].kill()
    pair.servers["db1"].kill()
    wait_until(lambda: any(entry.get("outcome") == "config" or entry.get("result") == "config" for entry in acted(two, "can_promote")), 40,
               "db2 asked, and was refused: %s" % acted(two, "can_promote"))
    assert scene.owners.holders(VIP) in ([], ["db1"]) and pair.servers["db2"].role() == "slave"
    pair.servers["db2"].command("ACL", "SETUSER", rs.DRIVE_USER, "resetpass", ">" + rs.DRIVE_PASSWORD)
    pair.serving("db2", 60)
    writer.wait_more(50)
    pair.nothing_lost(writer, sampler, "db2")


# ---- F76: up, but not well --------------------------------------------------------------------------------------------


@pytest.mark.limit(120)
def test_F76_a_standby_that_loads_is_full_or_frozen_is_named_and_no_candidate(scene):
    """Each with its own cause; the holder is not disturbed, and does not move to it."""
    # Slow, and yet it answers while it loads: it looks up after each 1024 bytes, which are some 30 of the writer's keys.
    pair = calm_pair(scene, options=("key-load-delay 2000", "loading-process-events-interval-bytes 1024"))
    for number in range(500):
        pair.servers["db1"].command("SET", "big:%d" % number, "x" * 2000)
    pair.start()
    one, two, server = pair.daemons["db1"], pair.daemons["db2"], pair.servers["db2"]
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(50)
    server.freeze()
    settled(two, "hung", "transient", "fail")
    assert two.instance()["eligible"] is False
    server.thaw()
    fine(two)
    with server.local() as connection:  # before the limit; it keeps its connection
        connection.command("CONFIG", "SET", "maxclients", "1")
        settled(two, "connections", "ok", "fail")
        assert two.instance()["eligible"] is False
        connection.command("CONFIG", "SET", "maxclients", "1000")
    fine(two)
    server.command("BGREWRITEAOF")
    wait_until(lambda: server.info()["aof_rewrite_in_progress"] == "0" and server.info()["aof_rewrite_scheduled"] == "0", 20, "its file is written")
    server.kill().start(wait=False)
    settled(two, "loading", "ok", "fail", 20)
    assert two.instance()["eligible"] is False
    server.command("CONFIG", "SET", "key-load-delay", "0")
    assert scene.owners.holders(VIP) == ["db1"]
    fine(two, 40)
    writer.wait_more(50)
    pair.nothing_lost(writer, sampler, "db1")
    assert roles.data_of(one)["generation"] == 1


@pytest.mark.limit(120)
def test_F76_a_holder_that_cannot_save_is_not_writable_and_the_role_moves_without_loss(scene):
    pair = calm_pair(scene).start()
    one, server = pair.daemons["db1"], pair.servers["db1"]
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    began = time.monotonic()
    break_snapshots(server)
    found = settled(one, "disk", "ok", "fail")
    assert found["latest"]["facts"]["writable"] == "no" and "snapshot" in found["text"]
    pair.serving("db2", 30)
    writer.wait_more(100)
    pair.nothing_lost(writer, sampler, "db2")
    roles.measure("the holder's disk fails (Redis)", writer, began, 0)


@pytest.mark.limit(120)
def test_F76_a_frozen_holder_is_not_known_to_be_read_only_so_nobody_else_is_promoted_until_it_answers(scene):
    """No fence and no watchdog: rather nobody than two."""
    pair = calm_pair(scene).start()
    one, server = pair.daemons["db1"], pair.servers["db1"]
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    server.freeze()
    settled(one, "hung", "transient", "fail")
    wait_until(lambda: len(acted(one, "demote")) > 2, 20, "its Baton has tried in vain to demote it, again and again")
    assert {entry["result"] for entry in acted(one, "demote")[1:]} == {"transient"}
    wait_until(lambda: any(entry.get("verb") == "acquire" and entry["result"] == "refused" for entry in pair.daemons["db2"].events()), 20, "db2 asks for the grant")
    assert scene.owners.holders(VIP) == [] and pair.servers["db2"].role() == "slave"
    server.thaw()
    holder = wait_until(lambda: next((host for host in scene.owners.holders(VIP) if pair.servers[host].role() == "master"), None), 40, "somebody serves again")
    writer.wait_more(50)
    pair.nothing_lost(writer, sampler, holder)


# ---- F77, F78, F82: who is the primary --------------------------------------------------------------------------------


@pytest.mark.limit(120)
def test_F77_a_second_primary_made_by_hand_takes_no_address_and_what_it_took_is_kept_and_stays_out(scene):
    pair = calm_pair(scene).start()
    two, server = pair.daemons["db2"], pair.servers["db2"]
    writer = pair.writer()
    writer.wait_more(50)
    began = time.time()
    server.command("REPLICAOF", "NO", "ONE")
    server.command("SET", "n:999999", "x")
    wait_until(lambda: server.role() == "slave", 15, "db2 takes no writes any more")
    wait_until(lambda: roles.data_of(two)["role"] == "needs_rejoin", 15, "db2's data is no part of db1's")
    hold(lambda: server.role() == "slave" and "n:999999" in server.keys(), 2, "it stays so, with what it took")
    assert not scene.owners.changes(VIP, "db2", began) and scene.owners.holders(VIP) == ["db1"]
    assert "n:999999" not in pair.servers["db1"].keys()
    writer.wait_more(50)
    assert set(writer.stop()) <= pair.numbers("db1")
    assert roles.data_of(pair.daemons["db1"])["generation"] == 1


@pytest.mark.limit(150)
def test_F77_a_second_primary_that_cannot_be_demoted_is_an_alarm_and_nothing_is_moved_until_it_is_mended(scene):
    """Somebody made db2 writable, and its Baton may not log in to demote it."""
    pair = calm_pair(scene, peers=True).start()
    one, two, server = pair.daemons["db1"], pair.daemons["db2"], pair.servers["db2"]
    writer = pair.writer()
    writer.wait_more(50)
    hand_over_possible(one)
    server.command("ACL", "SETUSER", rs.DRIVE_USER, "resetpass", ">another")
    began, demoted = time.time(), len(acted(two, "demote"))
    server.command("REPLICAOF", "NO", "ONE")
    server.command("SET", "n:999999", "x")
    assert "role_conflict" not in one.alarms(), "two probes may overlap with a change of roles"
    wait_until(lambda: "role_conflict" in one.alarms(), 20, "db1 sees that both are writable")
    assert writable(server) and writable(pair.servers["db1"])
    told = one.control("status").stdout
    assert "role_conflict: the database of db2 (10.77.0.2) is writable beside" in told, told
    # An operator is needed; neither host is moved to, by whomever it is asked for.
    for host, words in (("db1", "refused: db2 may not take it"), ("db2", "db1: refused: db2 may not take it")):
        refused = pair.daemons[host].control("switchover", "svc")
        assert (refused.returncode, words in refused.stderr) == (6, True), refused.stdout + refused.stderr
        assert "db2's database is no replica" in refused.stderr, refused.stderr
    forced = two.control("failover", "svc", "--force")
    assert (forced.returncode, "another host is Active for svc" in forced.stderr) == (6, True), forced.stdout + forced.stderr
    hold(lambda: "role_conflict" in one.alarms() and writable(server), 5, "nothing ends it but a mended cause", every=0.2)
    assert scene.owners.holders(VIP) == ["db1"] and not scene.owners.changes(VIP, since=began)
    assert roles.data_of(one)["generation"] == 1 and acted(two, "promote") == []
    assert {entry["result"] for entry in acted(two, "demote")[demoted:]} == {"config"}, acted(two, "demote")
    writer.wait_more(50)
    server.command("ACL", "SETUSER", rs.DRIVE_USER, "resetpass", ">" + rs.DRIVE_PASSWORD)
    wait_until(lambda: not writable(server), 70, "db2 takes no writes any more")
    wait_until(lambda: "role_conflict" not in one.alarms(), 10, "the alarm is over")
    wait_until(lambda: roles.data_of(two)["role"] == "needs_rejoin", 15, "db2's data is no part of db1's")
    assert "n:999999" in server.keys() and "n:999999" not in pair.servers["db1"].keys()
    assert scene.owners.holders(VIP) == ["db1"] and not scene.owners.changes(VIP, since=began)
    writer.wait_more(50)
    assert set(writer.stop()) <= pair.numbers("db1")


def hand_over_possible(holder):
    wait_until(lambda: holder.control("switchover", "svc", "--dry-run").returncode == 0, 30, "the other host could take over")


@pytest.mark.limit(120)
def test_F78_when_nobody_is_primary_any_more_the_holder_gives_up_and_who_has_everything_is_promoted(scene):
    pair = calm_pair(scene).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    began = time.monotonic()
    pair.servers["db1"].command("REPLICAOF", "127.0.0.1", "1")
    holder = wait_until(lambda: next((host for host in scene.owners.holders(VIP) if pair.servers[host].role() == "master"), None), 40, "somebody is primary again")
    writer.wait_more(50)
    pair.nothing_lost(writer, sampler, holder)
    roles.measure("nobody is primary any more (%s serves)" % holder, writer, began, 0)


@pytest.mark.limit(150)
def test_F78_a_standby_that_cannot_prove_its_data_waits_and_says_so_until_the_other_is_back(scene):
    pair = calm_pair(scene, lines=("startup_delay = 0",)).start()
    two, server = pair.daemons["db2"], pair.servers["db2"]
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(50)
    two.pause()  # or it would mend this
    server.command("REPLICAOF", "127.0.0.1", "1")
    writer.wait_more(50)
    scene.faults.unplug("db1")
    pair.daemons["db1"].kill()
    pair.servers["db1"].kill()
    two.resume()
    wait_until(lambda: any("detached" in entry.get("text", "") for entry in acted(two, "can_promote")), 40, "db2 says why not")
    hold(lambda: scene.owners.holders(VIP) in ([], ["db1"]) and server.role() == "slave", 4, "it waits")
    explained = two.control("explain").stdout
    assert "promote" in explained, explained
    # db1 has everything, but cannot know that nobody was promoted for the generation that db2 was granted: a person says so.
    scene.faults.heal()
    pair.servers["db1"].start()
    one = pair.daemons["db1"].start()
    wait_until(lambda: roles.data_of(one.wait_ready()).get("role") == "needs_rejoin", 60, "db1 waits, too")
    assert one.control("forgive", "svc", "--i-accept-loss").returncode == 0
    pair.serving("db1", 60)
    writer.wait_more(50)
    pair.nothing_lost(writer, sampler, "db1")


@pytest.mark.limit(150)
def test_F82_an_old_primary_that_returns_writable_loses_that_and_keeps_what_it_took(scene):
    pair = calm_pair(scene, peers=True).start()
    one, server = pair.daemons["db1"], pair.servers["db1"]
    writer = pair.writer()
    writer.wait_more(100)
    moment = pair.lose("db1")
    pair.serving("db2", 40)
    began = time.time()
    scene.faults.heal()
    # As one without the boot guard comes back: a primary, and somebody writes to it.
    server.start()
    server.command("REPLICAOF", "NO", "ONE")
    server.command("SET", "n:999999", "x")
    assert writable(server)
    one.start()
    wait_until(lambda: not writable(server), 20, "db1 takes no writes any more")
    wait_until(lambda: roles.data_of(one.wait_ready()).get("role") == "needs_rejoin", 30, "db1's data is no part of db2's")
    assert "n:999999" in server.keys(), "nothing is rewound"
    writer.wait_more(50)
    assert not scene.owners.changes(VIP, "db1", began) and scene.owners.holders(VIP) == ["db2"]
    assert "n:999999" not in pair.servers["db2"].keys()
    pair.lost(writer, "db2", moment)


# ---- F81: a promotion that takes long, or fails half-way --------------------------------------------------------------


def gated(scene, **options):
    """Gates before and after Redis; an act of theirs may take 3 s."""
    gates = Gates(scene.lab, ("first", "last"), deadline="3s")
    pair = calm_pair(scene, promote=("first", "redis", "last"), sections=gates.sections(), lines=("promotion_budget = 100 per 1h",), **options)
    return pair.start(), gates


def never_held(scene, host, since):
    assert not scene.owners.changes(VIP, host, since), "the address was on %s" % host


@pytest.mark.limit(120)
def test_F81_a_promotion_that_takes_long_is_shown_and_the_address_waits_for_it(scene):
    pair, gates = gated(scene)
    two = pair.daemons["db2"]
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(50)
    began = time.time()
    gates.stop("db2", "last", "promote")
    roles.move_away(pair.daemons["db1"])
    gates.wait("db2", "last", "promote")
    assert pair.servers["db2"].role() == "master", "the database is ready"
    data = roles.data_of(two)
    assert (data["role"], data["step"]) == ("promoting", "promoting")
    assert "promoting" in two.control("status").stdout
    hold(lambda: scene.owners.holders(VIP) == [], 1.5, "but not all of the row: nobody has the address")
    never_held(scene, "db2", began)
    gates.open()
    pair.serving("db2", 30)
    writer.wait_more(50)
    pair.nothing_lost(writer, sampler, "db2")


@pytest.mark.limit(150)
@pytest.mark.parametrize("how", ["fails", "hangs"])
def test_F81_a_promotion_that_fails_half_way_is_undone_and_never_brings_the_address(scene, how):
    """Redis has been promoted when the row fails for good, or has hung for three deadlines: it is made a standby again."""
    pair, gates = gated(scene)
    two = pair.daemons["db2"]
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(50)
    began = time.time()
    if how == "fails":
        gates.fail("db2", "last", "promote", "fatal")
    else:
        gates.stop("db2", "last", "promote")
    roles.move_away(pair.daemons["db1"])
    wait_until(lambda: any(reason.get("reason") == "promote_failed" for reason in two.instance()["against"]), 60, "db2 says that its promotion failed")
    wait_until(lambda: pair.servers["db2"].role() == "slave", 20, "its server is a standby again")
    assert [entry for entry in acted(two, "promote")], "Redis had been promoted"
    never_held(scene, "db2", began)
    assert scene.owners.holders(VIP) == []
    gates.open()
    pair.serving("db2", 60)
    writer.wait_more(50)
    assert roles.data_of(two)["generation"] >= 3, "the generation of the failed one is not used again"
    pair.nothing_lost(writer, sampler, "db2")
