// SPDX-License-Identifier: GPL-2.0
//
// Remembering a call at its entry, and sending what was remembered.

// Read a name that may not fit into `calls`, with its folder if paths are wanted; into
// `long_names` if need be. Returns false when there is no room.
static __always_inline int stash_long_name(u64 *task, int slot, struct medium_record *r,
                                           const char *name)
{
    struct long_record *whole = get_scratch(slot);

    if (!whole)
        return 0;
    whole->head.flags = r->head.flags;
    whole->head.folder_size = 0;
    read_text(whole, slot, r->head.dfd, name);
    r->head.flags = whole->head.flags;
    r->head.name_size = whole->head.name_size;
    r->head.folder_size = whole->head.folder_size;
    if (text_size(&r->head) >= NAME_MEDIUM)
        return !long_names.update(task, whole);
    // User memory may have changed since the first read: the name is shorter now, or unreadable.
    __builtin_memcpy(r->name, whole->name, sizeof(r->name));
    return 1;
}

// At a call's entry: remember it if it passes the filter.
static __always_inline int begin_call(s32 dfd, const char *name, u32 flags, u32 call_flags)
{
    if (is_canary(dfd, name))
        return 0;

    u32 uid, generation;
    struct filter *f = current_filter(&generation);

    if (!f || !f->enabled)
        return 0;

    u64 pid_tgid = bpf_get_current_pid_tgid();

    if (!passes_at_entry(f, pid_tgid, &uid))
        return 0;

    u64 task = bpf_get_current_task();
    int slot = flags & PENDING ? SCRATCH_RENAME : SCRATCH_DELETION;
    struct call *c = get_call(&task, slot);

    if (!c) {
        count(DROP_STASH_FULL);
        return 0;
    }
    if (c->r.head.entry_ns) { // this thread's last return was missed (no free kretprobe instance)
        give_up_call(&task, &c->r.head);
        c->r.head.entry_ns = 0;
    }
    fill_head(&c->r.head, pid_tgid, uid, dfd, flags, call_flags);
    c->generation = generation;
    c->name = (u64)name;
    WANTS_PATH(wants_path);
    if ((wants_path || !read_name(&c->r.head, c->r.name, sizeof(c->r.name), name)) &&
        !stash_long_name(&task, slot, &c->r, name)) {
        count(DROP_STASH_FULL);
        end_call(&task, c);
        return 0;
    }
    if (!(flags & PENDING))
        count(CALLS_ENTERED);
    c->r.head.entry_ns = bpf_ktime_get_ns(); // last, so that our own work is not in the latency
    return 0;
}

// Whether a record about to be sent passes the filter in force now. The filter may have changed
// since the entry, which passed the one of `generation`; no event passes a filter that was
// replaced.
static __always_inline int passes_now(struct head *head, u32 entry_generation)
{
    u32 generation;
    struct filter *f = current_filter(&generation);

    if (!f)
        return 0;
    if (entry_generation != generation && !record_passes(f, head))
        return 0;
    return !(f->tests & TEST_FAILURE) || head->ret < 0;
}

static __always_inline void send_call(u64 *task, struct call *c)
{
    struct medium_record *r = &c->r;
    u32 size = text_size(&r->head);

    if (NAME_MAY_BE_PAGED_OUT && r->head.name_size == NAME_UNREADABLE) {
        struct long_record *whole = get_scratch(SCRATCH_DELETION);

        if (whole) {
            whole->head = r->head;
            whole->head.flags &= ~(NO_FOLDER | FOLDER_OPEN);
            read_text(whole, SCRATCH_DELETION, r->head.dfd, (const char *)c->name);
            send(whole);
        }
    } else if (size >= NAME_MEDIUM) {
        struct long_record *whole = long_names.lookup(task);

        if (whole) {
            whole->head = r->head;
            send_longer(whole);
        }
    } else if (size <= NAME_SHORT)
        send_short((struct short_record *)r);
    else
        send_medium(r);
}
