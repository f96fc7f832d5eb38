// SPDX-License-Identifier: GPL-2.0
//
// kprobe.session: one program at the entries and returns of several functions.

// Functions of the kernel; app/tracer/casts.py puts their calls in (see `cast` in bpf/words.c).
static u64 (*session_is_return)(void *ctx) = (void *)0x70002;
static u64 *(*session_cookie)(void *ctx) = (void *)0x70003;

int any_entry(struct pt_regs *ctx)
{
    u64 *entry_ns = session_cookie(ctx), words[WORDS];

    if (!(session_is_return(ctx) & 1))
        return !begin_session(entry_ns); // with 1 the kernel leaves the return alone
    load_words(ctx, words);
    words[RESULT] = ctx->ax;
    end_session(words, *entry_ns);
    return 0;
}
