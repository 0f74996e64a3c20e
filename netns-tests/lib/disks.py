"""Small disks for a database's data: one that a test fills, and one that gives up, as ext4 does when its device fails."""
import os
import shutil

from lib import proc


class Disk:
    """Mounted at `path`, with what was there; gone with the lab. Made before whoever is to see it is started."""

    def __init__(self, lab, path, kind="tmpfs", size="200m"):
        self.lab, self.path, self.number = lab, str(path), 0
        os.rename(self.path, self.path + ".aside")
        os.mkdir(self.path)
        # `ip netns exec` has mounts of its own. Those below one that is shared come and go there, too.
        above = os.path.dirname(self.path)
        proc.run("mount", "--bind", above, above)
        proc.run("mount", "--make-shared", above)
        lab.undo.callback(shutil.rmtree, above, ignore_errors=True)  # whoever lived there could not, for the mounts
        lab.undo.callback(lambda: proc.run("umount", "-l", above, check=False))
        if kind == "ext4":
            proc.run("truncate", "-s", size, self._image())
            proc.run("mkfs.ext4", "-q", self._image())
            self._mount()
            os.rmdir(os.path.join(self.path, "lost+found"))
        else:
            proc.run("mount", "-t", kind, "-o", "size=" + size, kind, self.path)
        lab.undo.callback(self._unmount)
        proc.run("cp", "-a", self.path + ".aside/.", self.path)
        proc.run("sync", "-f", self.path)
        shutil.rmtree(self.path + ".aside")

    def _image(self):
        return os.path.join(self.lab.memory, "disk%d-%s" % (self.number, self.path.replace("/", "_")))

    def _mount(self):
        proc.run("mount", "-o", "loop,errors=remount-ro", self._image(), self.path)

    def _unmount(self):
        proc.run("umount", "-l", self.path, check=False)

    def fill(self):
        """Until not one more page goes on it."""
        with open(os.path.join(self.path, "filler"), "ab", buffering=0) as file:
            for size in (1 << 20, 4096):
                try:
                    while file.write(b"x" * size) == size:
                        pass
                except OSError:
                    pass

    def free(self):
        os.unlink(os.path.join(self.path, "filler"))

    def give_up(self):
        """From now on nobody writes, not even to a file that is open; only what had been synced is on it."""
        proc.run("mount", "-o", "remount,abort", self.path)

    def mend(self):
        """As by a reboot: what had reached the device, checked, on a new one."""
        self._unmount()
        old, self.number = self._image(), self.number + 1
        shutil.copyfile(old, self._image())
        checked = proc.run("e2fsck", "-fy", self._image(), check=False)
        assert checked.returncode in (0, 1), checked.stdout + checked.stderr
        self._mount()
