"""A Galera cluster for tests: two MariaDB nodes and garbd, the third vote, on loopback; ended by process id."""
import shutil
import subprocess

from mysql_server import MariaDB
from servers import free_port, wait_until

LIBRARY = "/usr/lib/galera/libgalera_smm.so"


class Node(MariaDB):
    def __init__(self, name, server_id, ports, own):
        super().__init__(name, server_id)
        self.ports, self.own = ports, own

    def command(self):
        options = f"gmcast.listen_addr=tcp://127.0.0.1:{self.own};ist.recv_addr=127.0.0.1:{free_port()};evs.keepalive_period=PT0.2S;evs.inactive_check_period=PT0.2S;evs.suspect_timeout=PT1S;" \
                  "evs.inactive_timeout=PT3S;evs.install_timeout=PT3S;gcache.size=16M"
        others = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        # Not as root: rsync would then give its rights up, and could not write here.
        subprocess.run(["chown", "-R", "mysql:mysql", str(self.home)], check=True)
        words = [word for word in super().command()
                 if word not in ("--read-only=1", "--gtid-strict-mode=1", "--user=root")]
        return words + ["--user=mysql", "--wsrep-on=1", f"--wsrep-provider={LIBRARY}", f"--wsrep-cluster-address=gcomm://{others}",
                        "--wsrep-cluster-name=baton", f"--wsrep-node-name={self.name}", "--wsrep-node-address=127.0.0.1",
                        f"--wsrep-provider-options={options}", "--wsrep-sst-method=rsync",
                        f"--wsrep-sst-receive-address=127.0.0.1:{free_port()}", "--binlog-format=ROW",
                        "--innodb-autoinc-lock-mode=2"]

    def status(self, name):
        return dict(self.sql(f"SHOW GLOBAL STATUS LIKE '{name}'")).get(name)


class Galera:
    def __enter__(self):
        self.ports = [free_port() for _ in range(3)]
        self.one, self.two = (Node(f"db{i + 1}", i + 1, self.ports, self.ports[i]) for i in range(2))
        self.arbiter = None
        try:
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
        peers = ",".join(f"127.0.0.1:{port}" for port in self.ports[:2])
        self.arbiter = subprocess.Popen(
            ["garbd", "--address", f"gcomm://{peers}", "--group", "baton", "--name", "arbiter", "--options",
             f"gmcast.listen_addr=tcp://127.0.0.1:{self.ports[2]};evs.keepalive_period=PT0.2S;evs.inactive_check_period=PT0.2S;evs.suspect_timeout=PT1S;evs.inactive_timeout=PT3S"],
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
