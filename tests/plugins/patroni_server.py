"""A PostgreSQL cluster under real Patroni with real etcd, for tests: members on loopback (or in network namespaces), run as the
user postgres. Ends with its `with` block.

    with EtcdCluster(directory) as etcd, PatroniCluster(directory, etcd.endpoints) as cluster:
        cluster.leader() ..."""
import base64
import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from postgres_server import BIN, POSTGRES, Server, as_postgres  # noqa: E402
from servers import free_port, wait_until  # noqa: E402

CONFIGURATION = """
scope: baton-test
name: {name}
restapi:
  listen: {address}:{api}
  connect_address: {address}:{api}
  authentication: {{username: baton, password: api-secret}}
etcd3:
  hosts: [{etcd}]
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 1
    retry_timeout: 3
    maximum_lag_on_failover: 1048576
    postgresql:
      use_pg_rewind: true
      parameters: {{wal_log_hints: "on", wal_keep_size: 64MB}}
  initdb: [encoding: UTF8, locale: C.UTF-8, no-sync]
  pg_hba: ["local all all trust", "host all all all scram-sha-256", "host replication replicator all scram-sha-256"]
postgresql:
  listen: "{listen}:{port}"
  connect_address: {address}:{port}
  data_dir: {directory}/data
  bin_dir: {bin}
  pgpass: {directory}/pgpass
  use_unix_socket: true
  authentication:
    superuser: {{username: postgres, password: super-secret}}
    replication: {{username: replicator, password: replication-secret}}
  parameters: {{unix_socket_directories: {directory}, shared_buffers: 16MB, fsync: "off"}}
"""


@contextlib.contextmanager
def inside(namespace):
    """This thread is in the network namespace meanwhile; None: where it is."""
    if namespace is None:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as home, open("/run/netns/" + namespace, "rb") as there:
        if libc.setns(there.fileno(), 0) != 0:
            raise OSError(ctypes.get_errno(), "setns " + namespace)
        try:
            yield
        finally:
            libc.setns(home.fileno(), 0)


class Member(Server):
    """One Patroni with its server; the clients of postgres_server.Server serve for it. `listen`: the server's addresses, if not
    only its own."""

    def __init__(self, name, directory, etcd, address="127.0.0.1", port=None, api=None, namespace=None, listen=None):
        self.name, self.address, self.namespace = name, address, namespace
        self.port, self.api = port or free_port(), api or free_port()
        self.directory = pathlib.Path(directory) / name
        self.data = self.directory / "data"
        self.directory.mkdir()
        shutil.chown(self.directory, "postgres", "postgres")
        os.chmod(self.directory, 0o755)
        self.configuration = self.directory / "patroni.yml"
        self.configuration.write_text(CONFIGURATION.format(
            name=name, address=address, listen=listen or address, api=self.api, port=self.port, directory=self.directory, bin=BIN,
            etcd=", ".join(one.removeprefix("http://") for one in etcd)))
        self.process = self.helper = None

    def start(self):
        command = ["/usr/bin/patroni", str(self.configuration)]
        user = {"user": POSTGRES.pw_uid, "group": POSTGRES.pw_gid, "extra_groups": []}
        if self.namespace:
            command = ["ip", "netns", "exec", self.namespace, "setpriv", "--reuid", "postgres", "--regid", "postgres",
                       "--clear-groups", *command]
            user = {}
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **user)

    def get(self, path):
        """(status, body) of its API."""
        try:
            with inside(self.namespace), urllib.request.urlopen(f"http://{self.address}:{self.api}{path}", timeout=2) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            body = error.read()
            return error.code, json.loads(body) if body.startswith(b"{") else body
        except OSError:
            return 0, {}

    def order(self, method, path, words, timeout=5):
        """As an administrator; the answer's body."""
        request = urllib.request.Request(f"http://{self.address}:{self.api}{path}", json.dumps(words).encode(), method=method,
                                         headers={"Authorization": "Basic " + base64.b64encode(b"baton:api-secret").decode()})
        with inside(self.namespace):
            return urllib.request.urlopen(request, timeout=timeout).read()

    def patch(self, changes):
        """Changes the cluster's configuration, such as {"pause": True}."""
        self.order("PATCH", "/config", changes)

    def kill_patroni(self):
        self.process.kill()
        self.process.wait()

    def kill(self):
        """Patroni and the server at once."""
        self.kill_patroni()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.pid():
            as_postgres(BIN / "pg_ctl", "-D", self.data, "-m", "immediate", "stop", check=False)


class PatroniCluster:
    def __init__(self, directory, etcd, names=("db1", "db2"), places=None):
        places = places or [{} for _ in names]
        self.members = [Member(name, directory, etcd, **place) for name, place in zip(names, places)]

    def __enter__(self):
        try:
            self.members[0].start()
            wait_until(lambda: self.members[0].get("/primary")[0] == 200, 40)
            for member in self.members[1:]:
                member.start()
            for member in self.members[1:]:
                wait_until(lambda: member.get("/replica")[0] == 200, 40)
            self.wait_healthy()
        except BaseException:
            for member in self.members:
                if (member.directory / "log").exists():
                    print(f"--- {member.name}\n" + (member.directory / "log").read_text()[-3000:])
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for member in self.members:
            member.end()

    def wait_healthy(self, seconds=30):
        def serves(member, leader):
            try:
                return member.is_primary() == (member is leader)
            except subprocess.CalledProcessError:
                return False

        def healthy():
            leader = self.leader()
            if not all(serves(member, leader) for member in self.members):
                return False
            lines = leader.get("/cluster")[1].get("members", []) if leader else []
            return len(lines) == len(self.members) and all(
                one["role"] == "leader" or (one["state"] in ("running", "streaming") and one.get("lag") == 0 and
                                            one.get("timeline") == lines[0].get("timeline")) for one in lines)
        wait_until(healthy, seconds)

    def leader(self):
        found = [member for member in self.members if member.get("/primary")[0] == 200]
        return found[0] if found else None
