// SPDX-License-Identifier: GPL-2.0
//
// kprobe and kretprobe of any function, or of several. The stack pointer identifies the call.

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
