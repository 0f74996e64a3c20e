"""The mysql module follows a Galera cluster: two MariaDB nodes and garbd."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
from galera_server import Galera  # noqa: E402
from mysql_server import Writer, numbers  # noqa: E402
from plugin import Session  # noqa: E402
from servers import wait_until  # noqa: E402

CHECK = ("CREATE USER 'baton_check'@'%' IDENTIFIED BY 'check-secret'",)


class Followed:
    def __init__(self, cluster, directory):
        self.cluster, self.nodes = cluster, {"db1": cluster.one, "db2": cluster.two}
        (directory / "check").write_text("check-secret")
        self.settings = {"mode": "follow", "check_user": "baton_check", "check_password_file": directory / "check",
                         "member": [f"{name} 127.0.0.1:{node.port}" for name, node in self.nodes.items()]}

    def call(self, host, verb="probe", timeout=5.0, **about):
        settings = {**self.settings, **about.pop("settings", {})}
        with Session("mysql", settings, "probe", host_name=host) as session:
            return session.call(verb, timeout, **about)


@pytest.fixture
def followed(tmp_path):
    with Galera() as cluster:
        cluster.one.sql(*CHECK, "CREATE DATABASE shop", "CREATE TABLE shop.orders (n BIGINT PRIMARY KEY) ENGINE=InnoDB",
                        "CREATE USER app@'%' IDENTIFIED BY 'app-secret'", "GRANT SELECT, INSERT ON shop.* TO app@'%'")
        yield Followed(cluster, tmp_path)


def outcome(answer):
    return answer.state, answer.role, answer.facts.get("cause")


def test_both_nodes_with_a_quorum_may_have_the_role(followed):
    for host in ("db1", "db2"):
        answer = followed.call(host)
        assert outcome(answer) == ("pass", "primary", None) and not answer.warning, answer
        assert (answer.facts["members"], answer.facts["quorum"], answer.facts["cluster"]) == ("3", "yes", "galera")
        assert followed.call(host, "can_promote").status == "ok"
        assert followed.call(host, "promote", generation=1).status == "ok"
    assert followed.call("db1", settings={"min_members": "4"}).warning
    assert followed.call("db1", settings={"cluster": "group_replication"}).status == "config"
    # Baton must not drive what elects for itself.
    drive = {"mode": "drive", "drive_user": "x", "replication_user": "x"}
    followed.cluster.one.sql("GRANT REPLICA MONITOR ON *.* TO baton_check@'%'", "GRANT SELECT ON baton.* TO baton_check@'%'")
    answer = followed.call("db1", settings=drive)
    assert (answer.status, answer.facts["cause"]) == ("config", "cluster")
    assert any("Galera" in reason for reason in followed.call("db1", "can_promote", settings=drive).refusals)


def test_node_without_a_quorum_is_not_the_primary_although_not_read_only(followed):
    followed.cluster.kill_arbiter()
    wait_until(lambda: followed.cluster.one.status("wsrep_cluster_size") == "2", 20)
    followed.cluster.two.kill()
    wait_until(lambda: followed.cluster.one.status("wsrep_cluster_status") == "non-Primary", 20)
    answer = followed.call("db1")
    assert outcome(answer) == ("fail", "none", "no_quorum"), answer
    assert answer.facts["writable"] == "yes"  # which is why read_only is not asked
    for verb in ("can_promote", "promote"):
        assert followed.call("db1", verb, generation=1).status == "refused"
    assert outcome(followed.call("db2"))[0] == "fail"


def test_crash_of_one_node_with_garbd_keeps_the_other_and_all_that_was_acknowledged(followed):
    target = [followed.cluster.one]
    with Writer(lambda: target[0]) as writer:
        writer.wait_for(50)
        followed.cluster.one.kill()
        target[0] = None
        wait_until(lambda: followed.call("db2").facts.get("members") == "2", 20)
        answer = followed.call("db2")
        assert outcome(answer) == ("pass", "primary", None) and answer.warning, answer  # min_members = 3
        target[0] = followed.cluster.two
        writer.wait_for(50)
    assert set(writer.acknowledged) - numbers(followed.cluster.two) == set()


def test_planned_move_is_lossless_after_certification(followed):
    target = [followed.cluster.one]
    with Writer(lambda: target[0]) as writer:
        writer.wait_for(50)
        answer = followed.call("db1", "step_down", target="db2")
        assert answer.status == "ok", answer
        target[0] = followed.cluster.two
        position = followed.call("db1", "position").position
        wait_until(lambda: followed.call("db2", "drain", position=position).status == "ok", 10)
        writer.wait_for(50)
        assert followed.call("db1", "demote", target="db2").status == "ok"
    assert set(writer.acknowledged) - numbers(followed.cluster.two) == set()
    followed.cluster.two.kill()
    assert followed.call("db1", "step_down", target="db2").status == "transient"


def test_verbs_of_a_driven_pair_are_refused(followed):
    for verb in ("block_writes", "unblock_writes", "fence"):
        answer = followed.call("db1", verb, target="db2")
        assert answer.status == "refused" and "mode = follow" in answer.sentence
    assert followed.cluster.one.value("SELECT @@read_only") == 0


def test_donor_may_have_the_role_or_not(followed):
    followed.cluster.one.sql("SET GLOBAL wsrep_desync=ON")
    wait_until(lambda: followed.cluster.one.status("wsrep_local_state") == "2", 10)
    answer = followed.call("db1")
    assert outcome(answer)[:2] == ("pass", "primary") and answer.warning
    assert outcome(followed.call("db1", settings={"donor": "fail"})) == ("fail", "replica", "donor")


def test_server_that_is_in_no_cluster_is_a_matter_of_configuration(tmp_path):
    from mysql_server import MariaDB
    with MariaDB("lone", 1) as lone:
        lone.sql(*CHECK)
        (tmp_path / "check").write_text("check-secret")
        with Session("mysql", {"mode": "follow", "check_user": "baton_check", "check_password_file": tmp_path / "check",
                               "member": [f"host1 127.0.0.1:{lone.port}"]}, "probe") as session:
            answer = session.call("probe", 2.0)
    assert (answer.status, answer.facts["cause"]) == ("config", "no_cluster")
