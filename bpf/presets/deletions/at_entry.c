// SPDX-License-Identifier: GPL-2.0
//
// Entry modes: a deletion is sent at its entry, a rename as soon as it is known to replace a file.

static __always_inline void enter_deletion(struct deletion *of, u32 draft)
{
    u32 generation;
    u64 now_ns = bpf_ktime_get_ns();
    struct filter *f = current_filter(&generation);
    struct draft *d = draft_of(draft);

    if (is_canary(of->dfd, (const char *)of->name) || !f || !d || !f->enabled)
        return;
    if (make_deletion(d, f, &d->whole.r, of) == REFUSED)
        return;
    d->whole.r.head.entry_ns = now_ns;
    send_record(d, &d->whole.r, d->end, sizeof(struct whole_record));
}

static __always_inline void confirm_rename(u64 *key, struct call *c)
{
    send_kept(key, c, DRAFT_OF_VFS_RENAME);
    end_call(key, c);
}

// At the return of a rename that replaced nothing.
static __always_inline void leave_deletion(s64 ret)
{
    u64 key = bpf_get_current_task();
    struct call *c = entry_of(&key);

    if (is_in_call(c))
        end_call(&key, c);
}
