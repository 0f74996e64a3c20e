"""F84: a witness that cannot be reached, is slow, talks nonsense or has forgotten everything grants nothing; the holder keeps its role
only as long as its lease is good, and nobody is promoted without one."""
import contextlib
import http.server
import shutil
import socket
import socketserver
import threading
import time

import pytest

from lib import proc, roles
from lib.proc import hold, wait_until
from lib.redis_pair import VIP, calm_pair, writable

LEASE = 3.0  # of roles.etcd_section


def last_writable(sampler, host, since):
    """When `host` took a write for the last time; time of day."""
    return max((at for at, hosts in sampler.samples if host in hosts), default=since)


def gives_up_in_time(pair, sampler, since):
    """The holder is not writable and has no address any more before its lease can lapse, counted from when the witness went."""
    scene = pair.scene
    wait_until(lambda: scene.owners.holders(VIP) == [] and pair.servers["db1"].role() == "slave", 15, "the holder gives up")
    hold(lambda: scene.owners.holders(VIP) == [] and not any(writable(server) for server in pair.servers.values()), LEASE, "and nobody is promoted")
    left = last_writable(sampler, "db1", since) - since
    assert left < LEASE, "writable for %.2f s after the witness had gone" % left
    return left


def serves_again(pair):
    return wait_until(lambda: next((host for host in pair.scene.owners.holders(VIP) if pair.servers[host].role() == "master"), None), 60, "somebody serves again")


@pytest.mark.limit(120)
def test_F84_a_witness_that_freezes_ends_the_grant_in_time_and_nobody_is_promoted(scene):
    pair = calm_pair(scene).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(50)
    frozen = time.time()
    pair.witness.members[0].freeze()
    left = gives_up_in_time(pair, sampler, frozen)
    assert any(entry.get("reason") == "no_grant" and entry.get("from") == "active" for entry in pair.daemons["db1"].events()), pair.daemons["db1"].events()[-5:]
    pair.witness.members[0].thaw()
    holder = serves_again(pair)
    writer.wait_more(50)
    pair.nothing_lost(writer, sampler, holder)
    print("measure: the witness freezes: writable for %.2f s more, lease %.0f s" % (left, LEASE))


class Nonsense(http.server.BaseHTTPRequestHandler):
    """Says yes to everything, in words that are no etcd's."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b'{"succeeded": true, "ID": "1", "TTL": "3600", "granted": "yes"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *unused):
        pass


@pytest.mark.limit(120)
def test_F84_a_witness_that_answers_nonsense_grants_nothing(scene):
    pair = calm_pair(scene).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(50)
    member = pair.witness.members[0]
    gone = time.time()
    member.kill()
    with proc.in_namespace(scene.lab.namespace("client")):
        socketserver.TCPServer.allow_reuse_address = True
        liar = http.server.ThreadingHTTPServer((scene.lab.ip4("client"), roles.WITNESS_PORT), Nonsense)
    threading.Thread(target=liar.serve_forever, daemon=True).start()
    try:
        gives_up_in_time(pair, sampler, gone)
        said = [entry for host in ("db1", "db2") for entry in pair.daemons[host].events() if entry.get("plugin") == "witness" and entry.get("verb") in ("acquire", "renew")]
        assert any(scene.lab.ip4("client") in entry.get("text", "") for entry in said), said[-3:]
    finally:
        liar.shutdown()
        liar.server_close()
    pair.witness.restart(member)
    holder = serves_again(pair)
    writer.wait_more(50)
    pair.nothing_lost(writer, sampler, holder)


class SlowWay(socketserver.BaseRequestHandler):
    """To the witness; what it answers arrives after server.delay seconds."""

    def handle(self):
        with proc.in_namespace(self.server.namespace), socket.create_connection((self.server.server_address[0], roles.WITNESS_PORT), 5) as far:
            threading.Thread(target=self._ask, args=(far,), daemon=True).start()
            while answer := far.recv(65536):
                time.sleep(self.server.delay)
                self.request.sendall(answer)

    def _ask(self, far):
        with contextlib.suppress(OSError):
            while question := self.request.recv(65536):
                far.sendall(question)
            far.shutdown(socket.SHUT_WR)


class QuietServer(socketserver.ThreadingTCPServer):
    daemon_threads = allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass  # whoever asked has gone


@pytest.mark.limit(120)
def test_F84_a_slow_witness_moves_nothing_until_it_is_slower_than_the_lease_allows(scene):
    with proc.in_namespace(scene.lab.namespace("client")):
        way = QuietServer((scene.lab.ip4("client"), 2390), SlowWay)
    way.namespace, way.delay = scene.lab.namespace("client"), 0.05
    threading.Thread(target=way.serve_forever, daemon=True).start()
    scene.lab.undo.callback(way.server_close)
    scene.lab.undo.callback(way.shutdown)
    pair = calm_pair(scene, witness_port=2390).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(50)
    scene.sole("db1", seconds=2 * LEASE)
    assert roles.data_of(pair.daemons["db1"])["generation"] == 1
    slow = time.time()
    way.delay = 1.5
    gives_up_in_time(pair, sampler, slow)
    way.delay = 0.0
    holder = serves_again(pair)
    writer.wait_more(50)
    pair.nothing_lost(writer, sampler, holder)


@pytest.mark.limit(120)
def test_F84_a_witness_that_forgot_everything_does_not_make_two(scene):
    """The holder's grant is not known any more; the other host would be granted it."""
    pair = calm_pair(scene).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(50)
    member = pair.witness.members[0]
    member.kill()
    shutil.rmtree(member.directory)
    pair.witness.restart(member)
    wait_until(lambda: [entry for entry in pair.daemons["db1"].events() if entry.get("plugin") == "witness" and entry.get("verb") == "renew"], 15, "db1 hears of it")
    holder = wait_until(lambda: next((host for host in scene.owners.holders(VIP) if pair.servers[host].role() == "master"
                                      and roles.data_of(pair.daemons[host])["generation"] > 1), None), 60, "somebody serves with a new grant")
    writer.wait_more(50)
    pair.nothing_lost(writer, sampler, holder)
