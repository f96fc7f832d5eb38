# SPDX-License-Identifier: Apache-2.0
"""Programs as the usual examples write them: bpf_printk, one line of text per event. Pure.

For kernel functions these are libbpf-bootstrap's `fentry` and `kprobe` examples, written for BCC;
exit modes load both programs, as the examples do.
"""

from __future__ import annotations

FILTER = "u32 pid = bpf_get_current_pid_tgid() >> 32;\n    if (pid != PID)\n        return 0;\n"
ON_FENTRY = """
#define AT_ENTRY(function, args...) KFUNC_PROBE(function, ##args)
AT_ENTRY(FUNCTION, int dfd, struct filename *name)
{
    %(filter)s
    bpf_trace_printk("fentry: pid = %%d, filename = %%s\\n", pid, name->name);
    return 0;
}
"""
ON_FEXIT = """
#define AT_EXIT(function, args...) KRETFUNC_PROBE(function, ##args)
AT_EXIT(FUNCTION, int dfd, struct filename *name, long ret)
{
    %(filter)s
    bpf_trace_printk("fexit: pid = %%d, ret = %%ld\\n", pid, ret);
    return 0;
}
"""
ON_KPROBE = """
int on_entry(struct pt_regs *ctx, int dfd, struct filename *name)
{
    %(filter)s
    bpf_trace_printk("KPROBE ENTRY pid = %%d, filename = %%s\\n", pid, name->name);
    return 0;
}
"""
ON_KRETPROBE = """
int on_return(struct pt_regs *ctx)
{
    %(filter)s
    bpf_trace_printk("KPROBE EXIT: pid = %%d, ret = %%ld\\n", pid, PT_REGS_RC(ctx));
    return 0;
}
"""
ON_TRACEPOINT = """
TRACEPOINT_PROBE(syscalls, sys_enter_unlinkat)
{
    %(filter)s
    char name[64];
    bpf_probe_read_user_str(name, sizeof(name), args->pathname);
    bpf_trace_printk("enter: pid = %%d, filename = %%s\\n", pid, name);
    return 0;
}
TRACEPOINT_PROBE(syscalls, sys_exit_unlinkat)
{
    %(filter)s
    bpf_trace_printk("exit: pid = %%d, ret = %%ld\\n", pid, args->ret);
    return 0;
}
"""
PARTS = {
    "fentry": [ON_FENTRY],
    "fexit": [ON_FENTRY, ON_FEXIT],
    "kprobe": [ON_KPROBE],
    "kretprobe": [ON_KPROBE, ON_KRETPROBE],
    "tracepoint": [ON_TRACEPOINT],
}
LINES_PER_CALL = {"fentry": 1, "fexit": 2, "kprobe": 1, "kretprobe": 2, "tracepoint": 2}


def source(mode: str) -> str:
    """Return the C text for BCC; the compiler's flags must define FUNCTION and PID."""
    head = "#include <uapi/linux/ptrace.h>\n"
    if mode != "tracepoint":
        head += "#include <linux/fs.h>\n"
    return head + "".join(part % {"filter": FILTER} for part in PARTS[mode])
