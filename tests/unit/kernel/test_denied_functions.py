# SPDX-License-Identifier: Apache-2.0
"""What is never traced."""

from __future__ import annotations

import pytest

from app.kernel.denied_functions import BTF_DENIED, DENIED, NORETURN, why_denied


@pytest.mark.parametrize(
    ("function", "word"),
    [
        ("bpf_ringbuf_reserve", "events"),
        ("__htab_map_lookup_elem", "maps"),
        ("array_map_lookup_elem", "maps"),
        ("ktime_get_mono_fast_ns", "clock"),
        ("bpf_probe_read_kernel", "memory"),
        ("bpf_trampoline_enter", "BPF programs"),
        ("kprobe_ftrace_handler", "kprobes"),
        ("ftrace_ops_list_func", "ftrace"),
        ("default_do_nmi", "non-maskable"),
        ("_raw_spin_lock_irqsave", "deadlock"),
        ("native_queued_spin_lock_slowpath", "deadlock"),
        ("migrate_disable", "BPF program"),
        ("__rcu_read_lock", "BPF program"),
        ("_raw_spin_lock.isra.0", "deadlock"),
    ],
)
def test_denied(function: str, word: str) -> None:
    reason = why_denied(function)
    assert reason is not None
    assert word in reason


@pytest.mark.parametrize(
    "function",
    [
        "vfs_read",
        "vfs_unlink",
        "do_unlinkat",
        "tcp_sendmsg",
        "do_sys_openat2",
        "do_exit",
        "wake_up_new_task",
        "rcu_free_slab",
        "blk_mq_start_request",
        "oom_kill_process",
        "filemap_get_pages",
        "my_bpf_ringbuf_reserve",
        # Those that begin almost as denied ones do.
        "__migrate_folio",
        "rb_insert_color",
        "mce_cpu_online",
        "aggr_us_show",
    ],
)
def test_not_denied(function: str) -> None:
    assert why_denied(function) is None


def test_what_the_kernel_denies_is_denied() -> None:
    assert [name for name in BTF_DENIED if why_denied(name) is None] == []


def test_each_name_stands_once_and_each_star_at_the_end() -> None:
    names = [name for _, group in DENIED for name in group]
    assert len(names) == len(set(names))
    assert [name for name in (*names, *NORETURN) if "*" in name[:-1] or not name.strip("*")] == []
