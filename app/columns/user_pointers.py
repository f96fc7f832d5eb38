# SPDX-License-Identifier: Apache-2.0
"""Which arguments of a kernel function are a process's own pointers, not checked yet.

BTF of kernels built by gcc does not tell (`__user` is lost). Where such an argument is read by its
address, a process that passes a kernel address has us show the kernel's memory. So here are the
kernel's habits: what they name is read from user memory only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from app.btf.format import BtfError, Kind
from app.btf.reader import Btf

# The system calls' own functions: SYSCALL_DEFINEx of include/linux/syscalls.h, and those that take
# their arguments as they are.
_SYSTEM_CALLS = re.compile(
    r"_*(?:(?:x64|ia32|arm64|se|do|compat)_)*_*sys_\w+|k(?:compat_)?sys_\w+|_*do_sys_?\w+|compat_\w+"
)
# Functions below them, of fs/, net/ and kernel/, that are given such an argument.
_BELOW = re.compile(
    r"getname(?:_\w+)?|strn(?:cpy_from|len)_user\w*|_*copy_(?:from|to)_user\w*|user_path\w*"
    r"|do_(?:linkat|mkdirat|mknodat|symlinkat|readlinkat|fchmodat|fchownat|utimes|faccessat|mount)"
    r"|do_(?:execve\w*|futex|msg\w+|shm\w+|sem\w+|statx|vfs_ioctl)"
    r"|vfs_(?:read|write|readv|writev|ioctl|statx|fstatat)|import_(?:iovec|ubuf|single_range)\w*"
)
# Functions of these names are given copies that the kernel has made.
_OF_KERNEL = re.compile(r"_*kernel_\w+|getname_kernel|\w+_kernel")
# Names that the kernel's sources keep for pointers of processes.
_NAMES = re.compile(
    r"u(?:ser)?_?(?:addr|buf(?:fer)?|ptr|data|msg|vaddr|servaddr|myaddr|name|path|value|str|info)"
    r"|user\w*|u(?:attr|arg|rqtp|rmtp|act|oact|set|oset|status|stat|vec|args?|fds|iov|buf_\w+)"
    r"|umyaddr|uservaddr|usockaddr\w*|optval|optlen"
)
# And for the kernel's own, also where all others are of processes.
_OWN_NAMES = re.compile(r"p?pos|off|offset|dst|to|\w+_page|kernel_\w+|k\w*buf")
# Structs that processes have: wherever they are, in all these functions, and in system calls' only,
# as further down it is the kernel's copy that has the same type.
_COMPAT = re.compile(r"compat_\w+|user_msghdr")
_VECTORS = re.compile(r"iovec|pollfd")
_STRUCTS = re.compile(
    r"sockaddr|mmsghdr|epoll_event|__kernel_\w+|old_\w+|new_\w+|utimbuf|rusage|rlimit(?:64)?"
    r"|stat(?:fs(?:64)?|x)?|sig(?:action|info|set|altstack|event)|clone_args|bpf_attr"
)


def words_from_user(btf: Btf, function: str, arguments: Iterable[tuple[str, int, int]]) -> int:
    """Return a mask of the words of those arguments; each is a name, a type and its first word."""
    given = [(name, _target(btf, type_id), word) for name, type_id, word in arguments]
    if _OF_KERNEL.fullmatch(function):
        return 0
    is_call = _SYSTEM_CALLS.fullmatch(function) is not None
    is_below = is_call or _BELOW.fullmatch(function) is not None
    is_file_operation = _is_file_operation(btf, [target for _, target, _ in given])
    mask = 0
    for number, (name, target, word) in enumerate(given):
        if target is None or _OWN_NAMES.fullmatch(name):
            continue
        is_plain = btf.kind(target) in (None, Kind.INT)  # void, bytes, numbers
        struct = "" if is_plain else btf.name(target)
        is_named = is_below or _NAMES.fullmatch(name) is not None
        if (
            _COMPAT.fullmatch(struct)
            or (is_named and (is_plain or _VECTORS.fullmatch(struct)))
            or (is_call and _STRUCTS.fullmatch(struct))
            or (is_file_operation and is_plain and number == 1)
        ):
            mask |= 1 << word
    return mask


def _is_file_operation(btf: Btf, targets: Sequence[int | None]) -> bool:
    """Return whether they are those of `read` and `write` of struct file_operations: a file, the
    process's bytes, their number, and the position."""
    if len(targets) != 4 or targets[0] is None:
        return False
    return btf.kind(targets[0]) == Kind.STRUCT and btf.name(targets[0]) == "file"


def _target(btf: Btf, type_id: int) -> int | None:
    """Return the type that a pointer leads to, 0 for void; None if it is not a pointer."""
    try:
        plain = btf.resolve(type_id)
        return btf.resolve(btf.target(plain)) if btf.kind(plain) == Kind.PTR else None
    except BtfError:
        return None
