"""Plugins built as their authors build them: outside of the tree, from the files that Baton installs and nothing else.

    python3 netns-tests/lib/author_plugins.py BUILD_DIRECTORY TARGET_DIRECTORY

TARGET_DIRECTORY/plugins then holds disk_free.so (C99, plain cc and pkg-config) and role_file.so (C++20, find_package).
Baton loads only what nobody but root could have changed, so that the target must not be below /tmp.
"""
import os
import pathlib
import shutil
import subprocess
import sys

TEMPLATE = "share/doc/baton/plugin-template"


def _run(*command, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout.strip()


def install(build, prefix):
    """The component that authors install; needs a configured build directory, nothing built."""
    _run("cmake", "--install", build, "--component", "plugin-dev", "--prefix", prefix)


def build_c(prefix, work, compiler="cc"):
    """disk_free.so by one call of the compiler."""
    source = work / "disk_free.c"
    shutil.copy(prefix / TEMPLATE / "disk_free.c", source)
    environment = dict(os.environ, PKG_CONFIG_PATH=str(prefix / "share/pkgconfig"))
    flags = _run("pkg-config", "--cflags", "baton-plugin", env=environment).split()
    target = work / "disk_free.so"
    _run(compiler, "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O2", "-fPIC", "-fvisibility=hidden", "-shared",
         *flags, "-o", target, source)
    return target


def build_cmake(prefix, work):
    """Both plugins of the template by CMake; returns the directory where `cmake --install` put them."""
    source = work / "template"
    shutil.copytree(prefix / TEMPLATE, source)
    _run("cmake", "-S", source, "-B", work / "build", f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release",
         "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror", "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror")
    _run("cmake", "--build", work / "build")
    _run("cmake", "--install", work / "build", "--prefix", work / "out")
    return work / "out/lib/baton/plugins"


def build_all(build, target):
    """{name: path of the .so}, both below `target`, which is made and must be root's alone."""
    target = pathlib.Path(target)
    prefix, work, plugins = target / "prefix", target / "work", target / "plugins"
    for directory in (target, work, plugins):
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    install(build, prefix)
    shutil.copy(build_c(prefix, work), plugins / "disk_free.so")
    shutil.copy(build_cmake(prefix, work) / "role_file.so", plugins / "role_file.so")
    for plugin in plugins.iterdir():
        os.chmod(plugin, 0o755)
    return {plugin.stem: plugin for plugin in sorted(plugins.iterdir())}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for name, path in build_all(sys.argv[1], sys.argv[2]).items():
        print(name, path)
