# SPDX-License-Identifier: Apache-2.0
"""Calls that nest, block, or never return. A script; standard library only.

Run as `python -I -S -B frame_calls.py FOLDER`, as root, with a folder in /dev/shm. Each line is a
command, one of `COMMANDS` and numbers, and has an answer of one line of JSON. Mounts are in a
namespace of this process and go with it.
"""

# The calls themselves matter here, so pathlib does not make them:
# ruff: noqa: PTH102, PTH108

from __future__ import annotations

import _thread
import ctypes
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

COMM = b"pd-frames"
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000
BLOCKED_BYTES = 54_321
FAILS = "mounted-on"  # a file of the upper layer that cannot be deleted: EBUSY
LIBC = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    texts = [os.fsencode(each) for each in (source, target, kind)]
    if LIBC.mount(*texts, ctypes.c_ulong(flags), os.fsencode(options)):
        raise OSError(ctypes.get_errno(), f"mount {target}")


def create(path: str) -> str:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    return path


def mount_overlay(folder: str) -> str:
    for name in ("lower", "upper", "work", "merged"):
        os.mkdir(f"{folder}/{name}")
    layers = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
    mount("overlay", f"{folder}/merged", "overlay", 0, layers)
    return f"{folder}/merged"


def delete(folder: str, threads: int, files: int) -> dict[str, Any]:
    """Delete files of an overlayfs in this many threads at once."""
    tids = []
    ready = threading.Barrier(threads)

    def body(number: int) -> None:
        names = [create(f"{folder}/merged/{number}-{n}") for n in range(files)]
        tids.append(threading.get_native_id())
        ready.wait()
        for name in names:
            os.unlink(name)

    callers = [threading.Thread(target=body, args=(number,)) for number in range(threads)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return {"tids": tids}


def fail(folder: str) -> dict[str, Any]:
    """Delete a file that is mounted on in the upper layer: the inner call fails, too."""
    create(f"{folder}/merged/{FAILS}")
    upper = f"{folder}/upper/{FAILS}"
    mount(create(f"{folder}/file"), upper, "", MS_BIND)
    error = 0
    try:
        os.unlink(f"{folder}/merged/{FAILS}")
    except OSError as failure:
        error = failure.errno or 0
    return {"tid": os.getpid(), "errno": error}


def block(_folder: str, passers: int) -> dict[str, Any]:
    """Let a read wait while this many short-lived threads read, one after the other."""
    reader, writer = os.pipe()
    begun = time.monotonic_ns()
    reading = threading.Thread(target=os.read, args=(reader, BLOCKED_BYTES))
    reading.start()
    state = Path(f"/proc/self/task/{reading.native_id}/syscall")
    while state.read_text().split()[0] != "0":  # read, x86-64
        time.sleep(0.01)
    entered = time.monotonic_ns()
    null = os.open("/dev/null", os.O_RDONLY)
    ended = threading.Semaphore(0)

    def read() -> None:
        os.read(null, 1)
        ended.release()

    for _ in range(passers):
        _thread.start_new_thread(read, ())
        ended.acquire()
    released = time.monotonic_ns()
    os.write(writer, b"x")
    reading.join()
    took = time.monotonic_ns()
    return {
        "tid": reading.native_id,
        "least_ns": released - entered,
        "most_ns": took - begun,
    }


def die(_folder: str, threads: int) -> dict[str, Any]:
    """Kill a process with so many threads, itself included."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        for _ in range(threads - 1):
            threading.Thread(target=signal.pause, daemon=True).start()
        os.write(writer, b"x")
        signal.pause()
    os.read(reader, 1)
    while len(os.listdir(f"/proc/{child}/task")) < threads:  # noqa: PTH208
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reader)
    os.close(writer)
    return {"pid": child}


COMMANDS = {"delete": delete, "fail": fail, "block": block, "die": die}


def main() -> None:
    folder = sys.argv[1]
    LIBC.prctl(15, COMM, 0, 0, 0)  # PR_SET_NAME
    if LIBC.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    try:
        mount_overlay(folder)
    except OSError as error:
        print(json.dumps({"overlay": str(error)}), flush=True)
    else:
        print(json.dumps({"overlay": None}), flush=True)
    for line in sys.stdin:
        name, *numbers = line.split()
        print(json.dumps(COMMANDS[name](folder, *map(int, numbers))), flush=True)


if __name__ == "__main__":
    main()
