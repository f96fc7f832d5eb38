# SPDX-License-Identifier: Apache-2.0
"""Make known calls of the kernel from one process, and say what was passed. A script.

Run as `python -I -S -B any_workload.py FOLDER`, with a folder of its own in /dev/shm, as root;
standard library only, because it starts under emulation. It writes `{"pid", "comm"}`, then takes
one name of `WORKLOADS` a line and answers each with one line of JSON: the facts that only it can
know, such as descriptors, ports and inode numbers. What it passes otherwise are the constants
below, which tests/kernels/any_functions.py expects to see. Each run undoes what it did.
"""

# The calls themselves matter here, so pathlib does not make them:
# ruff: noqa: PTH101, PTH102, PTH104, PTH106, PTH108, PTH109, PTH115, PTH116, PTH123, PTH208, PTH211

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import mmap
import os
import resource
import select
import signal
import socket
import stat
import struct
import sys
import termios
from collections.abc import Callable, Iterator
from typing import Any

COMM, VICTIM = b"any-workload", b"oom-victim"
PROGRAM = "/bin/true"
SECTOR = 16
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
LIBC.mmap.restype = ctypes.c_void_p
LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
LIBC.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]

# Numbers that nobody else passes.
READ_BYTES = 4321
FILE_BYTES = 5000
TEXT = b"hello from user space"
FAR = 2**62 + 12345  # an offset
UID, GID = 1234567, 4000000000  # the group's is above 2^31
ABOVE_2_63 = 2**63 + 5
MAX_U64 = 2**64 - 1
XATTR = b"trusted.deck"
SYS_READ, SYS_NANOSLEEP, SYS_FCNTL, SYS_PRCTL, SYS_TGKILL = 0, 35, 72, 157, 234  # x86-64
SYS_ADD_KEY, SYS_KEYCTL, SYS_EPOLL_CTL, SYS_OPENAT = 248, 250, 233, 257
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE = 2, 4, 1 << 14, 1 << 18
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
SO_NO_CHECK, SO_MARK = 11, 36
UDP_BYTES = 333
TCP_BYTES = 2222
MARK = 0xDEADBEEF
COMPARED_BYTES = 100_000  # and more: what two tracers are to agree on


BUFFER = ctypes.create_string_buffer(2 * COMPARED_BYTES)


class Place:
    """The folder, and what is made in it."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.is_private = False

    def path(self, name: str) -> str:
        return f"{self.folder}/{name}"

    @contextlib.contextmanager
    def file(self, name: str = "data", flags: int = os.O_RDWR) -> Iterator[tuple[str, int]]:
        """Provide a file of FILE_BYTES, its path and a descriptor."""
        path = self.path(name)
        with open(path, "wb") as new:
            new.write(b"d" * FILE_BYTES)
        fd = os.open(path, flags)
        try:
            yield path, fd
        finally:
            os.close(fd)
            os.unlink(path)


def system_call(number: int, *arguments: Any) -> int:
    """Make a call by its number; return its result, or the negative errno."""
    words = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments]
    ret = LIBC.syscall(ctypes.c_long(number), *words)
    return -ctypes.get_errno() if ret == -1 else ret


def facts_of(path: str, name: str = "") -> dict[str, Any]:
    status = os.lstat(path)
    device = f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
    return {f"{name}path": os.path.realpath(path), f"{name}ino": status.st_ino, "device": device}


def reads(place: Place) -> dict[str, Any]:
    with place.file() as (path, fd):
        os.read(fd, READ_BYTES)
        with contextlib.suppress(OSError):
            os.pread(fd, 77, -5)
        os.pread(fd, 78, FAR)
        os.lseek(fd, FAR, os.SEEK_SET)
        return {"fd": fd, "flags": fcntl.fcntl(fd, fcntl.F_GETFL), **facts_of(path)}


def writes(place: Place) -> dict[str, Any]:
    with place.file() as (path, fd):
        os.write(fd, TEXT + b"\0" + b"\xff" * 100)
        os.fdatasync(fd)
        return {"fd": fd, **facts_of(path)}


def sizes(place: Place) -> dict[str, Any]:
    with place.file() as (path, fd):
        LIBC.fallocate(fd, 1, ctypes.c_long(4096), ctypes.c_long(8192))  # FALLOC_FL_KEEP_SIZE
        os.truncate(path, 777)
        with place.file("copy") as (copy, other):
            os.copy_file_range(fd, other, 300, 100, 200)
            os.lseek(fd, 0, os.SEEK_SET)
            os.sendfile(other, fd, None, 777)
            return {"copy": copy, **facts_of(path)}


def attributes(place: Place) -> dict[str, Any]:
    with place.file() as (path, _):
        os.chmod(path, 0o641)
        os.chown(path, UID, GID)
        os.utime(path, ns=(-5_000_000_000, 7_000_000_123))
        os.setxattr(path, XATTR, b"value", os.XATTR_CREATE)
        os.getxattr(path, XATTR)
        os.stat(path)
        os.access(path, os.R_OK)
        return facts_of(path)


def names(place: Place) -> dict[str, Any]:
    with place.file("first") as (first, _):
        os.mkdir(place.path("made"), 0o751)
        os.symlink("where-it-leads", place.path("link"))
        os.readlink(place.path("link"))
        os.mknod(place.path("node"), stat.S_IFCHR | 0o600, os.makedev(1, 3))
        os.link(first, place.path("second"))
        os.rename(place.path("second"), place.path("third"))
        os.listdir(place.folder)
        found = {"folder": place.folder, **facts_of(place.folder, "folder_")}
        os.rmdir(place.path("made"))
        for name in ("link", "node", "third"):
            os.unlink(place.path(name))
        return {**found, **facts_of(first)}


def opens(place: Place) -> dict[str, Any]:
    path = place.path("opened")
    fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o612)
    missing = system_call(SYS_OPENAT, -100, ctypes.c_char_p(b"/dev/shm/missing-deck"), 0, 0)
    found = {"fd": fd, "missing": missing, **facts_of(path)}
    os.close(fd)
    os.unlink(path)
    return found


def folders(place: Place) -> dict[str, Any]:
    before = os.getcwd()
    os.chdir(place.folder)
    os.chdir(before)
    return facts_of(place.folder)


def watches(place: Place) -> dict[str, Any]:
    """Rename below an inotify watch: the kernel's cookie of the rename is known from its event."""
    fd = LIBC.inotify_init1(os.O_CLOEXEC)
    path = os.fsencode(place.folder)
    watch = LIBC.inotify_add_watch(fd, ctypes.c_char_p(path), ctypes.c_uint32(0x1C0))
    with place.file("before"):
        os.rename(place.path("before"), place.path("after"))
        events = os.read(fd, 4096)
        os.rename(place.path("after"), place.path("before"))
    os.close(fd)
    return {"watch": watch, "cookie": cookie_of(events, 0x40), **facts_of(place.folder)}


def cookie_of(events: bytes, wanted: int) -> int:
    """Return the cookie of the first event with this mask (inotify(7))."""
    at = 0
    while at < len(events):
        _, mask, cookie, name_bytes = struct.unpack_from("iIII", events, at)
        if mask == wanted:
            return cookie
        at += 16 + name_bytes
    raise ValueError(f"no event {wanted:#x}")


def controls(place: Place) -> dict[str, Any]:
    with place.file() as (path, fd):
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 50, 100)
        system_call(SYS_FCNTL, fd, 1030, ABOVE_2_63)  # F_DUPFD_CLOEXEC of an impossible number
        LIBC.ioctl(fd, ctypes.c_ulong(0xDEADBEEF), ctypes.c_ulong(ABOVE_2_63))
        found = {"fd": fd, **facts_of(path)}
    with open("/dev/urandom", "rb") as device:
        LIBC.ioctl(device.fileno(), ctypes.c_ulong(0x5255), ctypes.c_ulong(0))
    return found


def pipes(place: Place) -> dict[str, Any]:
    left, right = os.pipe2(os.O_CLOEXEC)
    size = fcntl.fcntl(left, 1031, 131072)  # F_SETPIPE_SZ
    event = LIBC.eventfd(ctypes.c_uint(4000000001), os.O_CLOEXEC)
    os.write(event, struct.pack("<Q", 7))
    poll = select.epoll()
    wanted = struct.pack("<IQ", 0x80000001, ABOVE_2_63)  # EPOLLIN | EPOLLET
    system_call(SYS_EPOLL_CTL, poll.fileno(), 1, left, ctypes.c_char_p(wanted))
    found = {"left": left, "event": event, "poll": poll.fileno(), "size": size}
    poll.close()
    for fd in (left, right, event):
        os.close(fd)
    return found


def memory(place: Place) -> dict[str, Any]:
    with place.file() as (path, fd):
        address = LIBC.mmap(
            None, ctypes.c_size_t(12288), mmap.PROT_READ, mmap.MAP_PRIVATE, fd, ctypes.c_long(4096)
        )
        LIBC.munmap(address, 12288)
        return {"address": address, **facts_of(path)}


def processes(place: Place) -> dict[str, Any]:
    pid = os.getpid()
    os.kill(pid, 0)
    system_call(SYS_TGKILL, pid, 2**31 - 1, signal.SIGUSR1)  # no such thread
    os.setpriority(os.PRIO_PROCESS, 0, 5)
    os.setpriority(os.PRIO_PROCESS, 0, -3)
    os.setpriority(os.PRIO_PROCESS, 0, 0)
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {0})
    os.sched_setaffinity(0, everywhere)
    system_call(SYS_PRCTL, 999, MAX_U64, 2**63, 5, 6)
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (12345, before[1]))
    resource.setrlimit(resource.RLIMIT_CORE, before)
    pause = struct.pack("qq", 0, 1234567)
    system_call(SYS_NANOSLEEP, ctypes.c_char_p(pause), 0)
    signal.setitimer(signal.ITIMER_REAL, 1000.25, 500.5)
    signal.setitimer(signal.ITIMER_REAL, 0)
    child = os.fork()
    if child == 0:
        os._exit(7)
    os.waitpid(child, 0)
    return {"child": child, "hard": before[1] % 2**64}


def keys(place: Place) -> dict[str, Any]:
    """Ask for a key that is not there, then make one in the process's own keyring."""
    missing = system_call(SYS_KEYCTL, 6, 0x7FFFFFF0, 0, 0)  # KEYCTL_DESCRIBE
    texts = [ctypes.c_char_p(each) for each in (b"user", b"deck:key", b"payload")]
    key = system_call(SYS_ADD_KEY, *texts, 7, -2)  # KEY_SPEC_PROCESS_KEYRING
    system_call(SYS_KEYCTL, 9, key, -2)  # KEYCTL_UNLINK
    return {"missing": missing, "key": key}


def datagrams(place: Place) -> dict[str, Any]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP) as there:
        there.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP) as here:
            here.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 40000)
            here.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
            here.setsockopt(socket.SOL_SOCKET, SO_MARK, MARK - 2**32)
            here.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0xB8)
            here.bind(("127.0.0.1", 0))
            here.connect(there.getsockname())
            here.send(b"u" * UDP_BYTES)
            there.recv(4096)
            return {"port": there.getsockname()[1], "here_port": here.getsockname()[1]}


def datagrams_v6(place: Place) -> dict[str, Any]:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as there:
        there.bind(("::1", 0))
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as here:
            here.connect(there.getsockname())
            here.send(b"u" * UDP_BYTES)
            there.recv(4096)
            return {"port": there.getsockname()[1], "here_port": here.getsockname()[1]}


def connections(place: Place) -> dict[str, Any]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(7)
        with socket.socket() as here:
            here.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            here.connect(listening.getsockname())
            there, _ = listening.accept()
            listening.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                listening.accept()  # as servers do that wait for many sockets at once
            with there:
                here.send(b"t" * TCP_BYTES)
                there.recv(TCP_BYTES, socket.MSG_WAITALL)
                return {"port": listening.getsockname()[1], "here_port": here.getsockname()[1]}


def devices(place: Place) -> dict[str, Any]:
    """Ask for a device's MTU, and make a network namespace, which gets a device `lo`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16s24x", b"lo")
        answer = fcntl.ioctl(any_socket, 0x8921, asked)  # SIOCGIFMTU
    with open("/sys/class/net/lo/mtu", "rb") as attribute:
        text = attribute.read()
    before = os.open("/proc/self/ns/net", os.O_RDONLY)
    if LIBC.unshare(CLONE_NEWNET) or LIBC.setns(before, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "another network namespace")
    os.close(before)
    return {"mtu": struct.unpack_from("i", answer, 16)[0], "text_bytes": len(text)}


def mounts(place: Place) -> dict[str, Any]:
    if not place.is_private:
        place.is_private = True
        if LIBC.unshare(CLONE_NEWNS) or LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
            raise OSError(ctypes.get_errno(), "a mount namespace of its own")
    path = place.path("mounted")
    os.mkdir(path)
    before = facts_of(path)
    if LIBC.mount(b"deck-dev", os.fsencode(path), b"tmpfs", MS_NOSUID | MS_NODEV, b"size=1m"):
        raise OSError(ctypes.get_errno(), "mount")
    with open(f"{path}/inside", "wb") as inside:
        inside.write(b"i" * 99)
    mounted = facts_of(path)
    if LIBC.umount2(os.fsencode(path), 0):
        raise OSError(ctypes.get_errno(), "umount")
    os.rmdir(path)
    return {"path": before["path"], "device": mounted["device"]}


def cgroups(place: Place) -> dict[str, Any]:
    """Make a cgroup, move there and back, and remove it."""
    root = "/sys/fs/cgroup"
    path = f"{root}/deck-cg"
    os.mkdir(path, 0o751)
    for folder in (path, root):
        with open(f"{folder}/cgroup.procs", "wb", buffering=0) as members:
            members.write(b"0\n")
    os.rmdir(path)
    return {}


def settings(place: Place) -> dict[str, Any]:
    with open("/proc/sys/vm/swappiness", "rb") as setting:
        return {"value": int(setting.read())}


def terminals(place: Place) -> dict[str, Any]:
    master, slave = os.openpty()
    mode = termios.tcgetattr(slave)
    mode[1] &= ~termios.OPOST
    termios.tcsetattr(slave, termios.TCSANOW, mode)
    os.write(slave, b"to the terminal")
    os.read(master, 100)
    os.close(slave)
    os.close(master)
    return {}


def programs(place: Place) -> dict[str, Any]:
    """Run a program, end with a status, and end by a signal: three processes."""
    runs = os.fork()
    if runs == 0:
        os.execv(PROGRAM, ["true", "one", "two"])
    os.waitpid(runs, 0)
    ends = os.fork()
    if ends == 0:
        os._exit(7)
    os.waitpid(ends, 0)
    return {"runs": runs, "ends": ends, "killed": signals(place)["killed"]}


def signals(place: Place) -> dict[str, Any]:
    killed = os.fork()
    if killed == 0:
        signal.pause()
    os.kill(killed, signal.SIGUSR1)
    os.waitpid(killed, 0)
    return {"killed": killed}


def uncached(place: Place) -> dict[str, Any]:
    """Read one page of a file on a disk, when it is not in the page cache."""
    fd = os.open(__file__, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)  # no readahead
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.pread(fd, 1, 0)
    os.close(fd)
    return facts_of(__file__)


def disks(place: Place) -> dict[str, Any]:
    """Read one block of a loop device, past the page cache."""
    with place.file() as (path, backing):
        os.truncate(path, 1 << 20)
        with open("/dev/loop-control", "rb") as control:
            number = fcntl.ioctl(control, 0x4C82)  # LOOP_CTL_GET_FREE
        disk = os.open(f"/dev/loop{number}", os.O_RDWR | os.O_DIRECT)
        fcntl.ioctl(disk, 0x4C00, backing)  # LOOP_SET_FD
        with mmap.mmap(-1, 4096) as page:
            os.preadv(disk, [page], SECTOR * 512)
        fcntl.ioctl(disk, 0x4C01)  # LOOP_CLR_FD
        os.close(disk)
    return {"disk": f"loop{number}"}


def compared(place: Place) -> dict[str, Any]:
    """Make calls of five kinds with many values, and report each, for two tracers to agree on."""
    unlinked = [f"deleted {number} \u00e9" + "n" * (3 * number) for number in range(12)]
    opened, reads = [], []
    for name in unlinked:
        fd = os.open(place.path(name), os.O_CREAT | os.O_RDWR)
        opened.append([fd, place.path(name)])
        os.write(fd, b"d" * 100 * len(name))
        for at in (0, 50, 10_000):
            os.lseek(fd, at, os.SEEK_SET)
            count = COMPARED_BYTES + len(reads)
            to = BUFFER if len(reads) % 5 else 8  # every fifth to where it may not write
            reads.append([count, system_call(SYS_READ, fd, to, count)])
        os.close(fd)
        os.unlink(place.path(name))
    for path in ("/", "/pd-none", "/dev/null/below", ""):
        fd = system_call(SYS_OPENAT, -100, ctypes.c_char_p(path.encode()), 0, 0)
        opened.append([fd, path])
        if fd >= 0:
            os.close(fd)
    started = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            os.execv(PROGRAM, ["true"])
        os.waitpid(child, 0)
        started.append([child, PROGRAM])
    connected = []
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        for backlog in (5, None, 5):
            if backlog:
                listening.listen(backlog)
            for here in (socket.socket(), socket.socket()):
                with here:
                    here.bind(("127.0.0.1", 0))
                    here.connect_ex(("127.0.0.1", port if backlog else 1))  # refused: no listener
                    there = socket.htons(port if backlog else 1)
                    connected.append([here.getsockname()[1], there])
    return {
        "reads": reads,
        "unlinked": unlinked,
        "opened": opened,
        "started": started,
        "connected": connected,
    }


def out_of_memory(place: Place) -> dict[str, Any]:
    """Let a process need more memory than its cgroup may have."""
    root = "/sys/fs/cgroup"
    path = f"{root}/deck-oom"
    write(f"{root}/cgroup.subtree_control", b"+memory")
    os.mkdir(path)
    write(f"{path}/memory.max", b"16777216")
    with contextlib.suppress(FileNotFoundError):
        write(f"{path}/memory.swap.max", b"0")
    victim = os.fork()
    if victim == 0:
        LIBC.prctl(15, ctypes.c_char_p(VICTIM), 0, 0, 0)
        write(f"{path}/cgroup.procs", b"0")
        bytearray(1 << 26)
        os._exit(0)
    status = os.waitpid(victim, 0)[1]
    os.rmdir(path)
    return {"victim": victim, "status": status}


def write(path: str, text: bytes) -> None:
    with open(path, "wb", buffering=0) as file:
        file.write(text)


WORKLOADS: dict[str, Callable[[Place], dict[str, Any]]] = {
    run.__name__: run
    for run in (
        reads,
        writes,
        sizes,
        attributes,
        names,
        opens,
        folders,
        watches,
        controls,
        pipes,
        memory,
        processes,
        keys,
        datagrams,
        datagrams_v6,
        connections,
        devices,
        mounts,
        cgroups,
        settings,
        terminals,
        programs,
        signals,
        uncached,
        disks,
        compared,
        out_of_memory,
    )
}


def main(folder: str) -> None:
    LIBC.prctl(15, ctypes.c_char_p(COMM), 0, 0, 0)  # PR_SET_NAME
    os.umask(0)
    place = Place(os.path.realpath(folder))
    print(json.dumps({"pid": os.getpid(), "comm": COMM.decode()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(WORKLOADS[line.strip()](place)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
