"""The patroni plugin against a real cluster (Patroni, etcd, PostgreSQL) and against answers that no healthy Patroni gives."""
import contextlib
import json
import pathlib
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
import servers  # noqa: E402
from etcd_server import EtcdCluster  # noqa: E402
from patroni_server import PatroniCluster  # noqa: E402
from plugin import Session  # noqa: E402
from postgres_server import Writer  # noqa: E402
from servers import Raw, free_port, resets, silent, wait_until  # noqa: E402


class Site:
    def __init__(self, directory, etcd, cluster):
        self.directory, self.etcd, self.cluster = pathlib.Path(directory), etcd, cluster
        self.secret = self.directory / "api-password"
        self.secret.write_text("api-secret\n")

    def call(self, member, verb, timeout=3.0, target="", **more):
        settings = {"member": [f"{one.name} {one.address}:{one.api}" for one in self.cluster.members], "api_user": "baton",
                    "api_password_file": self.secret, "stale_after": "20s", **more}
        with Session("patroni", settings, "probe" if verb == "probe" else "act", host_name=member.name) as session:
            return session.call(verb, timeout, target=target)

    def pair(self):
        """(leader, replica)"""
        self.cluster.wait_healthy()
        leader = self.cluster.leader()
        return leader, next(one for one in self.cluster.members if one is not leader)


@contextlib.contextmanager
def small_disks(cluster):
    """Before they start: the data of each member is a disk of 160 MB. What fills it, by member."""
    with contextlib.ExitStack() as stack:
        fillers = {}
        for one in cluster.members:
            one.data.mkdir()
            servers.run("mount", "-t", "tmpfs", "-o", "size=160m,mode=700,uid=postgres,gid=postgres", "none", one.data)
            stack.callback(servers.run, "umount", "-l", one.data)
            fillers[one.name] = one.data / "filler"
        yield fillers


@contextlib.contextmanager
def made(disks=contextlib.nullcontext):
    with servers.directory() as directory, EtcdCluster(directory) as etcd, contextlib.ExitStack() as stack:
        cluster = PatroniCluster(directory, etcd.endpoints)
        fillers = stack.enter_context(disks(cluster))
        stack.enter_context(cluster)
        leader = cluster.leader()
        leader.sql("CREATE ROLE writer LOGIN PASSWORD 'writer'; CREATE TABLE rows (n bigint PRIMARY KEY, filler text); "
                   "GRANT SELECT, INSERT ON rows TO writer")
        site = Site(directory, etcd, cluster)
        site.fillers = fillers
        yield site


@pytest.fixture(scope="module")
def site():
    with made() as one:
        yield one


@pytest.fixture
def fresh():
    """For a test after which Patroni may rewind a server for a while."""
    with made() as one:
        yield one


def refused(answer, words):
    assert answer.status == "refused" and any(words in reason for reason in answer.refusals), answer


def test_the_leader_with_the_lock_is_the_primary(site):
    leader, replica = site.pair()
    answer = site.call(leader, "probe")
    assert (answer.status, answer.state, answer.role, answer.warning) == ("ok", "pass", "primary", False), answer
    system = leader.sql("SELECT system_identifier FROM pg_control_system()")
    timeline = leader.sql("SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int")
    assert answer.position.startswith(f"{system}:{timeline}:0/") and answer.position.endswith(":patroni")
    assert answer.facts["patroni"] == "3.0.2" and int(answer.facts["quorum_age_s"]) <= 3
    answer = site.call(replica, "probe")
    assert (answer.status, answer.state, answer.role, answer.lag_bytes) == ("ok", "pass", "replica", 0), answer
    assert answer.facts["leader"] == leader.name


def test_a_replica_whose_replay_is_paused_has_failed(site):
    _, replica = site.pair()
    replica.sql("SELECT pg_wal_replay_pause()")
    try:
        answer = site.call(replica, "probe")
        assert (answer.state, answer.facts["cause"]) == ("fail", "paused"), answer
    finally:
        replica.sql("SELECT pg_wal_replay_resume()")


def test_refuses_what_is_no_candidate(site):
    leader, replica = site.pair()
    assert site.call(leader, "step_down", target="db7").status == "config"
    leader.patch({"pause": True})
    try:
        wait_until(lambda: leader.get("/patroni")[1].get("pause") is True)
        refused(site.call(leader, "step_down", target=replica.name), "Patroni is paused")
        answer = site.call(leader, "probe")
        assert (answer.state, answer.role, answer.warning, answer.facts["maintenance"]) == ("pass", "primary", True, "yes")
    finally:
        leader.patch({"pause": None})
        wait_until(lambda: not leader.get("/patroni")[1].get("pause"))
    assert site.cluster.leader() is leader


def test_a_wrong_password_for_the_order_is_for_a_person(site):
    leader, replica = site.pair()
    wrong = site.directory / "wrong"
    wrong.write_text("not-the-password")
    answer = site.call(leader, "step_down", timeout=10.0, target=replica.name, api_password_file=wrong)
    assert (answer.status, answer.facts["cause"]) == ("config", "auth"), answer
    assert "not-the-password" not in str(answer) and site.cluster.leader() is leader


def test_a_switchover_under_load_loses_nothing(site):
    leader, replica = site.pair()
    leader.sql("TRUNCATE rows")
    place = [leader]
    with Writer(lambda: place[0]) as writer:
        begin = time.monotonic()
        answer = site.call(leader, "step_down", timeout=30.0, target=replica.name)
        took = time.monotonic() - begin
        assert answer.status == "ok" and answer.facts["leader"] == replica.name, answer
        place[0] = replica
        before = len(writer.acknowledged)
        wait_until(lambda: len(writer.acknowledged) > before + 20)
        writer.stop()
    assert set(writer.acknowledged) - replica.rows() == set()
    assert site.call(replica, "probe").role == "primary"
    again = site.call(leader, "step_down", timeout=10.0, target=replica.name)
    assert again.status == "ok", again  # already so
    print(f"\nswitchover: {took:.2f} s, gap {writer.longest_gap:.2f} s, acknowledged {len(writer.acknowledged)}, lost 0")
    site.cluster.wait_healthy()


def test_a_leader_without_its_store_ceases_to_be_the_primary(site):
    leader, _ = site.pair()
    etcd = site.etcd.members[0]
    etcd.freeze()
    try:
        wait_until(lambda: site.call(leader, "probe").role != "primary", 30)
        answer = site.call(leader, "probe")
        assert answer.role in ("none", "replica"), answer
        assert not (answer.state == "pass" and answer.role == "primary")
    finally:
        etcd.thaw()
    wait_until(lambda: site.cluster.leader() is not None, 40)
    site.cluster.wait_healthy(40)


def test_without_its_patroni_nobody_vouches_for_a_server(site):
    leader, replica = site.pair()
    replica.kill_patroni()
    answer = site.call(replica, "probe")
    assert (answer.status, answer.state, answer.role, answer.facts["cause"]) == ("ok", "fail", "none", "refused"), answer
    assert replica.pid() is not None  # the server itself runs
    replica.start()
    wait_until(lambda: replica.get("/replica")[0] == 200, 30)


def test_after_a_crash_the_role_is_where_patroni_has_put_it(site):
    leader, replica = site.pair()
    leader.sql("TRUNCATE rows")
    place = [leader]
    with Writer(lambda: place[0]) as writer:
        begin = time.monotonic()
        leader.kill()
        assert site.call(leader, "probe").state == "fail"
        assert site.call(replica, "probe").role == "replica"  # not before Patroni has promoted it
        wait_until(lambda: site.call(replica, "probe").role == "primary", 60)
        took = time.monotonic() - begin
        assert replica.is_primary()
        place[0] = replica
        before = len(writer.acknowledged)
        wait_until(lambda: len(writer.acknowledged) > before + 20)
        writer.stop()
    lost = len(set(writer.acknowledged) - replica.rows())
    print(f"\ncrash: {took:.2f} s, gap {writer.longest_gap:.2f} s, acknowledged {len(writer.acknowledged)}, lost {lost}")
    assert lost <= 5  # asynchronous: what was on its way
    leader.start()
    site.cluster.wait_healthy(60)


def test_a_server_that_is_frozen_while_its_patroni_answers_is_hung_and_has_no_role(fresh):
    site = fresh
    leader, replica = site.pair()
    quick = lambda member: site.call(member, "probe", request_timeout="500ms")
    for one in (replica, leader):
        one.freeze()
        try:
            answer = quick(one)
            assert (answer.status, answer.state, answer.role, answer.facts["cause"]) == ("transient", "fail", "none", "hung"), answer
            assert answer.seconds < 1.0 and one.get("/config")[0] == 200, answer  # what it can say without the server
            other = leader if one is replica else replica
            if other is leader:
                assert site.call(other, "probe").role == "primary"
                continue

            def replaced():
                assert quick(leader).role == "none"
                return site.call(replica, "probe").role == "primary"
            wait_until(replaced, 60)
            assert replica.is_primary() and quick(leader).role == "none"
        finally:
            one.thaw()
            site.cluster.wait_healthy(60)
    # Whoever of the two leads now, which Patroni decides, is the one that has the role.
    wait_until(lambda: [one for one in (leader, replica) if site.call(one, "probe").role == "primary"] == [site.cluster.leader()], 30)


def hold(seconds, condition):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition()
        time.sleep(0.2)


def test_a_leader_whose_disk_is_full_has_the_role_until_its_log_needs_room_and_nobody_else_is_promoted_by_that():
    """Patroni gives its leader five minutes to come up again (master_start_timeout), and Baton follows."""
    with made(small_disks) as site:
        leader, replica = site.pair()
        with Writer(lambda: leader) as writer:
            wait_until(lambda: len(writer.acknowledged) > 100)
            writer.stop()
        filler = site.fillers[leader.name]
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        told = lambda member: (lambda answer: (answer.status, answer.state, answer.role, answer.facts.get("cause")))(site.call(member, "probe"))
        tables = "CREATE TABLE more AS SELECT generate_series(1, 100000)"
        with pytest.raises(subprocess.CalledProcessError) as failed:
            leader.sql(tables)
        assert "No space left on device" in failed.value.stderr
        hold(6, lambda: told(leader) == ("ok", "pass", "primary", None) and told(replica)[2] == "replica")
        with pytest.raises(subprocess.CalledProcessError):
            for _ in range(100):
                leader.sql("SELECT pg_logical_emit_message(false, 'test', repeat('x', 1000000))")
        assert "PANIC:  could not write to file \"pg_wal/xlogtemp" in (leader.directory / "log").read_text()
        wait_until(lambda: told(leader) in (("ok", "fail", "none", "down"), ("ok", "fail", "none", "loading")))
        hold(6, lambda: told(leader)[2] != "primary" and told(replica)[1:3] == ("pass", "replica"))
        filler.unlink()
        wait_until(lambda: told(leader) == ("ok", "pass", "primary", None), 60)
        site.cluster.wait_healthy(60)
        assert set(writer.acknowledged) <= leader.rows() == replica.rows()
        leader.sql(tables)


# Answers that no healthy Patroni gives


def api(paths):
    """A Patroni that answers with (status, object or text) by path."""
    def treat(connection):
        path = connection.recv(4096).decode().split()[1]
        status, body = paths.get(path, (404, ""))
        text = body if isinstance(body, str) else json.dumps(body)
        connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}".encode())
        connection.close()
    return Raw(treat)


def fake(paths, **more):
    with api(paths) as server:
        return alone(server.port, **more)


def alone(port, timeout=1.0, **more):
    settings = {"member": [f"db1 127.0.0.1:{port}", "db2 127.0.0.1:1"], **more}
    with Session("patroni", settings, "probe", host_name="db1") as session:
        return session.call("probe", timeout)


def leading(**more):
    return {"state": "running", "role": "master", "timeline": 3, "xlog": {"location": 50331648}, "server_version": 150018,
            "database_system_identifier": "71", "patroni": {"version": "3.0.2", "scope": "x"},
            "dcs_last_seen": int(time.time()), **more}


def test_position_of_a_leader_by_hand():
    answer = fake({"/patroni": (200, leading()), "/primary": (200, {})})
    assert (answer.state, answer.role, answer.position) == ("pass", "primary", "71:3:0/3000000:patroni"), answer


@pytest.mark.parametrize("node, primary, words", [
    (leading(), 503, "does not hold the leader's lock"),
    (leading(cluster_unlocked=True), 200, "nobody holds the leader's lock"),
    (leading(dcs_last_seen=1000), 200, "its store has not answered for"),
])
def test_a_leader_that_the_quorum_does_not_confirm_is_none(node, primary, words):
    answer = fake({"/patroni": (200, node), "/primary": (primary, {})})
    assert (answer.state, answer.role, answer.facts["cause"]) == ("fail", "none", "no_quorum"), answer
    assert words in answer.sentence


def test_a_newer_patroni_says_primary_where_older_say_master():
    assert fake({"/patroni": (200, leading(role="primary")), "/primary": (200, {})}).role == "primary"


def test_a_replica_that_is_too_far_behind_has_failed():
    node = leading(role="replica", xlog={"received_location": 100, "replayed_location": 90})
    cluster = {"members": [{"name": "db2", "role": "leader", "state": "running", "timeline": 3},
                           {"name": "db1", "role": "replica", "state": "running", "timeline": 3, "lag": 2000000}]}
    answer = fake({"/patroni": (200, node), "/cluster": (200, cluster)})
    assert (answer.state, answer.role, answer.lag_bytes, answer.facts["cause"]) == ("fail", "replica", 2000000, "lag"), answer
    assert fake({"/patroni": (200, node), "/cluster": (200, cluster)}, max_lag="2000000").state == "pass"


def order(lines, reply=(200, ""), target="db2", **cluster):
    with api({"/cluster": (200, {"members": lines, **cluster}), "/switchover": reply}) as server:
        settings = {"member": [f"db1 127.0.0.1:{server.port}", "db2 127.0.0.1:1"]}
        with Session("patroni", settings, "act", host_name="db1") as session:
            return session.call("step_down", 1.0, target=target)


LEADER = {"name": "db1", "role": "leader", "state": "running", "timeline": 3}
GOOD = {"name": "db2", "role": "replica", "state": "running", "timeline": 3, "lag": 0}


@pytest.mark.parametrize("lines, words", [
    ([LEADER], "no member of the cluster now"),
    ([GOOD], "no leader to switch over from"),
    ([LEADER, {**GOOD, "state": "starting"}], "db2 is starting"),
    ([LEADER, {**GOOD, "tags": {"nofailover": True}}], "tagged nofailover"),
    ([LEADER, {**GOOD, "timeline": 2}], "on timeline 2, the leader on 3"),
    ([LEADER, {**GOOD, "lag": "unknown"}], "is not known"),
    ([LEADER, {**GOOD, "lag": 1048577}], "1048577 bytes behind (max_lag is 1048576)"),
])
def test_a_switchover_to_a_worse_place_is_refused(lines, words):
    refused(order(lines), words)


def test_what_patroni_refuses_is_refused_and_what_it_does_not_finish_is_not_done():
    answer = order([LEADER, GOOD], (412, "candidate name does not match with sync_standby"))
    assert answer.status == "refused" and "sync_standby" in answer.sentence
    answer = order([LEADER, GOOD], (503, "Switchover failed"))
    assert (answer.status, answer.facts["cause"]) == ("transient", "timeout"), answer
    assert answer.seconds < 1.0


@pytest.mark.parametrize("paths, cause", [
    ({"/patroni": (200, "hello")}, "answer"),
    ({"/patroni": (200, {"hello": 1})}, "answer"),
    ({"/patroni": (503, leading(state="starting"))}, "loading"),
    ({"/patroni": (503, leading(state="stopped"))}, "down"),
])
def test_other_answers_are_told_apart(paths, cause):
    answer = fake(paths)
    assert (answer.state, answer.role, answer.facts["cause"]) == ("fail", "none", cause), answer


def test_troubles_of_the_way_are_told_apart():
    assert alone(free_port()).facts["cause"] == "refused"
    with Raw(silent) as server:
        answer = alone(server.port, request_timeout="200ms")
        assert (answer.status, answer.facts["cause"]) == ("transient", "hung") and answer.seconds < 0.5, answer
    with Raw(resets) as server:
        assert alone(server.port).facts["cause"] == "reset"
    with Raw(silent) as server:
        answer = alone(server.port, tls="verify", request_timeout="200ms")
        assert answer.role == "none" and answer.state in ("fail", "unknown")
    with api({}) as server:
        answer = alone(server.port, tls="verify")
        assert (answer.status, answer.state, answer.facts["cause"]) == ("config", "unknown", "tls"), answer


@pytest.mark.parametrize("more, words", [
    ({}, None),
    ({"member": ["db1 10.0.0.1 x", "db2 10.0.0.2 x"]}, "name x appears twice"),
    ({"member": ["db1 10.0.0.1", "db1 10.0.0.2"]}, "db1 appears twice"),
    ({"member": ["db3 10.0.0.1"]}, "db1, is not among"),
    ({"member": ["db1 [::1"]}, "bracket"),
    ({"member": ["db1 10.0.0.1:0"]}, "`0` is no port"),
    ({"tls_ca": "/x"}, "of no use"),
])
def test_settings_that_cannot_work_are_refused(more, words):
    with Session("patroni", {"member": ["db1 10.0.0.1", "db2 [fd00::2]:8009 pg-2"], **more}, "check", host_name="db1") as session:
        said = session.call("check").complaints
    assert said == [] if words is None else any(words in message for _, message in said), said
