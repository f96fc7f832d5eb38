// SPDX-License-Identifier: GPL-2.0
//
// What a kprobe's context tells: arguments are in registers, and on the stack above the return
// address (System V ABI, x86-64).

#ifndef __x86_64__
#error "where arguments are is known for x86-64 only"
#endif

// Of several functions, which one it is: links of kprobe.multi and kprobe.session have a cookie for
// each. Kprobes have none before Linux 5.15, so each function has a program, with its number in it.
#define BY_COOKIE 1
static u64 (*attach_cookie)(void *ctx) = (void *)174; // bpf_get_attach_cookie; older BCC lacks it

static __always_inline u64 number_of_function(struct pt_regs *ctx, u64 several)
{
    SLOT(from_1, 0x7000000000000445);

    return several == BY_COOKIE ? attach_cookie(ctx) : from_1 - 1;
}

static __always_inline void load_words(struct pt_regs *ctx, u64 *words)
{
    SLOT(used, 0x7000000000000440);
    SLOT(several, 0x7000000000000444);

    if (several)
        words[0] = number_of_function(ctx, several);
    else {
        words[0] = ctx->di;
        words[1] = ctx->si;
        words[2] = ctx->dx;
        words[3] = ctx->cx;
        words[4] = ctx->r8;
        words[5] = ctx->r9;
        if (used & 0xfc0) // any of those on the stack
            bpf_probe_read_kernel(&words[6], 6 * sizeof(u64), (void *)(ctx->sp + sizeof(u64)));
    }
    if (used >> TASK & 1)
        words[TASK] = bpf_get_current_task();
    if (used >> CGROUP & 1)
        words[CGROUP] = bpf_get_current_cgroup_id();
}
