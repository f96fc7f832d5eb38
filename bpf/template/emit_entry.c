// SPDX-License-Identifier: GPL-2.0
//
// Entry modes: a call is emitted at its entry.

static __always_inline int enter_call(u64 *words, u64 frame)
{
    u32 generation;
    u64 now_ns = bpf_ktime_get_ns();
    struct filter *f = current_filter(&generation);
    struct draft *d = get_draft(AT_ENTRY);

    if (!f || !f->enabled || !d || !make_record(d, f, words))
        return 0;
    d->whole.r.head.entry_ns = now_ns;
    send_record(&d->whole.r, d->end, sizeof(struct whole_record));
    return 0;
}
