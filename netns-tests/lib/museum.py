"""The museum of bad plugins (tests/bad_plugins), built where Baton loads plugins from, and what a test asks of a host that runs them.

Built here with the compiler alone: the tests run beside a release, which does not have them.
"""
import concurrent.futures
import glob
import os
import shutil
import struct

from lib import proc
from lib.daemons import ROOT

SOURCES = os.path.join(ROOT, "tests", "bad_plugins")
HEADERS = os.path.join(ROOT, "src", "plugin_api")
PLACE = "/var/lib/baton-tests"
HOST_USERS = ("baton-check", "baton-act")


def compile_plugin(source, target):
    compiler = ["c++", "-std=c++20"] if source.endswith(".cc") else ["cc", "-std=gnu11"]
    proc.run(*compiler, "-shared", "-fPIC", "-w", "-O0", "-pthread", "-fvisibility=hidden", "-I", HEADERS, "-I", SOURCES, "-o", target, source, timeout=60)
    os.chmod(target, 0o755)
    return target


class Museum:
    """A directory of root's with every exhibit; path(name) is one of them."""

    def __init__(self):
        self.directory = os.path.join(PLACE, "museum-%d" % os.getpid())
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory, mode=0o755)
        sources = sorted(glob.glob(SOURCES + "/*.c") + glob.glob(SOURCES + "/*.cc"))
        with concurrent.futures.ThreadPoolExecutor(2) as workers:
            list(workers.map(lambda source: compile_plugin(source, self.path(os.path.basename(source).split(".")[0])), sources))
        self.forge()

    def path(self, name):
        return os.path.join(self.directory, name + ".so")

    def forge(self):
        """Files that no compiler of this machine makes."""
        header = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9) + struct.pack("<HH", 3, 183) + bytes(44)
        with open(self.path("other_machine"), "wb") as file:
            file.write(header)
        with open(self.path("script"), "w", encoding="ascii") as file:
            file.write("#!/bin/sh\necho this is a script, not a plugin\n")
        for name in ("other_machine", "script"):
            os.chmod(self.path(name), 0o755)
        shutil.copy(self.path("good"), self.path("writable"))
        os.chmod(self.path("writable"), 0o757)

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)


def in_namespace_of(lab, host):
    """Every process there, dead ones that nobody asked for not among them."""
    return {int(word) for word in proc.run("ip", "netns", "pids", lab.namespace(host)).split()}


def exists(pid):
    """Also as a zombie."""
    return os.path.exists("/proc/%d" % pid)


def zombies(pid):
    """Dead descendants of `pid`."""
    found = []
    for one in proc.family(pid):
        try:
            with open("/proc/%d/stat" % one, encoding="ascii", errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        if text.rsplit(")", 1)[1].split()[0] == "Z":
            found.append((one, text[text.index("("):text.rindex(")") + 1]))
    return found
