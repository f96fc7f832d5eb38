// SPDX-License-Identifier: GPL-2.0
//
// Exit modes: a call is kept at its entry and emitted at its return.

// The program at return of other columns, for calls that were not seen at entry by this object's: in
// the attached object it is the newest, and in that the one before it, as long as calls that it saw
// are in progress (app/tracer/plan_programs.py).
BPF_PROG_ARRAY(other_return, 1);

// Returns whether the columns of this program are active.
static __always_inline int enter_call(u64 *words, u64 frame)
{
    SLOT(several, 0x7000000000000444);
    u32 generation;
    u64 function = several ? words[0] : 0;
    struct filter *f = current_filter(&generation);
    struct draft *d = get_draft(AT_ENTRY);
    u64 key = bpf_get_current_task(), pid_tgid = bpf_get_current_pid_tgid();

    if (!f || !d)
        return 1;
    // What was kept for another process is tested again at the return.
    if (f->enabled && !process_passes(f, pid_tgid >> 32))
        return 1;
    frame = as_number(&d->frame, frame);
    if (!f->enabled || !make_record(d, f, words, pid_tgid)) {
        give_up_ended_calls(&key, frame, function);
        return f->enabled;
    }
    struct call *c = begin_call(&key, frame, function);

    if (!c) {
        count(DROP_STASH_FULL);
        return 1;
    }
    if (several)
        c->function = function;
    c->generation = generation;
    c->mask = d->mask;
    c->end = d->end;
    c->retry = d->retry;
    c->at_return = f->at_return;
    if (d->retry)
        for (int i = 0; i < TEXTS; i++)
            c->address[i] = d->address[i];
    copy_record(&c->kept.r, &d->whole.r);
    keep_texts(c, d);
    if (d->end > KEPT_MAX && long_calls.update(&key, &d->whole)) {
        c->end = 0;
        end_call(&key, c);
        count(DROP_STASH_FULL);
        return 1;
    }
    count(CALLS_ENTERED);
    c->frame = frame;
    c->kept.r.head.entry_ns = bpf_ktime_get_ns(); // last: our own work is not in the latency
    return 1;
}

// Send what was kept, if it passes. The verifier knows nothing of what is in memory, so that it follows
// the tests once, not for each place where a record or its texts may be.
static __always_inline void send_call(u64 *key, struct call *c, u64 *words,
                                      struct draft *d)
{
    SLOT(return_texts, 0x7000000000000403);
    int is_tested = !has_passed(c);

    if (is_tested || return_texts) {
        bpf_probe_read_kernel(&d->whole.r, sizeof(struct record), &c->kept.r);
        if (!find_kept_texts(key, c, d))
            return;
    }
    if (return_texts || c->retry) {
        complete_texts(d, words, read_address(&d->texts), c->address);
        write_address(&d->texts, (u64)texts_of(&d->whole.r));
    }
    if (is_tested && !passes_now(c, d))
        return;
    if (return_texts || read_number(&c->retry))
        send_record(d, &d->whole.r, d->end, sizeof(struct whole_record));
    else
        send_with_kept_texts(key, c, d);
}

// Returns whether the call was seen at entry.
static __always_inline int leave_call(u64 *words, u64 frame)
{
    u64 now_ns = bpf_ktime_get_ns();
    u64 key = bpf_get_current_task();
    struct draft *d = get_draft(AT_RETURN);

    if (!d)
        return 0;

    struct call *c = find_call(&key, as_number(&d->frame, frame));

    if (!c)
        return 0;

    struct record *r = &c->kept.r;

    r->head.latency_ns = now_ns - r->head.entry_ns;
    r->head.ret = words[RESULT];
    obtain_values(r, words, AT_RETURN);
    count(CALLS_LEFT);
    send_call(&key, c, words, d);
    end_call(&key, c);
    return 1;
}
