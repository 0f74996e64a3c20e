"""A section, lib/gate.c, that lets the transaction of a host stand still, or fail, exactly where a test wants it. Nobody sleeps to
hit a line: it stands there until the test lets it go."""
import contextlib
import os

from lib import museum, proc

STATUS = {"transient": 1, "refused": 2, "config": 3, "conflict": 4, "fatal": 5}


class Gates:
    """Sections `names` on all hosts of the lab. Before Baton's user asks for a verb, stop() or fail() says what it is to meet."""

    def __init__(self, lab, names, deadline="20s"):
        self.names, self.deadline, self.directory = names, deadline, os.path.join(lab.directory, "gates")
        place = os.path.join(museum.PLACE, lab.prefix)
        os.makedirs(place, mode=0o755, exist_ok=True)
        lab.undo.callback(proc.run, "rm", "-rf", place, check=False)
        self.module = museum.compile_plugin(os.path.join(os.path.dirname(__file__), "gate.c"), os.path.join(place, "gate.so"))
        for host in lab.hosts:
            os.makedirs(os.path.join(self.directory, host))
            os.chmod(os.path.join(self.directory, host), 0o777)  # baton-act writes there, too

    def sections(self):
        return [line for name in self.names for line in ("", "[plugin %s]" % name, "module = " + self.module, "directory = " + self.directory,
                                                         "interval = 1s", "deadline = " + self.deadline)]

    def path(self, host, name, verb, what):
        return os.path.join(self.directory, host, "%s.%s.%s" % (name, verb, what))

    def stop(self, host, name, verb):
        proc.touch(self.path(host, name, verb, "stop"))

    def stands(self, host, name, verb):
        return os.path.exists(self.path(host, name, verb, "stands"))

    def wait(self, host, name, verb, deadline=30):
        proc.wait_until(lambda: self.stands(host, name, verb), deadline, "%s stands at %s of %s" % (host, verb, name))

    def fail(self, host, name, verb, status):
        with open(self.path(host, name, verb, "fail"), "w", encoding="ascii") as file:
            file.write("%d" % STATUS[status])

    def open(self):
        """Nothing stops or fails any more."""
        for host in os.listdir(self.directory):
            for name in os.listdir(os.path.join(self.directory, host)):
                with contextlib.suppress(FileNotFoundError):  # who stood there takes its own sign away
                    os.unlink(os.path.join(self.directory, host, name))
