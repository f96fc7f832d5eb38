# SPDX-License-Identifier: Apache-2.0
"""Which candidate is taken: by the names that five kernels have, and by mode.

tests/vectors/preset_names.json has the names, recorded from those kernels; the kernel tests check
that it is current (tests/kernels/test_preset_names.py).
"""

from __future__ import annotations

import json

import pytest

from app import ROOT
from app.presets.preset import ALL_MODES, AT_ENTRY, AT_RETURN, BY_TRACEPOINT
from app.presets.resolve import Has, names_needed, resolve
from app.presets.table import PRESETS

RECORDED = json.loads((ROOT / "tests/vectors/preset_names.json").read_text())
OLD, NEWEST, NATIVE = "bullseye", "trixie-backports", "native"
KERNEL_MODES = (*AT_ENTRY, *AT_RETURN)


def names_of(kernel: str) -> Has:
    """`has`, as that kernel answers."""
    return lambda kind, name: name in RECORDED[kernel][kind]


def test_the_recording_is_of_the_names_that_are_needed() -> None:
    needed = set(names_needed())
    for kernel, names in RECORDED.items():
        recorded = {(kind, name) for kind, found in names.items() for name in found}
        assert recorded <= needed, f"{kernel}: record again"
    everywhere = {(kind, name) for has in RECORDED.values() for kind in has for name in has[kind]}
    assert everywhere == needed, "a name that no kernel has"


@pytest.mark.parametrize("kernel", RECORDED)
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_works_in_every_mode_that_it_can(kernel: str, name: str) -> None:
    refused = {
        mode: found.reason
        for mode in ALL_MODES
        if (found := resolve(name, mode, names_of(kernel))).candidate is None
    }
    suited = {mode for one in PRESETS[name].candidates for mode in one.modes}
    assert set(refused) == set(ALL_MODES) - suited
    for mode, reason in refused.items():
        assert reason is not None
        assert f"cannot be seen in mode {mode}, only in" in reason


@pytest.mark.parametrize(
    ("kernel", "name", "mode", "target"),
    [
        (OLD, "deletions", "fexit", "do_unlinkat"),
        (NEWEST, "deletions", "fexit", "filename_unlinkat"),
        (NEWEST, "deletions", "tracepoint", "unlinkat"),
        (OLD, "renames", "kretprobe", "vfs_rename"),
        (NEWEST, "renames", "tracepoint", "rename"),
        (OLD, "opens", "fexit", "do_sys_openat2"),
        (NATIVE, "opens", "tracepoint", "openat"),
        (NEWEST, "process-starts", "tracepoint", "sched:sched_process_exec"),
        (OLD, "process-starts", "kprobe", "security_bprm_committed_creds"),
        (OLD, "process-exits", "fentry", "acct_collect"),
        (OLD, "tcp-connects", "fexit", "tcp_connect"),
        (NATIVE, "tcp-connects", "tracepoint", "sock:inet_sock_set_state"),
        (NEWEST, "tcp-accepts", "fexit", "inet_csk_accept"),
        (OLD, "page-cache-misses", "fentry", "add_to_page_cache_lru"),
        (NEWEST, "page-cache-misses", "fentry", "filemap_add_folio"),
        (OLD, "oom-kills", "tracepoint", "oom:mark_victim"),
        (OLD, "oom-kills", "fentry", "__oom_kill_process"),
        (OLD, "signals", "fexit", "__send_signal"),
        (NEWEST, "signals", "fexit", "__send_signal_locked"),
    ],
)
def test_which_candidate_is_taken(kernel: str, name: str, mode: str, target: str) -> None:
    found = resolve(name, mode, names_of(kernel))
    assert found.candidate is not None
    assert (found.candidate.name, found.mode, found.reason) == (target, mode, None)


@pytest.mark.parametrize(
    ("kernel", "columns", "where"),
    [(OLD, ("prio",), None), (NEWEST, ("prio", "group_dead"), "group_dead=1")],
)
def test_a_missing_field_leads_to_the_next_candidate(
    kernel: str, columns: tuple[str, ...], where: str | None
) -> None:
    found = resolve("process-exits", "tracepoint", names_of(kernel)).candidate
    assert found is not None
    assert (found.name, found.columns, found.where) == ("sched:sched_process_exit", columns, where)


def test_the_disk_s_name_is_read_where_this_kernel_has_it() -> None:
    def first_column(kernel: str) -> str:
        found = resolve("block-io", "fentry", names_of(kernel)).candidate
        assert found is not None
        return found.columns[0]

    assert first_column(OLD) == "req->rq_disk->disk_name as disk"
    assert first_column("bookworm") == "req->q->disk->disk_name as disk"


@pytest.mark.parametrize(
    ("name", "allowed", "mode"),
    [
        ("opens", ALL_MODES, "fexit"),
        ("opens", ("fentry", "kprobe", "kretprobe", "tracepoint"), "kretprobe"),
        ("opens", BY_TRACEPOINT, "tracepoint"),
        ("signals", ALL_MODES, "tracepoint"),
        ("signals", KERNEL_MODES, "fexit"),
        ("block-io", ALL_MODES, "fentry"),
        ("block-io", BY_TRACEPOINT, None),
        ("block-io", (), None),
    ],
)
def test_the_best_mode_of_those_allowed(
    name: str, allowed: tuple[str, ...], mode: str | None
) -> None:
    found = resolve(name, None, names_of(NEWEST), allowed)
    assert found.mode == mode
    assert (found.candidate is None) == (mode is None)
    if mode is None:
        assert found.reason == "this kernel allows none of the modes that suit it"


def test_what_is_missing_is_named_once() -> None:
    def has_nothing(kind: str, name: str) -> bool:
        return False

    def has_functions(kind: str, name: str) -> bool:
        return kind == "function"

    assert resolve("signals", "fexit", has_nothing).reason == (
        "this kernel has no function __send_signal_locked, no function __send_signal"
    )
    assert resolve("page-cache-misses", "tracepoint", has_nothing).reason == (
        "this kernel has no tracepoint filemap:mm_filemap_add_to_page_cache"
    )
    assert resolve("opens", "tracepoint", has_nothing).reason == (
        "this kernel has no tracepoints of the system call openat"
    )
    assert resolve("block-io", "fentry", has_functions).reason == (
        "this kernel has no field request_queue.disk, no field request.rq_disk"
    )


def test_an_unknown_preset_is_an_error() -> None:
    with pytest.raises(KeyError):
        resolve("nothing", None, names_of(OLD))
