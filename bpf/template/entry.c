// SPDX-License-Identifier: GPL-2.0
//
// At a call's entry: making its record.

// The program at entry of the active columns, once they are others than these. A program without a
// successor jumps nowhere, which costs nothing while its own columns are active
// (app/tracer/plan_programs.py).
BPF_PROG_ARRAY(newer_entry, 1);

// Fill a draft with what is known at entry of a call whose process the filter lets pass. Returns false
// when it does not let the call pass.
static __always_inline int make_record(struct draft *d, struct filter *f, u64 *words, u64 pid_tgid)
{
    SLOT(has_texts, 0x7000000000000401);
    SLOT(needs, 0x7000000000000404);
    struct record *r = &d->whole.r;

    if (needs != NEEDS_ALL && f->clause_count)
        fill_caller(&r->head, pid_tgid, NEEDS_ALL);
    else
        fill_caller(&r->head, pid_tgid, needs);
    r->head.flags = 0;
    r->head.unreadable = 0;
    if (f->clause_count && !caller_passes(f, d, r))
        return 0;
    obtain_values(r, words, AT_ENTRY);
    if (f->clause_count && !values_pass(f, d, r))
        return 0;
    d->end = d->retry = 0;
    if (!has_texts)
        return 1;

    s32 *sizes = r->head.text_size;

    sizes[0] = sizes[1] = sizes[2] = sizes[3] = TEXT_UNREADABLE;
    d->address[0] = d->address[1] = d->address[2] = d->address[3] = 0;
    gather_texts(d, words, AT_ENTRY);
#ifdef SEES_RETURN
    d->retry = wants_retry(d); // then they are tested at the return
#endif
    return d->retry || texts_pass(f, d, r, (u64)texts_of(r));
}
