"""batonctl report: one archive with what helpers ask for, and no secret in it, whichever way it came to this host."""
import os
import stat
import subprocess
import tarfile

from lib.daemons import BATON_BIN, Service
from lib.proc import run, wait_until

# Each stands where people put such things, and must not be anywhere in the archive.
SECRETS = {
    "auth_pass": "vrrp!pw7",
    "password in a file": "File-Passw0rd-Q1",
    "key of the peer channel": "0f1e2d3c4b5a69788796a5b4c3d2e1f0feedface",
    "password of a URL": "Url-Passw0rd-W2",
    "variable of a program": "Var-Secret-E3",
    "header": "Bearer-Tok3n-R4",
    "option of a program": "Opt-Passw0rd-T5",
    "said by a plugin": "Said-Passw0rd-Y6",
    "comment of a file": "Comment-Passw0rd-U7",
    "environment of the daemon": "Env-Passw0rd-I8",
    "comment of the packet filter": "Nft-Passw0rd-O9",
}
SECTIONS = """
[plugin site]
module = http
url = http://127.0.0.1:1/health
header = X-Site: %(header)s
interval = 1s

[plugin script]
module = exec
command = %(script)s http://bob:%(url)s@127.0.0.1:1/ --password %(option)s
environment = SITE_KEY=%(variable)s
interval = 1s

[plugin hook]
module = webhook
url = http://127.0.0.1:1/notify
secret = %(file)s
"""


def report(scene, daemon, *words, output="report.tar.gz"):
    path = daemon.path(output)
    done = daemon.control("report", "--output", path, *words)
    return done, path


def texts(path):
    """Name -> bytes of each file in the archive, as the system's tar understands it, too."""
    listed = run("tar", "-tf", path).split()
    with tarfile.open(path) as archive:
        found = {member.name: archive.extractfile(member).read() for member in archive.getmembers()}
    assert sorted(listed) == sorted(found) and all(name.startswith("baton-report-") for name in found)
    return {name.split("/", 1)[1]: text for name, text in found.items()}


def assert_clean(found):
    for what, secret in SECRETS.items():
        for name, text in found.items():
            assert secret.encode() not in text, (what, name, text[max(0, text.find(secret.encode()) - 200):][:400])


def secret_file(scene, daemon, name, text):
    path = daemon.write(name, text + "\n")
    os.chmod(path, 0o600)
    return path


def test_no_secret_is_in_it_and_all_the_rest_is(scene):
    service = Service(priority=200, version=2, interval_ms=1000, password=SECRETS["auth_pass"],
                      extra=("check = site prefer=30", "check = script prefer=30", "notify = hook"))
    one = scene.daemon("baton", "db1", service, environment={"PGPASSWORD": SECRETS["environment of the daemon"]})
    key = secret_file(scene, one, "peer.key", SECRETS["key of the peer channel"])
    file = secret_file(scene, one, "hook.secret", SECRETS["password in a file"])
    script = one.write("check.sh", "#!/bin/sh\necho \"password=%s and %s\"\nexit 1\n" % (SECRETS["said by a plugin"], SECRETS["variable of a program"]))
    os.chmod(script, 0o755)
    one.daemon_keys = tuple(one.daemon_keys) + ("peer_key_file = " + key, "log_file = " + one.path("baton.log"))
    one.sections = [SECTIONS % {"url": SECRETS["password of a URL"], "script": script, "option": SECRETS["option of a program"], "file": file, "header": SECRETS["header"],
                                "variable": SECRETS["variable of a program"]}]
    one.text = "# %s\n" % SECRETS["comment of a file"] + one.compose()
    one.start()
    scene.wait_holder("db1")
    scene.lab.run("db1", "nft", "add table ip lab { comment \"password=%s\"; }" % SECRETS["comment of the packet filter"])
    wait_until(lambda: any(check["latest"] for check in one.json("status")["checks"]), 5, "the plugins have spoken")
    done, path = report(scene, one)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 and path in done.stdout
    assert not [name for name in os.listdir(os.path.dirname(path)) if "partial" in name]
    found = texts(path)
    assert_clean(found)
    manifest = found["MANIFEST"].decode()
    for name in ("status.json", "explain.json", "history.json", "events.json", "running.json", "file.json", "check.json", "metrics.txt", "version.json",
                 "plugins.json", "system.txt", "links.txt", "addresses.txt", "routes.txt", "nft.txt", "sysctl.txt", "processes.txt", "limits.txt", "log.txt"):
        assert name in found and name in manifest, (name, manifest)
    for name in ("journal.txt", "unit.txt", "packages.txt"):  # a lab has no service of systemd
        assert name in manifest
    assert b"10.77.0.50" in found["addresses.txt"] and b'"role": "active"' in found["status.json"]
    assert b"password_file" in found["running.json"] and key.encode() in found["running.json"], "where a secret stands is no secret"
    assert b"table ip lab" in found["nft.txt"] and b"baton-engine" in found["processes.txt"] and b"Max open files" in found["limits.txt"]
    assert b"# EOF" in found["metrics.txt"] or b"baton_build_info" in found["metrics.txt"]


def test_it_never_overwrites_unless_told_to(scene):
    one = scene.start("baton", "db1", Service(priority=200))
    path = one.write("report.tar.gz", "mine")
    refused, _ = report(scene, one)
    assert refused.returncode == 6 and "--force" in refused.stderr
    with open(path, encoding="ascii") as file:
        assert file.read() == "mine"
    forced, _ = report(scene, one, "--force")
    assert forced.returncode == 0 and "status.json" in texts(path) and stat.S_IMODE(os.stat(path).st_mode) == 0o600
    link = one.path("link.tar")
    os.symlink(one.path("elsewhere"), link)
    assert report(scene, one, output="link.tar")[0].returncode == 6
    assert report(scene, one, output="no/such/directory.tar.gz")[0].returncode == 1


def test_without_a_daemon_the_rest_is_there_and_the_exit_status_says_so(scene):
    one = scene.daemon("baton", "db1", Service(priority=200, version=2, interval_ms=1000, password=SECRETS["auth_pass"]))
    one.configure()
    done, path = report(scene, one, "--config", one.config, "--host", "db1", output="report.tar")
    assert done.returncode == 3, (done.stdout, done.stderr)
    found = texts(path)
    assert_clean(found)
    assert "status.json" not in found and "status.json" in found["MANIFEST"].decode() and "no daemon" in found["MANIFEST"].decode()
    assert b'"valid": true' in found["check.json"] and b"10.77.0.50/24" in found["file.json"] and b"eth0" in found["links.txt"]
    one.write("baton.conf", "[instance x]\npassword = %s\nurl = http://a:%s@b/\n" % (SECRETS["auth_pass"], SECRETS["password of a URL"]))
    done, path = report(scene, one, "--config", one.config, "--host", "db1", "--json", output="bad.tar.gz")
    found = texts(path)
    assert done.returncode == 3 and '"file.json"' in done.stdout
    assert_clean(found)
    assert b'"valid": false' in found["check.json"] and "file.json" not in found


def test_an_ordinary_user_gets_what_he_may_see(scene):
    one = scene.start("baton", "db1", Service(priority=200))
    directory = one.path("for-nobody")
    os.mkdir(directory)
    os.chmod(directory, 0o777)
    path = os.path.join(directory, "report.tar")
    done = subprocess.run(["ip", "netns", "exec", scene.lab.namespace("db1"), "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                           os.path.join(BATON_BIN, "batonctl"), "--runtime-dir", one.runtime, "report", "--output", path], capture_output=True, text=True)
    assert done.returncode in (3, 4), (done.returncode, done.stdout, done.stderr)
    found = texts(path)
    assert "ordinary user" in found["MANIFEST"].decode() and b"eth0" in found["links.txt"]
