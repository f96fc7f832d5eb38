# SPDX-License-Identifier: Apache-2.0
"""The presets. docs/presets.md says what each shows, and what it does not."""

from __future__ import annotations

from app.presets.preset import (
    AT_ENTRY,
    AT_RETURN,
    BY_TRACEPOINT,
    CALLS_OF_32_BITS,
    FUNCTION,
    SECCOMP,
    SYSCALL,
    TRACEPOINT,
    Candidate,
    Preset,
)

_IN_KERNEL = (*AT_RETURN, *AT_ENTRY)
_BEST_AT_ENTRY = (*AT_ENTRY, *AT_RETURN)  # where the call's own result and latency say nothing
# By a system call.
_OTHER_WAYS = ("Calls through io_uring.", CALLS_OF_32_BITS, SECCOMP)

DELETIONS = Preset(
    name="deletions",
    title="Files deleted",
    help="Calls that delete files, and renames that replace one",
    candidates=(
        # Linux 7.0 replaced do_unlinkat by filename_unlinkat.
        Candidate(FUNCTION, "filename_unlinkat", ("dfd", "name as filename"), _IN_KERNEL),
        Candidate(FUNCTION, "do_unlinkat", ("dfd", "name as filename"), _IN_KERNEL),
        Candidate(
            SYSCALL, "unlinkat", ("dfd", "pathname as filename", "flag as flags"), BY_TRACEPOINT
        ),
    ),
    has_own_programs=True,
)

_REPLACED = "Whether a rename replaced a file, and which."
RENAMES = Preset(
    name="renames",
    title="Files renamed",
    help="Renames of files and folders, with the old and the new name",
    candidates=(
        # Its only argument since commit 9fe61450972d ("namei: introduce struct renamedata",
        # v5.12), which stable kernels of 5.10 have as well. Read at entry, as the call moves the
        # dentry.
        Candidate(
            FUNCTION,
            "vfs_rename",
            (
                "path(rd->old_dentry) as old",
                "path(rd->new_dentry) as new",
                "rd->new_dentry->d_inode as replaced",
                "hex(rd->flags) as flags",
            ),
            _IN_KERNEL,
            needs=("renamedata.old_dentry", "renamedata.new_dentry", "renamedata.flags"),
            not_seen=(
                "Calls that fail before both names are found, such as a rename of a missing file, "
                "or to another file system.",
                SECCOMP,
            ),
        ),
        # rename(3) of the C library. mv(1) of coreutils 9 calls renameat2.
        Candidate(
            SYSCALL,
            "rename",
            ("oldname as old", "newname as new"),
            BY_TRACEPOINT,
            not_seen=(
                "Renames by renameat and renameat2, which mv(1) may use.",
                _REPLACED,
                *_OTHER_WAYS,
            ),
        ),
        Candidate(
            SYSCALL,
            "renameat2",
            ("olddfd", "oldname as old", "newdfd", "newname as new", "hex(flags) as flags"),
            BY_TRACEPOINT,
            not_seen=("Renames by rename and renameat.", _REPLACED, *_OTHER_WAYS),
        ),
    ),
)

_NOT_BY_NAME = "Programs that execve opens, and files opened by a handle (open_by_handle_at)."
OPENS = Preset(
    name="opens",
    title="Files opened",
    help="Calls that open files, with the path and the flags as passed",
    candidates=(
        # open, openat, openat2 and creat all call it (fs/open.c).
        Candidate(
            FUNCTION,
            "do_sys_openat2",
            ("dfd", "filename", "hex(how->flags) as flags", "hex(how->mode) as permissions"),
            _IN_KERNEL,
            not_seen=("Files that io_uring opens.", _NOT_BY_NAME, SECCOMP),
        ),
        Candidate(
            SYSCALL,
            "openat",
            ("dfd", "filename", "hex(flags) as flags", "hex(mode) as permissions"),
            BY_TRACEPOINT,
            not_seen=(
                "Files opened by open, openat2 and creat.",
                _NOT_BY_NAME,
                *_OTHER_WAYS,
            ),
        ),
    ),
)

_FAILED_STARTS = "Calls of execve that fail."
PROCESS_STARTS = Preset(
    name="process-starts",
    title="Processes started",
    help="Each program that a process has begun to run, with its path",
    candidates=(
        Candidate(
            TRACEPOINT,
            "sched:sched_process_exec",
            ("filename", "old_pid"),
            BY_TRACEPOINT,
            not_seen=(_FAILED_STARTS,),
        ),
        # Called once for each exec that can no longer fail, when the new name is set
        # (begin_new_exec in fs/exec.c).
        Candidate(
            FUNCTION,
            "security_bprm_committed_creds",
            ("bprm->filename as filename", "path(bprm->file) as file", "bprm->argc as argc"),
            _BEST_AT_ENTRY,
            needs=("linux_binprm.filename", "linux_binprm.file", "linux_binprm.argc"),
            not_seen=(_FAILED_STARTS,),
        ),
    ),
)

_STATUS = "The exit status."
PROCESS_EXITS = Preset(
    name="process-exits",
    title="Processes ended",
    help="Each process that ends",
    candidates=(
        # do_exit calls it for every thread, with `group_dead` set for the last of a process
        # (kernel/exit.c). The status is in the form of wait(2).
        Candidate(
            FUNCTION,
            "acct_collect",
            ("exitcode as status", "group_dead"),
            _BEST_AT_ENTRY,
            where="group_dead=1",
        ),
        Candidate(
            TRACEPOINT,
            "sched:sched_process_exit",
            ("prio", "group_dead"),
            BY_TRACEPOINT,
            where="group_dead=1",
            needs=("sched:sched_process_exit.group_dead",),  # since Linux 6.17
            not_seen=(_STATUS,),
        ),
        # A row for every thread.
        Candidate(
            TRACEPOINT,
            "sched:sched_process_exit",
            ("prio",),
            BY_TRACEPOINT,
            not_seen=(
                _STATUS,
                "Which thread is the last of its process: each thread that ends is shown.",
            ),
        ),
    ),
)

_ONLY_BEGUN = "Whether the connection is established: a row says that it was begun."
TCP_CONNECTS = Preset(
    name="tcp-connects",
    title="TCP connections opened",
    help="Each TCP connection that a process begins, IPv4 or IPv6",
    candidates=(
        # tcp_v4_connect and tcp_v6_connect call it when addresses and ports are known.
        Candidate(
            FUNCTION,
            "tcp_connect",
            (
                "sock(sk) as connection",
                "sk->__sk_common.skc_family as family",
                "sk->__sk_common.skc_num as sport",
            ),
            _IN_KERNEL,
            not_seen=(_ONLY_BEGUN,),
        ),
        # 7 is TCP_CLOSE, 2 is TCP_SYN_SENT (include/net/tcp_states.h). The state changes before a
        # local port is chosen, unless the process has bound one.
        Candidate(
            TRACEPOINT,
            "sock:inet_sock_set_state",
            ("daddr", "daddr_v6", "dport", "family", "oldstate", "newstate"),
            BY_TRACEPOINT,
            where="oldstate=7 newstate=2",
            not_seen=(_ONLY_BEGUN, "The local address and port."),
        ),
    ),
)

TCP_ACCEPTS = Preset(
    name="tcp-accepts",
    title="TCP connections accepted",
    help="Incoming TCP connections, IPv4 or IPv6",
    candidates=(
        Candidate(
            FUNCTION,
            "inet_csk_accept",
            ("sock(ret) as connection", "ret->__sk_common.skc_family as family"),
            AT_RETURN,
            where="family>0",  # null if nothing was accepted, as there is no socket then
            not_seen=("Connections that no process accepts.",),
        ),
        # 3 is TCP_SYN_RECV, 1 is TCP_ESTABLISHED. The packet that completes the handshake
        # changes the state: pid and comm are of whatever ran on the CPU.
        Candidate(
            TRACEPOINT,
            "sock:inet_sock_set_state",
            (
                *("saddr", "saddr_v6", "sport", "daddr", "daddr_v6", "dport"),
                *("family", "oldstate", "newstate"),
            ),
            BY_TRACEPOINT,
            where="oldstate=3 newstate=1",
            not_seen=(
                "Which process accepts the connection, and whether one does: pid and comm are "
                "those of whatever ran on the CPU.",
            ),
        ),
    ),
)

_REQUEST = (
    "req->__sector as sector",
    "nr_bytes",
    "hex(req->cmd_flags) as flags",
    "error",
    "since(req->start_time_ns) as io_ns",
)
_NOT_OF_REQUESTS = (
    "Requests that a driver completes in batches (NVMe, since Linux 5.16).",
    "The time of requests to a disk with `/sys/block/DISK/queue/iostats` off.",
    "Which process made the request: pid and comm are those of whatever ran on the CPU.",
)
# At entry: what this call itself takes is of no interest. Completions one by one come here;
# those in batches (blk_mq_end_request_batch) do not.
BLOCK_IO = Preset(
    name="block-io",
    title="Block I/O latency",
    help="Completed requests to disks, with the time since each was made",
    candidates=(
        Candidate(
            FUNCTION,
            "blk_update_request",
            ("req->q->disk->disk_name as disk", *_REQUEST),
            _BEST_AT_ENTRY,
            needs=("request_queue.disk",),
            not_seen=_NOT_OF_REQUESTS,
        ),
        Candidate(  # before Linux 5.17
            FUNCTION,
            "blk_update_request",
            ("req->rq_disk->disk_name as disk", *_REQUEST),
            _BEST_AT_ENTRY,
            needs=("request.rq_disk",),
            not_seen=_NOT_OF_REQUESTS,
        ),
    ),
)

_WHY_ADDED = "Whether a read missed the page: readahead and writes add pages as well."
PAGE_CACHE_MISSES = Preset(
    name="page-cache-misses",
    title="Page cache misses",
    help="Each page or folio that is added to the page cache",
    candidates=(
        Candidate(
            TRACEPOINT,
            "filemap:mm_filemap_add_to_page_cache",
            ("i_ino", "s_dev", "index", "order"),
            BY_TRACEPOINT,
            needs=("filemap:mm_filemap_add_to_page_cache.order",),
            not_seen=(_WHY_ADDED,),
        ),
        Candidate(
            TRACEPOINT,
            "filemap:mm_filemap_add_to_page_cache",
            ("i_ino", "s_dev", "index"),
            BY_TRACEPOINT,
            not_seen=(_WHY_ADDED,),
        ),
        Candidate(  # since Linux 5.16
            FUNCTION,
            "filemap_add_folio",
            ("mapping->host as inode", "index"),
            _IN_KERNEL,
            not_seen=(_WHY_ADDED,),
        ),
        Candidate(
            FUNCTION,
            "add_to_page_cache_lru",
            ("mapping->host as inode", "offset as index"),
            _IN_KERNEL,
            not_seen=(_WHY_ADDED,),
        ),
    ),
)

_OOM_REASON = "The kernel's reason, such as a memory cgroup's limit."
OOM_KILLS = Preset(
    name="oom-kills",
    title="OOM kills",
    help="Each process that the kernel kills because memory ran out",
    candidates=(
        Candidate(
            FUNCTION,
            "__oom_kill_process",
            ("victim", "victim->signal->oom_score_adj as oom_score_adj", "str(message) as message"),
            _BEST_AT_ENTRY,
        ),
        Candidate(
            TRACEPOINT,
            "oom:mark_victim",
            ("pid as victim_pid", "comm as victim_comm", "total_vm", "anon_rss", "oom_score_adj"),
            BY_TRACEPOINT,
            needs=("oom:mark_victim.oom_score_adj",),  # backported to older kernels
            not_seen=(_OOM_REASON,),
        ),
        Candidate(
            TRACEPOINT,
            "oom:mark_victim",
            ("pid as victim_pid",),
            BY_TRACEPOINT,
            not_seen=(_OOM_REASON, "The victim's name and adjustment: only its pid."),
        ),
    ),
)

_SIGNAL = ("sig", "t as target", "type", "info->si_code as code")
_NOT_OF_SIGNALS = ("Signals of POSIX timers.", "Whether the signal was delivered or ignored.")
SIGNALS = Preset(
    name="signals",
    title="Signals sent",
    help="Signals that processes and the kernel send, and to which process",
    candidates=(
        Candidate(
            TRACEPOINT,
            "signal:signal_generate",
            ("sig", "pid as target_pid", "comm as target_comm", "code", "group", "result"),
            BY_TRACEPOINT,
        ),
        # __send_signal until Linux 5.18. Those of POSIX timers do not pass either.
        Candidate(FUNCTION, "__send_signal_locked", _SIGNAL, _IN_KERNEL, not_seen=_NOT_OF_SIGNALS),
        Candidate(FUNCTION, "__send_signal", _SIGNAL, _IN_KERNEL, not_seen=_NOT_OF_SIGNALS),
    ),
)

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        DELETIONS,
        RENAMES,
        OPENS,
        PROCESS_STARTS,
        PROCESS_EXITS,
        TCP_CONNECTS,
        TCP_ACCEPTS,
        BLOCK_IO,
        PAGE_CACHE_MISSES,
        OOM_KILLS,
        SIGNALS,
    )
}
