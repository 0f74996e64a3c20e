"""The stewards' own conversation: each host shows the other, says when it is lost or configured otherwise, and changes its key without a
gap. Whoever has no key is not heard."""
import os

from lib.proc import wait_until


def key_file(scene, name, content):
    path = os.path.join(scene.lab.directory, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(content + "\n")
    os.chmod(path, 0o600)
    return path


def with_keys(*paths):
    return {"daemon_keys": ["log_level = debug"] + ["peer_key_file = " + path for path in paths]}


def peer(baton):
    found = baton.json("status")["peers"]
    return found[0] if found else {}


def hears(baton):
    return peer(baton).get("heard", False)


def test_each_host_shows_the_other_and_says_when_it_is_lost(scene):
    key = key_file(scene, "key", "k" * 32)
    one, other = scene.pair(daemon=with_keys(key))
    wait_until(lambda: hears(one) and hears(other), 10, "both hear each other")
    wait_until(lambda: peer(other)["instances"] and peer(other)["instances"][0]["role"] == "active", 2, "db2 knows that db1 is Active")
    seen = peer(other)
    assert (seen["host"], seen["paths"], seen["same_config"]) == ("db1", 1, False)  # the lab gives each host a file of its own
    assert [(each["name"], each["role"], each["eligible"]) for each in seen["instances"]] == [("svc", "active", True)]
    assert peer(one)["instances"][0]["role"] == "backup"
    assert "config_differs" in one.alarms()
    scene.faults.block("udp dport 5112")
    wait_until(lambda: not hears(one) and not hears(other), 10, "neither hears the other")
    one.alarmed("peer_lost")
    assert peer(one)["instances"] == []
    scene.sole("db1", seconds=0.5)  # it moves nothing by itself
    scene.faults.heal()
    wait_until(lambda: hears(one) and hears(other), 10, "both hear each other again")
    wait_until(lambda: "peer_lost" not in one.alarms(), 5, "the alarm is over")


def test_a_host_with_another_key_is_not_heard_and_a_key_is_changed_without_a_gap(scene):
    old, new = key_file(scene, "old", "o" * 32), key_file(scene, "new", "n" * 32)
    one, other = scene.pair(daemon=with_keys(old))
    wait_until(lambda: hears(one) and hears(other), 10, "both hear each other")

    def change(baton, *paths):
        baton.daemon_keys = with_keys(*paths)["daemon_keys"]
        baton.configure()
        assert baton.control("reload").returncode == 0

    for baton, keys in ((one, (old, new)), (other, (old, new)), (one, (new, old)), (other, (new, old)), (one, (new,)), (other, (new,))):
        change(baton, *keys)
        assert hears(one) and hears(other)
    lost = [entry for baton in (one, other) for entry in baton.events() if entry.get("alarm") == "peer_lost"]
    assert not lost
    change(other, old)
    wait_until(lambda: not hears(one), 10, "db1 does not hear who has the old key")
    assert "key" in peer(one)["trouble"]


def test_a_host_that_is_started_again_is_heard_again(scene):
    key = key_file(scene, "key", "k" * 32)
    one, other = scene.pair(daemon=with_keys(key))
    wait_until(lambda: hears(one) and hears(other), 10, "both hear each other")
    other.kill()
    wait_until(lambda: not hears(one), 10, "db2 is lost")
    other.start()
    wait_until(lambda: hears(one) and hears(other.wait_ready()), 10, "both hear each other again")
    assert peer(one)["trouble"] is None
