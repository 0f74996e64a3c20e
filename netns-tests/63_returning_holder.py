"""A holder that returns goes on where nobody has taken over, whatever was tried meanwhile."""
import pytest

from lib import roles
from lib.proc import wait_until
from lib.redis_pair import RedisPair


@pytest.mark.limit(150)
def test_a_claim_that_was_refused_does_not_lock_the_returning_holder_out(scene):
    """db2 was granted generation 2 by the witness, but its database refused: nobody was promoted after db1, and db2 says so."""
    pair = RedisPair(scene, interval_ms=300, peers=True).start()
    two, server = pair.daemons["db2"], pair.servers["db2"]
    writer = pair.writer()
    writer.wait_more(50)
    two.pause()
    server.command("REPLICAOF", "127.0.0.1", "1")
    scene.faults.unplug("db1")
    pair.daemons["db1"].kill()
    pair.servers["db1"].kill()
    two.resume()
    wait_until(lambda: any("detached" in entry.get("text", "") for entry in two.events() if entry.get("verb") == "can_promote"), 40, "db2 says why not")
    scene.faults.heal()
    pair.servers["db1"].start()
    pair.daemons["db1"].start()
    pair.serving("db1", 60)
    assert set(writer.stop()) <= pair.numbers("db1")
    assert roles.data_of(pair.daemons["db1"])["generation"] > 2
