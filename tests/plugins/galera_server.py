"""A Galera cluster for tests: two MariaDB nodes and garbd, the third vote, on loopback or in network namespaces; ended by process id."""
import shutil
import subprocess

from mysql_server import MariaDB
from servers import free_port, wait_until

LIBRARY = "/usr/lib/galera/libgalera_smm.so"
# Shorter than Galera's own; where they are much shorter a busy machine's nodes never agree on who is left.
TIMES = "evs.keepalive_period=PT0.3S;evs.inactive_check_period=PT0.3S;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT6S;evs.install_timeout=PT6S"


class Node(MariaDB):
    def __init__(self, name, server_id, place, members):
        """place: (namespace, address) of this node; members: ADDRESS:PORT of all, this one at server_id - 1."""
        self.namespace, self.host = place
        super().__init__(name, server_id, namespace=self.namespace, address="*" if self.namespace else self.host)
        self.members, self.own = members, members[server_id - 1]

    def command(self):
        options = f"gmcast.listen_addr=tcp://{self.own};ist.recv_addr={self.host}:{free_port()};{TIMES};gcache.size=16M"
        # Not as root: rsync would then give its rights up, and could not write here.
        subprocess.run(["chown", "-R", "mysql:mysql", str(self.home)], check=True)
        words = [word for word in super().command()
                 if word not in ("--read-only=1", "--gtid-strict-mode=1", "--user=root")]
        return words + ["--user=mysql", "--wsrep-on=1", f"--wsrep-provider={LIBRARY}", f"--wsrep-cluster-address=gcomm://{','.join(self.members)}",
                        "--wsrep-cluster-name=baton", f"--wsrep-node-name={self.name}", f"--wsrep-node-address={self.host}",
                        f"--wsrep-provider-options={options}", "--wsrep-sst-method=rsync",
                        f"--wsrep-sst-receive-address={self.host}:{free_port()}", "--binlog-format=ROW",
                        "--innodb-autoinc-lock-mode=2"]

    def status(self, name):
        return dict(self.sql(f"SHOW GLOBAL STATUS LIKE '{name}'")).get(name)


class Galera:
    def __init__(self, places=((None, "127.0.0.1"),) * 3, prepare=None):
        """places: (namespace, address) of the two nodes and of garbd; prepare: what is done to the first node before it starts."""
        self.places, self.prepare = places, prepare

    def __enter__(self):
        self.members = [f"{address}:{free_port()}" for _, address in self.places]
        self.one, self.two = (Node(f"db{i + 1}", i + 1, self.places[i], self.members) for i in range(2))
        self.arbiter = None
        try:
            if self.prepare:
                self.prepare(self.one)
            # The second node begins as a copy of the first, so that it only needs what came since then.
            self.one.start("--wsrep-new-cluster")
            self.one.stop()
            shutil.rmtree(self.two.datadir)
            shutil.copytree(self.one.datadir, self.two.datadir, ignore=shutil.ignore_patterns("galera.cache", "gvwstate.dat"))
            self.one.start("--wsrep-new-cluster")
            self.two.start()
            self.start_arbiter()
            wait_until(lambda: self.two.status("wsrep_local_state") == "4", 30)
        except BaseException:
            self.__exit__()
            raise
        return self

    def start_arbiter(self):
        namespace, _ = self.places[2]
        self.arbiter = subprocess.Popen(
            (["ip", "netns", "exec", namespace] if namespace else []) +
            ["garbd", "--address", f"gcomm://{','.join(self.members[:2])}", "--group", "baton", "--name", "arbiter", "--options",
             f"gmcast.listen_addr=tcp://{self.members[2]};{TIMES}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.one.home)
        wait_until(lambda: self.one.status("wsrep_cluster_size") == "3", 30)

    def kill_arbiter(self):
        if self.arbiter:
            self.arbiter.kill()
            self.arbiter.wait(10)
            self.arbiter = None

    def __exit__(self, *_):
        self.kill_arbiter()
        self.one.remove()
        self.two.remove()
