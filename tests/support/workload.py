# SPDX-License-Identifier: Apache-2.0
"""Delete an exact number of files and report exactly which calls were made. A script.

Run as `python -I -S -B workload.py`; standard library only, because it starts under
emulation. It takes one JSON command a line and answers each with one line of JSON; the
first line it writes is `{"pid": ...}`. `tests.support.calls` starts it and reads the answers.

A call is a list in the order of `FIELDS`: bytes are hexadecimal, `name` is what the call's
pointer led to (null: unreadable), `ret` is 0 or the negative errno, `before_ns` and `after_ns`
are the wall clock around it, `in_function` says whether the kernel takes it through
`do_unlinkat` or `filename_unlinkat` (fs/namei.c: rmdir and AT_REMOVEDIR go to do_rmdir, and
flags that do not exist are refused first).

Files that no case deletes stay: the caller removes the folder.
"""

# Names are bytes here, which pathlib does not take:
# ruff: noqa: PTH101, PTH102, PTH103

from __future__ import annotations

import argparse
import ctypes
import json
import mmap
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

FIELDS = (
    *("syscall", "pid", "tid", "uid", "comm", "dfd", "name"),
    *("ret", "before_ns", "after_ns", "in_function"),
)

AT_FDCWD = -100
AT_REMOVEDIR = 0x200
PATH_MAX = 4096  # with the NUL: a path has at most 4,095 bytes
NOBODY = 65534
ABSENT_UID = 54323  # a real user id that no account of a test machine has
LARGEST_UID = 2**32 - 2
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
PR_SET_NAME = 15

LIBC = ctypes.CDLL(None, use_errno=True)
# c_void_p takes bytes as well as a number, so that calls can pass pointers of every kind.
LIBC.unlink.argtypes = [ctypes.c_void_p]
LIBC.rmdir.argtypes = [ctypes.c_void_p]
LIBC.unlinkat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
LIBC.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def set_comm(comm: bytes) -> None:
    """Rename the calling thread; the kernel keeps the first 15 bytes."""
    if LIBC.prctl(PR_SET_NAME, ctypes.c_char_p(comm), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NAME)")


def unshare(flags: int) -> None:
    if LIBC.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")


@dataclass
class Recorder:
    """Makes calls in one thread, as a caller of this name and real user, and notes each."""

    comm: bytes
    uid: int = field(default_factory=os.getuid)
    calls: list[list[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        set_comm(self.comm)
        self.comm = self.comm[:15]
        self.pid = os.getpid()
        self.tid = threading.get_native_id()

    def call(
        self,
        syscall: str,
        name: bytes | None,
        *,
        dfd: int = AT_FDCWD,
        flags: int = 0,
        address: int | None = None,
    ) -> int:
        """Make the call with `name`, or with the pointer `address` that leads to `name`."""
        pointer = name if address is None else address
        function = getattr(LIBC, syscall)
        arguments = (dfd, pointer, flags) if syscall == "unlinkat" else (pointer,)
        before_ns = time.time_ns()
        failed = function(*arguments)
        after_ns = time.time_ns()
        ret = -ctypes.get_errno() if failed else 0
        self.note(syscall, name, ret, before_ns, after_ns, dfd=dfd, flags=flags)
        return ret

    def note(
        self,
        syscall: str,
        name: bytes | None,
        ret: int,
        before_ns: int,
        after_ns: int,
        *,
        dfd: int = AT_FDCWD,
        flags: int = 0,
        **caller: int,
    ) -> None:
        who = {"pid": self.pid, "tid": self.tid, "uid": self.uid} | caller
        self.calls.append(
            [
                *(syscall, who["pid"], who["tid"], who["uid"], self.comm.hex(), dfd),
                *(None if name is None else name.hex(), ret, before_ns, after_ns),
                syscall != "rmdir" and flags == 0,
            ]
        )

    def existing(self, name: bytes, syscall: str = "unlink", **more: Any) -> None:
        """Delete a file that is there."""
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o644))
        expect(self.call(syscall, name, **more), 0)

    def missing(self, name: bytes, syscall: str = "unlink", **more: Any) -> None:
        """Delete a file that is not there."""
        expect(self.call(syscall, name, **more), -2)


def expect(ret: int, wanted: int) -> None:
    """Raised, and ends the workload, when a call did not do what its case is about."""
    if ret != wanted:
        raise RuntimeError(f"the call returned {ret}, wanted {wanted}")


def fork_and_record(body: Callable[[], list[list[Any]]]) -> tuple[int, list[list[Any]]]:
    """Run `body` in a child process; the child's id as seen here, and the calls it made."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        with os.fdopen(writer, "w") as stream:
            json.dump(body(), stream)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    if os.waitpid(child, 0)[1] != 0:
        raise RuntimeError("a child process failed")
    return child, json.loads(text)


def run_in_threads(count: int, body: Callable[[int], list[list[Any]]]) -> list[list[Any]]:
    """Run `body(number)` in this many threads, released together; return their calls by thread."""
    barrier = threading.Barrier(count)
    results: dict[int, list[list[Any]]] = {}

    def run(number: int) -> None:
        barrier.wait()
        results[number] = body(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        # With a time-out: the kernel may give SIGUSR1 to another thread, which does not wake this
        # one, and Python runs handlers in this one only.
        while thread.is_alive():
            thread.join(0.1)
    # A thread that failed has printed its traceback and left no result.
    return [call for number in range(count) for call in results[number]]


# --- The cases: every way to name a file, to fail and to call ---


def results(recorder: Recorder, base: bytes) -> None:
    """Make every syscall, and provoke every result that has a cause of its own."""
    recorder.existing(base + b"/existing")
    recorder.existing(base + b"/existing-at", "unlinkat")
    recorder.missing(base + b"/missing")
    recorder.missing(base + b"/missing-at", "unlinkat")
    os.mkdir(base + b"/full")
    os.close(os.open(base + b"/full/file", os.O_CREAT, 0o644))
    expect(recorder.call("unlink", base + b"/full"), -21)  # EISDIR
    expect(recorder.call("rmdir", base + b"/full"), -39)  # ENOTEMPTY
    expect(recorder.call("unlink", base + b"/full/file/x"), -20)  # ENOTDIR
    for syscall, flags in (("rmdir", 0), ("unlinkat", AT_REMOVEDIR)):
        os.mkdir(base + b"/empty")
        expect(recorder.call(syscall, base + b"/empty", flags=flags), 0)
        expect(recorder.call(syscall, base + b"/empty", flags=flags), -2)
    expect(recorder.call("unlinkat", base + b"/full", flags=1), -22)  # EINVAL: no such flag


def relative_names(recorder: Recorder, base: bytes) -> None:
    """Names relative to a directory descriptor and to the working directory."""
    folder = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
    os.chdir(base)
    recorder.existing(b"at-dfd", "unlinkat", dfd=folder)
    recorder.missing(b"at-dfd", "unlinkat", dfd=folder)
    recorder.missing(b"full/../at-dfd", "unlinkat", dfd=folder)
    recorder.existing(b"at-cwd")
    recorder.missing(b"./at-cwd", "unlinkat")
    recorder.existing(base + b"/absolute", "unlinkat", dfd=folder)
    recorder.existing(base + b"/absolute", "unlinkat", dfd=-1)  # an absolute name needs none
    expect(recorder.call("unlinkat", b"relative", dfd=-5), -9)  # EBADF
    expect(recorder.call("unlinkat", b"relative", dfd=2**31 - 1), -9)
    os.mkdir(b"d")
    expect(recorder.call("unlinkat", b"d", dfd=folder, flags=AT_REMOVEDIR), 0)
    os.chdir("/")
    os.close(folder)


def name_lengths(recorder: Recorder, base: bytes) -> None:
    """Single names around every size at which a kernel or a record changes its way."""
    os.chdir(base)
    for length in (1, 2, 15, 16, 31, 32, 63, 64, 65, 127, 128, 129, 191, 192, 193, 254, 255):
        recorder.existing(b"n" * length)
        recorder.missing(b"m" * length, "unlinkat")
    expect(recorder.call("unlink", b"n" * 256), -36)  # ENAMETOOLONG, but the name was read
    os.chdir("/")


def path_of(base: bytes, length: int) -> bytes:
    """A path of exactly `length` bytes that leads to the file `f` in `base`."""
    rest = length - len(base) - len(b"/f")
    return base + b"/" * (rest % 2) + b"/." * (rest // 2) + b"/f"


def path_lengths(recorder: Recorder, base: bytes) -> None:
    """Whole paths up to the 4,095 bytes the kernel takes, and beyond."""
    around = [size + more for size in (256, 512, 1024, 2048, 4080) for more in (-1, 0, 1)]
    for length in (*around, PATH_MAX - 2, PATH_MAX - 1):
        recorder.existing(path_of(base, length))
        recorder.missing(path_of(base, length), "unlinkat")
    # Only the last byte differs: a truncated name would appear twice.
    recorder.missing(path_of(base, PATH_MAX - 1)[:-1] + b"g")
    for length in (PATH_MAX, PATH_MAX + 1, 2 * PATH_MAX):
        expect(recorder.call("unlink", path_of(base, length)), -36)  # ENAMETOOLONG: not read
    expect(recorder.call("rmdir", path_of(base, PATH_MAX)), -36)


HOSTILE_NAMES = (
    *(b"\xff\xfe\x80", b"caf\xe9", b"\xc3", b"x\xc3", b"\xe2\x82", b"\xf0\x9f\x98x", b"\xc0\xaf"),
    *(b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"ok\xffok\xfe\xc3\xa9"),
    *("é".encode(), "日本語😀".encode(), "\u202egnp.exe".encode(), "a\u2028b\u2029c".encode()),
    *("\ufeffbom".encode(), "\uffff\ufffe".encode(), "\U0010ffff".encode(), "e\u0301".encode()),
    *(b"line\nline", b"tab\tcr\rbell\x07", b"\x1b[31mred\x1b[0m", b"\x7f\x01\x1f", b"\xc2\x85"),
    *(b'"quoted"', b"it's", b"back\\slash", b"\\xff", b"\\", b"\\n", b"%s%n", b"$(id)", b" "),
    *(b"<img src=x onerror=alert(1)>", b"&lt;", b"null", b"None", b"-rf", b"a,b;c|d", b"{}[]"),
    "é".encode() * 2047 + b"x",  # 4,095 bytes: the end of a name cut short is half a character
    b"x" + "é".encode() * 2047,
    b"\xff" * 4095,  # four times as long as text
    b"\\" * 4095,
    b'"' * 4095,  # twice as long in JSON
    b"\x01" * 4095,  # six times as long in JSON
)


def hostile_names(recorder: Recorder, base: bytes) -> None:
    """Use names that are not UTF-8, or that look like markup, code or escapes."""
    os.chdir(base)
    for name in HOSTILE_NAMES:
        if len(name) <= 255:
            recorder.existing(name)
            recorder.missing(name, "unlinkat")
        else:
            expect(recorder.call("unlink", name), -36)
    os.chdir("/")


def pointers(recorder: Recorder, base: bytes) -> None:
    """Pointers to nothing, to the end of what is mapped, and to memory not yet paged in."""
    os.chdir(base)
    expect(recorder.call("unlink", b""), -2)
    expect(recorder.call("unlinkat", b""), -2)
    for address in (0, 1, 2**47 - 1, 2**64 - mmap.PAGESIZE, 0xDEAD000000000000):
        expect(recorder.call("unlink", None, address=address), -14)  # EFAULT
        expect(recorder.call("unlinkat", None, address=address), -14)

    page = mmap.PAGESIZE
    with mmap.mmap(-1, 2 * page) as memory:
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        if LIBC.mprotect(start + page, page, 0):
            raise OSError(ctypes.get_errno(), "mprotect")
        for length in (1, 64, 255):
            name = b"e" * length  # its NUL is the last byte before memory that may not be read
            memory[page - length - 1 : page] = name + b"\0"
            expect(recorder.call("unlink", name, address=start + page - length - 1), -2)
        memory[page - 8 : page] = b"e" * 8  # no NUL before the end
        expect(recorder.call("unlink", None, address=start + page - 8), -14)

    # The name is in the page cache, but this process has not touched its page: BPF, which cannot
    # wait for a page fault, cannot read it before the kernel has.
    cold = (base + b"/cold", b"c" * 255, path_of(base, PATH_MAX - 1))
    memory_file = os.memfd_create("names")
    for name in cold:
        os.ftruncate(memory_file, 0)
        os.ftruncate(memory_file, 3 * page)
        for offset in (0, page - len(name) // 2):  # within its pages, and across a border
            os.pwrite(memory_file, name + b"\0", offset)
            with mmap.mmap(memory_file, 3 * page) as memory:
                start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
                expect(recorder.call("unlink", name, address=start + offset), -2)
    os.close(memory_file)
    os.chdir("/")


COMMS = (
    *(b"", b"s", b"second", b"exactly15bytes!", b"sixteen bytes!!!", b"with space "),
    *(b"\xff\xfecomm", b"14 ascii byte\xc3\xa9", b"14 ascii bytes\xc3\xa9", "名前".encode()),
    *(b"\"\\'\n", b"\x1b[31m", b"%s%n", b"a\tb\rc", "\u202eabc".encode()),
)


def comms(recorder: Recorder, base: bytes) -> None:
    """Threads named in every way; the last byte may be half of a character."""
    for comm in COMMS:
        other = Recorder(comm)
        other.missing(base + b"/comm")
        other.missing(base + b"/comm", "unlinkat")
        recorder.calls += other.calls
    set_comm(recorder.comm)


def users(recorder: Recorder, base: bytes) -> None:
    """Other users, forbidden to delete; real and effective user not the same."""
    closed, sticky = base + b"/closed", base + b"/sticky"
    for folder, mode in ((closed, 0o755), (sticky, 0o1777)):
        os.mkdir(folder)
        os.chmod(folder, mode)
        os.close(os.open(folder + b"/file", os.O_CREAT, 0o666))

    def forbidden() -> list[list[Any]]:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        nobody = Recorder(b"nobody")
        expect(nobody.call("unlink", closed + b"/file"), -13)  # EACCES
        expect(nobody.call("unlinkat", closed + b"/file"), -13)
        expect(nobody.call("unlink", sticky + b"/file"), -1)  # EPERM
        nobody.existing(sticky + b"/own")
        return nobody.calls

    def with_real_uid(uid: int) -> Callable[[], list[list[Any]]]:
        def body() -> list[list[Any]]:
            os.setresuid(uid, 0, 0)
            other = Recorder(b"realuid")
            other.existing(base + b"/realuid")
            other.missing(base + b"/realuid", "unlinkat")
            return other.calls

        return body

    for child in (forbidden, with_real_uid(ABSENT_UID), with_real_uid(LARGEST_UID)):
        recorder.calls += fork_and_record(child)[1]


def namespaces(recorder: Recorder, base: bytes) -> None:
    """Call from namespaces whose process and user ids differ from the kernel's own."""
    outer_uid = os.getuid()

    def inner() -> list[list[Any]]:
        expect(-os.getpid(), -1)  # the first process of its namespace
        caller = Recorder(b"namespaces", uid=outer_uid)
        caller.missing(base + b"/namespaces")
        caller.missing(base + b"/namespaces", "unlinkat")
        return caller.calls

    def outer() -> list[list[Any]]:
        unshare(CLONE_NEWUSER | CLONE_NEWPID)
        pid, calls = fork_and_record(inner)
        position = FIELDS.index("pid")
        for call in calls:
            call[position : position + 2] = [pid, pid]
        return calls

    recorder.calls += fork_and_record(outer)[1]


def short_lived(recorder: Recorder, base: bytes) -> None:
    """Run processes that make one call and end."""
    for number in range(20):
        name = base + b"/short-lived-%d" % number
        exists = number % 2 == 0
        if exists:
            os.close(os.open(name, os.O_CREAT, 0o644))
        before_ns = time.time_ns()
        child = os.fork()
        if child == 0:
            failed = LIBC.unlink(name)
            os._exit(ctypes.get_errno() if failed else 0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        expect(-status, 0 if exists else -2)
        recorder.note("unlink", name, -status, before_ns, time.time_ns(), pid=child, tid=child)


def several_threads(recorder: Recorder, base: bytes) -> None:
    """Threads that delete at once, each file its own."""

    def body(number: int) -> list[list[Any]]:
        thread = Recorder(b"thread-%d" % number)
        for step in range(25):
            thread.existing(base + b"/thread-%d-%d" % (number, step))
            thread.missing(base + b"/thread-%d-%d-" % (number, step) + b"t" * step, "unlinkat")
        return thread.calls

    recorder.calls += run_in_threads(8, body)


def run_cases(base: bytes, comm: bytes) -> dict[str, Any]:
    recorder = Recorder(comm)
    for case in (
        *(results, relative_names, name_lengths, path_lengths, hostile_names, pointers),
        *(comms, users, namespaces, short_lived, several_threads),
    ):
        case(recorder, base)
    return {"calls": recorder.calls}


# --- Many: for exact counts, for reuse of the kernel's name buffers, for floods ---


def run_plain(base: bytes, comm: bytes, rounds: int, threads: int) -> dict[str, Any]:
    """Each round deletes one existing and one missing file; names of every length, never twice.

    With pauses: no ring holds thousands of page-long names at once.
    """

    def body(number: int) -> list[list[Any]]:
        thread = Recorder(comm)
        for step in range(rounds):
            name = base + b"/%d-%d-" % (number, step)
            thread.existing(name + b"p" * (step % 200))
            # As long as a page: before Linux 7.0 the kernel's buffer of a name is given back
            # before the call returns, and the next call of any thread takes that buffer.
            thread.missing(path_of(name, 250 + step * 37 % 3800), "unlinkat")
            if step % 10 == 9:
                time.sleep(0.02)
        return thread.calls

    return {"calls": run_in_threads(threads, body)}


STOP = threading.Event()  # set by SIGUSR1


def on_stop(number: int, frame: FrameType | None) -> None:
    STOP.set()


def run_flood(
    base: bytes,
    comm: bytes,
    *,
    count: int,
    name_bytes: int,
    threads: int,
    pause_every: int = 0,
) -> dict[str, Any]:
    """Missing files as fast as it can, until each thread made `count` calls or SIGUSR1 comes.

    Names are `base/THREAD-NUMBER-` filled to `name_bytes`, numbers from 0 without a hole. With
    `pause_every`, a thread sleeps for a moment after so many calls. Tells how many were made.
    """

    def body(number: int) -> list[list[Any]]:
        set_comm(comm)
        prefix = base + b"/%d-" % number
        made = 0
        while made < count and not STOP.is_set():
            name = (prefix + b"%d-" % made).ljust(name_bytes, b"f")
            if LIBC.unlink(name) == 0:
                raise RuntimeError("a file of the flood was there")
            made += 1
            if pause_every and made % pause_every == 0:
                time.sleep(0.005)
        return [[threading.get_native_id(), made]]

    made = run_in_threads(threads, body)
    STOP.clear()  # not before: the signal may be there sooner than this command was read
    return {"made": dict(made)}


def run_matrix(base: bytes, comm: bytes, sentinel: str) -> dict[str, Any]:
    """Callers that differ from this process in each way a filter can tell, and in several.

    The last call is the sentinel: it fails, and passes every filter that is set to this
    process' id, real user and name.
    """

    def body(name: bytes, real_uid: int) -> Callable[..., list[list[Any]]]:
        def calls(number: int = 0) -> list[list[Any]]:
            if real_uid != os.getuid():
                os.setresuid(real_uid, 0, 0)
            caller = Recorder(name)
            caller.existing(base + b"/matrix")
            caller.missing(base + b"/matrix")
            caller.existing(base + b"/matrix", "unlinkat")
            caller.missing(base + b"/matrix", "unlinkat")
            os.mkdir(base + b"/matrix")
            expect(caller.call("rmdir", base + b"/matrix"), 0)
            expect(caller.call("rmdir", base + b"/matrix"), -2)
            return caller.calls

        return calls

    own_uid = os.getuid()
    # On one CPU, a short name right after a long one, of which no byte may show.
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(everywhere)})
    made = body(b"longer-than-all", own_uid)()
    made += body(comm, own_uid)()
    os.sched_setaffinity(0, everywhere)
    # A name with ours as prefix, a prefix of ours, one in another case, and an empty one.
    for name in (comm, comm + b"x", comm[:-1], comm.swapcase(), b""):
        calls = body(name, own_uid)
        made += calls()
        made += run_in_threads(1, calls)
        for uid in (own_uid, ABSENT_UID):
            made += fork_and_record(body(name, uid))[1]
    last = Recorder(comm)
    last.missing(base + b"/" + sentinel.encode())
    return {"calls": made + last.calls}


COMMANDS: dict[str, Callable[..., dict[str, Any]]] = {
    "cases": run_cases,
    "plain": run_plain,
    "flood": run_flood,
    "matrix": run_matrix,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uid", type=int, default=0, help="real user id")
    parser.add_argument("--comm", default="workload", help="name of the thread")
    options = parser.parse_args()
    comm = options.comm.encode()
    os.setresuid(options.uid, 0, 0)
    set_comm(comm)
    signal.signal(signal.SIGUSR1, on_stop)
    os.umask(0o022)
    print(json.dumps({"pid": os.getpid()}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        run = COMMANDS[command.pop("run")]
        base = command.pop("base").encode()
        os.makedirs(base, exist_ok=True)
        print(json.dumps(run(base, comm, **command)), flush=True)
        set_comm(comm)


if __name__ == "__main__":
    main()
