"""`batonctl status`: one screen tells of both hosts who has the address, what the database is, how far behind, and of which generation."""
import re

import pytest

from lib import roles
from lib.mysql import MariaDBs, Pair
from lib.proc import wait_until
from lib.redis_pair import PORT, RedisPair


def screen(pair, host):
    return pair.daemons[host].control("status").stdout


def line(text, start):
    """The one line that begins so, with its continuations."""
    found = re.findall(r"^%s.*(?:\n +.*)*" % re.escape(start), text, re.M)
    assert len(found) == 1, "%d lines begin with %r in\n%s" % (len(found), start, text)
    return " ".join(found[0].split())


def tells(text, here, there, holder, generation, check, words, lag):
    """The screen of `here`; words: what the check of a replica and of a primary says; lag: how the replica's distance is told there."""
    active = holder == here
    row = line(text, "svc ")
    assert " ".join(row.split()[:3]) == "svc 10.77.0.50/24 %s" % ("ACTIVE" if active else "BACKUP"), row
    assert (" this host " if active else " %s " % holder) in row, row
    assert line(text, "svc: data") == "svc: data %s, generation %d" % ("active" if active else "standby", generation)
    assert words[active] in line(text, check + " "), text
    told = line(text, there + " (heard on 1 of 1 paths):")
    expected = ("backup, data standby, generation %d, database replica" if active else "active, data active, generation %d, database primary") % generation
    assert re.search("svc " + re.escape(expected) + (lag if active else ""), told), told


def both_tell(pair, holder, generation, check, words, lag):
    """Until both do: each word is at most a second old."""
    def told(host, other):
        try:
            tells(screen(pair, host), host, other, holder, generation, check, words, lag)
            return True
        except AssertionError:
            return False
    for host, other in (("db1", "db2"), ("db2", "db1")):
        try:
            wait_until(lambda: told(host, other), 10, every=0.2)
        except AssertionError:
            tells(screen(pair, host), host, other, holder, generation, check, words, lag)  # says what is missing


@pytest.mark.limit(150)
def test_a_redis_pairs_screen_tells_of_both_hosts_the_address_role_lag_and_generation(scene):
    pair = RedisPair(scene, peers=True).start()
    words = ("is a replica of", "is the primary with")
    both_tell(pair, "db1", 1, "redis", words, r", \d+ bytes behind")

    def behind():
        """Redis: the primary knows it, and names it if there is any."""
        found = re.search(r"is the primary with 1 replica(?:, the best one (\d+) bytes? behind)?", line(screen(pair, "db1"), "redis "))
        return int(found.group(1) or 0) if found else None
    wait_until(lambda: behind() == 0, 10, "db2 has everything, says db1's screen", every=0.2)
    # The replica's stream stands still: what it lacks is shown.
    scene.faults.block("ip saddr %s tcp sport %d" % (scene.lab.ip4("db1"), PORT), host="db2")
    for number in range(100):
        pair.servers["db1"].command("SET", "n:%d" % number, "x" * 100)
    wait_until(lambda: (behind() or 0) > 10000, 10, "db2 lacks 100 writes, says db1's screen", every=0.2)
    scene.faults.heal()
    wait_until(lambda: behind() == 0, 30, "db2 has everything again", every=0.2)
    # Of the primary, the other host's screen.
    wait_until(lambda: line(screen(pair, "db2"), "db1 (heard").endswith("database primary, 0 bytes behind"), 10, "db1 is behind nobody", every=0.2)
    roles.hand_over(pair.daemons["db1"])
    both_tell(pair, "db2", 2, "redis", words, r", \d+ bytes behind")


@pytest.mark.limit(150)
def test_a_mariadb_pairs_screen_tells_of_both_hosts_the_address_role_lag_and_generation(scene):
    pair = Pair(scene, MariaDBs()).start()
    words = ("follows 10.77.0.", "is writable")
    wait_until(lambda: re.search(r"follows 10\.77\.0\..*, \d+ ms behind", line(screen(pair, "db2"), "db ")), 10, "db2 says it of itself, too", every=0.2)
    both_tell(pair, "db1", 1, "db", words, r", \d+ ms behind")
    roles.hand_over(pair.daemons["db1"])
    both_tell(pair, "db2", 2, "db", words, r", \d+ ms behind")
