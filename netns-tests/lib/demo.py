"""Two hosts, a client and a switch on this machine: fails the Active four ways, shows who took over, why, and what the client noticed.

Installs and builds what is missing first (as root), and removes all that it made.
"""
import os
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lib import proc, standing           # noqa: E402
from lib.watch import Ownership, Pinger  # noqa: E402

VIP = standing.VIP
INTERVAL = standing.INTERVAL_MS / 1000
SKEW = (256 - standing.PRIORITY["db2"]) / 256 * INTERVAL
DOWN = 3 * INTERVAL + SKEW


def say(text=""):
    print(text, flush=True)


class Demo:
    def __init__(self, lab):
        self.lab = lab
        self.owners = Ownership(lab)
        lab.undo.callback(self.owners.close)

    def instance(self, host):
        return next(one for one in self.lab.baton(host).json("status")["instances"] if one["name"] == "web")

    def why(self, host):
        one = self.instance(host)
        return one["why"]

    def wait_for(self, host, deadline=15.0):
        proc.wait_until(lambda: self.owners.holders(VIP) == [host], deadline, "%s alone holds %s" % (host, VIP))

    def settle(self, pinger):
        """db1 is Active and the client gets answers."""
        self.wait_for("db1")
        seen = len(pinger.answers)
        proc.wait_until(lambda: len(pinger.answers) > seen + 20, 5, "the client gets answers")

    def fail(self, title, act, expected, bound, bound_words):
        say()
        say(title)
        pinger = Pinger(self.lab, "client", VIP)
        try:
            self.settle(pinger)
            began = time.time()
            act()
            if expected:
                self.wait_for(expected)
                proc.wait_until(lambda: pinger.answers and pinger.answers[-1] > self.owners.changes(VIP, expected, began)[-1][0], 10, "answers from " + expected)
                say("   who took over     %s" % expected)
                say("   reason            %s" % self.why(expected))
            else:
                time.sleep(3 * DOWN)
                moved = self.owners.changes(VIP, None, began)
                say("   who took over     %s" % ("nobody: db1 stayed Active" if not moved else "the address moved: %s" % moved))
                say("   reason            %s" % self.explain_adoption())
            say("   client's gap      %4.0f ms" % (1000 * pinger.longest_gap(began - pinger.interval)))
            say("   protocol's bound  %4.0f ms  (%s)" % (1000 * bound, bound_words))
        finally:
            pinger.close()

    def explain_adoption(self):
        for event in reversed(self.lab.baton("db1").json("history").get("entries", [])):
            if event.get("reason") == "adopted":
                return event["text"]
        return "no transition; " + str(self.why("db1"))

    def run(self):
        lab = self.lab
        for host in lab.hosts:
            lab.start(host)
        for host in lab.hosts:
            lab.baton(host).wait_ready()
        self.wait_for("db1")
        say("db1 and db2 run batond with the same file; %s is on db1, the client asks it every 10 ms." % VIP)
        say("Adverts every %.0f ms; Active_Down_Interval of db2 %.0f ms, its Skew_Time %.0f ms." % (1000 * INTERVAL, 1000 * DOWN, 1000 * SKEW))
        self.fail("1. the cable of db1 is pulled", lambda: lab.faults.unplug("db1"), "db2", DOWN, "Active_Down_Interval")
        lab.faults.plug("db1")
        self.fail("2. batond on db1 is stopped (SIGTERM)", lambda: lab.stop("db1"), "db2", SKEW, "Skew_Time after the farewell")
        lab.start("db1").wait_ready()
        self.fail("3. the engine on db1 is killed (kill -9)", lambda: os.kill(lab.engine("db1"), signal.SIGKILL), None, 0, "no failover at all")
        # fall = 3 probes, one each 200 ms, at most 150 ms each; then the farewell.
        self.fail("4. the application on db1 turns sick (503)", lambda: lab.make_sick("db1"), "db2", 3 * 0.2 + 0.15 + SKEW, "3 failed probes, then Skew_Time")
        say("   db1 says          %s" % self.why("db1"))
        lab.make_well("db1")
        self.wait_for("db1")
        say("   well again        %s" % self.why("db1"))


def main():
    if os.geteuid() != 0:
        say("network namespaces need root: sudo netns-tests/demo")
        return 1
    lab = standing.StandingLab()
    if lab.exists():
        say("a lab is up; remove it first: netns-tests/lab down")
        return 1
    standing.ensure_built(say)
    with lab:
        Demo(lab).run()
    say()
    say("All of it is removed again. netns-tests/lab up keeps such a network for you to play with.")
    return 0


sys.exit(main())
