// SPDX-License-Identifier: GPL-2.0
//
// fentry and fexit of any function: the context is an array of the arguments' words, with the
// return value after them. Both programs of a call get the same context's address, which so
// identifies the call.

// The offset into the context must be in the instruction itself.
#define LOAD_WORD(n, offset)                                                                       \
    if (used >> n & 1)                                                                             \
        asm volatile("%0 = *(u64 *)(%1 + " #offset ")" : "=r"(words[n]) : "r"(ctx));

static __always_inline void load_words(u64 *ctx, u64 *words)
{
    SLOT(used, 0x7000000000000440);

    LOAD_WORD(0, 0)
    LOAD_WORD(1, 8)
    LOAD_WORD(2, 16)
    LOAD_WORD(3, 24)
    LOAD_WORD(4, 32)
    LOAD_WORD(5, 40)
    LOAD_WORD(6, 48)
    LOAD_WORD(7, 56)
    LOAD_WORD(8, 64)
    LOAD_WORD(9, 72)
    LOAD_WORD(10, 80)
    LOAD_WORD(11, 88)
    words[TASK] = bpf_get_current_task();
    if (used >> CGROUP & 1)
        words[CGROUP] = bpf_get_current_cgroup_id();
}

int any_entry(u64 *ctx)
{
    u64 words[WORDS];

    load_words(ctx, words);
    enter_call(words, (u64)ctx);
    return 0;
}

#ifdef SEES_RETURN
#define LOAD_RESULT(n, offset)                                                                     \
    if (place == n)                                                                                \
        asm volatile("%0 = *(u64 *)(%1 + " #offset ")" : "=r"(words[RESULT]) : "r"(ctx));

int any_return(u64 *ctx)
{
    SLOT(place, 0x7000000000000441);
    u64 words[WORDS];

    load_words(ctx, words);
    words[RESULT] = 0;
    LOAD_RESULT(0, 0)
    LOAD_RESULT(1, 8)
    LOAD_RESULT(2, 16)
    LOAD_RESULT(3, 24)
    LOAD_RESULT(4, 32)
    LOAD_RESULT(5, 40)
    LOAD_RESULT(6, 48)
    LOAD_RESULT(7, 56)
    LOAD_RESULT(8, 64)
    LOAD_RESULT(9, 72)
    LOAD_RESULT(10, 80)
    LOAD_RESULT(11, 88)
    LOAD_RESULT(12, 96)
    leave_call(words, (u64)ctx);
    return 0;
}
#endif
