"""A small network to play with: hosts db1 and db2 with batond, a client, and a switch between them, in network namespaces.

  netns-tests/lab up                 build it and start batond on both hosts (floating address 10.77.0.50)
  netns-tests/lab status             who holds the address, and why
  netns-tests/lab enter HOST         a shell on db1, db2, client or switch; on a host, batonctl talks to its batond
  netns-tests/lab cut HOST           the switch forwards nothing from or to HOST (its link stays up)
  netns-tests/lab unplug HOST        pull the cable
  netns-tests/lab oneway FROM TO     what FROM sends does not reach TO
  netns-tests/lab loss PERCENT       lose that share of all frames
  netns-tests/lab heal               undo all of the above
  netns-tests/lab stop HOST          stop batond (SIGTERM)         netns-tests/lab start HOST
  netns-tests/lab kill HOST [engine] SIGKILL to all of batond, or to its engine alone
  netns-tests/lab sick HOST          its application answers 503 from now on       netns-tests/lab well HOST
  netns-tests/lab pause HOST         SIGSTOP to all of batond      netns-tests/lab resume HOST
  netns-tests/lab down               remove everything
"""
import os
import signal
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lib import proc, standing  # noqa: E402


def up(lab):
    if lab.exists():
        raise SystemExit("the lab is up already; netns-tests/lab down removes it")
    standing.ensure_built(print)
    try:
        super(standing.StandingLab, lab).up()
        for host in lab.hosts:
            lab.start(host)
        for host in lab.hosts:
            lab.baton(host).wait_ready()
        proc.wait_until(lambda: len(lab.holders()) == 1, 10, "one host holds the address")
    except BaseException:
        lab.down()
        raise
    status(lab)


def status(lab):
    print("%s is held by: %s" % (standing.VIP, ", ".join(lab.holders()) or "nobody"))
    for host in lab.hosts:
        print("\n%s%s" % (host, "" if lab.guardian(host) else ": batond does not run"))
        if lab.guardian(host):
            done = lab.baton(host).control("status")
            print((done.stdout + done.stderr).rstrip())


def enter(lab, name):
    if name in lab.hosts:
        os.environ["PATH"] = lab.baton(name).directory + ":" + os.environ["PATH"]
    os.environ["PS1"] = name + "# "
    os.execvp("ip", ["ip", "netns", "exec", lab.namespace(name), "bash", "--norc"])


def kill(lab, host, what="all"):
    if what == "engine":
        pid = lab.engine(host)
        if not pid:
            raise SystemExit("no engine runs on " + host)
        os.kill(pid, signal.SIGKILL)
    else:
        lab.stop(host, signal.SIGKILL)


def lose(lab, percent):
    share = float(percent) if percent.replace(".", "", 1).isdigit() else 0
    if not 0.1 <= share < 100:
        raise SystemExit("loss takes a percentage from 0.1 to 99.9, not '%s'; netns-tests/lab cut loses everything" % percent)
    lab.faults.loss(share)


COMMANDS = {
    "up": up, "status": status, "enter": enter, "kill": kill,
    "down": lambda lab: lab.down(),
    "cut": lambda lab, host: lab.faults.cut(host),
    "unplug": lambda lab, host: lab.faults.unplug(host),
    "oneway": lambda lab, sender, receiver: lab.faults.one_way(sender, receiver),
    "loss": lose,
    "heal": lambda lab: lab.faults.heal(),
    "stop": lambda lab, host: lab.stop(host),
    "start": lambda lab, host: lab.start(host).wait_ready(),
    "sick": lambda lab, host: lab.make_sick(host),
    "well": lambda lab, host: lab.make_well(host),
    "pause": lambda lab, host: proc.signal_all(proc.family(lab.guardian(host) or 0), signal.SIGSTOP),
    "resume": lambda lab, host: proc.signal_all(proc.family(lab.guardian(host) or 0), signal.SIGCONT),
}


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        print(__doc__.strip())
        return 0 if sys.argv[1:] in (["--help"], ["-h"], ["help"]) else 2
    if os.geteuid() != 0:
        print("network namespaces need root: sudo netns-tests/lab %s" % " ".join(sys.argv[1:]), file=sys.stderr)
        return 1
    lab, verb, arguments = standing.StandingLab(), sys.argv[1], sys.argv[2:]
    if verb not in ("up", "down") and not lab.exists():
        print("the lab is not up; netns-tests/lab up builds it", file=sys.stderr)
        return 1
    unknown = [word for word in arguments if verb != "loss" and word not in lab.everybody + ["switch", "engine"]]
    if unknown:
        print("no such host: %s; there are %s" % (unknown[0], ", ".join(lab.everybody)), file=sys.stderr)
        return 2
    try:
        COMMANDS[verb](lab, *arguments)
    except TypeError as error:
        if "argument" not in str(error):
            raise
        print("usage: see netns-tests/lab --help (%s)" % verb, file=sys.stderr)
        return 2
    return 0


sys.exit(main())
