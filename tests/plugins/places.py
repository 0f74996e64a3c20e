"""Where the built programs and plugins are run from. Baton's processes run as users of their own, who cannot enter a home
directory of mode 0700, and load only plugins that nobody but root could have changed; a service has a /tmp of its own. From
such a checkout a copy is used.

    BUILD = places.usable("/root/baton/build/release")    # itself, or /var/lib/baton-tests/NAME with bin and lib/baton
"""
import fcntl
import os
import pathlib
import pwd
import shutil
import stat
import sys
import zlib

COPIES = pathlib.Path("/var/lib/baton-tests")
WHO = "baton-check"


def objection(build, top="/"):
    """Why Baton cannot be run from there, in words; "" if it can. Only what exists is looked at, up to `top`."""
    place = pathlib.Path(os.path.abspath(build))
    for own in ("/tmp", "/var/tmp"):
        if place.is_relative_to(own):
            return f"a service has a {own} of its own"
    for directory in [place, *place.parents]:
        if directory.exists():
            status = directory.stat()
            if not status.st_mode & stat.S_IXOTH:
                return f"user {WHO} cannot enter {directory} (mode {status.st_mode & 0o7777:04o})"
            if status.st_uid != 0:
                try:
                    owner = pwd.getpwuid(status.st_uid).pw_name
                except KeyError:
                    owner = str(status.st_uid)
                return f"{directory} belongs to user {owner}, who could change plugins"
            if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
                return f"others than root can write to {directory}"
        if str(directory) == str(top):
            break
    return ""


def home(build):
    """Where `build` is run from, whether or not it is there yet."""
    build = pathlib.Path(os.path.realpath(build))
    if os.geteuid() != 0 or not objection(build):
        return build
    return COPIES / f"{build.name}-{zlib.crc32(str(build).encode()):08x}"


def _files(build):
    """Paths, relative to `build`, of what is run and loaded."""
    programs = [build / "bin" / name for name in ("batond", "batonctl", "baton-plugin-host", "baton-postgres-control")]
    return [path.relative_to(build) for path in [*programs, *sorted((build / "lib/baton").glob("*plugins/*"))] if path.is_file()]


def usable(build, say=lambda words: print(words, file=sys.stderr)):
    """home(build), with everything of now in it."""
    build = pathlib.Path(os.path.realpath(build))
    copy = home(build)
    files = _files(build)
    if copy == build or not files:
        return copy
    COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
    with open(COPIES / ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test runs begin at once
        manifest = "".join(f"{path} {(build / path).stat().st_size} {(build / path).stat().st_mtime_ns}\n" for path in files)
        written = copy / "manifest"
        if written.exists() and written.read_text(encoding="utf-8") == manifest:
            return copy
        say(f"{objection(build)}: {copy} is used instead")
        fresh = COPIES / f".{copy.name}.{os.getpid()}"
        for path in files:
            (fresh / path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            shutil.copyfile(build / path, fresh / path)
            os.chmod(fresh / path, 0o755)
        (fresh / "manifest").write_text(manifest, encoding="utf-8")
        for directory in [fresh, *(path for path in fresh.rglob("*") if path.is_dir())]:
            os.chmod(directory, 0o755)
        shutil.rmtree(copy, ignore_errors=True)
        fresh.rename(copy)
    return copy
