# SPDX-License-Identifier: Apache-2.0
"""Functions, system calls and tracepoints by the types that they take and return: what to ask
for, which known call to make, and what each column must show.

A case runs a workload of tests/support/any_workload.py. Of the rows of its process, those that
match the case's key are its calls. Expected values are constants, or functions of the facts that
the workload reports. tests/kernels/test_any_functions.py checks them in every mode;
tests/kernels/test_any_names.py checks that the functions exist and that the workload calls them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.any_workload import (
    ABOVE_2_63,
    COMM,
    FAR,
    FILE_BYTES,
    GID,
    MARK,
    MAX_U64,
    READ_BYTES,
    TCP_BYTES,
    TEXT,
    UDP_BYTES,
    UID,
)

Facts = Mapping[str, Any]
MAX_S64 = 2**63 - 1
FUNCTION, SYSCALL, TRACEPOINT = "function", "syscall", "tracepoint"


@dataclass(frozen=True)
class Enumerator:
    """An enum's value: shown by its name, or as the number that has this name."""

    name: str
    number: int


@dataclass(frozen=True)
class OneOf:
    """Values of which a kernel has one."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Case:
    """A target with the columns to ask for: column -> (expression, what it must show).

    `names` are candidates, by kernel. `key` are the columns that find the case's own calls among
    those of the workload, `times` of them (None: one or more). `ret` and `errno` are what modes
    that see the return must show; `ret` of ANYTHING is not compared, and NOTHING says that there
    is no such column. `words` are the words of the arguments, and `by_value` says that one is a
    struct: before Linux 6.6 trampolines take 6 words, and before 6.1 no struct.
    """

    names: tuple[str, ...]
    workload: str
    columns: Mapping[str, tuple[str, Any]]
    key: tuple[str, ...]
    ret: Any = None
    errno: Any = None
    times: int | None = 1
    words: int = 0
    by_value: bool = False
    kind: str = FUNCTION
    id: str = field(default="")

    @property
    def label(self) -> str:
        return self.id or f"{self.names[0]}-{self.workload}".replace(":", "-")


class ANYTHING:
    """A return value that is not compared, such as an address."""


class NOTHING:
    """The function returns nothing: there is no column."""


def fact(name: str) -> Callable[[Facts], Any]:
    return lambda facts: facts[name]


def in_file_system(facts: Facts) -> str:
    """The folder of `path`, from the root of the file system at /dev/shm.

    Its mount is not known: neither the process's folder nor its root is on that file system.
    """
    return "…" + str(facts["path"].rpartition("/")[0].removeprefix("/dev/shm"))


def inode(number: str = "ino") -> Callable[[Facts], str]:
    return lambda facts: f"{facts[number]} on {facts['device']}"


def folder(name: str) -> Callable[[Facts], str]:
    return lambda facts: f"{facts['folder']}/{name}"


def swapped(port: str) -> Callable[[Facts], int]:
    """A port in network order, as a little-endian machine reads it."""
    return lambda facts: facts[port] >> 8 | (facts[port] & 0xFF) << 8


def here_to_there(facts: Facts) -> str:
    return f"127.0.0.1:{facts['here_port']} -> 127.0.0.1:{facts['port']}"


def there_to_here(facts: Facts) -> str:
    return f"127.0.0.1:{facts['port']} -> 127.0.0.1:{facts['here_port']}"


def address(facts: Facts) -> str:
    return f"127.0.0.1:{facts['port']}"


def this_task(facts: Facts) -> str:
    return f"{COMM.decode()} ({facts['pid']})"


FILES = (
    Case(
        ("vfs_read",),
        "reads",
        {
            "file": ("file", fact("path")),  # without a renderer: the absolute path
            "path": ("path(file)", fact("path")),
            "count": ("count", READ_BYTES),  # u64
            "name": ("file->f_path.dentry->d_name", "data"),  # qstr
            "dentry": ("file->f_path.dentry", "data"),
            "string": ("file->f_path.dentry->d_name.name", "data"),  # kernel string
            "inode": ("file->f_inode", inode()),
            "ino": ("file->f_inode->i_ino", fact("ino")),
            "superblock": ("file->f_inode->i_sb", fact("device")),
            "size": ("file->f_inode->i_size", FILE_BYTES),  # s64
            "bits": ("file->f_inode->i_mode", 0o100666),  # u16
        },
        key=("count",),
        ret=READ_BYTES,
    ),
    Case(
        ("vfs_read",),
        "reads",
        {
            "count": ("count", READ_BYTES),
            "dots": ("file.f_path.dentry.d_name.name", "data"),  # `.` is `->`
            "flags": ("hex(file->f_flags)", fact("flags")),  # u32
            "owner": ("file->f_inode->i_uid.val", 0),
            "links": ("file->f_inode->i_nlink", 1),  # const, in a union without a name
            "parent": ("path(file->f_path.dentry->d_parent)", in_file_system),
            "letters": ("bytes(file->f_path.dentry->d_name.name, 4)", b"data".hex()),
        },
        key=("count",),
        ret=READ_BYTES,
        id="vfs_read-fields",
    ),
    Case(
        ("vfs_write",),
        "writes",
        {
            "path": ("path(file)", fact("path")),
            "buf": ("buf", TEXT.decode()),  # user memory, up to the NUL
            "start": ("str(buf, 5)", TEXT[:5].decode() + "…"),
            "octets": ("bytes(buf, 3)", TEXT[:3].hex()),
            "count": ("count", len(TEXT) + 101),
        },
        key=("count",),
        ret=len(TEXT) + 101,
    ),
    Case(
        ("generic_file_llseek_size",),
        "reads",
        {
            "offset": ("offset", FAR),  # s64
            "whence": ("whence", 0),
            "maxsize": ("maxsize", MAX_S64),
            "eof": ("eof", FILE_BYTES),
        },
        key=("offset",),
        ret=FAR,
    ),
    Case(
        ("noop_fsync",),
        "writes",
        {
            "path": ("path(file)", fact("path")),
            "start": ("start", 0),
            "end": ("end", MAX_S64),
            "datasync": ("datasync", 1),
        },
        key=("end",),
        ret=0,
    ),
    Case(
        ("shmem_fallocate",),
        "sizes",
        {
            "path": ("path(file)", fact("path")),
            "bits": ("mode", 1),
            "offset": ("offset", 4096),
            "len": ("len", 8192),
        },
        key=("len",),
        ret=0,
    ),
    Case(
        ("vfs_truncate",),
        "sizes",
        {"path": ("path", fact("path")), "length": ("length", 777)},  # struct path *
        key=("length",),
        ret=0,
    ),
    Case(
        ("notify_change",),
        "sizes",
        {"dentry": ("dentry", "data"), "size": ("attr->ia_size", 777)},
        key=("dentry", "size"),
        ret=0,
    ),
    Case(
        ("vfs_copy_file_range",),
        "sizes",
        {
            "from": ("path(file_in)", fact("path")),
            "to": ("path(file_out)", fact("copy")),
            "pos_in": ("pos_in", 100),
            "pos_out": ("pos_out", 200),
            "len": ("len", 300),
            "flags": ("flags", 0),
        },
        key=("len",),
        ret=300,
        words=6,
    ),
    Case(
        ("do_sendfile",),
        "sizes",
        {"count": ("count", 777), "max": ("max", ANYTHING)},
        key=("count",),
        ret=777,
    ),
    Case(
        ("security_file_open",),
        "opens",
        {"path": ("path(file)", fact("path")), "flags": ("file->f_flags", ANYTHING)},
        key=("path",),
        ret=0,
    ),
    Case(
        ("do_sys_openat2",),
        "opens",
        {
            "dfd": ("dfd", -100),  # s32
            "filename": ("filename", fact("path")),  # user memory
            # O_CREAT | O_RDWR | O_CLOEXEC | O_LARGEFILE
            "flags": ("hex(how->flags)", 0o2100102),  # u64
            "bits": ("how->mode", 0o612),
        },
        key=("filename",),
        ret=fact("fd"),
        errno=None,
    ),
    Case(
        ("do_sys_openat2",),
        "opens",
        {"filename": ("filename", "/dev/shm/missing-deck"), "bits": ("how->mode", ANYTHING)},
        key=("filename",),
        ret=-2,
        errno="ENOENT",
        id="do_sys_openat2-error",
    ),
    Case(
        ("do_file_open", "do_filp_open"),
        "opens",
        {
            "pathname": ("pathname", fact("path")),  # struct filename
            "opened": ("ret", fact("path")),  # struct file
        },
        key=("pathname",),
        ret=ANYTHING,
    ),
    Case(
        ("filename_unlinkat", "do_unlinkat"),
        "opens",
        {"dfd": ("dfd", -100), "name": ("name", fact("path"))},
        key=("name",),
        ret=0,
    ),
    Case(
        ("set_fs_pwd",),
        "folders",
        {"path": ("path", fact("path"))},
        key=("path",),
        ret=NOTHING,
    ),
)
ATTRIBUTES = (
    Case(
        ("chmod_common",),
        "attributes",
        {"path": ("path", fact("path")), "bits": ("mode", 0o641)},  # u16
        key=("bits",),
        ret=0,
    ),
    Case(
        ("chown_common",),
        "attributes",
        {"path": ("path(path)", fact("path")), "user": ("user", UID), "group": ("group", GID)},
        key=("user",),
        ret=0,
    ),
    Case(
        ("vfs_utimes",),
        "attributes",
        {
            "path": ("path", fact("path")),
            "seconds": ("times->tv_sec", -5),  # s64, below 0
            "modified": ("times[1].tv_nsec", 123),  # an element
        },
        key=("seconds",),
        ret=0,
    ),
    Case(
        ("vfs_setxattr",),
        "attributes",
        {
            "dentry": ("dentry", "data"),
            "name": ("name", "trusted.deck"),  # kernel memory
            "value": ("bytes(value, 5)", b"value".hex()),
            "size": ("size", 5),
            "flags": ("flags", 1),
        },
        key=("name",),
        ret=0,
        words=6,
    ),
    Case(
        ("vfs_getxattr",),
        "attributes",
        {"dentry": ("dentry", "data"), "name": ("name", "trusted.deck")},
        key=("name",),
        ret=5,
    ),
    Case(
        ("inode_permission",),
        "attributes",
        {"inode": ("inode", inode()), "mask": ("mask", 0x14)},  # MAY_READ | MAY_ACCESS
        key=("inode", "mask"),
        ret=0,
    ),
    Case(
        ("from_kuid_munged",),
        "attributes",
        {"kuid": ("kuid.val", UID)},  # a struct by value, of 4 bytes
        key=("kuid",),
        ret=UID,
        by_value=True,
        times=None,
    ),
    Case(
        ("from_kgid_munged",),
        "attributes",
        {"kgid": ("kgid.val", GID)},
        key=("kgid",),
        ret=GID,  # u32 above 2^31
        by_value=True,
        times=None,
    ),
)
NAMES = (
    Case(
        ("vfs_mkdir",),
        "names",
        {
            "dir": ("dir", inode("folder_ino")),
            "dentry": ("dentry", "made"),
            "bits": ("mode", 0o751),
        },
        key=("dentry",),
        ret=ANYTHING,  # a dentry since Linux 6.15
    ),
    Case(
        ("security_inode_mkdir",),
        "names",
        {"dir": ("dir->i_ino", fact("folder_ino")), "dentry": ("dentry", "made")},
        key=("dentry",),
        ret=0,
    ),
    Case(
        ("vfs_symlink",),
        "names",
        {"dentry": ("dentry", "link"), "oldname": ("oldname", "where-it-leads")},
        key=("dentry",),
        ret=0,
    ),
    Case(
        ("vfs_readlink",),
        "names",
        {"dentry": ("dentry", "link"), "buflen": ("buflen", ANYTHING)},
        key=("dentry",),
        ret=len("where-it-leads"),
    ),
    Case(
        ("vfs_mknod",),
        "names",
        {
            "dentry": ("dentry", "node"),
            "bits": ("mode", 0o20600),
            "dev": ("hex(dev)", 1 << 20 | 3),
        },
        key=("dentry",),
        ret=0,
    ),
    Case(
        ("vfs_link",),
        "names",
        {"old": ("old_dentry", "first"), "new": ("new_dentry", "second")},
        key=("old", "new"),
        ret=0,
    ),
    Case(
        ("vfs_rename",),
        "names",
        {
            "old": ("rd->old_dentry->d_name.name", "second"),
            "new": ("rd->new_dentry->d_name.name", "third"),
            "replaced": ("rd->new_dentry->d_inode", None),  # there is none
        },
        key=("old", "new"),
        ret=0,
    ),
    Case(
        ("d_alloc",),
        "names",
        {"parent": ("parent", ANYTHING), "name": ("name", "made"), "len": ("name->len", 4)},
        key=("name",),
        ret=ANYTHING,
        times=None,
    ),
    Case(
        ("filldir64",),
        "names",
        {
            "name": ("name", "first"),
            "namlen": ("namlen", 5),
            "ino": ("ino", fact("ino")),
            "type": ("d_type", 8),  # DT_REG
        },
        key=("name",),
        ret=ANYTHING,  # 0 as an int, true as a bool since Linux 6.1
        words=6,
    ),
    Case(
        ("fsnotify",),
        "watches",
        {
            "mask": ("mask", 0x40),  # IN_MOVED_FROM
            "name": ("file_name", "before"),  # qstr
            "cookie": ("cookie", fact("cookie")),  # the seventh argument
        },
        key=("mask", "name"),
        ret=0,
        words=7,
    ),
    Case(
        ("inotify_update_watch",),
        "watches",
        {"inode": ("inode", inode()), "arg": ("hex(arg)", 0x1C0)},
        key=("inode",),
        ret=fact("watch"),
    ),
)
CONTROLS = (
    Case(
        ("fcntl_setlk",),
        "controls",
        {
            "fd": ("fd", fact("fd")),
            "filp": ("filp", fact("path")),
            "cmd": ("cmd", 6),
            "type": ("flock->l_type", 1),  # s16
            "start": ("flock->l_start", 100),
            "len": ("flock->l_len", 50),
        },
        key=("len",),
        ret=0,
    ),
    Case(
        ("security_file_fcntl",),
        "controls",
        {"path": ("path(file)", fact("path")), "cmd": ("cmd", 1030), "arg": ("arg", ABOVE_2_63)},
        key=("cmd",),
        ret=0,
    ),
    Case(
        ("security_file_ioctl",),
        "controls",
        {"cmd": ("cmd", 0xDEADBEEF), "arg": ("arg", ABOVE_2_63)},  # u32 and u64, top bits set
        key=("cmd",),
        ret=0,
    ),
    Case(
        ("do_vfs_ioctl",),
        "controls",
        {"path": ("path(filp)", fact("path")), "cmd": ("hex(cmd)", 0xDEADBEEF)},
        key=("cmd",),
        ret=-515,
        errno="ENOIOCTLCMD",  # an error that no program ever sees
    ),
    Case(
        ("random_ioctl",),
        "controls",
        {"path": ("path(f)", "/dev/urandom"), "cmd": ("cmd", 0x5255)},
        key=("cmd",),
        ret=-22,
        errno="EINVAL",
    ),
    Case(
        ("pipe_fcntl",),
        "pipes",
        {"cmd": ("cmd", 1031), "arg": ("arg", 131072)},
        key=("cmd",),
        ret=131072,
    ),
    Case(
        ("create_pipe_files",),
        "pipes",
        {"flags": ("flags", 0o2000000)},
        key=("flags",),
        ret=0,
    ),
    Case(
        ("do_eventfd",),
        "pipes",
        {"count": ("count", 4000000001), "flags": ("flags", 0o2000000)},
        key=("count",),
        ret=fact("event"),
    ),
    Case(
        ("eventfd_write",),
        "pipes",
        {"octets": ("bytes(buf, 8)", "0700000000000000"), "count": ("count", 8)},
        key=("octets",),
        ret=8,
    ),
    Case(
        ("do_epoll_ctl",),
        "pipes",
        {
            "epfd": ("epfd", fact("poll")),
            "op": ("op", 1),
            "fd": ("fd", fact("left")),
            "events": ("hex(epds->events)", 0x80000001),
            "data": ("epds->data", ABOVE_2_63),  # u64
            "nonblock": ("nonblock", False),  # bool
        },
        key=("data",),
        ret=0,
    ),
    Case(
        ("vm_mmap_pgoff",),
        "memory",
        {
            "file": ("file", fact("path")),
            "len": ("len", 12288),
            "prot": ("prot", 1),
            "flag": ("flag", 2),
            "pgoff": ("pgoff", 1),
        },
        key=("file",),
        ret=fact("address"),
        words=6,
    ),
    Case(
        ("do_mmap",),
        "memory",
        {"file": ("file", fact("path")), "len": ("len", 12288), "pgoff": ("pgoff", 1)},
        key=("file",),
        ret=fact("address"),
        words=8,
    ),
    Case(
        ("__vm_munmap",),
        "memory",
        {"start": ("start", fact("address")), "len": ("len", 12288)},
        key=("start", "len"),
        ret=0,
    ),
)
PROCESSES = (
    Case(
        ("security_task_kill",),
        "processes",
        {
            "task": ("p", this_task),
            "target": ("p->pid", fact("pid")),
            "name": ("p->comm", COMM.decode()),  # char[16]
            "sig": ("sig", 0),
            "cred": ("cred", 0),  # a null pointer
        },
        key=("target", "sig"),
        ret=0,
        times=None,
    ),
    Case(
        ("do_send_specific",),
        "processes",
        {"tgid": ("tgid", fact("pid")), "number": ("pid", 2**31 - 1), "sig": ("sig", 10)},
        key=("number",),
        ret=-3,
        errno="ESRCH",
    ),
    Case(
        ("set_user_nice",),
        "processes",
        {"task": ("p", this_task), "nice": ("nice", -3)},  # long, below 0
        key=("nice",),
        ret=NOTHING,
    ),
    Case(
        ("can_nice",),
        "processes",
        {"nice": ("nice", -3)},  # int, below 0
        key=("nice",),
        ret=1,
    ),
    Case(
        ("sched_setaffinity",),
        "processes",
        {"number": ("pid", 0), "mask": ("in_mask->bits[0]", 1)},
        key=("mask",),
        ret=0,
        times=None,  # twice on one CPU
    ),
    Case(
        ("security_task_prctl",),
        "processes",
        {
            "option": ("option", 999),
            "arg2": ("arg2", MAX_U64),
            "arg3": ("arg3", 2**63),
            "arg4": ("arg4", 5),
            "arg5": ("arg5", 6),
        },
        key=("option",),
        ret=-38,
        errno="ENOSYS",
    ),
    Case(
        ("do_prlimit",),
        "processes",
        {
            "task": ("tsk", this_task),
            "resource": ("resource", 4),
            "soft": ("new_rlim->rlim_cur", 12345),
            "hard": ("new_rlim->rlim_max", fact("hard")),
        },
        key=("soft",),
        ret=0,
    ),
    Case(
        ("hrtimer_nanosleep",),
        "processes",
        {
            "time_ns": ("rqtp", 1234567),  # ktime_t
            "bits": ("mode", Enumerator("HRTIMER_MODE_REL", 1)),
            "clock": ("clockid", 1),
        },
        key=("time_ns",),
        ret=0,
    ),
    Case(
        ("do_setitimer",),
        "processes",
        {
            "which": ("which", 0),
            "seconds": ("value->it_value.tv_sec", 1000),
            "ns": ("value->it_value.tv_nsec", 250_000_000),
            "again": ("value->it_interval.tv_sec", 500),
        },
        key=("seconds",),
        ret=0,
    ),
    Case(
        ("copy_process",),
        "processes",
        {
            "signal": ("args->exit_signal", 17),
            "flags": ("hex(args->flags)", 0x01200000),
            "made": ("ret->pid", fact("child")),  # read at return
        },
        key=("signal",),
        ret=ANYTHING,
    ),
    Case(
        ("kernel_clone",),
        "processes",
        {"signal": ("args->exit_signal", 17)},
        key=("signal",),
        ret=fact("child"),
    ),
    Case(
        ("wake_up_new_task",),
        "processes",
        {
            "task": ("p", lambda facts: f"{COMM.decode()} ({facts['child']})"),
            "parent": ("p->real_parent->pid", fact("pid")),
            "reset": ("p->sched_reset_on_fork", 0),  # a bit-field
        },
        key=("task",),
        ret=NOTHING,
    ),
    Case(
        ("lookup_user_key",),
        "keys",
        {"id": ("id", 0x7FFFFFF0), "need": ("need_perm", ANYTHING)},
        key=("id",),
        ret=ANYTHING,
        errno="ENOKEY",  # an error pointer
    ),
    Case(
        ("key_create_or_update",),
        "keys",
        {
            "type": ("type", "user"),
            "description": ("description", "deck:key"),
            "plen": ("plen", 7),
            "perm": ("hex(perm)", 0xFFFFFFFF),
            "flags": ("flags", 0),  # the seventh argument
        },
        key=("description",),
        ret=ANYTHING,
        words=7,
    ),
)
NETWORK = (
    Case(
        ("security_socket_create",),
        "datagrams",
        {"family": ("family", 2), "type": ("type", 2), "protocol": ("protocol", 17)},
        key=("family", "type"),
        ret=0,
        times=2,
    ),
    Case(
        ("security_socket_bind",),
        "connections",
        {"address": ("address", "127.0.0.1:0"), "addrlen": ("addrlen", 16)},  # sockaddr
        key=("addrlen",),
        ret=0,
    ),
    Case(
        ("inet_bind",),
        "connections",
        {"type": ("sock->type", 1), "addr_len": ("addr_len", 16)},  # s16
        key=("addr_len",),
        ret=0,
    ),
    Case(
        ("inet_stream_connect",),
        "connections",
        {
            "state": ("sock->state", Enumerator("SS_UNCONNECTED", 1)),
            "address": ("uaddr", address),
            "flags": ("flags", 2),
        },
        key=("address",),
        ret=0,
    ),
    Case(
        ("sock_alloc_file",),
        "datagrams",
        {"type": ("sock->type", 2), "flags": ("flags", 0o2000000), "dname": ("dname", None)},
        key=("type",),
        ret=ANYTHING,
        times=2,
    ),
    Case(
        ("tcp_connect",),
        "connections",
        {
            "sock": ("sk", here_to_there),
            "connection": ("sock(sk)", here_to_there),
            "family": ("sk->__sk_common.skc_family", 2),  # u16
            "sport": ("sk->__sk_common.skc_num", fact("here_port")),
            "dport": ("sk->__sk_common.skc_dport", swapped("port")),
        },
        key=("sport",),
        ret=0,
    ),
    Case(
        ("inet_csk_accept",),
        "connections",
        {"connection": ("ret", there_to_here), "sport": ("ret->__sk_common.skc_num", fact("port"))},
        key=("sport",),
        ret=ANYTHING,
    ),
    Case(
        ("tcp_setsockopt",),
        "connections",
        {
            "level": ("level", 6),
            "optname": ("optname", 1),
            "is_kernel": ("optval.is_kernel", 0),  # a bit-field of a struct by value
            "optlen": ("optlen", 4),  # follows the two words of the struct
        },
        key=("level", "optname"),
        ret=0,
        words=6,
        by_value=True,
    ),
    Case(
        ("tcp_sendmsg",),
        "connections",
        {"sock": ("sk", here_to_there), "size": ("size", TCP_BYTES)},
        key=("size",),
        ret=TCP_BYTES,
    ),
    Case(
        ("tcp_close",),
        "connections",
        {"sport": ("sk->__sk_common.skc_num", fact("here_port")), "timeout": ("timeout", 0)},
        key=("sport",),
        ret=NOTHING,
    ),
    Case(
        ("udp_sendmsg",),
        "datagrams",
        {
            "sock": ("sk", here_to_there),
            "len": ("len", UDP_BYTES),
            "state": ("sk->__sk_common.skc_state", 1),  # u8, volatile
            "reuse": ("sk->__sk_common.skc_reuse", 1),  # bit-fields
            "no_check": ("sk->sk_no_check_tx", 1),
            "sndbuf": ("sk->sk_sndbuf", 80000),
            "mark": ("hex(sk->sk_mark)", MARK),
            "tos": ("cast(struct inet_sock, sk)->tos", 0xB8),
            "ttl": ("cast(struct inet_sock, sk)->uc_ttl", -1),  # s16, below 0
        },
        key=("len",),
        ret=UDP_BYTES,
    ),
    Case(
        ("udp_recvmsg",),
        "datagrams",
        {"len": ("len", 4096)},
        key=("len",),
        ret=UDP_BYTES,
    ),
    Case(
        ("udpv6_sendmsg",),
        "datagrams_v6",
        {
            "sock": ("sk", lambda facts: f"[::1]:{facts['here_port']} -> [::1]:{facts['port']}"),
            "words": ("sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32", "[0, 0, 0, 16777216]"),
            "octets": ("bytes(sk->__sk_common.skc_v6_daddr, 16)", "00" * 15 + "01"),
            "len": ("len", UDP_BYTES),
        },
        key=("len",),
        ret=UDP_BYTES,
    ),
    Case(
        ("ip_output",),
        "datagrams",
        {
            "sock": ("sk", here_to_there),
            "len": ("skb->len", UDP_BYTES + 28),
            "type": ("skb->pkt_type", 0),  # a bit-field
            "protocol": ("skb->protocol", 8),  # ETH_P_IP in network order
        },
        key=("len",),
        ret=0,
    ),
    Case(
        ("loopback_xmit",),
        "datagrams",
        {
            "dev": ("dev", "lo"),
            "name": ("dev->name", "lo"),
            "index": ("dev->ifindex", 1),
            "len": ("skb->len", UDP_BYTES + 28 + 14),
            "skb": ("skb", here_to_there),
        },
        key=("len",),
        ret=Enumerator("NETDEV_TX_OK", 0),
    ),
    Case(
        ("dev_ioctl",),
        "devices",
        {"cmd": ("hex(cmd)", 0x8921), "name": ("ifr->ifr_ifrn.ifrn_name", "lo")},
        key=("cmd",),
        ret=0,
    ),
    Case(
        ("dev_get_by_name_rcu",),
        "devices",
        {"name": ("name", "lo"), "dev": ("ret", "lo"), "mtu": ("ret->mtu", fact("mtu"))},
        key=("name",),
        ret=ANYTHING,
        times=None,
    ),
    Case(
        ("dev_attr_show",),
        "devices",
        {"attribute": ("attr->name", "mtu"), "device": ("kobj->name", "lo")},
        key=("attribute",),
        ret=fact("text_bytes"),
    ),
    Case(
        ("device_add",),
        "devices",
        {"dev": ("dev", "lo")},  # struct device
        key=("dev",),
        ret=0,
    ),
    Case(
        ("register_netdevice",),
        "devices",
        {"dev": ("dev", "lo")},
        key=("dev",),
        ret=0,
        times=None,
    ),
)
SYSTEM = (
    Case(
        ("security_sb_mount",),
        "mounts",
        {
            "dev_name": ("dev_name", "deck-dev"),
            "path": ("path", fact("path")),
            "type": ("type", "tmpfs"),
            "flags": ("flags", 6),
            "data": ("str(data, 64)", "size=1m"),
        },
        key=("dev_name",),
        ret=0,
    ),
    Case(
        ("vfs_get_tree",),
        "mounts",
        {
            "type": ("fc->fs_type->name", "tmpfs"),
            "source": ("fc->source", "deck-dev"),
            "purpose": ("fc->purpose", Enumerator("FS_CONTEXT_FOR_MOUNT", 0)),  # 8 bits
            "free": ("fc->need_free", True),  # one bit
        },
        key=("source",),
        ret=0,
    ),
    Case(
        ("deactivate_super",),
        "mounts",
        {
            "superblock": ("s", fact("device")),
            "id": ("s->s_id", "tmpfs"),  # char[32]
            "magic": ("hex(s->s_magic)", 0x01021994),
        },
        key=("superblock",),
        ret=NOTHING,
        times=None,  # the mount and its folder, on 5.10
    ),
    Case(
        ("cgroup_mkdir",),
        "cgroups",
        # 7.3 passes the file type, too.
        {"name": ("name", "deck-cg"), "bits": ("mode", OneOf((0o751, 0o40751)))},
        key=("name",),
        ret=0,
    ),
    Case(
        ("kernfs_create_dir_ns",),
        "cgroups",
        {"name": ("name", "deck-cg"), "user": ("uid.val", 0), "gid": ("gid.val", 0)},
        key=("name",),
        ret=ANYTHING,
        words=7,
        by_value=True,
    ),
    Case(
        ("cgroup_attach_task",),
        "cgroups",
        {
            "cgroup": ("dst_cgrp", "deck-cg"),
            "leader": ("leader", this_task),
            "threadgroup": ("threadgroup", True),
        },
        key=("cgroup",),
        ret=0,
    ),
    Case(
        ("cgroup_rmdir",),
        "cgroups",
        {"name": ("kn->name", "deck-cg")},
        key=("name",),
        ret=0,
    ),
    Case(
        ("proc_dointvec_minmax",),
        "settings",
        {
            "name": ("table->procname", "swappiness"),
            "bits": ("table->mode", 0o644),
            "maxlen": ("table->maxlen", 4),
        },
        key=("name",),
        ret=0,
        times=None,
    ),
    Case(
        ("n_tty_write",),
        "terminals",
        {"text": ("str(buf, 15)", "to the terminal"), "nr": ("nr", 15)},
        key=("nr",),
        ret=15,
    ),
    Case(
        ("pty_write",),
        "terminals",
        {"octets": ("bytes(buf, 6)", b"to the".hex()), "c": ("c", 15)},
        key=("octets",),
        ret=15,
    ),
)
FUNCTIONS = (
    *FILES,
    *ATTRIBUTES,
    *NAMES,
    *CONTROLS,
    *PROCESSES,
    *NETWORK,
    *SYSTEM,
)
SYSTEM_CALLS = (
    Case(
        ("openat",),
        "opens",
        {
            "dfd": ("dfd", -100),
            "filename": ("filename", fact("path")),
            "flags": ("hex(flags)", 0o2000102),
            "bits": ("mode", 0o612),
        },
        key=("filename",),
        ret=fact("fd"),
        kind=SYSCALL,
    ),
    Case(
        ("openat",),
        "opens",
        {"filename": ("filename", "/dev/shm/missing-deck")},
        key=("filename",),
        ret=-2,
        errno="ENOENT",
        kind=SYSCALL,
        id="openat-error",
    ),
    Case(
        ("read",),
        "reads",
        {"fd": ("fd", fact("fd")), "count": ("count", READ_BYTES)},
        key=("count",),
        ret=READ_BYTES,
        kind=SYSCALL,
    ),
    Case(
        ("pread64",),
        "reads",
        {"fd": ("fd", fact("fd")), "count": ("count", 77), "pos": ("pos", -5)},
        key=("count",),
        ret=-22,
        errno="EINVAL",
        kind=SYSCALL,
    ),
    Case(
        ("lseek",),
        "reads",
        {"offset": ("offset", FAR), "whence": ("whence", 0)},
        key=("offset",),
        ret=FAR,
        kind=SYSCALL,
    ),
    Case(
        ("write",),
        "writes",
        {
            "buf": ("str(buf, 64)", TEXT.decode()),
            "octets": ("bytes(buf, 3)", TEXT[:3].hex()),
            "count": ("count", len(TEXT) + 101),
        },
        key=("count",),
        ret=len(TEXT) + 101,
        kind=SYSCALL,
    ),
    Case(
        ("chmod",),
        "attributes",
        {"filename": ("filename", fact("path")), "bits": ("mode", 0o641)},
        key=("bits",),
        ret=0,
        kind=SYSCALL,
    ),
    Case(
        ("kill",),
        "processes",
        {"number": ("pid", fact("pid")), "sig": ("sig", 0)},
        key=("number", "sig"),
        ret=0,
        kind=SYSCALL,
    ),
    Case(
        ("tgkill",),
        "processes",
        {"tgid": ("tgid", fact("pid")), "number": ("pid", 2**31 - 1), "sig": ("sig", 10)},
        key=("number",),
        ret=-3,
        errno="ESRCH",
        kind=SYSCALL,
    ),
    Case(
        ("setpriority",),
        "processes",
        {"which": ("which", 0), "who": ("who", 0), "nice": ("niceval", -3)},
        key=("nice",),
        ret=0,
        kind=SYSCALL,
    ),
    Case(
        ("prctl",),
        "processes",
        {"option": ("option", 999), "arg2": ("arg2", MAX_U64), "arg3": ("arg3", 2**63)},
        key=("option",),
        ret=-22,
        errno="EINVAL",
        kind=SYSCALL,
    ),
    Case(
        ("mount",),
        "mounts",
        {
            "dev": ("dev_name", "deck-dev"),
            "dir": ("dir_name", fact("path")),
            "type": ("type", "tmpfs"),
            "flags": ("flags", 6),
        },
        key=("dev",),
        ret=0,
        kind=SYSCALL,
    ),
    Case(
        ("connect",),
        "connections",
        {"address": ("uservaddr", address), "addrlen": ("addrlen", 16)},
        key=("addrlen",),
        ret=0,
        kind=SYSCALL,
    ),
    Case(
        ("mmap",),
        "memory",
        {"len": ("len", 12288), "prot": ("prot", 1), "off": ("off", 4096)},  # six arguments
        key=("len", "off"),
        ret=fact("address"),
        kind=SYSCALL,
    ),
    Case(
        ("mkdir",),
        "names",
        {"pathname": ("pathname", folder("made")), "bits": ("mode", 0o751)},
        key=("pathname",),
        ret=0,
        kind=SYSCALL,
    ),
    Case(
        ("rename",),
        "names",
        {"old": ("oldname", folder("second")), "new": ("newname", folder("third"))},
        key=("old",),
        ret=0,
        kind=SYSCALL,
    ),
)
TRACEPOINTS = (
    Case(
        ("signal:signal_generate",),
        "signals",
        {"sig": ("sig", 10), "code": ("code", 0), "target": ("pid", fact("killed"))},
        key=("sig",),
        kind=TRACEPOINT,
    ),
    Case(
        ("sched:sched_process_fork",),
        "processes",
        {"child": ("child_pid", fact("child")), "parent": ("parent_pid", fact("pid"))},
        key=("child",),
        kind=TRACEPOINT,
    ),
    Case(
        ("sock:inet_sock_set_state",),
        "connections",
        {
            "old": ("oldstate", 7),
            "new": ("newstate", 2),
            "dport": ("dport", fact("port")),  # u16
            "family": ("family", 2),
            "daddr": ("daddr", "[127, 0, 0, 1]"),  # u8[4]
        },
        key=("old", "new"),
        kind=TRACEPOINT,
    ),
    Case(
        ("net:net_dev_queue",),
        "datagrams",
        {"len": ("len", UDP_BYTES + 28 + 14), "name": ("name", "lo")},  # __data_loc
        key=("len",),
        kind=TRACEPOINT,
    ),
)
CASES = (*FUNCTIONS, *SYSTEM_CALLS, *TRACEPOINTS)
