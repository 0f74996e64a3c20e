"""The redis module moves the role between real servers: what it refuses, and what becomes of the data."""
import contextlib
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
import redis_server as rs  # noqa: E402
import servers  # noqa: E402
from redis_pair import Pair, break_snapshots, outcome, pair_of, refused  # noqa: E402
from redis_server import Connection, RedisError, RedisServer, Relay, Sentinel, Writer  # noqa: E402
from servers import free_port, run, wait_until  # noqa: E402


@pytest.fixture
def pair():
    with pair_of() as one:
        yield one.ready()


@pytest.fixture
def fresh():
    with pair_of() as one:
        yield one


# Promotion

def test_a_promoted_server_is_writable_stamped_and_boots_read_only(fresh):
    answer = fresh.act("db1", "promote", generation=7, target="db2")
    assert (answer.status, answer.role, answer.generation) == ("ok", "primary", 7)
    assert fresh.a.role() == "master" and fresh.a.command("GET", "baton:gen").startswith("7 db1 ")
    assert fresh.a.configured("replicaof") == ["replicaof 127.0.0.1 1"]
    fresh.a.command("SET", "x", "1")
    fresh.a.stop().start()
    assert fresh.a.role() == "slave" and fresh.a.keys() == {"baton:gen", "x"}
    with pytest.raises(RedisError, match="READONLY"):
        fresh.a.command("SET", "y", "1")


def test_a_promoted_replica_boots_detached_and_not_as_the_replica_of_the_dead_one(pair):
    dead(pair)
    assert pair.b.configured("replicaof") == [f"replicaof 127.0.0.1 {pair.a.port}"]
    assert pair.act("db2", "promote", generation=2, target="db1").status == "ok"
    assert pair.b.configured("replicaof") == ["replicaof 127.0.0.1 1"]
    # After a full copy the append-only file is whole only when it has been rewritten.
    wait_until(lambda: pair.b.info()["aof_rewrite_in_progress"] == pair.b.info()["aof_rewrite_scheduled"] == "0")
    pair.b.kill().start()
    assert pair.b.upstream() == rs.NOBODY and "first" in pair.b.keys()


def test_promoting_again_is_ok_only_for_the_same_generation(pair):
    assert pair.act("db1", "promote", generation=1, target="db2").status == "ok"
    answer = pair.act("db1", "promote", generation=2, target="db2")
    assert (answer.status, answer.role, answer.generation) == ("conflict", "primary", 1)
    assert pair.act("db1", "verify").generation == 1


def test_a_promotion_that_broke_off_before_its_stamp_is_finished(pair):
    pair.a.kill()
    wait_until(lambda: not pair.b.linked())
    pair.b.command("REPLICAOF", "NO", "ONE")
    assert pair.act("db2", "promote", generation=2, target="db1").generation == 2
    # But not if somebody has written since.
    pair.b.command("SET", "x", "1")
    assert pair.act("db2", "promote", generation=3, target="db1").status == "conflict"


def test_a_pair_that_was_never_under_baton_is_adopted():
    with pair_of(replicaof=None) as one:
        one.a.command("SET", "x", "1")
        one.b.command("REPLICAOF", "127.0.0.1", one.a.port)
        wait_until(one.b.linked)
        assert one.act("db1", "promote", generation=4, target="db2").generation == 4
        # A second primary of unknown origin is not.
        one.b.command("REPLICAOF", "NO", "ONE")
        one.b.command("SET", "baton:gen", "0")
        one.b.command("SET", "y", "1")
        assert one.act("db2", "promote", generation=5, target="db1").status == "conflict"


def test_min_replicas_keep_clients_waiting_but_not_the_stamp(pair):
    pair.b.command("CONFIG", "SET", "min-replicas-to-write", "1")
    pair.a.kill()
    wait_until(lambda: not pair.b.linked())
    answer = pair.act("db2", "promote", generation=2, target="db1")
    assert (answer.status, answer.generation, answer.facts["min_replicas"]) == ("ok", 2, "1")
    with pytest.raises(RedisError, match="NOREPLICAS"):
        pair.b.command("SET", "x", "1")


def crash(pair, **settings):
    return pair.act("db2", "can_promote", target="db1", generation=2, settings=settings)


def dead(pair):
    pair.a.kill()
    wait_until(lambda: not pair.b.linked())
    return pair


def test_a_crashed_primary_lets_its_replica_be_promoted(pair):
    assert crash(dead(pair)).status == "ok"


def test_refused_while_the_link_lives(pair):
    refused(crash(pair), "link to db1 is up", "alive")
    refused(pair.act("db2", "promote", target="db1", generation=2), "link to db1 is up")
    assert pair.b.role() == "slave" and pair.b.upstream() == ("127.0.0.1", pair.a.port)


def test_refused_while_the_other_one_answers_as_a_primary(pair):
    pair.b.command("CONFIG", "SET", "masterauth", "wrong")
    pair.a.command("CLIENT", "KILL", "TYPE", "replica")
    wait_until(lambda: not pair.b.linked())
    refused(crash(pair), "answers and is a primary")
    pair.a.command("ACL", "SETUSER", rs.DRIVE_USER, "off")
    refused(crash(pair), "is alive")


def test_a_frozen_primary_is_dead_once_its_link_is_silent(pair):
    pair.a.freeze()
    try:
        refused(crash(pair, query_timeout="200ms", link_silence="4s"), "link to db1 is up")
        wait_until(lambda: crash(pair, query_timeout="200ms", link_silence="2s").status == "ok", 8)
    finally:
        pair.a.thaw()


def test_refused_while_it_is_a_half_copy():
    with pair_of(options=("rdb-key-save-delay 200000",)) as pair:
        assert pair.act("db1", "promote", generation=1, target="db2").status == "ok"
        for i in range(40):
            pair.a.command("SET", f"k{i}", "v" * 10000)
        pair.b.command("REPLICAOF", "127.0.0.1", pair.a.port)
        wait_until(lambda: pair.b.info().get("master_sync_in_progress") == "1")
        assert outcome(pair.probe("db2")) == ("ok", "fail", "syncing")
        refused(crash(pair), "holds only a part")


def test_refused_while_it_loads():
    with pair_of(options=("key-load-delay 100000", "loading-process-events-interval-bytes 1024")) as pair:
        pair.ready()
        for i in range(30):
            pair.a.command("SET", f"k{i}", os.urandom(2000).hex())
        written = lambda: pair.b.info()["aof_rewrite_in_progress"] == pair.b.info()["aof_rewrite_scheduled"] == "0"
        wait_until(lambda: pair.b.position() == pair.a.position() and written())
        pair.b.command("BGREWRITEAOF")
        wait_until(written)
        pair.a.kill()
        pair.b.kill().start(wait=False)
        wait_until(lambda: pair.probe("db2").facts.get("cause") == "loading")
        for verb in ("can_promote", "promote"):
            answer = pair.act("db2", verb, target="db1", generation=2)
            assert (answer.status, answer.facts["cause"]) == ("transient", "loading"), answer  # later perhaps
        pair.b.kill()


def test_refused_while_it_follows_another(pair):
    pair.b.command("REPLICAOF", "127.0.0.1", free_port())
    refused(crash(pair), "follows 127.0.0.1:", "not db1")
    refused(pair.act("db2", "can_promote", target="db1", generation=2, planned=True), "follows 127.0.0.1:")


def test_refused_when_the_link_was_down_for_too_long_or_never_up(pair):
    dead(pair)
    wait_until(lambda: int(pair.b.info()["master_link_down_since_seconds"]) >= 2)
    refused(crash(pair, max_link_down="1s"), "has been down for", "max_link_down")
    assert crash(pair, max_link_down="30s").status == "ok"
    pair.b.stop().start()
    refused(crash(pair), "has had no link to db1 since it started")


def test_refused_when_it_lacks_more_than_max_lag_or_is_of_another_history(pair):
    replid, offset = pair.b.position().split(":")
    dead(pair)
    ask = lambda position, **settings: pair.act("db2", "can_promote", target="db1", generation=2, position=position,
                                                settings=settings)
    behind = int(pair.b.position().split(":")[1]) + 1001
    refused(ask(f"{replid}:{behind}", max_lag="1000"), "lacks 1001 bytes", "max_lag")
    assert ask(f"{replid}:{behind}", max_lag="1001").status == "ok"
    refused(ask(f"{'0' * 40}:5"), "another history")


def test_refused_without_persistence_unless_allowed(pair):
    dead(pair)
    pair.b.command("CONFIG", "SET", "appendonly", "no")
    pair.b.command("CONFIG", "SET", "save", "")
    refused(crash(pair), "saves nothing to disk", "allow_volatile")
    assert crash(pair, allow_volatile="yes").status == "ok"


def test_refused_when_all_keys_are_gone(pair):
    pair.a.command("FLUSHALL")
    wait_until(lambda: not pair.b.keys())
    dead(pair)
    refused(crash(pair), "holds no key at all", "allow_empty")
    assert crash(pair, allow_empty="yes").status == "ok"


def test_refused_without_a_configuration_file(fresh):
    directory = fresh.directory / "bare"
    directory.mkdir()
    port = free_port()
    process = subprocess.Popen(["redis-server", "--port", str(port), "--dir", str(directory), "--appendonly", "yes",
                                "--replicaof", "127.0.0.1", "1"], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
        settings = {"member": [f"db1 127.0.0.1:{port}", fresh.b.member], "drive_username": None, "drive_password_file": None,
                    "username": None, "password_file": None}
        answer = fresh.act("db1", "can_promote", target="db2", settings=settings)
        refused(answer, "without a configuration file")
    finally:
        process.kill()
        process.wait()


def test_refused_when_a_sentinel_watches(pair):
    sentinel = Sentinel(pair.directory, "s", options=("sentinel down-after-milliseconds mymaster 60000",))
    sentinel.watch(pair.a, [pair.b], [sentinel])
    try:
        sentinel.start()
        wait_until(lambda: "a Sentinel watches" in str(crash(pair).refusals))
    finally:
        sentinel.kill()
    wait_until(lambda: "a Sentinel watches" not in str(crash(pair).refusals))


def test_refused_when_the_replica_takes_writes_of_its_own(pair):
    pair.b.command("CONFIG", "SET", "replica-read-only", "no")
    assert pair.probe("db2").facts["read_only"] == "no"
    refused(crash(dead(pair)), "replica-read-only no")


def test_refused_when_it_cannot_save(pair):
    break_snapshots(pair.b)
    refused(crash(dead(pair)), "snapshot of db2", "failed")


NO_USERS = {"drive_username": None, "drive_password_file": None, "username": None, "password_file": None}


def test_refused_when_it_cannot_write_its_append_only_file():
    with servers.directory() as directory:
        pair = Pair(directory)
        conf = pair.b.conf.read_text()
        run("mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "none", pair.b.directory)
        try:
            pair.b.conf.write_text(conf)
            pair.start().ready()
            wait_until(lambda: pair.b.info()["aof_rewrite_in_progress"] == pair.b.info()["aof_rewrite_scheduled"] == "0")
            fill = pair.b.directory / "fill"
            with open(fill, "wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * 4096)
            pair.a.command("SET", "big", "y" * 20000)
            wait_until(lambda: pair.b.info()["aof_last_write_status"] == "err")
            assert pair.b.info()["rdb_last_bgsave_status"] == "ok" and pair.a.info()["aof_last_write_status"] == "ok"
            dead(pair)
            for verb in ("can_promote", "promote"):
                answer = pair.act("db2", verb, target="db1", generation=2)
                refused(answer, f"db2 (127.0.0.1:{pair.b.port}) cannot write its append-only file: it would refuse writes")
                assert len(answer.refusals) == 1 and pair.b.role() == "slave", answer
            fill.unlink()
            wait_until(lambda: pair.b.info()["aof_last_write_status"] == "ok")
            assert pair.act("db2", "promote", target="db1", generation=2).status == "ok"
        finally:
            pair.stop()
            run("umount", pair.b.directory)


def test_a_cluster_node_is_left_alone():
    with pair_of(options=("cluster-enabled yes",), replicaof=None, acl=False) as one:
        answer = one.act("db1", "can_promote", target="db2", generation=1, settings=NO_USERS)
        refused(answer, "is a primary already")
        one.b.command("CLUSTER", "RESET", "HARD")
        assert one.act("db2", "promote", target="db1", generation=1, settings=NO_USERS).status == "conflict"


def test_a_replica_of_a_cluster_is_refused_as_what_it_is():
    with pair_of(options=("cluster-enabled yes", "cluster-node-timeout 1000"), replicaof=None, acl=False) as one:
        one.a.command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        one.b.command("CLUSTER", "MEET", "127.0.0.1", one.a.port)
        name = one.a.command("CLUSTER", "MYID")
        wait_until(lambda: name in one.b.command("CLUSTER", "NODES"), 30)
        one.b.command("CLUSTER", "REPLICATE", name)
        wait_until(lambda: one.b.role() == "slave" and one.b.linked(), 30)
        words = f"db2 (127.0.0.1:{one.b.port}) is part of a Redis Cluster, which elects itself"
        about = dict(target="db1", generation=1, settings=NO_USERS)
        refused(one.act("db2", "can_promote", planned=True, **about), words)
        dead(one)  # alone it cannot be elected
        answer = one.act("db2", "can_promote", **about)
        refused(answer, words)
        assert answer.refusals == [words], answer  # nothing else speaks against it
        refused(one.act("db2", "promote", **about), words)
        assert one.b.role() == "slave" and one.b.upstream() == ("127.0.0.1", one.a.port)


def test_refused_for_a_generation_that_is_not_newer(pair):
    dead(pair)
    refused(pair.act("db2", "can_promote", target="db1", generation=1), "generation 1 already")


def test_planned_refused_unless_the_final_position_is_reached(pair):
    position = pair.act("db1", "block_writes").position
    replid, offset = position.split(":")
    planned = dict(target="db1", generation=2, planned=True)
    refused(pair.act("db2", "promote", **planned), "final position of db1 is not known")
    ahead = f"{replid}:{int(offset) + 100000}"
    refused(pair.act("db2", "promote", position=ahead, **planned), "lacks", "before the final position")
    refused(pair.act("db2", "promote", position=f"{'1' * 40}:1", **planned), "another history")
    refused(pair.act("db2", "promote", position="nonsense", **planned), "is no position of Redis")
    assert pair.writable() == ["db1"]
    answer = pair.act("db2", "drain", timeout=1.0, position=ahead, settings={"drain_timeout": "300ms"}, **planned)
    assert answer.status == "transient" and "still lacks" in answer.sentence and answer.facts["cause"] == "lag"
    assert pair.act("db2", "drain", position=position, **planned).status == "ok"
    assert pair.act("db2", "promote", position=position, **planned).status == "ok"


def test_planned_refused_with_a_broken_link_or_too_far_behind(pair):
    relay = Relay(pair.a.port)
    try:
        members = {"member": [f"db1 127.0.0.1:{relay.port}", pair.b.member]}
        ask = lambda **more: pair.act("db2", "can_promote", target="db1", generation=2, planned=True, position=pair.a.position(),
                                      settings={**members, **more})
        assert pair.act("db2", "demote", target="db1", settings=members).status == "ok"
        relay.hold()
        for i in range(50):
            pair.a.command("SET", f"k{i}", "v" * 100)
        with socket.create_connection(("127.0.0.1", relay.port)):  # the line itself is slow for us, too
            refused(ask(query_timeout="200ms"), "has not answered")
        pair.b.command("CONFIG", "SET", "masterauth", "wrong")
        pair.a.command("CLIENT", "KILL", "TYPE", "replica")
        relay.release()
        wait_until(lambda: not pair.b.linked())
        pair.a.command("SET", "more", "v")
        refused(ask(), "link to db1 is down")
    finally:
        relay.close()


def test_planned_refused_when_it_is_too_far_behind(pair):
    relay = Relay(pair.a.port)
    slow = {"replication_port": relay.port}  # replicas come by the slow line
    try:
        assert pair.act("db2", "demote", target="db1", settings=slow).facts["upstream"] == f"127.0.0.1:{relay.port}"
        relay.hold()
        for i in range(50):
            pair.a.command("SET", f"k{i}", "v" * 100)
        ask = lambda **more: pair.act("db2", "can_promote", target="db1", generation=2, planned=True, settings={**slow, **more})
        refused(ask(max_lag="1000"), "behind db1", "max_lag")
        assert ask().status == "ok"
    finally:
        relay.close()


# Planned moves

def switchover(pair, old, new, generation, sessions=None):
    """What the daemon asks for, in its order. The position and how long the writes stood still."""
    begin = time.monotonic()
    final = pair.act(old, "block_writes")
    assert final.status == "ok" and final.position
    about = dict(planned=True, target=old, generation=generation, position=final.position)
    for verb in ("can_promote", "drain", "promote"):
        answer = pair.act(new, verb, **about)
        assert answer.status == "ok", (verb, answer)
    took = time.monotonic() - begin
    answer = pair.act(old, "demote", target=new)
    assert answer.status == "ok" and answer.facts["link"] == "up", answer
    return took


def test_a_planned_move_under_load_loses_nothing(pair):
    copies = int(pair.b.info()["sync_full"])
    with Writer(pair.primary_port) as writer:
        wait_until(lambda: len(writer.acknowledged) > 300)
        took = switchover(pair, "db1", "db2", 2)
        count = len(writer.acknowledged)
        wait_until(lambda: len(writer.acknowledged) > count + 200)
        back = switchover(pair, "db2", "db1", 3)
        count = len(writer.acknowledged)
        wait_until(lambda: len(writer.acknowledged) > count + 200)
    wait_until(lambda: pair.a.position() == pair.b.position())
    assert set(writer.acknowledged) - pair.a.keys() == set() and set(writer.acknowledged) - pair.b.keys() == set()
    assert pair.a.role() == "master" and pair.a.command("GET", "baton:gen").startswith("3 db1 ")
    assert int(pair.b.info()["sync_full"]) == copies  # the old primary follows without a full copy
    print(f"planned: {took * 1000:.0f} ms and {back * 1000:.0f} ms, longest gap {writer.longest_gap * 1000:.0f} ms, "
          f"acknowledged {len(writer.acknowledged)}, lost 0")


def test_blocked_writers_are_gone_and_unblock_lets_them_back(pair):
    with Writer(pair.primary_port) as writer:
        wait_until(lambda: len(writer.acknowledged) > 50)
        first = pair.act("db1", "block_writes").position
        count = len(writer.acknowledged)
        wait_until(lambda: writer.refused > 0)
        assert pair.a.position() == first
        assert len(writer.acknowledged) == count
        again = pair.act("db1", "block_writes")
        assert again.status == "ok" and again.position == first
        assert pair.act("db1", "unblock_writes").status == "ok"
        wait_until(lambda: len(writer.acknowledged) > count + 50)
    assert set(writer.acknowledged) <= pair.a.keys()


def test_a_block_that_fails_undoes_itself(pair):
    pair.a.command("ACL", "SETUSER", rs.DRIVE_USER, "-client|kill")
    answer = pair.act("db1", "block_writes")
    assert (answer.status, answer.facts["cause"]) == ("config", "privilege") and rs.DRIVE_USER in answer.sentence
    assert pair.a.command("SET", "x", "1") == "OK"


def test_a_replica_needs_no_block(pair):
    assert pair.act("db2", "block_writes").role == "replica"
    assert pair.act("db2", "unblock_writes").status == "ok"


def test_pings_after_the_final_position_are_no_writes(pair):
    with pair.session("db1", "act") as session:
        position = session.call("block_writes", 5).position
        assert pair.act("db2", "promote", planned=True, target="db1", generation=2, position=position).status == "ok"
        # Another replica keeps the old primary sending PINGs, one a second.
        with Connection("127.0.0.1", pair.a.port, auth=(rs.REPLICATION_USER, rs.REPLICATION_PASSWORD)) as stream:
            stream.socket.sendall(b"PSYNC ? -1\r\n")
            offset = int(position.split(":")[1])
            wait_until(lambda: int(pair.a.position().split(":")[1]) - offset >= 28)
        answer = session.call("demote", 10, target="db2")
        assert answer.status == "ok" and answer.facts["link"] == "up"


def test_pings_while_the_other_one_cannot_be_reached_are_no_writes_either(pair):
    """A cable is pulled: writes are blocked, the connection attempt takes its time, and the server sends PINGs into the void."""
    with pair.session("db1", "act") as session, Connection("127.0.0.1", pair.a.port, auth=(rs.REPLICATION_USER, rs.REPLICATION_PASSWORD)) as stream:
        stream.socket.sendall(b"PSYNC ? -1\r\n")
        offset = int(session.call("block_writes", 5).position.split(":")[1])
        wait_until(lambda: int(pair.b.position().split(":")[1]) >= offset)
        pair.b.command("REPLICAOF", "127.0.0.1", "1")
        wait_until(lambda: int(pair.a.position().split(":")[1]) - offset >= 42)
        pair.b.freeze()
        assert session.call("demote", 10).facts["upstream"] == "none"
        pair.b.thaw()
        pair.b.command("REPLICAOF", "NO", "ONE")
        answer = session.call("rejoin", 10, target="db2")
        assert answer.status == "ok" and answer.facts["link"] == "up", answer.sentence


# Demotion

def test_demoting_again_is_ok_and_a_wrong_upstream_is_mended(pair):
    with Connection("127.0.0.1", pair.b.port) as reader:
        assert pair.act("db2", "demote", target="db1").status == "ok"
        reader.command("GET", "first")  # whoever reads from a standby stays
    pair.b.command("REPLICAOF", "127.0.0.1", free_port())
    assert pair.act("db2", "demote").status == "ok"  # of nobody in particular: of a pair that is the other one
    answer = pair.act("db2", "demote", target="db1")
    assert answer.status == "ok" and answer.facts["link"] == "up" and pair.b.upstream() == ("127.0.0.1", pair.a.port)
    pair.a.kill()
    dead_upstream = pair.act("db2", "demote", target="db1")
    assert dead_upstream.status == "ok" and dead_upstream.facts["link"] == "down" and dead_upstream.seconds < 2


def test_a_demoted_server_stays_a_standby_through_a_restart(pair):
    switchover(pair, "db1", "db2", 2)
    assert pair.a.configured("replicaof") == [f"replicaof 127.0.0.1 {pair.b.port}"]
    pair.a.stop().start()
    wait_until(pair.a.linked)
    assert pair.writable() == ["db2"]


def test_demotion_ends_sessions(pair):
    with Connection("127.0.0.1", pair.a.port) as client:
        client.command("SET", "x", "1")
        pair.b.kill()
        assert pair.act("db1", "demote", target="db2").status == "ok"
        with pytest.raises((ConnectionError, OSError)):
            client.command("GET", "x")


def test_with_a_dead_target_it_is_made_read_only_and_keeps_its_data(pair):
    pair.b.kill()
    answer = pair.act("db1", "demote", target="db2")
    assert (answer.status, answer.facts["upstream"], answer.facts["cause"]) == ("ok", "none", "unreachable_target")
    assert pair.a.role() == "slave" and pair.a.upstream() == rs.NOBODY and "first" in pair.a.keys()
    pair.a.stop().start()
    assert pair.a.role() == "slave" and "first" in pair.a.keys()


def diverge(pair):
    """db1 has died with writes that db2 never got; db2 has been promoted; db1 is back and somebody made it writable."""
    pair.b.freeze()
    pair.a.command("CLIENT", "KILL", "TYPE", "replica")
    for i in range(20):
        pair.a.command("SET", f"tail{i}", "v")
    pair.a.kill()
    pair.b.thaw()
    wait_until(lambda: not pair.b.linked())
    assert pair.act("db2", "promote", target="db1", generation=2).status == "ok"
    pair.b.command("SET", "new", "1")
    pair.a.start()


TAIL = {f"tail{i}" for i in range(20)}


def test_diverged_data_is_a_conflict_and_nothing_is_lost(pair):
    diverge(pair)
    pair.a.command("REPLICAOF", "NO", "ONE")  # a person, or a wrong configuration file
    answer = pair.act("db1", "demote", target="db2")
    assert answer.status == "conflict" and answer.facts["cause"] == "diverged"
    assert pair.a.role() == "slave" and pair.a.upstream() == rs.NOBODY and TAIL <= pair.a.keys()
    with pytest.raises(RedisError, match="READONLY"):
        pair.a.command("SET", "x", "1")
    assert pair.a.configured("replicaof") == ["replicaof 127.0.0.1 1"]
    assert pair.act("db1", "demote", target="db2").status == "conflict" and TAIL <= pair.a.keys()


def test_one_write_too_many_is_a_conflict(pair):
    """Against a tolerance that is too wide: the shortest write there is."""
    position = pair.act("db1", "block_writes").position
    assert pair.act("db2", "promote", planned=True, target="db1", generation=2, position=position).status == "ok"
    pair.act("db1", "unblock_writes")
    pair.a.command("SET", "", "")
    assert pair.act("db1", "demote", target="db2").status == "conflict"
    assert "" in pair.a.keys()


def taken_and_given_up(pair):
    """db2 was promoted in a planned move, and db1 took the role back."""
    position = pair.act("db1", "block_writes").position
    assert pair.act("db2", "promote", planned=True, target="db1", generation=2, position=position).status == "ok"
    pair.act("db1", "unblock_writes")


@pytest.mark.parametrize("verb", ("demote", "rejoin"))
def test_a_promotion_that_was_taken_back_leaves_nothing_but_its_stamp_and_that_is_given_up(pair, verb):
    taken_and_given_up(pair)
    pair.a.command("SET", "later", "1")
    answer = pair.act("db2", verb, target="db1")
    assert (answer.status, answer.facts["link"]) == ("ok", "up"), answer
    assert "later" in pair.b.keys() and pair.a.role() == "master"


def test_one_write_beside_the_stamp_is_a_conflict(pair):
    taken_and_given_up(pair)
    pair.b.command("SET", "", "")
    pair.a.command("SET", "later", "1")
    assert pair.act("db2", "demote", target="db1").status == "conflict"
    assert "" in pair.b.keys()


def test_a_write_as_long_as_the_stamp_is_no_stamp(pair):
    """A person made db2 a primary, and a client wrote just as many bytes as db1's stamp has."""
    stamp = pair.b.command("GET", "baton:gen")
    assert stamp.split()[1] == "db1"
    pair.b.command("REPLICAOF", "NO", "ONE")
    pair.b.command("SET", "client:no", "x" * len(stamp))
    pair.a.command("SET", "later", "1")
    assert pair.act("db2", "demote", target="db1").status == "conflict"
    assert "client:no" in pair.b.keys()


def test_a_server_does_not_follow_itself(pair):
    assert pair.act("db1", "demote", target="db1").status == "refused"
    assert pair.act("db1", "demote", target="nobody").status == "refused"
    assert pair.writable() == ["db1"]


def test_two_standbys_of_each_other_lose_nothing(pair):
    """A cold start: whoever is not Active demotes, the one with the data, too."""
    assert pair.act("db1", "demote", target="db2").status == "ok"
    assert pair.writable() == [] and "first" in pair.a.keys() & pair.b.keys()
    assert pair.act("db1", "promote", target="db2", generation=2, planned=True, position=pair.b.position()).status == "ok"
    wait_until(pair.b.linked)
    assert pair.writable() == ["db1"] and "first" in pair.a.keys() & pair.b.keys()


# Crash, and the way back

def test_a_crash_loses_no_more_than_is_reported(pair):
    relay = Relay(pair.a.port)
    try:
        members = {"member": [f"db1 127.0.0.1:{relay.port}", pair.b.member]}
        assert pair.act("db2", "demote", target="db1", settings=members).status == "ok"
        with Writer(lambda: ("127.0.0.1", pair.a.port)) as writer:
            wait_until(lambda: len(writer.acknowledged) > 200)
            relay.hold()
            count = len(writer.acknowledged)
            wait_until(lambda: len(writer.acknowledged) > count + 30)
            writer.stop()
        last = pair.act("db1", "position").position
        dead(pair)
        answer = pair.act("db2", "promote", target="db1", generation=2, position=last, settings=members)
        assert answer.status == "ok"
        bound = int(re.fullmatch(r"(\d+) bytes", answer.facts["lost_at_most"]).group(1))
        missing = set(writer.acknowledged) - pair.b.keys()
        # Each write is at least SET w:1 and twenty letters in the stream: 4+9+9+26 bytes of RESP.
        assert len(missing) >= 30 and 48 * len(missing) <= bound <= 80 * len(missing) + 100
        assert answer.facts["lost_at_most"] in answer.sentence
        print(f"crash: acknowledged {len(writer.acknowledged)}, lost {len(missing)}, reported at most {bound} bytes")
    finally:
        relay.close()


def test_without_a_last_position_the_loss_is_unknown(pair):
    answer = pair.act("db2", "promote", target="db1", generation=2) if dead(pair) else None
    assert answer.facts["lost_at_most"] == "unknown" and "unknown" in answer.sentence


def test_a_primary_that_restarts_empty_does_not_empty_its_replica():
    with pair_of(options=("appendonly no", 'save ""')) as pair:
        volatile = {"allow_volatile": "yes"}
        assert pair.act("db1", "promote", generation=1, target="db2", settings=volatile).status == "ok"
        assert pair.act("db2", "demote", target="db1").status == "ok"
        pair.a.command("SET", "x", "1")
        wait_until(lambda: "x" in pair.b.keys())
        pair.a.kill().start()
        assert pair.a.keys() == set() and pair.a.role() == "slave"
        wait_until(lambda: "Can't sync" in (pair.b.directory / "log").read_text() or
                   "NOMASTERLINK" in (pair.b.directory / "log").read_text())
        assert pair.b.keys() == {"baton:gen", "x"}
        refused(pair.act("db1", "can_promote", target="db2", generation=2, settings=volatile), "holds no key at all")


def resume(pair, **settings):
    return pair.act("db1", "can_promote", target="db2", generation=2, settings=settings)


def test_the_last_primary_resumes_after_a_restart_if_the_other_one_can_be_asked(pair):
    pair.a.kill().start()
    assert resume(pair).status == "ok"
    pair.b.kill()
    refused(resume(pair), "nothing proves that its data is the newest", "resume_alone")
    assert resume(pair, resume_alone="yes").status == "ok"
    pair.b.start()
    assert pair.act("db1", "promote", target="db2", generation=1).status == "ok"  # its own generation, once more


def test_the_last_primary_resumes_alone_once_nobody_can_have_been_promoted_since(pair):
    """The engine's word counts for what this host wrote as the generation before, and for nothing older."""
    pair.a.kill().start()
    pair.b.kill()
    late = pair.act("db1", "can_promote", target="db2", generation=3, resumes=True)
    refused(late, "nothing proves that its data is the newest")
    answer = pair.act("db1", "promote", target="db2", generation=2, resumes=True)
    assert (answer.status, answer.generation) == ("ok", 2) and pair.a.role() == "master"


def test_an_operators_word_promotes_what_nothing_proves_to_be_the_newest(pair):
    pair.a.kill().start()
    pair.b.kill()
    refused(pair.act("db1", "promote", target="db2", generation=2), "nothing proves that its data is the newest")
    answer = pair.act("db1", "promote", target="db2", generation=2, forced=True)
    assert (answer.status, answer.generation) == ("ok", 2) and pair.a.role() == "master"


def test_a_newer_generation_outranks_what_the_other_one_wrote_beside_it(pair):
    diverge(pair)
    pair.act("db2", "demote")  # to nobody: db1 is no primary that could be followed
    assert pair.b.upstream() == rs.NOBODY and pair.a.upstream() == rs.NOBODY
    answer = pair.act("db2", "can_promote", target="db1", generation=3)
    assert answer.status == "ok", answer
    refused(pair.act("db1", "can_promote", target="db2", generation=3), "")


def test_the_last_primary_does_not_resume_behind_its_replica():
    with pair_of(options=("appendonly no",)) as pair:
        pair.ready()
        pair.a.command("SAVE")
        pair.a.command("SET", "later", "1")
        wait_until(lambda: "later" in pair.b.keys())
        pair.a.kill().start()
        assert "later" not in pair.a.keys()
        refused(resume(pair), "db2 holds", "of writes more")


def test_a_detached_standby_of_an_unknown_history_is_no_heir(pair):
    pair.act("db1", "demote", target="db2")
    pair.b.command("REPLICAOF", *rs.NOBODY)
    pair.b.stop().start()  # its configuration file says db1; by hand it is detached again
    pair.b.command("REPLICAOF", *rs.NOBODY)
    answer = pair.act("db2", "can_promote", target="db1", generation=2)
    refused(answer, "cannot be compared with that of db1")


def test_a_clean_ex_primary_rejoins(pair):
    switchover(pair, "db1", "db2", 2)
    assert pair.act("db1", "rejoin", target="db2", generation=2).status == "ok"
    pair.a.command("REPLICAOF", *rs.NOBODY)  # detached, but nothing of its own
    manual = pair.act("db1", "rejoin", target="db2", generation=2, settings={"rejoin": "manual"})
    assert manual.status == "refused" and pair.a.upstream() == rs.NOBODY
    answer = pair.act("db1", "rejoin", target="db2", generation=2)
    assert answer.status == "ok" and answer.facts["link"] == "up" and "kept" not in answer.facts


def test_rejoin_of_diverged_data_by_policy(pair):
    diverge(pair)
    assert pair.a.upstream() == rs.NOBODY  # it booted detached: its tail was not overwritten
    for policy in ("manual", "safe"):
        answer = pair.act("db1", "rejoin", target="db2", generation=2, settings={"rejoin": policy})
        assert answer.status == "conflict" and TAIL <= pair.a.keys(), policy
    old = pair.act("db1", "rejoin", target="db2", generation=3, settings={"rejoin": "rebuild"})
    assert old.status == "refused" and "older than 3" in old.sentence and TAIL <= pair.a.keys()
    answer = pair.act("db1", "rejoin", target="db2", generation=2, settings={"rejoin": "rebuild"})
    assert answer.status == "ok" and answer.facts["link"] == "up"
    assert pair.a.keys() == pair.b.keys() and not TAIL & pair.a.keys()
    kept = pathlib.Path(answer.facts["kept"])
    assert kept.name == "dump.rdb.pre-rejoin.2" and kept.name in answer.sentence
    assert int(answer.facts["kept_bytes"]) == kept.stat().st_size
    assert pair.act("db1", "rejoin", target="db2", generation=2).status == "ok"
    # The tail is really in there.
    shelf = RedisServer(pair.directory, "shelf", options=("appendonly no",), acl=False, replicaof=None)
    os.link(kept, shelf.directory / "dump.rdb")
    try:
        assert TAIL <= shelf.start().keys()
    finally:
        shelf.stop()


def test_rebuild_refuses_if_the_copy_cannot_be_kept(pair):
    diverge(pair)
    break_snapshots(pair.a)
    answer = pair.act("db1", "rejoin", target="db2", generation=2, settings={"rejoin": "rebuild"})
    assert answer.status == "transient" and answer.facts["cause"] == "disk" and TAIL <= pair.a.keys()


def test_rejoin_waits_for_a_target(pair):
    pair.b.kill()
    pair.act("db1", "demote", target="db2")
    answer = pair.act("db1", "rejoin", target="db2", generation=2)
    assert (answer.status, answer.facts["cause"]) == ("transient", "unreachable_target")


def test_a_fence_ends_writing_on_the_other_host_and_tells_its_position(pair):
    before = pair.a.position()
    answer = pair.act("db2", "fence", target="db1")
    assert answer.status == "ok" and answer.position == before
    assert pair.a.role() == "slave" and pair.a.upstream() == rs.NOBODY and pair.a.configured("replicaof") == ["replicaof 127.0.0.1 1"]
    assert pair.act("db2", "fence", target="db1").status == "ok"
    promoted = pair.act("db2", "promote", target="db1", generation=2)
    assert promoted.status == "ok" and promoted.facts["lost_at_most"] == "0 bytes"
    pair.a.kill()
    assert pair.act("db2", "fence", target="db1").status == "transient"


# Rights

@pytest.mark.parametrize("right", ["replicaof", "set", "config|rewrite", "config|get", "client|list", "client|unpause"])
def test_a_promotion_that_lacks_a_right_changes_nothing(pair, right):
    dead(pair)
    pair.b.command("ACL", "SETUSER", rs.DRIVE_USER, f"-{right}")
    answer = pair.act("db2", "promote", target="db1", generation=2)
    assert (answer.status, answer.facts["cause"]) == ("config", "privilege")
    assert pair.b.role() == "slave" and "first" in pair.b.keys()
    pair.b.command("ACL", "SETUSER", rs.DRIVE_USER, f"+{right}")
    assert pair.act("db2", "promote", target="db1", generation=2).status == "ok"


def test_a_configuration_file_that_cannot_be_written_stops_the_promotion(pair):
    dead(pair)
    pair.b.conf.unlink()
    pair.b.conf.mkdir()
    answer = pair.act("db2", "promote", target="db1", generation=2)
    assert (answer.status, answer.facts["cause"]) == ("config", "config_file")
    assert pair.b.role() == "slave" and pair.b.upstream() == ("127.0.0.1", pair.a.port)
    pair.b.conf.rmdir()


def test_a_replication_login_is_set_when_it_is_given(pair):
    pair.b.command("CONFIG", "SET", "masterauth", "wrong")
    secret = pair.directory / "replication.password"
    secret.write_text(rs.REPLICATION_PASSWORD + "\n")
    pair.b.command("REPLICAOF", "127.0.0.1", "1")
    login = {"replication_username": rs.REPLICATION_USER, "replication_password_file": str(secret)}
    assert pair.act("db2", "demote", target="db1", settings={"link_timeout": "500ms"}).facts["link"] == "down"
    pair.b.command("REPLICAOF", "127.0.0.1", "1")
    assert pair.act("db2", "demote", target="db1", settings=login).facts["link"] == "up"
