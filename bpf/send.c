// SPDX-License-Identifier: GPL-2.0
//
// From a record to its ring.

// One ring for each record size: user space reads a ring of equal records as an array.
BPF_RINGBUF_OUTPUT(ring_short, RING_PAGES);
BPF_RINGBUF_OUTPUT(ring_medium, RING_PAGES / 2);
BPF_RINGBUF_OUTPUT(ring_large, RING_PAGES / 2);
BPF_RINGBUF_OUTPUT(ring_long, RING_PAGES / 2);

static __always_inline void send_short(struct short_record *r)
{
    struct short_record *slot = ring_short.ringbuf_reserve(sizeof(*slot));

    if (!slot) {
        count(DROP_RING_FULL);
        return;
    }
    *slot = *r;
    ring_short.ringbuf_submit(slot, BPF_RB_NO_WAKEUP);
}

static __always_inline void send_medium(struct medium_record *r)
{
    if (ring_medium.ringbuf_output(r, sizeof(*r), BPF_RB_NO_WAKEUP))
        count(DROP_RING_FULL);
}

static __always_inline void send_large(struct large_record *r)
{
    if (ring_large.ringbuf_output(r, sizeof(*r), BPF_RB_NO_WAKEUP))
        count(DROP_RING_FULL);
}

static __always_inline void send_long(struct long_record *r)
{
    if (ring_long.ringbuf_output(r, sizeof(*r), BPF_RB_NO_WAKEUP))
        count(DROP_RING_FULL);
}

// A record whose text is longer than NAME_MEDIUM.
static __always_inline void send_longer(struct long_record *r)
{
    if (text_size(&r->head) <= NAME_LARGE)
        send_large((struct large_record *)r);
    else
        send_long(r);
}

static __always_inline void send(struct long_record *r)
{
    if (text_size(&r->head) <= NAME_SHORT)
        send_short((struct short_record *)r);
    else if (text_size(&r->head) <= NAME_MEDIUM)
        send_medium((struct medium_record *)r);
    else
        send_longer(r);
}
