"""A checkout in somebody's home: Baton's users cannot enter it, and its owner could change plugins."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import places

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BATON_BUILD_DIR", ROOT / "build/release")).resolve()


@pytest.fixture(name="checkout")
def _checkout():
    """A build below a directory like /root: bin and lib/baton, as far as places copies them."""
    with tempfile.TemporaryDirectory(prefix="baton-home-", dir="/run") as directory:
        os.chmod(directory, 0o755)
        build = pathlib.Path(directory) / "me/baton/build/release"
        (build / "bin").mkdir(parents=True)
        (build / "lib/baton/plugins").mkdir(parents=True)
        for name in ("bin/batonctl", "bin/baton-plugin-host", "lib/baton/plugins/file.so"):
            shutil.copy(BUILD / name, build / name)
        yield build
        home = places.home(build)
        if home != build:
            shutil.rmtree(home, ignore_errors=True)


def plugin_list(build):
    return subprocess.run([build / "bin/batonctl", "plugin", "list"], capture_output=True, text=True, timeout=20)


def test_a_checkout_that_everybody_may_enter_is_used_as_it_is(checkout):
    assert places.objection(checkout) == "" and places.usable(checkout) == checkout


def test_what_is_in_tmp_is_not_seen_by_a_service():
    assert places.objection("/tmp/baton/build/release") == "a service has a /tmp of its own"
    assert places.objection("/tmpx") == ""


def test_from_a_closed_home_a_copy_is_used_and_the_reason_is_said(checkout):
    home = checkout.parents[2]
    home.chmod(0o700)
    said = []
    copy = places.usable(checkout, said.append)
    assert copy.parent == places.COPIES
    assert said == [f"user baton-check cannot enter {home} (mode 0700): {copy} is used instead"]
    done = plugin_list(copy)
    assert done.returncode == 0 and "file" in done.stdout and "BROKEN" not in done.stdout
    assert places.usable(checkout, said.append) == copy and len(said) == 1  # nothing has changed since
    (checkout / "lib/baton/plugins/file.so").touch()
    assert places.usable(checkout, said.append) == copy and len(said) == 2


def test_a_checkout_of_a_user_is_copied_since_he_could_change_it(checkout):
    os.chown(checkout.parents[1], 65534, 65534)
    said = []
    copy = places.usable(checkout, said.append)
    assert said == [f"{checkout.parents[1]} belongs to user nobody, who could change plugins: {copy} is used instead"]
    assert (copy / "lib/baton/plugins/file.so").stat().st_uid == 0
