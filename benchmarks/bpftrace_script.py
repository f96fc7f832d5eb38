# SPDX-License-Identifier: Apache-2.0
"""bpftrace programs that print what Probedeck shows, one per mode. Pure."""

from __future__ import annotations

ATTACHED = "attached"
# Time, pid, tid, uid, comm and arguments; in exit modes also return value and latency.
ENTRY = r'printf("%lld %d %d %d %s %d %s\n", nsecs, pid, tid, uid, comm, {dfd}, {name});'
EXIT = (
    r'printf("%lld %d %d %d %s %d %s %d %lld\n", @start[tid], pid, tid, uid, comm, '
    "@dfd[tid], {name}, {ret}, nsecs - @start[tid]);"
    " delete(@start[tid]); delete(@dfd[tid]); delete(@name[tid]);"
)
STASH = "@start[tid] = nsecs; @dfd[tid] = {dfd}; @name[tid] = {name};"
# For tracepoints as bpftrace's own tools do (opensnoop.bt): keep the pointer, read the name at
# return. For kernel functions the name must be read at entry: they free it before they return.
CLEAR = "END { clear(@start); clear(@dfd); clear(@name); }\n"
BEGIN = f'BEGIN {{ printf("{ATTACHED}\\n"); }}\n'
IN_KPROBE = {"dfd": "(int32)arg0", "name": "str(((struct filename *)arg1)->name)"}
IN_FENTRY = {"dfd": "args->dfd", "name": "str(args->name->name)"}
IN_TRACEPOINT = {"dfd": "args->dfd", "name": "args->pathname"}


def script(mode: str, function: str, condition: str) -> str:
    """Return a mode's program for a kernel function; `condition` is the filter at entry."""
    entry, leave = {
        "fentry": (f"kfunc:{function}", None),
        "fexit": (f"kfunc:{function}", f"kretfunc:{function}"),
        "kprobe": (f"kprobe:{function}", None),
        "kretprobe": (f"kprobe:{function}", f"kretprobe:{function}"),
        "tracepoint": (
            "tracepoint:syscalls:sys_enter_unlinkat",
            "tracepoint:syscalls:sys_exit_unlinkat",
        ),
    }[mode]
    arguments = {"fe": IN_FENTRY, "kp": IN_KPROBE, "kr": IN_KPROBE, "tr": IN_TRACEPOINT}
    taken = arguments["fe" if mode in ("fentry", "fexit") else mode[:2]]
    if leave is None:
        return BEGIN + f"{entry} /{condition}/ {{ {ENTRY.format(**taken)} }}\n"
    at_exit = EXIT.format(
        name="str(@name[tid])" if mode == "tracepoint" else "@name[tid]",
        ret="args->ret" if mode == "tracepoint" else "retval",
    )
    return (
        BEGIN
        + f"{entry} /{condition}/ {{ {STASH.format(**taken)} }}\n"
        + f"{leave} /@start[tid]/ {{ {at_exit} }}\n"
        + CLEAR
    )


# What bpftrace can say of a file is the last component of its path: it allows path() in a few
# functions only, and vfs_read is none of them (btf_allowlist_d_path, kernel/trace/bpf_trace.c).
CALLED = r'printf("%lld %d %d %d %s %d %s %d %lld\n", @start[tid], pid, tid, uid, comm, '
CLEAR_START = "END { clear(@start); }\n"


def of_vfs_read(condition: str) -> str:
    """Return a program for vfs_read: file, count, return value and latency."""
    return (
        BEGIN
        + f"kfunc:vfs_read /{condition}/ {{ @start[tid] = nsecs; }}\n"
        + f"kretfunc:vfs_read /@start[tid]/ {{ {CALLED}args->count, "
        + "str(args->file->f_path.dentry->d_name.name), retval, nsecs - @start[tid]);"
        + " delete(@start[tid]); }\n"
        + CLEAR_START
    )


def of_openat(condition: str) -> str:
    """Return a program for the tracepoints of openat: flags, name, return value and latency."""
    return (
        BEGIN
        + f"tracepoint:syscalls:sys_enter_openat /{condition}/ {{ @start[tid] = nsecs; "
        + "@flags[tid] = args->flags; @name[tid] = args->filename; }\n"
        + f"tracepoint:syscalls:sys_exit_openat /@start[tid]/ {{ {CALLED}@flags[tid], "
        + "str(@name[tid]), args->ret, nsecs - @start[tid]);"
        + " delete(@start[tid]); delete(@flags[tid]); delete(@name[tid]); }\n"
        + "END { clear(@start); clear(@flags); clear(@name); }\n"
    )


def three_calls(condition: str) -> str:
    """Return a program for the tracepoints of all system calls that delete."""
    parts = [BEGIN]
    for call, dfd in (("unlinkat", "args->dfd"), ("unlink", "-100"), ("rmdir", "-100")):
        stash = STASH.format(dfd=dfd, name="args->pathname")
        at_exit = EXIT.format(name="str(@name[tid])", ret="args->ret")
        parts.append(f"tracepoint:syscalls:sys_enter_{call} /{condition}/ {{ {stash} }}\n")
        parts.append(f"tracepoint:syscalls:sys_exit_{call} /@start[tid]/ {{ {at_exit} }}\n")
    return "".join(parts) + CLEAR
