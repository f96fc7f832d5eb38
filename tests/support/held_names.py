# SPDX-License-Identifier: Apache-2.0
"""Deletions held up in the kernel, whose names are overwritten meanwhile. A script.

Threads delete names on a FUSE file system served by this very process, which answers none of
them until all threads are in their call and every buffer that held a name has other bytes,
and half of them are unmapped. Then all fail with ENOENT. So a tracer that reads the name at return
shows another one, or none.

The one command is `{"sizes": [N, ...], "prefix": "..."}`: a thread for each size of a name in
bytes. The answer is `{"pid": ..., "names": {tid: name in hexadecimal}}`, names being relative
to the working directory. The file system is mounted in a namespace of this process only and
goes with it. Standard library only.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import struct
import sys
import threading
import time
from pathlib import Path

CLONE_NEWNS = 0x20000
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE = 0x2, 0x4, 0x4000, 0x40000

# uapi/linux/fuse.h
FUSE_LOOKUP, FUSE_FORGET, FUSE_INIT, FUSE_BATCH_FORGET = 1, 2, 26, 42
IN_HEADER = struct.Struct("=IIQQIIIHH")
OUT_HEADER = struct.Struct("=IiQ")
# Protocol 7.19 and its 24-byte answer: the oldest that every kernel still speaks.
INIT_ANSWER = struct.pack("=IIIIHHI", 7, 19, 0, 0, 0, 0, 4096)
REQUEST_BYTES = 1 << 17
ENOENT, ENOSYS = 2, 38

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.unlink.argtypes = [ctypes.c_void_p]
LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
LIBC.mmap.restype = ctypes.c_void_p


def checked(failed: int, what: str) -> None:
    if failed:
        raise OSError(ctypes.get_errno(), what)


def mount_fuse(place: bytes) -> int:
    """Mount a FUSE file system for this process only; its descriptor."""
    checked(LIBC.unshare(CLONE_NEWNS), "unshare")
    checked(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount private")
    device = os.open("/dev/fuse", os.O_RDWR)
    options = b"fd=%d,rootmode=40000,user_id=0,group_id=0" % device
    checked(LIBC.mount(b"held", place, b"fuse", MS_NOSUID | MS_NODEV, options), "mount fuse")
    return device


def serve(device: int, release: threading.Event) -> None:
    """Answer look-ups with ENOENT, once `release` is set; nothing else exists here either."""
    while True:
        try:
            request = os.read(device, REQUEST_BYTES)
        except OSError:
            return  # unmounted
        _, operation, unique, *_ = IN_HEADER.unpack_from(request)
        if operation in (FUSE_FORGET, FUSE_BATCH_FORGET):
            continue  # these have no answer
        if operation == FUSE_INIT:
            error, answer = 0, INIT_ANSWER
        else:
            if operation == FUSE_LOOKUP:
                release.wait()
            error, answer = -ENOENT if operation == FUSE_LOOKUP else -ENOSYS, b""
        os.write(device, OUT_HEADER.pack(OUT_HEADER.size + len(answer), error, unique) + answer)


def blocked_in_call(tid: int) -> bool:
    """Whether this thread sleeps in a system call with the address of a name of ours."""
    return Path(f"/proc/self/task/{tid}/syscall").read_text().split()[0] in UNLINK_NUMBERS


UNLINK_NUMBERS = {"87", "263", "35"}  # unlink and unlinkat, x86-64; unlinkat, arm64


def hold(place: bytes, sizes: list[int], prefix: str) -> dict[str, object]:
    release = threading.Event()
    device = mount_fuse(place)
    server = threading.Thread(target=serve, args=(device, release), daemon=True)
    server.start()
    os.chdir(place)

    memory_bytes = 2 * mmap.PAGESIZE
    memories, names, tids = [], [], {}
    threads = len(sizes)
    for number, name_bytes in enumerate(sizes):
        address = LIBC.mmap(None, ctypes.c_size_t(memory_bytes), 3, 0x22, -1, ctypes.c_long(0))
        name = f"{prefix}{number}-".encode()
        # Made of "./" in front: a single component is at most 255 bytes long.
        name = (b"./" * ((name_bytes - len(name)) // 2) + name).ljust(name_bytes, b"h")
        ctypes.memmove(address, name + b"\0", name_bytes + 1)
        memories.append(address)
        names.append(name)

    def delete(number: int) -> None:
        tids[number] = threading.get_native_id()
        if LIBC.unlink(memories[number]) == 0 or ctypes.get_errno() != ENOENT:
            raise RuntimeError("the deletion did not fail as it must")

    callers = [threading.Thread(target=delete, args=(number,)) for number in range(threads)]
    for caller in callers:
        caller.start()
    while len(tids) < threads or not all(map(blocked_in_call, tids.values())):
        time.sleep(0.01)
    for number, address in enumerate(memories):
        ctypes.memmove(address, b"overwritten\0", 12)
        if number % 2:
            checked(LIBC.munmap(address, memory_bytes), "munmap")
    release.set()
    for caller in callers:
        caller.join()
    os.chdir("/")
    return {"pid": os.getpid(), "names": {tids[n]: names[n].hex() for n in range(threads)}}


def main() -> None:
    place = os.fsencode(sys.argv[1])
    print(json.dumps({"pid": os.getpid()}), flush=True)
    command = json.loads(sys.stdin.readline())
    print(json.dumps(hold(place, **command)), flush=True)
    # The mount goes with the namespace, whose last process this is; the server ends with it.
    os._exit(0)


if __name__ == "__main__":
    main()
