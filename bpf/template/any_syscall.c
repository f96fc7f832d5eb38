// SPDX-License-Identifier: GPL-2.0
//
// A system call by its two tracepoints, as one record. These do not nest, so the thread identifies
// the call. The layout is part of the tracepoints' interface (tracefs, events/syscalls/*/format).

#define ONLY_FRAME 1

#define LOAD_WORD(n, offset)                                                                       \
    if (used >> n & 1)                                                                             \
        asm volatile("%0 = *(u64 *)(%1 + " #offset ")" : "=r"(words[n]) : "r"(ctx));

int any_entry(void *ctx)
{
    SLOT(used, 0x7000000000000440);
    u64 words[WORDS];

    LOAD_WORD(0, 16)
    LOAD_WORD(1, 24)
    LOAD_WORD(2, 32)
    LOAD_WORD(3, 40)
    LOAD_WORD(4, 48)
    LOAD_WORD(5, 56)
    if (used >> TASK & 1)
        words[TASK] = bpf_get_current_task();
    if (used >> CGROUP & 1)
        words[CGROUP] = bpf_get_current_cgroup_id();
    if (!enter_call(words, ONLY_FRAME))
        newer_entry.call(ctx, 0);
    return 1;
}

int any_return(void *ctx)
{
    u64 words[WORDS];

    asm volatile("%0 = *(u64 *)(%1 + 16)" : "=r"(words[RESULT]) : "r"(ctx));
    words[TASK] = bpf_get_current_task();
    if (!leave_call(words, ONLY_FRAME))
        other_return.call(ctx, 0);
    return 1;
}
