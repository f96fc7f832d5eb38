// SPDX-License-Identifier: GPL-2.0
//
// Keeping a deletion from its entry on. The traced functions do not call themselves, so a thread is in
// one call at most, and has one entry.

#define IN_CALL 1 // what is in `frame`

// `pending`: a rename not yet known to replace a file.
static __always_inline void keep_deletion(struct deletion *of, const u32 pending, u32 draft)
{
    u32 generation;
    struct filter *f = current_filter(&generation);
    struct draft *d = draft_of(draft);
    u64 key = bpf_get_current_task();

    if (!f || !d || !f->enabled)
        return;
    struct call *c = entry_of(&key);
    struct record *r = &d->whole.r;
    int place;

    if (c) {
        if (c->frame) // this thread's last return was missed (no free kretprobe instance)
            give_up_call(&key, c);
        r = &c->kept.r;
    }
    place = make_deletion(d, f, r, of);
    if (place == REFUSED)
        return;
    if (!c || place == IN_DRAFT) {
        if (!c)
            c = insert_call(&key, 0);
        if (!c) {
            count(DROP_STASH_FULL);
            return;
        }
        copy_record(&c->kept.r, &d->whole.r);
        keep_texts(c, d);
        if (d->end > KEPT_MAX && long_calls.update(&key, &d->whole)) {
            count(DROP_STASH_FULL);
            if (c->temporary)
                remove_call(&key);
            return;
        }
    }
    c->generation = generation;
    c->mask = d->mask;
    c->end = d->end;
    c->retry = d->retry;
    c->at_return = f->at_return;
    c->address[NAME] = of->name;
    c->pending = pending;
    if (!pending)
        count(CALLS_ENTERED);
    c->frame = IN_CALL;
    c->kept.r.head.entry_ns = bpf_ktime_get_ns(); // last: our own work is not in the latency
}

static __always_inline int is_in_call(struct call *c)
{
    return c && c->frame;
}

// Send what was kept, if it passes.
static __always_inline void send_kept(u64 *key, struct call *c, u32 draft)
{
    struct draft *d = draft_of(draft);
    struct record *r = &c->kept.r;

    if (!d)
        return;
    if (!has_passed(c)) {
        copy_record(&d->whole.r, r);
        if (!find_kept_texts(key, c, d))
            return;
        if (c->retry) {
            d->whole.r.head.flags = 0;
            draft_texts(d, r->values[DFD], c->address[NAME]);
            write_address(&d->texts, (u64)texts_of(&d->whole.r));
        }
        if (!passes_now(c, d))
            return;
    }
    if (read_number(&c->retry))
        send_record(d, &d->whole.r, d->end, sizeof(struct whole_record));
    else
        send_with_kept_texts(key, c, d);
}
