// SPDX-License-Identifier: GPL-2.0
//
// Entry modes: a deletion is emitted at its entry, a rename as soon as it is known to replace a
// file.

static __always_inline int enter_deletion(s32 dfd, const char *name)
{
    if (is_canary(dfd, name))
        return 0;

    u32 uid, generation;
    struct filter *f = current_filter(&generation);

    if (!f || !f->enabled)
        return 0;

    u64 pid_tgid = bpf_get_current_pid_tgid();
    struct long_record *r = get_scratch(SCRATCH_DELETION);

    if (!r || !passes_at_entry(f, pid_tgid, &uid))
        return 0;
    r->head.entry_ns = bpf_ktime_get_ns();
    fill_head(&r->head, pid_tgid, uid, dfd, 0, 0);
    read_text(r, SCRATCH_DELETION, dfd, name);
    send(r);
    return 0;
}

#ifdef RENAME_FUNCTION
static __always_inline void confirm_rename(u64 *task, struct call *c)
{
    if (passes_now(&c->r.head, c->generation))
        send_call(task, c);
    forget_call(task, c);
}

// At the return of a rename that replaced nothing.
static __always_inline int leave_call(s64 ret)
{
    u64 task = bpf_get_current_task();
    struct call *c = calls.lookup(&task);

    if (is_in_call(c))
        forget_call(&task, c);
    return 0;
}
#endif
