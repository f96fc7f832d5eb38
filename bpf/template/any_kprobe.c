// SPDX-License-Identifier: GPL-2.0
//
// kprobe and kretprobe of any function: arguments are in registers, and on the stack above the
// return address (System V ABI, x86-64). The stack pointer identifies the call.

#ifndef __x86_64__
#error "where arguments are is known for x86-64 only"
#endif

static __always_inline void load_words(struct pt_regs *ctx, u64 *words)
{
    SLOT(used, 0x7000000000000440);

    words[0] = ctx->di;
    words[1] = ctx->si;
    words[2] = ctx->dx;
    words[3] = ctx->cx;
    words[4] = ctx->r8;
    words[5] = ctx->r9;
    if (used & 0xfc0) // any of those on the stack
        bpf_probe_read_kernel(&words[6], 6 * sizeof(u64), (void *)(ctx->sp + sizeof(u64)));
    if (used >> TASK & 1)
        words[TASK] = bpf_get_current_task();
    if (used >> CGROUP & 1)
        words[CGROUP] = bpf_get_current_cgroup_id();
}

int any_entry(struct pt_regs *ctx)
{
    u64 words[WORDS];

    load_words(ctx, words);
    if (!enter_call(words, ctx->sp))
        newer_entry.call(ctx, 0);
    return 1;
}

#ifdef SEES_RETURN
int any_return(struct pt_regs *ctx)
{
    u64 words[WORDS];

    words[RESULT] = ctx->ax;
    words[TASK] = bpf_get_current_task();
    if (!leave_call(words, ctx->sp - sizeof(u64))) // the return address has been taken off the stack
        other_return.call(ctx, 0);
    return 1;
}
#endif
