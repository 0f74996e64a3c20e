"""mongodb against a scripted replica set (tests/plugins/mongo_server.py) and mockupdb; both are tested with pymongo first, so that a
misunderstanding of ours would show. There is no mongod in Debian: elections and rollback themselves are not proved here."""
import datetime
import pathlib
import re
import sys
import time

import bson
import mockupdb
import pymongo
import pymongo.errors
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/plugins"))
import servers  # noqa: E402
from mongo_server import FakeSet, User  # noqa: E402
from plugin import Session, complaints  # noqa: E402
from servers import Certificates, Raw, closes, free_port, resets, silent  # noqa: E402

README = pathlib.Path(__file__).resolve().parent / "README.md"
# The same text as the manual has it; the users of the tests are made of it.
RIGHTS = """db.getSiblingDB("admin").createUser({user: "baton-check", pwd: passwordPrompt(), roles: ["clusterMonitor"]})
db.getSiblingDB("admin").createUser({user: "baton", pwd: passwordPrompt(), roles: ["clusterMonitor", "clusterManager", {role: "readWrite", db: "baton"}]})
"""
PASSWORDS = {"baton-check": "nur sehen", "baton": 'st%reng:"ge@heim/'}


def users():
    made = {}
    for line in RIGHTS.splitlines():
        name = re.search(r'user: "([^"]+)"', line).group(1)
        roles = re.search(r"roles: \[(.*)\]", line).group(1)
        made[name] = User(PASSWORDS[name], [role for role in re.findall(r'"([^"]+)"', roles) if role != "baton"])
    return made


@pytest.fixture
def fake():
    with FakeSet(3) as one:
        yield one


def lines(fake, count=2):
    return [f"db{i + 1} {one.name}" for i, one in enumerate(fake.members[:count])]


def session(fake, host="db1", purpose="act", **settings):
    return Session("mongodb", {"member": lines(fake), **settings}, purpose, host_name=host)


def probe(fake, host="db1", timeout=2.0, **settings):
    with session(fake, host, "probe", **settings) as one:
        return one.call("probe", timeout)


def act(fake, verb, host="db1", timeout=4.0, about=None, **settings):
    with session(fake, host, "act", **settings) as one:
        return one.call(verb, timeout, instance="mongo", **(about or {}))


# --- the fakes themselves, by another's client

def client(member, **options):
    return pymongo.MongoClient("127.0.0.1", member.port, directConnection=True, serverSelectionTimeoutMS=2000, **options)


def test_the_fake_is_a_replica_set_for_pymongo(fake):
    hello = client(fake.members[1]).admin.command("hello")
    assert (hello["setName"], hello["secondary"], hello["primary"]) == ("rs0", True, fake.members[0].name)
    found = pymongo.MongoClient("127.0.0.1", fake.members[1].port, replicaSet="rs0", serverSelectionTimeoutMS=3000)
    servers.wait_until(lambda: found.primary == ("127.0.0.1", fake.members[0].port))
    with pytest.raises(pymongo.errors.NotMasterError):
        client(fake.members[1]).admin.command("replSetStepDown", 60)
    client(fake.members[0]).admin.command("replSetStepDown", 60)
    servers.wait_until(lambda: fake.primary and fake.primary is not fake.members[0])


@pytest.mark.parametrize("short", [True, False])
def test_the_fake_speaks_scram_with_pymongo(short):
    with FakeSet(1, users=users(), short=short) as fake:
        known = {"username": "baton", "password": PASSWORDS["baton"], "authMechanism": "SCRAM-SHA-256"}
        assert client(fake.members[0], **known).admin.command("replSetGetStatus")["myState"] == 1
        with pytest.raises(pymongo.errors.OperationFailure) as wrong:
            client(fake.members[0], **{**known, "password": "falsch"}).admin.command("replSetGetStatus")
        assert wrong.value.code == 18
        with pytest.raises(pymongo.errors.OperationFailure) as none:
            client(fake.members[0]).admin.command("replSetGetStatus")
        assert none.value.code == 13
        less = {"username": "baton-check", "password": PASSWORDS["baton-check"], "authMechanism": "SCRAM-SHA-256"}
        with pytest.raises(pymongo.errors.OperationFailure) as short_of:
            client(fake.members[0], **less).admin.command("replSetStepDown", 60)
        assert short_of.value.code == 13


def test_the_fake_splits_and_joins_again_for_pymongo_and_what_no_majority_had_is_rolled_back(fake):
    one, other = client(fake.members[0]), client(fake.members[1])
    assert one.test.rows.insert_one({"_id": 1}).acknowledged
    fake.members[2].frozen_until = time.monotonic() + 60
    fake.cut_off(fake.members[0])
    servers.wait_until(lambda: other.admin.command("hello")["isWritablePrimary"])
    alone = one.admin.command("hello")
    assert (alone["isWritablePrimary"], alone["primary"], alone["electionId"] < other.admin.command("hello")["electionId"]) == (True, fake.members[0].name, True)
    assert [state["health"] for state in one.admin.command("replSetGetStatus")["members"]] == [1.0, 0.0, 0.0]
    assert [state["state"] for state in other.admin.command("replSetGetStatus")["members"]] == [8, 1, 2]
    with pytest.raises(pymongo.errors.WriteConcernError):
        one.test.rows.insert_one({"_id": 2})
    assert client(fake.members[0], w=1).test.rows.insert_one({"_id": 3}).acknowledged
    assert other.test.rows.insert_one({"_id": 4}).acknowledged
    with pytest.raises(pymongo.errors.OperationFailure) as alone:
        one.admin.command("replSetStepDown", 60)
    assert alone.value.code == 262
    fake.join(fake.members[0])
    assert one.admin.command("hello")["isWritablePrimary"] and fake.primary is fake.members[1], "it has not heard of it yet"
    fake.step_aside(fake.members[0])
    back = one.admin.command("hello")
    assert (back["secondary"], back["primary"]) == (True, fake.members[1].name)
    assert (set(fake.data["rows"]), fake.rolled_back) == ({1, 4}, [2, 3])


# --- roles

def test_primary_is_who_the_majority_names(fake):
    answer = probe(fake)
    assert (answer.status, answer.state, answer.role, answer.lag_ms) == ("ok", "pass", "primary", 0)
    assert answer.sentence == f"{fake.members[0].name} is primary of rs0, as the majority says"
    assert answer.position == "2:1000:1"
    assert answer.facts["votes"] == "2 of 2 needed" and answer.facts["term"] == "2" and answer.facts["writable"] == "yes"


def test_a_secondary_says_who_is_primary_and_how_far_it_is_behind(fake):
    fake.members[1].written = 997
    answer = probe(fake, "db2")
    assert (answer.state, answer.role, answer.warning, answer.lag_ms) == ("pass", "replica", False, 3000)
    assert answer.facts["primary"] == fake.members[0].name and answer.position == "2:997:1"
    late = probe(fake, "db2", max_lag="2s")
    assert (late.state, late.warning, late.facts["cause"]) == ("pass", True, "lag")


def test_a_primary_that_was_cut_off_is_none(fake):
    fake.members[1].names = ""
    fake.members[2].names = fake.members[1].name
    answer = probe(fake)
    assert (answer.state, answer.role, answer.facts["cause"]) == ("fail", "none", "no_quorum")
    assert "only 1 of 2 members that are needed agree" in answer.sentence


def test_a_primary_whose_companions_are_gone_is_none(fake):
    fake.members[1].silent = True
    fake.members[2].alive = True
    fake.members[2].silent = True
    answer = probe(fake, timeout=1.0)
    assert (answer.state, answer.role, answer.facts["cause"]) == ("fail", "none", "no_quorum") and answer.seconds < 1.1
    fake.members[2].silent = False
    assert probe(fake, timeout=1.0).role == "primary"


def test_of_two_primaries_the_one_elected_earlier_is_none(fake):
    fake.elect(fake.members[2])  # and members[0] has not heard of it
    fake.members[1].names = fake.members[2].name
    answer = probe(fake)
    assert (answer.role, answer.facts["cause"]) == ("none", "stale_primary")
    assert f"{fake.members[2].name} was elected later" in answer.sentence


def test_an_election_that_was_seen_is_not_forgotten(fake):
    with session(fake, purpose="probe") as one:
        assert one.call("probe", 2.0).role == "primary"
        fake.members[0].election = bson.ObjectId("7fffffff0000000000000001")
        stale = one.call("probe", 2.0)
    assert (stale.state, stale.role, stale.facts["cause"]) == ("fail", "none", "stale_primary")


def test_a_set_without_a_primary_has_none(fake):
    fake.election_time = 3600
    fake.members[0].state = 2
    answer = probe(fake)
    assert (answer.state, answer.role, answer.facts["cause"]) == ("fail", "replica", "no_primary")


@pytest.mark.parametrize("state,cause", [(0, "loading"), (5, "loading"), (3, "recovering"), (9, "rollback"), (10, "removed")])
def test_a_member_that_is_neither_says_why(fake, state, cause):
    fake.members[1].state = state
    answer = probe(fake, "db2")
    assert (answer.state, answer.role, answer.facts["cause"]) == ("fail", "none", cause)


def test_an_arbiter_is_no_host_for_the_address():
    with FakeSet([{}, {"arbiter": True}, {}]) as fake:
        assert probe(fake, "db2").facts["cause"] == "arbiter"
        assert probe(fake).facts["votes"] == "2 of 2 needed"  # the arbiter's voice counts


def test_a_hidden_members_voice_counts():
    with FakeSet([{}, {}, {"hidden": True, "priority": 0}]) as fake:
        fake.members[1].kill()
        answer = probe(fake)
        assert (answer.role, answer.facts["votes"]) == ("primary", "2 of 2 needed")
        fake.members[2].kill()
        assert probe(fake).facts["cause"] == "no_quorum"


def test_two_members_are_warned_of():
    with FakeSet(2) as fake:
        assert probe(fake).facts["warning"] == "fewer than 3 voting members: no majority without one"


def test_servers_before_hello_are_understood():
    with FakeSet(3, old=True) as fake:
        assert (probe(fake).role, probe(fake, "db2").role) == ("primary", "replica")


# --- what is wrong, told apart

def test_what_is_no_replica_set_is_for_a_person(fake):
    with FakeSet(1, name="") as alone:
        answer = probe(alone)
        assert (answer.status, answer.state, answer.facts["cause"]) == ("config", "unknown", "standalone")
    other = probe(fake, replica_set="rs1")
    assert (other.status, other.state, other.facts["cause"]) == ("config", "unknown", "wrong_set")


def test_refused_hung_reset_and_closed_are_told_apart():
    def cause(port):
        with Session("mongodb", {"member": [f"db1 127.0.0.1:{port}"]}, "probe", host_name="db1") as one:
            answer = one.call("probe", 1.0)
        assert (answer.status, answer.state, answer.role) == ("transient", "fail", "none") and answer.seconds < 1.1
        return answer.facts["cause"]

    assert cause(free_port()) == "refused"
    with Raw(silent) as one:
        assert cause(one.port) == "timeout"
    for treat in (resets, closes):
        with Raw(treat) as one:
            assert cause(one.port) == "reset"


def test_a_server_that_falls_silent_after_the_handshake_is_a_timeout(fake):
    fake.members[0].closing["replSetGetStatus"] = lambda: time.sleep(3)
    answer = probe(fake, timeout=1.5, query_timeout="400ms")
    assert (answer.status, answer.state, answer.facts["cause"]) == ("transient", "fail", "timeout")


@pytest.fixture
def guarded(tmp_path):
    with FakeSet(3, users=users()) as one:
        one.secrets = {}
        for name, password in {**PASSWORDS, "wrong": "falsch"}.items():
            one.secrets[name] = tmp_path / name
            one.secrets[name].write_text(password + "\n")
        yield one


def known(fake, name, secret=None):
    return {"username": name, "password_file": str(fake.secrets[secret or name])}


def test_the_manual_names_the_rights_that_the_tests_use():
    assert f"```js\n{RIGHTS}```" in README.read_text()


def test_with_exactly_the_documented_rights_every_verb_works(guarded):
    assert probe(guarded, **known(guarded, "baton-check")).role == "primary"
    assert act(guarded, "step_down", about={"target": "db2"}, **known(guarded, "baton")).status == "ok"
    lead = {"mode": "lead", **known(guarded, "baton")}
    assert act(guarded, "can_promote", **lead).status == "ok"
    promoted = act(guarded, "promote", about={"generation": 4, "planned": True}, **lead)
    assert (promoted.status, promoted.generation) == ("ok", 4), promoted
    assert act(guarded, "verify", **lead).generation == 4
    assert act(guarded, "demote", about={"target": "db2"}, **lead).status == "ok"
    assert act(guarded, "rejoin", about={"target": "db2"}, **lead).status == "ok"


def test_a_wrong_password_and_a_missing_right_are_for_a_person(guarded):
    wrong = probe(guarded, **known(guarded, "baton", "wrong"))
    assert (wrong.status, wrong.state, wrong.role, wrong.facts["cause"]) == ("config", "unknown", "none", "auth")
    assert "falsch" not in wrong.sentence and "baton" in wrong.sentence
    guarded.users["baton-check"].roles.clear()
    less = probe(guarded, **known(guarded, "baton-check"))
    assert (less.status, less.state, less.facts["cause"]) == ("config", "unknown", "privilege")


def test_steering_without_the_right_changes_nothing(guarded):
    answer = act(guarded, "step_down", about={"target": "db2"}, **known(guarded, "baton-check"))
    assert (answer.status, answer.facts["cause"]) == ("config", "privilege")
    assert guarded.primary is guarded.members[0]


def test_without_a_user_the_role_is_known_and_the_lag_is_not(guarded):
    answer = probe(guarded)
    assert (answer.state, answer.role, answer.lag_ms) == ("pass", "primary", -1)


def test_tls_is_verified(tmp_path):
    certificates = Certificates(tmp_path)
    pem = tmp_path / "both.pem"
    pem.write_text(pathlib.Path(certificates["client.crt"]).read_text() + pathlib.Path(certificates["client.key"]).read_text())
    with FakeSet(1, tls={"cert": certificates["good.crt"], "key": certificates["good.key"], "ca": certificates["ca.crt"]}) as fake:
        good = {"tls": "yes", "tls_ca": certificates["ca.crt"], "tls_cert": str(pem)}
        assert probe(fake, member=lines(fake, 1), **good).role == "primary"
        for bad in ({**good, "tls_ca": certificates["other-ca.crt"]}, {**good, "tls_cert": str(tmp_path / "none")}):
            answer = probe(fake, member=lines(fake, 1), **bad)
            assert (answer.status, answer.state, answer.facts["cause"]) == ("config", "unknown", "tls"), answer
        assert probe(fake, member=lines(fake, 1), tls="no").state == "fail"
        expired = {"cert": certificates["expired.crt"], "key": certificates["expired.key"]}
        with FakeSet(1, tls=expired) as old:
            assert probe(old, member=lines(old, 1), tls="yes", tls_ca=certificates["ca.crt"]).facts["cause"] == "tls"
            assert probe(old, member=lines(old, 1), tls="unverified").role == "primary"


# --- observe

def test_observe_passes_while_any_member_knows_the_primary(fake):
    assert probe(fake, mode="observe").role == "primary"
    fake.members[0].kill()
    servers.wait_until(lambda: fake.primary)
    answer = probe(fake, mode="observe")
    assert (answer.state, answer.role) == ("pass", "none")
    assert probe(fake, host="app1", mode="observe").state == "pass"  # a host without a mongod
    assert probe(fake, mode="observe", need="member").state == "fail"
    fake.primary.kill()
    lost = probe(fake, mode="observe")
    assert (lost.status, lost.state) == ("transient", "fail")


def test_observe_asks_nothing_that_needs_a_right(guarded):
    assert probe(guarded, mode="observe").state == "pass"
    assert {name for _, name, _ in guarded.log} <= {"isMaster", "hello", "ismaster", "endSessions"}


def test_observe_fails_when_the_set_has_no_primary(fake):
    fake.election_time = 3600
    fake.members[0].state = 2
    answer = probe(fake, mode="observe")
    assert (answer.status, answer.state, answer.facts["cause"]) == ("ok", "fail", "no_primary")
    assert probe(fake, mode="observe", need="member").state == "pass"
    assert probe(fake, mode="observe", need="primary").facts["cause"] == "role"


# --- moving

def never_forced(fake):
    for _, command in fake.commands("replSetStepDown") + fake.commands("replSetReconfig"):
        assert "force" not in command, command
    return True


def test_a_planned_move_goes_to_the_host_that_was_meant(fake):
    fake.members[2].written = 1005  # would win by itself
    fake.members[0].written = 1005
    answer = act(fake, "step_down", about={"target": "db2"})
    assert (answer.status, answer.facts["primary"], answer.facts["reconfigured"]) == ("ok", fake.members[1].name, "no")
    assert fake.primary is fake.members[1] and fake.members[1].written >= 1005
    (_, asked), = fake.commands("replSetStepDown")
    assert (asked["replSetStepDown"], asked["secondaryCatchUpPeriodSecs"]) == (60, 10)
    assert never_forced(fake) and not fake.commands("replSetReconfig")
    frozen = [(member, command["replSetFreeze"]) for member, command in fake.commands("replSetFreeze")]
    assert frozen == [(fake.members[1].name, 0), (fake.members[2].name, 20), (fake.members[2].name, 0)]


def test_of_two_hosts_the_other_is_meant_when_none_is_named(fake):
    assert act(fake, "step_down").facts["primary"] == fake.members[1].name
    assert act(fake, "step_down", host="db1", member=lines(fake, 3)).facts["cause"] == "member"


def test_a_move_that_was_made_is_not_made_again(fake):
    assert [act(fake, "step_down", about={"target": "db2"}).status for _ in range(2)] == ["ok", "ok"]
    assert len(fake.commands("replSetStepDown")) == 1


def test_a_lost_answer_is_looked_after_and_not_taken_for_anything(fake):
    def cut():
        with fake.lock:
            fake.members[0]._replsetstepdown({"replSetStepDown": 60}, {})

    fake.members[0].closing["replSetStepDown"] = cut  # as servers before 4.2 do
    answer = act(fake, "step_down", about={"target": "db2"})
    assert (answer.status, fake.primary) == ("ok", fake.members[1])
    fake.members[1].closing["replSetStepDown"] = lambda: None  # nothing was done
    answer = act(fake, "step_down", host="db2", timeout=2.0, about={"target": "db1"})
    assert (answer.status, answer.facts["cause"], fake.primary) == ("transient", "no_primary", fake.members[1])
    assert f"{fake.members[1].name} is primary" in answer.sentence


def test_the_step_down_that_mongodb_refuses_is_a_refusal_and_nothing_has_moved(fake):
    fake.stuck = True
    fake.members[1].written = fake.members[2].written = 999
    for mode in ("follow", "lead"):
        answer = act(fake, "step_down", about={"target": "db2"}, mode=mode)
        assert (answer.status, answer.facts["cause"]) == ("refused", "step_down")
        assert "No electable secondaries caught up" in answer.sentence and answer.refusals
        assert fake.primary is fake.members[0]
    priorities = [one.priority for one in fake.members]
    assert priorities[0] > max(priorities[1:])  # put back: MongoDB shall not move it later by itself
    assert never_forced(fake) and fake.members[2].frozen_until <= time.monotonic()


def test_somebody_else_who_wins_is_seen(fake):
    fake.wins = fake.members[2]
    answer = act(fake, "step_down", timeout=1.5, about={"target": "db2"})
    assert (answer.status, answer.facts["cause"]) == ("transient", "no_primary")
    assert f"{fake.members[2].name} is primary" in answer.sentence


def reasons(fake, **settings):
    answer = act(fake, "step_down", about={"target": "db2"}, **settings)
    assert answer.status == "refused" and fake.primary is fake.members[0] and not fake.commands("replSetStepDown")
    return answer.refusals


def test_each_reason_against_a_move_is_told(fake):
    name = fake.members[1].name
    fake.members[1].written = 970
    assert reasons(fake) == [f"{name} is 30 s behind, more than max_lag (10 s)"]
    fake.members[1].written = 1000
    fake.members[1].priority = 0
    assert reasons(fake) == [f"{name} can never be primary: priority 0, hidden, delayed or an arbiter"]
    fake.members[1].priority = 1
    fake.members[1].state = 3
    assert reasons(fake) == [f"{name} is no healthy secondary: recovering"]
    fake.members[1].state = 2
    fake.members[2].alive = False
    fake.members[1].state = 9
    assert reasons(fake) == [f"{name} is no healthy secondary: rollback",
                             "only 1 of 3 voting members are healthy: no majority could elect a primary"]


def test_who_follows_or_observes_never_promotes(fake):
    for mode in ("follow", "observe"):
        for verb in ("promote", "demote", "can_promote"):
            answer = act(fake, verb, host="db2", mode=mode, about={"generation": 1})
            assert (answer.status, answer.facts["cause"]) == ("refused", "mode")
    assert act(fake, "step_down", mode="observe", about={"target": "db2"}).facts["cause"] == "mode"
    assert act(fake, "step_down", about={"target": "db1"}).facts["cause"] == "target"
    assert act(fake, "step_down", about={"target": "db9"}).facts["cause"] == "member"
    assert not fake.commands("replSetStepDown")


# --- lead

def test_lead_brings_the_primary_here_and_keeps_it_here_by_priority(fake):
    answer = act(fake, "promote", host="db2", mode="lead", about={"generation": 7, "planned": True})
    assert (answer.status, answer.generation, answer.facts["reconfigured"]) == ("ok", 7, "yes")
    assert fake.primary is fake.members[1] and [one.priority for one in fake.members] == [1, 2, 1]
    row = fake.data["generation"]["mongo"]
    assert (row["generation"], row["host"]) == (7, "db2")
    back = act(fake, "promote", host="db1", mode="lead", about={"generation": 8, "planned": True})
    assert (back.status, fake.primary) == ("ok", fake.members[0])
    assert [one.priority for one in fake.members] == [2, 1, 1] and never_forced(fake)
    asked = fake.commands("replSetReconfig")[-1][1]["replSetReconfig"]
    assert [one["votes"] for one in asked["members"]] == [1, 1, 1] and asked["settings"] == {"electionTimeoutMillis": 10000}
    assert [one["tags"] for one in asked["members"]] == [{"room": "a"}] * 3
    (write,) = [command for _, command in fake.commands("update")][-1:]
    assert write["writeConcern"]["w"] == "majority"


def test_promoting_again_is_harmless_and_an_older_generation_is_a_conflict(fake):
    for _ in range(2):
        assert act(fake, "promote", mode="lead", about={"generation": 7, "planned": True}).status == "ok"
    assert fake.version == 4 and not fake.commands("replSetStepDown")  # one reconfiguration, once
    answer = act(fake, "promote", mode="lead", about={"generation": 6, "planned": True})
    assert (answer.status, answer.facts["cause"]) == ("conflict", "generation")
    assert fake.data["generation"]["mongo"]["generation"] == 7
    assert act(fake, "verify", mode="lead").generation == 7


def test_lead_is_not_done_while_the_disk_is_full_and_what_follows_or_observes_goes_by_the_sets_word(fake):
    """Neither of these writes, and the set keeps its primary: a mongod without room refuses writes, or ends and is found dead."""
    fake.full = True
    answer = act(fake, "promote", mode="lead", about={"generation": 7, "planned": True})
    assert (answer.status, answer.facts["cause"]) == ("transient", "write") and not answer.generation, answer
    assert "has not written" in answer.sentence and "generation" not in fake.data
    for settings in ({"mode": "lead"}, {}):
        found = probe(fake, **settings)
        assert (found.status, found.state, found.role) == ("ok", "pass", "primary") and "cause" not in found.facts, found
    assert probe(fake, mode="observe", need="primary").state == "pass"
    fake.full = False
    answer = act(fake, "promote", mode="lead", about={"generation": 7, "planned": True})
    assert (answer.status, answer.generation) == ("ok", 7) and fake.data["generation"]["mongo"]["generation"] == 7


def test_lead_waits_for_the_election_after_a_crash_and_moves_what_went_elsewhere(fake):
    fake.wins = fake.members[2]
    fake.members[0].kill()
    with session(fake, "db2", mode="lead") as one:
        servers.wait_until(lambda: fake.primary is fake.members[2])
        fake.wins = None
        answer = one.call("promote", 6.0, instance="mongo", generation=9, target="db1")
    assert (answer.status, answer.generation) == ("ok", 9), answer
    assert fake.primary is fake.members[1] and never_forced(fake)


def test_lead_promotes_after_a_crash_while_the_election_still_goes_on(fake):
    fake.election_time = 0.8
    fake.members[2].written = 900
    fake.members[0].kill()
    answer = act(fake, "promote", host="db2", mode="lead", timeout=6.0, about={"generation": 9, "target": "db1"})
    assert (answer.status, fake.primary) == ("ok", fake.members[1]), answer


def test_lead_without_a_majority_is_never_primary(fake):
    fake.members[0].kill()
    fake.members[2].kill()
    answer = act(fake, "promote", host="db2", mode="lead", timeout=2.0, about={"generation": 9, "target": "db1"})
    assert answer.status == "transient" and fake.primary is None and answer.seconds < 2.1
    refused = act(fake, "can_promote", host="db2", mode="lead")
    assert refused.status == "refused"
    assert "only 1 of 3 voting members are healthy: no majority could elect a primary" in refused.refusals


def test_demote_hands_the_role_to_the_other_and_is_done_on_a_secondary(fake):
    assert act(fake, "demote", mode="lead", about={"target": "db2"}).status == "ok"
    assert fake.primary is fake.members[1]
    assert act(fake, "demote", mode="lead", about={"target": "db2"}).sentence == f"{fake.members[0].name} is not primary"
    assert len(fake.commands("replSetStepDown")) == 1


def test_two_standbys_do_not_hand_the_primary_to_each_other(fake):
    for host in ("db1", "db2"):
        assert act(fake, "demote", host=host, mode="lead").status == "ok"
    assert fake.primary is fake.members[0] and not fake.commands("replSetStepDown")


def test_drain_waits_until_the_position_is_reached(fake):
    fake.members[1].written = 990
    late = act(fake, "drain", host="db2", timeout=0.6, mode="lead", about={"position": "2:1000:1"})
    assert (late.status, late.facts["cause"]) == ("transient", "lag") and "2:990:1 of 2:1000:1" in late.sentence
    fake.members[1].written = 1000
    reached = act(fake, "drain", host="db2", mode="lead", about={"position": "2:1000:1"})
    assert (reached.status, reached.position) == ("ok", "2:1000:1")
    assert act(fake, "drain", host="db2", mode="lead", about={"position": "0/16B3748"}).status == "refused"


def test_rejoin_is_done_when_the_member_is_secondary_again(fake):
    assert act(fake, "rejoin", host="db2", mode="lead").status == "ok"
    fake.members[1].state = 9
    rolling = act(fake, "rejoin", host="db2", mode="lead")
    assert (rolling.status, rolling.facts["cause"]) == ("transient", "rollback")


def test_a_member_in_a_network_namespace_is_reached_there():
    with servers.Network() as network, FakeSet([{"address": "10.98.0.2", "namespace": network.far}]) as fake:
        settings = {"member": [f"db1 {fake.members[0].name}"]}
        answer = servers.isolated(lambda: call_probe(settings), network=network.near)
        assert (answer.role, fake.members[0].name.split(":")[0]) == ("primary", "10.98.0.2"), answer


def call_probe(settings):
    with Session("mongodb", settings, "probe", host_name="db1") as one:
        return one.call("probe", 2.0)


# --- mockupdb, another's fake

class Mock:
    def __init__(self, role="primary"):
        self.server = mockupdb.MockupDB()
        self.role = role
        self.stepped_down = []
        self.server.autoresponds(self.answer)
        self.peers = []

    def describe(self):
        leader = next((one for one in self.peers if one.role == "primary"), None)
        answer = {"ok": 1, "ismaster": self.role == "primary", "isWritablePrimary": self.role == "primary",
                  "secondary": self.role == "secondary", "setName": "rs0", "setVersion": 1, "me": self.name, "minWireVersion": 0,
                  "maxWireVersion": 13, "hosts": [one.name for one in self.peers]}
        if leader:
            answer["primary"] = leader.name
        if self.role == "primary":
            answer["electionId"] = bson.ObjectId("7fffffff0000000000000009")
        return answer

    def answer(self, request):
        # mockupdb's own matching of a command wants its value to be 1, which that of a step-down is not.
        name = request.command_name.lower() if request.command_name else next(iter(request.doc)).lower()
        handlers = {"ismaster": self.hello, "hello": self.hello, "replsetgetstatus": self.status, "replsetgetconfig": self.config,
                    "replsetstepdown": self.step_down, "replsetfreeze": lambda one: one.replies({"ok": 1})}
        return handlers[name](request) if name in handlers else request.replies({"ok": 1})

    def hello(self, request):
        return request.replies(self.describe())

    def status(self, request):
        date = datetime.datetime(2026, 11, 21)
        return request.replies({"ok": 1, "term": 9, "majorityVoteCount": 2, "members": [
            {"_id": i, "name": one.name, "health": 1.0, "state": 1 if one.role == "primary" else 2, "self": one is self,
             "optimeDate": date} for i, one in enumerate(self.peers)]})

    def config(self, request):
        return request.replies({"ok": 1, "config": {"_id": "rs0", "version": 1, "members": [
            {"_id": i, "host": one.name, "priority": 1, "votes": 1} for i, one in enumerate(self.peers)]}})

    def step_down(self, request):
        self.stepped_down.append(dict(request.doc))
        if self.role != "primary":
            return request.replies({"ok": 0, "code": 10107, "errmsg": "not primary"})
        self.role, self.peers[1].role = "secondary", "primary"
        return request.replies({"ok": 1})

    def __enter__(self):
        self.server.run()
        self.name = f"127.0.0.1:{self.server.port}"
        return self

    def __exit__(self, *_):
        self.server.stop()


@pytest.fixture
def mocks():
    with Mock() as one, Mock("secondary") as two, Mock("secondary") as three:
        for mock in (one, two, three):
            mock.peers = [one, two, three]
        yield [one, two, three]


def test_mockupdb_answers_pymongo(mocks):
    one = pymongo.MongoClient("127.0.0.1", mocks[1].server.port, directConnection=True, serverSelectionTimeoutMS=2000)
    assert one.admin.command("hello")["primary"] == mocks[0].name


def test_roles_and_a_step_down_with_mockupdb(mocks):
    settings = {"member": [f"db1 {mocks[0].name}", f"db2 {mocks[1].name}"]}
    with Session("mongodb", settings, "act", host_name="db1") as one, Session("mongodb", settings, "act", host_name="db2") as two:
        assert (one.call("probe", 2.0).role, two.call("probe", 2.0).role) == ("primary", "replica")
        moved = one.call("step_down", 4.0, target="db2")
        assert moved.status == "ok", moved
        assert (one.call("probe", 2.0).role, two.call("probe", 2.0).role) == ("replica", "primary")
    assert len(mocks[0].stepped_down) == 1 and "force" not in mocks[0].stepped_down[0]


# --- settings

@pytest.mark.parametrize("settings,key", [
    ({"member": ["host1"]}, "member"),
    ({"member": ["host1 a:0"]}, "member"),
    ({"member": ["host1 a:x"]}, "member"),
    ({"member": ["host1 fd00::1"]}, "member"),
    ({"member": ["host1 a/b"]}, "member"),
    ({"member": ["host1 a", "host1 b"]}, "member"),
    ({"member": ["host1 a", "db2 a:27017"]}, "member"),
    ({"member": ["db2 a"]}, "member"),
    ({"mode": "lead"}, "member"),
    ({"username": "x"}, "username"),
    ({"tls_ca": "/ca.pem"}, "tls_ca"),
    ({"tls": "unverified", "tls_ca": "/ca.pem"}, "tls_ca"),
    ({"auth_mechanism": "MONGODB-X509"}, "auth_mechanism"),
])
def test_settings_that_cannot_work_are_named(settings, key):
    assert [name for name, _ in complaints("mongodb", {"member": ["host1 10.0.0.1"], **settings})] == [key]


def test_good_settings_raise_no_complaint():
    assert complaints("mongodb", {"mode": "lead", "member": ["host1 10.0.0.1", "db2 [fd00::2]:27018"]}) == []
    assert complaints("mongodb", {"mode": "observe", "member": ["db1 mongo1.example:27017"]}) == []
