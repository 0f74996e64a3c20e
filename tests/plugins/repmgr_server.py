"""A real repmgrd beside servers of postgres_server.py. Debian's packages are unpacked, not installed: their files are laid over
PostgreSQL's own, for one process and its children."""
import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile

import places
from postgres_server import BIN, as_postgres
from servers import CLONE_NEWNS, LIBC, MS_PRIVATE, MS_REC, run, wait_until

KEPT = places.COPIES / "repmgr"
SHARED = ("usr/lib/postgresql/15/lib", "usr/share/postgresql/15/extension")
NEEDED = "shared_preload_libraries = 'repmgr'\n"  # in postgresql.conf


def fetch(directory):
    got = subprocess.run(["apt-get", "download", "-o", "APT::Sandbox::User=root", "postgresql-15-repmgr"], cwd=directory,
                         capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if got.returncode != 0:
        raise RuntimeError(f"no repmgr can be had: {got.stderr[-500:]}")
    for package in pathlib.Path(directory).glob("*.deb"):
        run("dpkg-deb", "-x", package, directory)


def root():
    """A directory with what the package holds; made once, and kept like what is built."""
    KEPT.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with open(KEPT.parent / ".repmgr.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not KEPT.exists():
            fresh = tempfile.mkdtemp(prefix=".repmgr-", dir=KEPT.parent)
            try:
                fetch(fresh)
                os.chmod(fresh, 0o755)
                os.rename(fresh, KEPT)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
    return KEPT


def lay_over(directory):
    """From here on this process, and whatever it starts, finds the extension among PostgreSQL's files."""
    if LIBC.unshare(CLONE_NEWNS) != 0:
        raise OSError("unshare")
    LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    for path in SHARED:
        run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={directory / path}:/{path}", "/" + path)


class Repmgrd:
    """Watches `standby`, which follows `primary`. more: for its conninfo."""

    def __init__(self, directory, primary, standby, more=""):
        self.program, self.primary, self.standby, self.more = directory / "usr/lib/postgresql/15/bin", primary, standby, more

    def configuration(self, number, server):
        path = server.directory / "repmgr.conf"
        path.write_text(f"node_id={number}\nnode_name={server.name}\ndata_directory='{server.data}'\npg_bindir='{BIN}'\n"
                        f"conninfo='host={server.address} port={server.port} user=repmgr password=repmgr dbname=postgres {self.more}'\n"
                        "failover=automatic\npromote_command='/bin/true'\nfollow_command='/bin/true'\n")
        return path

    def __enter__(self):
        self.primary.sql("CREATE ROLE repmgr SUPERUSER LOGIN PASSWORD 'repmgr'; CREATE EXTENSION repmgr")
        one, two = (self.configuration(i + 1, server) for i, server in enumerate((self.primary, self.standby)))
        as_postgres(self.program / "repmgr", "-f", one, "primary", "register")
        self.primary.wait_streaming_to(self.standby)
        as_postgres(self.program / "repmgr", "-f", two, "standby", "register", "--upstream-node-id=1")
        self.log = self.standby.directory / "repmgrd.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.program / "repmgrd", "-f", two, "--daemonize=false", "--no-pid-file"], stdout=log,
                                            stderr=log, cwd="/", user="postgres", group="postgres", extra_groups=[])
        try:
            wait_until(self.watches, 30)
        except BaseException:
            self.__exit__()
            raise
        return self

    def watches(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"repmgrd: {self.log.read_text()[-2000:]}")
        return "monitoring connection to upstream node" in self.log.read_text()

    def sessions(self):
        """What its sessions on the standby are called."""
        return self.standby.sql("SELECT coalesce(string_agg(DISTINCT application_name, ' '), '') FROM pg_stat_activity "
                                "WHERE usename = 'repmgr'")

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
