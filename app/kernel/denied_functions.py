# SPDX-License-Identifier: Apache-2.0
"""Functions that Probedeck never traces, whatever the kernel allows, and why.

Data only. The kernel protects itself against many of these: the kprobe blacklist, `notrace`, and
the counter that keeps a BPF program from running inside itself. But it does not protect against
all of them, on every version, and a program that runs within what it calls loses the events of
the calls that matter. What our programs call is the list of `bpf/`: ring buffers, hashes and
arrays, clocks, reads of memory, the current task.
"""

from __future__ import annotations

_RING_BUFFER = "our programs write their events with it: tracing it would trace our own events"
_MAPS = "our programs read and write their maps with it: each event would cause another"
_CLOCK = "our programs read the clock with it, also inside interrupts that cannot be interrupted"
_MEMORY = "our programs read memory with it: each read would cause another event"
_BPF = "the kernel runs, attaches or accounts BPF programs with it: it would trace itself"
_KPROBES = "kprobes are made of it: a probe on it would call itself"
_FTRACE = "ftrace, which calls our programs, is made of it: it would call itself"
_PATCHING = "it changes the kernel's code while probes are attached: a probe on it can hang the CPU"
_NMI = "it runs in non-maskable interrupts or while the machine crashes, where tracing can hang it"
_TRAPS = "it handles the traps that probes are made of"
_RCU = "every BPF program runs inside it: tracing it would recurse"
_LOCKS = "maps and ring buffers take their locks with it: tracing it can deadlock"
_PREEMPTION = "it runs around every BPF program: tracing it would recurse"
_STACK = "the kernel walks stacks with it, also inside our programs and inside interrupts"
_PERF = "events reach their programs through it: tracing it would trace itself"

# Names; one that ends with `*` is the beginning of names.
DENIED: tuple[tuple[str, tuple[str, ...]], ...] = (
    (_RING_BUFFER, ("bpf_ringbuf_*", "__bpf_ringbuf_*", "ringbuf_map_*", "bpf_perf_event_output*")),
    (
        _MAPS,
        (
            "array_map_lookup_elem",
            "array_map_update_elem",
            "percpu_array_map_lookup_elem",
            "bpf_map_lookup_elem",
            "bpf_map_update_elem",
            "bpf_map_delete_elem",
            "__htab_*",
            "htab_*",
            "bpf_lru_*",
            "__bpf_lru_*",
            "bpf_percpu_array_*",
            "bpf_percpu_hash_*",
            "pcpu_freelist_*",
            "__pcpu_freelist_*",
            "bpf_task_storage_*",
            "bpf_local_storage_*",
            "bpf_selem_*",
            "bpf_mem_cache_*",
            "bpf_mem_alloc",
            "bpf_mem_free",
            "unit_alloc",
            "unit_free",
        ),
    ),
    (
        _CLOCK,
        (
            "bpf_ktime_*",
            "ktime_get_mono_fast_ns",
            "ktime_get_boot_fast_ns",
            "ktime_get_real_fast_ns",
            "__ktime_get_real_seconds",
            "read_tsc",
            "kvm_clock_*",
            "pvclock_clocksource_read*",
            "sched_clock*",
            "native_sched_clock*",
            "local_clock*",
        ),
    ),
    (
        _MEMORY,
        (
            "bpf_probe_read_*",
            "bpf_get_current_*",
            "bpf_current_*",
            "copy_from_kernel_nofault*",
            "copy_from_user_nofault",
            "strncpy_from_kernel_nofault",
            "strncpy_from_user_nofault",
            "strncpy_from_unsafe*",
            "probe_kernel_read*",
            "__copy_from_user_inatomic",
            "fixup_exception",
            "ex_handler_*",
            "search_exception_tables",
            "search_extable",
            "search_kernel_exception_table",
        ),
    ),
    (
        _BPF,
        (
            "__bpf_prog_enter*",
            "__bpf_prog_exit*",
            "__bpf_tramp_*",
            "bpf_prog_start_time",
            "bpf_prog_run*",
            "__bpf_prog_run*",
            "___bpf_prog_run",
            "bpf_trampoline_*",
            "__bpf_trampoline_*",
            "bpf_trace_run*",
            "__bpf_trace_*",
            "bpf_overflow_handler",
            "bpf_dispatcher_*",
            "bpf_raw_tp_*",
            "trace_call_bpf",
            "update_prog_stats",
            "inc_misses_counter",
            "bpf_prog_inc_misses_counter",
            "bpf_prog_update_prog_stats",
            "arch_prepare_bpf_trampoline",
            "arch_bpf_trampoline_*",
            "bpf_arch_text_*",
            "bpf_tramp_*",
        ),
    ),
    (
        _KPROBES,
        (
            "kprobe_*",
            "__kprobe_*",
            "kretprobe_*",
            "__kretprobe_*",
            "arch_kprobe*",
            "arch_arm_kprobe",
            "arch_disarm_kprobe",
            "arch_prepare_kprobe*",
            "aggr_pre_handler",
            "aggr_post_handler",
            "opt_pre_handler",
            "optimized_callback",
            "arch_rethook_*",
            "rethook_*",
            "__rethook_*",
            "get_kprobe",
            "setup_singlestep",
            "resume_singlestep",
            "reenter_kprobe*",
            "trampoline_handler",
            "skip_singlestep",
            "objpool_*",
            "__objpool_*",
            "dispatch_kprobe*",
        ),
    ),
    (
        _FTRACE,
        (
            "ftrace_*",
            "__ftrace_*",
            "fprobe_*",
            "__fprobe_*",
            "arch_ftrace_*",
            "function_trace_*",
            "function_graph_*",
            "trace_function*",
            "trace_clock*",
            "ring_buffer_*",
            "__ring_buffer_*",
            "prepare_ftrace_*",
            "register_ftrace_*",
            "unregister_ftrace_*",
            "call_direct_funcs",
        ),
    ),
    (
        _PATCHING,
        (
            "text_poke*",
            "__text_poke*",
            "smp_text_poke_*",
            "poke_int3_handler",
            "arch_jump_label_*",
            "__jump_label_*",
            "jump_label_update",
            "arch_static_call_transform",
            "__static_call_*",
            "do_sync_core",
            "stop_machine*",
            "multi_cpu_stop",
        ),
    ),
    (
        _NMI,
        (
            "nmi_*",
            "__nmi_*",
            "exc_nmi",
            "asm_exc_nmi",
            "do_nmi",
            "default_do_nmi",
            "arch_trigger_*",
            "irq_work_*",
            "panic",
            "vpanic",
            "panic_*",
            "oops_begin",
            "oops_end",
            "oops_enter",
            "oops_exit",
            "die",
            "__die*",
            "crash_kexec",
            "__crash_kexec",
            "machine_kexec*",
            "machine_crash_*",
            "native_machine_crash_shutdown",
            "native_machine_emergency_restart",
            "emergency_restart",
            "perf_event_nmi_handler",
            "mce_panic",
            "mce_start",
            "mce_end",
            "mce_timed_out",
            "mce_log",
            "mce_rdmsrl",
            "mce_wrmsrl",
            "do_machine_check",
            "printk_nmi_*",
        ),
    ),
    (
        _TRAPS,
        (
            "exc_*",
            "asm_*",
            "do_int3*",
            "do_debug",
            "notify_die",
            "do_error_trap",
            "irqentry_*",
            "common_interrupt_return",
            "do_user_addr_fault",
            "kernelmode_fixup_or_oops",
        ),
    ),
    (
        _RCU,
        (
            "__rcu_read_lock*",
            "__rcu_read_unlock*",
            "rcu_read_lock*",
            "rcu_read_unlock*",
            "rcu_is_watching",
            "rcu_nmi_*",
            "rcu_irq_*",
            "rcu_dynticks_*",
            "__srcu_read_*",
            "rcu_lockdep_*",
            "debug_lockdep_rcu_enabled",
        ),
    ),
    (
        _LOCKS,
        (
            "_raw_spin_*",
            "__raw_spin_*",
            "_raw_read_*",
            "_raw_write_*",
            "do_raw_spin_*",
            "queued_spin_lock_slowpath",
            "native_queued_spin_lock_slowpath",
            "__pv_queued_spin_*",
            "resilient_*",
            "pv_wait",
            "pv_kick",
            "kvm_wait",
            "kvm_kick_cpu",
            "lock_acquire",
            "lock_release",
            "lock_is_held_type",
        ),
    ),
    (
        _PREEMPTION,
        (
            "migrate_disable",
            "migrate_enable",
            "__migrate_disable",
            "__migrate_enable",
            "preempt_count_*",
            "preempt_schedule*",
            "__preempt_*",
            "___preempt_*",
            "trace_hardirqs_*",
            "trace_preempt_*",
            "__cant_migrate",
            "__local_bh_*",
            "debug_smp_processor_id",
            "__this_cpu_preempt_check",
        ),
    ),
    (
        _STACK,
        (
            "unwind_*",
            "__unwind_*",
            "arch_stack_walk*",
            "stack_trace_*",
            "__orc_find",
            "orc_*",
            "kernel_text_address",
            "__kernel_text_address",
            "is_ftrace_trampoline",
            "is_bpf_text_address",
            "bpf_get_stack*",
            "get_perf_callchain",
            "perf_callchain*",
        ),
    ),
    (
        _PERF,
        (
            "perf_trace_*",
            "perf_tp_event*",
            "perf_swevent_*",
            "perf_event_output*",
            "perf_ftrace_*",
            "perf_syscall_*",
            "perf_call_bpf_*",
        ),
    ),
)

# Those to which the kernel attaches no trampoline: btf_id_deny of kernel/bpf/verifier.c, of all
# versions. The list is not in the BTF, and what a version does not deny is denied above.
BTF_DENIED = frozenset(
    (
        "migrate_disable",
        "migrate_enable",
        "__migrate_enable",
        "rcu_read_unlock_strict",
        "preempt_count_add",
        "preempt_count_sub",
        "__rcu_read_lock",
        "__rcu_read_unlock",
    )
)

# Those that never return: noreturn_deny of kernel/bpf/verifier.c (since Linux 6.15; earlier kernels
# attach, and never release the trampoline), and more of tools/objtool/noreturns.h.
NORETURN = frozenset(
    (
        "__fortify_panic",
        "__ia32_sys_exit",
        "__ia32_sys_exit_group",
        "__kunit_abort",
        "__module_put_and_kthread_exit",
        "__module_put_and_exit",
        "__stack_chk_fail",
        "__ubsan_handle_builtin_unreachable",
        "__x64_sys_exit",
        "__x64_sys_exit_group",
        "__arm64_sys_exit",
        "__arm64_sys_exit_group",
        "arch_cpu_idle_dead",
        "complete_and_exit",
        "cpu_bringup_and_idle",
        "cpu_startup_entry",
        "do_exit",
        "do_group_exit",
        "do_task_dead",
        "fortify_panic",
        "hlt_play_dead",
        "kthread_complete_and_exit",
        "kthread_exit",
        "kunit_try_catch_throw",
        "machine_real_restart",
        "make_task_dead",
        "nmi_panic_self_stop",
        "panic_smp_self_stop",
        "rewind_stack_and_make_dead",
        "rewind_stack_do_exit",
        "stop_this_cpu",
        "usercopy_abort",
    )
)


def _reasons() -> tuple[dict[str, str], dict[str, str]]:
    """Return the reasons by name, and by the beginning of names."""
    whole, beginnings = {}, {}
    for reason, names in DENIED:
        for name in names:
            if name.endswith("*"):
                beginnings[name[:-1]] = reason
            else:
                whole[name] = reason
    return whole, beginnings


_BY_NAME, _BY_BEGINNING = _reasons()
_BEGINNINGS = tuple(_BY_BEGINNING)


def why_denied(function: str) -> str | None:
    """Return why this function must not be traced; None if it may.

    What the compiler made of a function (`name.isra.0`) is denied as the function itself.
    """
    name = function.partition(".")[0]
    if (reason := _BY_NAME.get(name)) is not None:
        return reason
    if not name.startswith(_BEGINNINGS):
        return None
    return next(why for begin, why in _BY_BEGINNING.items() if name.startswith(begin))
