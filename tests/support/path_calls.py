# SPDX-License-Identifier: Apache-2.0
"""Open, read and delete files at known paths. A script.

Run as `python -I -S -B path_calls.py FOLDER`, as root, with a folder in /dev/shm; standard library
only, because it starts under emulation. It takes one line, does everything, and answers with one
line of JSON: `read` and `deleted`, each a list of `{"case", "path", "is_open", "bytes"}`.
`bytes` is what was asked to be read, which no other call here asks for; `is_open` says that the
path's beginning cannot be shown, and then `path` is the whole one. Its mounts are in a namespace
of its own and go with it.
"""

# The calls themselves matter here, so pathlib does not make them:
# ruff: noqa: PTH102, PTH108
# ruff: noqa: PTH120, PTH123, PTH211

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
from typing import Any

COMM = b"pd-paths"
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000
STEPS, PATH_BYTES = 64, 4096  # of a walk, at most
FIRST_BYTES = 50_001
LIBC = ctypes.CDLL(None, use_errno=True)
READ: list[dict[str, Any]] = []
DELETED: list[dict[str, Any]] = []


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    texts = [os.fsencode(each) for each in (source, target, kind)]
    if LIBC.mount(*texts, ctypes.c_ulong(flags), os.fsencode(options)):
        raise OSError(ctypes.get_errno(), f"mount {target}")


def read(case: str, fd: int, path: str, *, is_open: bool = False) -> None:
    size = FIRST_BYTES + len(READ)
    READ.append({"case": case, "path": path, "is_open": is_open, "bytes": size})
    os.read(fd, size)


def read_file(case: str, path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    read(case, fd, os.path.realpath(path))
    os.close(fd)


def create(path: str) -> str:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    return path


def read_deep(case: str, folder: str, name: str, levels: int, *, is_open: bool = False) -> None:
    """Read a file in so many folders in each other, whose path may be longer than PATH_MAX."""
    before = os.open(".", os.O_PATH)
    os.chdir(folder)
    for _ in range(levels):
        os.mkdir(name)
        os.chdir(name)
    path = "/".join([folder, *[name] * levels, "f"])
    fd = os.open(create("f"), os.O_RDONLY)
    is_long = is_open or len(path) > PATH_BYTES or path.count("/") > STEPS
    read(case, fd, path, is_open=is_long)
    os.close(fd)
    os.fchdir(before)
    os.close(before)


def in_child(body: Any) -> None:
    """Run this in a child that ends at once; what it notes is noted here."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        status = 1
        try:
            body()
            os.write(writer, json.dumps(READ).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, encoding="utf-8") as noted:
        READ[:] = json.load(noted)
    if os.waitpid(child, 0)[1]:
        raise RuntimeError("a child failed")


def in_chroot(root: str) -> None:
    outside = os.open(create(f"{os.path.dirname(root)}/outside"), os.O_RDONLY)
    path = os.path.realpath(f"{os.path.dirname(root)}/outside")
    os.mkdir(f"{root}/inner")
    create(f"{root}/inner/f")
    os.chroot(root)
    os.chdir("/")
    read_file("chroot", "/inner/f")
    read("outside the chroot", outside, path, is_open=True)
    os.close(os.open("/", os.O_RDONLY))


def without_path() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"x")
    read("pipe", reader, "", is_open=True)
    one, other = socket.socketpair()
    other.send(b"x")
    read("socket", one.fileno(), "", is_open=True)
    read("memfd", os.memfd_create("pd-memfd"), "", is_open=True)


def overlay(folder: str) -> None:
    for name in ("lower", "upper", "work", "merged"):
        os.mkdir(f"{folder}/{name}")
    create(f"{folder}/lower/f")
    create(f"{folder}/lower/gone")
    layers = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
    mount("overlay", f"{folder}/merged", "overlay", 0, layers)
    read_file("overlayfs, lower", f"{folder}/merged/f")
    create(f"{folder}/merged/new")
    read_file("overlayfs, upper", f"{folder}/merged/new")


def delete(case: str, name: str, path: str, *, is_open: bool = False) -> None:
    create(name)
    DELETED.append({"case": case, "path": path, "is_open": is_open})
    os.unlink(name)


def deletions(folder: str) -> None:
    os.mkdir(f"{folder}/cwd")
    os.chdir(f"{folder}/cwd")
    delete("in the working directory", "pd-deleted-1", f"{folder}/cwd/pd-deleted-1")
    delete("above it", "../pd-deleted-2", f"{folder}/pd-deleted-2")
    os.mkdir(f"{folder}/other")
    mount("other", f"{folder}/other", "tmpfs")
    elsewhere = f"{folder}/other/pd-deleted-3"
    delete("on another file system", elsewhere, elsewhere, is_open=True)


def everything(folder: str) -> None:
    read_file("tmpfs", create(f"{folder}/f"))
    read_file("proc", "/proc/self/status")
    read_file("proc, below", "/proc/sys/kernel/ostype")
    read_file("name of 255 bytes", create(f"{folder}/{'n' * 255}"))
    os.symlink("f", f"{folder}/link")
    read_file("symbolic link", f"{folder}/link")
    os.mkdir(f"{folder}/bound")
    os.mkdir(f"{folder}/source")
    create(f"{folder}/source/f")
    mount(f"{folder}/source", f"{folder}/bound", "", MS_BIND)
    read_file("bind mount", f"{folder}/bound/f")
    read_file("source of a bind mount", f"{folder}/source/f")
    create(f"{folder}/file-target")
    mount(f"{folder}/f", f"{folder}/file-target", "", MS_BIND)
    read_file("bind mount of a file", f"{folder}/file-target")
    for name in ("levels", "full", "over", "steps", "long"):
        os.mkdir(f"{folder}/{name}")
    read_deep("44 levels", f"{folder}/levels", "d", 44)
    # A step for each name and for each mount that is crossed, such as /dev/shm.
    above = folder.split("/")[1:]
    mounts = sum(os.path.ismount("/" + "/".join(above[: i + 1])) for i in range(len(above)))
    read_deep("64 steps", f"{folder}/full", "d", STEPS - mounts - len(above) - len(["full", "f"]))
    read_deep("65 steps", f"{folder}/over", "d", STEPS - mounts - len(above) - 1, is_open=True)
    read_deep("80 levels", f"{folder}/steps", "e", 80)
    read_deep("above 4,096 bytes", f"{folder}/long", "l" * 255, 20)
    overlay(folder)
    fd = os.open(create(f"{folder}/deleted"), os.O_RDONLY)
    path = os.path.realpath(f"{folder}/deleted")
    os.unlink(path)
    read("deleted", fd, path)
    in_child(lambda: read_file("process that exits at once", f"{folder}/f"))
    os.mkdir(f"{folder}/root")
    in_child(lambda: in_chroot(f"{folder}/root"))
    without_path()
    os.close(os.open("/", os.O_RDONLY))
    deletions(folder)


def main() -> None:
    folder = os.path.realpath(sys.argv[1])
    LIBC.prctl(15, COMM, 0, 0, 0)  # PR_SET_NAME
    if LIBC.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    sys.stdin.readline()
    everything(folder)
    print(json.dumps({"read": READ, "deleted": DELETED}), flush=True)


if __name__ == "__main__":
    main()
