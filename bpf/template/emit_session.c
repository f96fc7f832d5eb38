// SPDX-License-Identifier: GPL-2.0
//
// Exit modes where the kernel keeps 8 bytes for each call from its entry to its return: the time of
// entry. So nothing has to be found again, but nothing else is known of the entry either: a record is
// made at the return, by the same thread.

// Returns whether the call's return is wanted.
static __always_inline int begin_session(u64 *entry_ns)
{
    u32 generation;
    struct filter *f = current_filter(&generation);

    if (!f || !f->enabled || !process_passes(f, bpf_get_current_pid_tgid() >> 32))
        return 0;
    count(CALLS_ENTERED);
    *entry_ns = bpf_ktime_get_ns();
    return 1;
}

static __always_inline void end_session(u64 *words, u64 entry_ns)
{
    u64 now_ns = bpf_ktime_get_ns(), pid_tgid = bpf_get_current_pid_tgid();
    u32 generation;
    struct filter *f = current_filter(&generation);
    struct draft *d = get_draft(AT_RETURN);

    count(CALLS_LEFT);
    if (!f || !d || !process_passes(f, pid_tgid >> 32) || !make_record(d, f, words, pid_tgid))
        return;

    struct record *r = &d->whole.r;

    r->head.entry_ns = entry_ns;
    r->head.latency_ns = now_ns - entry_ns;
    r->head.ret = words[RESULT];
    obtain_values(r, words, AT_RETURN);
    if (f->at_return && !return_passes(f, d, r, (u64)texts_of(r), 0))
        return;
    send_record(d, r, d->end, sizeof(struct whole_record));
}
