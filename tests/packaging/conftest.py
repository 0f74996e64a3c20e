"""`-m packages` runs what needs the built packages (packaging/build-deb) alone, `-m "not packages"` what needs none."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEBS = pathlib.Path(os.environ.get("BATON_DEB_DIR", ROOT / "build/deb"))
PACKAGES = {"baton", "baton-plugin-redis", "baton-plugin-mysql", "baton-plugin-postgres", "baton-plugin-mongodb", "baton-plugin-etcd", "baton-dev",
            "baton-doc"}


def pytest_configure(config):
    config.addinivalue_line("markers", "packages: installs the packages of build/deb in a fresh root; slow")


@pytest.fixture(scope="session", name="debs")
def _debs():
    """{name: file} of what packaging/build-deb has made."""
    found = {path.name.split("_")[0]: path for path in DEBS.glob("*.deb") if "dbgsym" not in path.name}
    assert set(found) == PACKAGES, f"packaging/build-deb makes them in {DEBS}"
    return found


@pytest.fixture(scope="session", name="newer")
def _newer(debs, tmp_path_factory):
    """The same packages, called the next version."""
    directory = tmp_path_factory.mktemp("newer")
    made = {}
    for name, deb in debs.items():
        tree = directory / name
        subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
        path = tree / "DEBIAN/control"
        path.write_text(re.sub(r"^Version: (.*)$", r"Version: \1+1", path.read_text(encoding="utf-8"), flags=re.MULTILINE), encoding="utf-8")
        made[name] = directory / f"{name}_newer.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, made[name]], check=True, capture_output=True)
    return made


@pytest.fixture(scope="session", name="fresh")
def _fresh(debs):
    """A root of Debian 12 with nothing of Baton, and what its packages depend on. To be looked at, not to be changed."""
    import fresh_root
    assert os.geteuid() == 0, "needs root"
    return fresh_root.fresh_root(debs.values())
