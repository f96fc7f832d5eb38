// SPDX-License-Identifier: GPL-2.0
//
// Keeping a record from a call's entry to its return.

#define COPY_VALUE(i)                                                                              \
    if (values > i)                                                                                \
        to->values[i] = from->values[i];

// Copy a record but its texts.
static __always_inline void copy_record(struct record *to, struct record *from)
{
    SLOT(values, 0x7000000000000402);

    to->head = from->head;
    COPY_VALUE(0)
    COPY_VALUE(1)
    COPY_VALUE(2)
    COPY_VALUE(3)
    COPY_VALUE(4)
    COPY_VALUE(5)
    COPY_VALUE(6)
    COPY_VALUE(7)
    COPY_VALUE(8)
    COPY_VALUE(9)
    COPY_VALUE(10)
    COPY_VALUE(11)
    COPY_VALUE(12)
    COPY_VALUE(13)
    COPY_VALUE(14)
    COPY_VALUE(15)
}

// Keep texts that are not in `long_calls`.
static __always_inline void keep_texts(struct call *c, struct draft *d)
{
    SLOT(has_texts, 0x7000000000000401);
    char *to = texts_of(&c->kept.r), *from = texts_of(&d->whole.r);
    u32 size = read_number(&d->end);

    if (!has_texts)
        return;
    if (size <= COPIED_MAX)
        copy_words(to, from, size);
    else if (size <= KEPT_MAX)
        bpf_probe_read_kernel(to, size, from);
}

// Whether there is nothing left to test at the return.
static __always_inline int has_passed(struct call *c)
{
    return !c->retry && !c->at_return && is_current(c->generation);
}

// Note in `d->texts` where the kept texts of a call are. Returns whether they are there; nothing takes
// them away.
static __always_inline int find_kept_texts(u64 *key, struct call *c, struct draft *d)
{
    SLOT(texts_at, 0x7000000000000400);

    write_address(&d->texts, (u64)&c->kept.r + texts_at);
    if (c->end > KEPT_MAX) {
        struct whole_record *whole = long_calls.lookup(key);

        if (!whole)
            return 0;
        write_address(&d->texts, (u64)whole + texts_at);
    }
    return 1;
}

// Send a call's record with the texts that were kept.
static __always_inline void send_with_kept_texts(u64 *key, struct call *c, struct draft *d)
{
    SLOT(texts_at, 0x7000000000000400);
    struct record *r = &c->kept.r;

    if (c->end <= KEPT_MAX) {
        send_record(d, r, c->end, sizeof(struct kept_record));
        return;
    }
    struct whole_record *whole = long_calls.lookup(key);

    if (!whole)
        return;
    bpf_probe_read_kernel(&whole->r, texts_at, r);
    send_record(d, &whole->r, c->end, sizeof(struct whole_record));
}

// Whether a call's record passes that is complete, and in the draft but for its texts, which are at
// `d->texts`. The filter may have changed since the entry; no event passes a filter that was replaced.
static __always_inline int passes_now(struct call *c, struct draft *d)
{
    u32 generation;
    struct filter *f = current_filter(&generation);

    if (!f)
        return 0;
    int is_again = c->retry || generation != c->generation;

    d->mask = is_again ? 0 : c->mask;
    return return_passes(f, d, &d->whole.r, read_address(&d->texts), is_again);
}
