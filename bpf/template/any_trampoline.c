// SPDX-License-Identifier: GPL-2.0
//
// fentry and fexit of any function: the context is an array of the arguments' words, with the
// return value after them. Both programs of a call get the same context's address, which so
// identifies the call.

#define LOAD_WORD(n, offset)                                                                       \
    if (used >> n & 1)                                                                             \
        LOAD(words[n], u64, from, offset);

// Read as memory: the verifier does not let programs load each type of argument from the context,
// such as a pointer to a pointer (btf_ctx_access, kernel/bpf/btf.c), and pointers that it knows as
// such could not be shifted.
static __always_inline void load_words(u64 *ctx, u64 *words)
{
    SLOT(used, 0x7000000000000440);
    SLOT(bytes, 0x7000000000000442);

    CAST_TYPE(cast_type);

    if (bytes && cast_type) {
        u64 from = cast((u64)ctx, cast_type);

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
    } else if (bytes)
        bpf_probe_read_kernel(words, bytes, ctx);
    if (used >> TASK & 1)
        words[TASK] = bpf_get_current_task();
    if (used >> CGROUP & 1)
        words[CGROUP] = bpf_get_current_cgroup_id();
}

int any_entry(u64 *ctx)
{
    u64 words[WORDS];

    load_words(ctx, words);
    if (!enter_call(words, (u64)ctx))
        newer_entry.call(ctx, 0);
    return 0;
}

#ifdef SEES_RETURN
int any_return(u64 *ctx)
{
    SLOT(place, 0x7000000000000441);
    u64 words[WORDS];

    load_words(ctx, words);
    words[RESULT] = pointer_at((u64)(ctx + place));
    if (!leave_call(words, (u64)ctx))
        other_return.call(ctx, 0);
    return 0;
}
#endif
