"""Every file under etc/ passes `batonctl check` with the real modules, on every host that it names."""
import os
import pathlib
import re
import subprocess
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BATON_BUILD_DIR", ROOT / "build/release"))
FILES = sorted((ROOT / "etc").rglob("*.conf"))
# An example's interfaces and unicast without HMAC are what they are.
ACCEPTED = {"W003", "W009"}


def check(file, host):
    # Where there is no interface at all, and as nobody: the examples' networks and secrets are on no machine.
    return subprocess.run(["unshare", "--net", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BUILD / "bin/batonctl", "check", file,
                           "--host", host, "--plugin-dir", BUILD / "lib/baton/plugins"], capture_output=True, text=True)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_loads_on_every_host(file):
    hosts = re.findall(r"^\[peer (\S+)\]", file.read_text(), re.MULTILINE)
    assert len(hosts) == 2
    for host in hosts:
        done = check(file, host)
        assert done.returncode == 0, f"on {host}:\n{done.stdout}{done.stderr}"
        codes = set(re.findall(r"(?:error|warning)\[(\w+)\]", done.stdout))
        assert codes <= ACCEPTED, f"on {host}:\n{done.stdout}"


@pytest.mark.parametrize("number", [0, 1])
def test_what_the_readme_shows_can_be_pasted(number):
    blocks = re.findall(r"^```ini\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    blocks = [block for block in blocks if "[instance " in block]
    assert len(blocks) == 2
    with tempfile.TemporaryDirectory(prefix="baton-readme-", dir="/tmp") as directory:
        os.chmod(directory, 0o755)
        file = pathlib.Path(directory, "baton.conf")
        file.write_text(blocks[number])
        for host in ("db1", "db2"):
            done = check(file, host)
            assert done.returncode == 0, done.stdout
            assert set(re.findall(r"(?:error|warning)\[(\w+)\]", done.stdout)) <= ACCEPTED, done.stdout


def test_check_says_what_the_protection_of_a_database_is_worth():
    text = """[instance pg]
interface = lo
virtual_router_id = 51
address = 10.0.0.50/32
promote = cache
grant = witness
witness = etcd
takeover_wait = 2s
[plugin cache]
module = redis
member = db1 10.0.0.1:6379
member = db2 10.0.0.2:6379
[plugin etcd]
module = etcd
endpoint = http://10.0.0.1:2379
endpoint = http://10.0.0.2:2379
endpoint = http://10.0.0.3:2379
[peer db1]
address = 10.0.0.1
[peer db2]
address = 10.0.0.2
"""
    with tempfile.TemporaryDirectory(prefix="baton-protection-", dir="/tmp") as directory:
        os.chmod(directory, 0o755)
        file = pathlib.Path(directory, "baton.conf")
        file.write_text(text)
        done = check(file, "db1")
        # etcd's lease is 10s by default: the module said so.
        assert done.returncode == 5 and "warning[W016]: takeover_wait: 2s is shorter than the lease of 10s" in done.stdout, done.stdout
        assert "error[E061]: takeover_wait: 2s is shorter than the address lifetime of 3s" in done.stdout
        file.write_text(text.replace("takeover_wait = 2s\n", ""))
        done = check(file, "db1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "instance pg: grant = witness (etcd), no fence, no watchdog\n" in done.stdout
    assert "times: address lifetime 3s, lease 10s, takeover wait 3s" in done.stdout


def test_a_wrong_key_in_an_example_is_found():
    file = next(file for file in FILES if file.name == "plugin-http.conf")
    with tempfile.TemporaryDirectory(prefix="baton-example-", dir="/tmp") as directory:
        os.chmod(directory, 0o755)
        broken = pathlib.Path(directory, "broken.conf")
        broken.write_text(re.sub(r"^url *=", "urll =", file.read_text(), count=1, flags=re.MULTILINE))
        assert broken.read_text() != file.read_text()
        done = check(broken, re.search(r"^\[peer (\S+)\]", file.read_text(), re.MULTILINE)[1])
    assert done.returncode == 5 and "has no key `urll`" in done.stdout and "did you mean `url`?" in done.stdout
