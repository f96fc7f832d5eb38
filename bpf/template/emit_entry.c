// SPDX-License-Identifier: GPL-2.0
//
// Entry modes: a call is emitted at its entry.

// Returns whether the columns of this program are active.
static __always_inline int enter_call(u64 *words, u64 frame)
{
    u32 generation;
    SLOT(key_words, 0x7000000000000680);
    u64 now_ns = key_words ? 0 : bpf_ktime_get_ns();
    struct filter *f = current_filter(&generation);
    u64 pid_tgid = bpf_get_current_pid_tgid();
    struct draft *d = get_draft(AT_ENTRY);

    if (!f || !d)
        return 1;
    if (!f->enabled)
        return 0;
    if (!process_passes(f, pid_tgid >> 32) || !make_record(d, f, words, pid_tgid))
        return 1;
    d->whole.r.head.entry_ns = now_ns;
    send_record(d, &d->whole.r, d->end, sizeof(struct whole_record));
    return 1;
}
