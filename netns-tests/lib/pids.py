"""Processes that cannot be had: fork fails with EAGAIN."""
import os
import signal

from lib import proc


class PidsLimit:
    """A cgroup that allows its processes to be so many."""

    def __init__(self, scene, pids):
        for root in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup"):
            self.path = os.path.join(root, "baton-test-%d" % os.getpid())
            if os.path.exists(os.path.join(root, "cgroup.procs")):
                os.mkdir(self.path)
                scene.lab.undo.callback(self.remove)
                if os.path.exists(os.path.join(self.path, "pids.max")):
                    break
        else:
            raise AssertionError("no cgroup hierarchy has the pids controller")
        for pid in pids:
            self.write("cgroup.procs", str(pid))

    def write(self, name, text):
        with open(os.path.join(self.path, name), "w", encoding="ascii") as file:
            file.write(text)

    def full(self):
        with open(os.path.join(self.path, "pids.current"), encoding="ascii") as file:
            self.write("pids.max", file.read().strip())

    def open(self):
        self.write("pids.max", "max")

    def remove(self):
        with open(os.path.join(self.path, "cgroup.procs"), encoding="ascii") as file:
            proc.signal_all([int(line) for line in file], signal.SIGKILL)

        def gone():
            try:
                os.rmdir(self.path)
            except OSError:
                pass
            return not os.path.exists(self.path)
        proc.wait_until(gone, 3, "the cgroup is empty")
