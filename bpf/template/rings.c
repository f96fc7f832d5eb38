// SPDX-License-Identifier: GPL-2.0
//
// From a record to the ring of its size: user space reads a ring of equal records as an array. The
// loader gives each ring its size in bytes.

BPF_RINGBUF_OUTPUT(ring_short, 1);
BPF_RINGBUF_OUTPUT(ring_medium, 1);
BPF_RINGBUF_OUTPUT(ring_large, 1);
BPF_RINGBUF_OUTPUT(ring_long, 1);

#define TEXTS_SHORT 64
#define TEXTS_MEDIUM 256
#define TEXTS_LARGE 1024

// `size` is that of the record's texts, `room` that of its memory in bytes.
static __always_inline void send_record(struct draft *d, struct record *r, u32 size, const u32 room)
{
    SLOT(key_words, 0x7000000000000680);

    if (key_words) {
        SLOT(texts_at, 0x7000000000000400);

        add_to_group(&d->group, r, (u64)r + texts_at, key_words);
        return;
    }

    SLOT(short_bytes, 0x7000000000000410);
    SLOT(medium_bytes, 0x7000000000000411);
    SLOT(large_bytes, 0x7000000000000412);
    SLOT(long_bytes, 0x7000000000000413);
    long error = 0;

    // The verifier knows these sizes: a branch whose record would not fit is refused, not dropped.
    if (size <= TEXTS_SHORT)
        error = ring_short.ringbuf_output(r, short_bytes, BPF_RB_NO_WAKEUP);
    else if (size <= TEXTS_MEDIUM)
        error = ring_medium.ringbuf_output(r, medium_bytes, BPF_RB_NO_WAKEUP);
    else if (room > sizeof(struct kept_record)) {
        if (size <= TEXTS_LARGE)
            error = ring_large.ringbuf_output(r, large_bytes, BPF_RB_NO_WAKEUP);
        else
            error = ring_long.ringbuf_output(r, long_bytes, BPF_RB_NO_WAKEUP);
    }
    if (error)
        count(DROP_RING_FULL);
}
