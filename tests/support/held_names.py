# SPDX-License-Identifier: Apache-2.0
"""Block deletions in the kernel and overwrite their names during the calls. A script.

Threads delete names on a FUSE file system served by this very process, which answers none of
them until all threads are in their call and every buffer that held a name has other bytes,
and half of them are unmapped. Then all fail with ENOENT. So a tracer that reads the name at return
shows another one, or none.

The first command is `{"sizes": [N, ...], "prefix": "..."}`: a thread for each size of a name in
bytes. When all are in their call the answer is `{"held": true}`. Then comes `{}`, or
`{"passers": N}`: so many short-lived threads, one after the other, delete a name each, elsewhere;
then `{"passed": N}` and the next command; or `{"kill": true}`: the process that made the calls, a
child of this one in that case (`"child": true` in the first command), is killed in them. The last
answer is `{"pid": ..., "names": {tid: name in hexadecimal}}`, names being relative
to the working directory. The file system is mounted in a namespace of this process only and
goes with it. Standard library only.
"""

from __future__ import annotations

import _thread
import ctypes
import json
import mmap
import os
import signal
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


def answer(**members: object) -> None:
    print(json.dumps(members), flush=True)


def command() -> dict[str, object]:
    return json.loads(sys.stdin.readline())


def pass_by(count: int) -> None:
    """So many threads, one after the other, each of which makes one call and ends."""
    name = b"/run/pd-passer-%d" % os.getpid()
    ended = threading.Semaphore(0)

    def delete() -> None:
        LIBC.unlink(name)
        ended.release()

    for _ in range(count):
        _thread.start_new_thread(delete, ())
        ended.acquire()


def obey_until_release() -> None:
    answer(held=True)
    while wish := command():
        pass_by(int(str(wish["passers"])))
        answer(passed=wish["passers"])


def hold_in_child(place: bytes, sizes: list[int], prefix: str) -> dict[str, object]:
    """Calls of a child process that is killed in them."""
    release = threading.Event()
    device = mount_fuse(place)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.chdir(place)
        for name in names_of(sizes, prefix):
            threading.Thread(target=LIBC.unlink, args=(name,), daemon=True).start()
        tids = [int(task.name) for task in Path("/proc/self/task").iterdir()]
        tids.remove(os.getpid())
        while not all(map(blocked_in_call, tids)):
            time.sleep(0.01)
        os.write(writer, b".")
        signal.pause()
    # Only now: fork copies no thread, so a server started earlier would not run in the child.
    threading.Thread(target=serve, args=(device, release), daemon=True).start()
    os.read(reader, 1)
    answer(held=True)
    command()
    os.kill(child, signal.SIGKILL)
    release.set()
    os.waitpid(child, 0)
    return {"pid": child, "names": {}}


def names_of(sizes: list[int], prefix: str) -> list[bytes]:
    """A name of each size, made of "./" in front: a single component is at most 255 bytes long."""
    names = []
    for number, name_bytes in enumerate(sizes):
        name = f"{prefix}{number}-".encode()
        names.append((b"./" * ((name_bytes - len(name)) // 2) + name).ljust(name_bytes, b"h"))
    return names


def hold(place: bytes, sizes: list[int], prefix: str) -> dict[str, object]:
    release = threading.Event()
    device = mount_fuse(place)
    server = threading.Thread(target=serve, args=(device, release), daemon=True)
    server.start()
    os.chdir(place)

    memory_bytes = 2 * mmap.PAGESIZE
    memories, tids = [], {}
    threads = len(sizes)
    names = names_of(sizes, prefix)
    for name in names:
        address = LIBC.mmap(None, ctypes.c_size_t(memory_bytes), 3, 0x22, -1, ctypes.c_long(0))
        ctypes.memmove(address, name + b"\0", len(name) + 1)
        memories.append(address)

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
    obey_until_release()
    release.set()
    for caller in callers:
        caller.join()
    os.chdir("/")
    return {"pid": os.getpid(), "names": {tids[n]: names[n].hex() for n in range(threads)}}


def main() -> None:
    place = os.fsencode(sys.argv[1])
    answer(pid=os.getpid())
    wish = command()
    held = hold_in_child if wish.pop("child", False) else hold
    answer(**held(place, **wish))
    # The mount goes with the namespace, whose last process this is; the server ends with it.
    os._exit(0)


if __name__ == "__main__":
    main()
