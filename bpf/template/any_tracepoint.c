// SPDX-License-Identifier: GPL-2.0
//
// Any tracepoint. Its fields are read from the record's memory, at any offset and of any size.

int any_entry(void *ctx)
{
    SLOT(used, 0x7000000000000440);
    u64 words[WORDS];

    words[CONTEXT] = (u64)ctx;
    if (used >> TASK & 1)
        words[TASK] = bpf_get_current_task();
    if (used >> CGROUP & 1)
        words[CGROUP] = bpf_get_current_cgroup_id();
    if (!enter_call(words, 0))
        newer_entry.call(ctx, 0);
    return 1;
}
