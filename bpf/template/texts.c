// SPDX-License-Identifier: GPL-2.0
//
// Gathering the texts of a record.

// Kinds of texts (app/columns/plan.py).
#define TEXT_STRING 1
#define TEXT_BYTES 2
#define TEXT_PATH 3
#define TEXT_DENTRY 4
#define TEXT_DATA_LOC 5

static __always_inline void end_text(struct draft *d, const int i, long size)
{
    d->whole.r.head.text_size[i] = size;
    if (size > 0)
        d->end += size;
}

// `max` is at most TEXT_MAX, with a NUL.
static __always_inline void read_string(struct draft *d, const int i, u64 max, u64 address,
                                        int in_kernel)
{
    char *texts = texts_of(&d->whole.r);
    u32 at = d->end & (TEXTS_MAX - 1);
    long copied;
    char next = 0;

    if (in_kernel)
        copied = read_kernel_text(&texts[at], max, address);
    else
        copied = bpf_probe_read_user_str(&texts[at], max, (void *)address);
    if (copied < 0) {
        end_text(d, i, TEXT_UNREADABLE);
        return;
    }
    // The helper counts the NUL, except that older kernels return 0 for an empty text.
    end_text(d, i, copied ? copied - 1 : 0);
    if (copied < (long)max)
        return;
    // It has written a NUL at the end. Did the text end there too?
    read_memory(&next, 1, address + max - 1, in_kernel);
    if (next)
        d->whole.r.head.flags |= TEXT_CUT << i;
}

static __always_inline void read_path(struct draft *d, const int i, u64 max,
                                      u64 mnt, u64 dentry)
{
    char *texts = texts_of(&d->whole.r);
    u32 at = d->end & (TEXTS_MAX - 1), from, size;
    int is_open;

    if (!dentry) {
        end_text(d, i, TEXT_UNREADABLE);
        return;
    }
    is_open = walk_path(&d->walk, mnt, dentry);
    from = read_number(&d->walk.path_at);
    size = PATH_BYTES - from;
    if (size > max) { // its end says most
        from += size - max;
        size = max;
        is_open = 1;
    }
    if (is_open)
        d->whole.r.head.flags |= PATH_OPEN << i;
    from &= PATH_BYTES * 2 - 1;
    if (size <= COPIED_MAX)
        copy_words(&texts[at], (char *)d->walk.path + from, size);
    else {
        asm volatile("" : "+r"(size)); // the bound belongs right before its use
        size &= TEXT_MAX * 2 - 1;
        bpf_probe_read_kernel(&texts[at], size, (char *)d->walk.path + from);
    }
    end_text(d, i, size);
}

static __always_inline void read_text(struct draft *d, const int i, u64 kind, u64 max, u64 base,
                                      u64 address, u64 *words)
{
    SLOT(path_mnt, 0x7000000000000300);
    SLOT(path_dentry, 0x7000000000000301);

    u64 mnt = 0;

    // One place for each helper: the compiler makes a copy of all this for each text.
    if (kind == TEXT_DATA_LOC) { // its place: the offset from the record's start, in 16 bits
        u32 place = 0;

        bpf_probe_read_kernel(&place, sizeof(place), (void *)address);
        address = as_number(&d->address[i], words[CONTEXT] + (place & 0xffff));
    }
    if (kind == TEXT_PATH) {
        mnt = pointer_at(address + path_mnt);
        address = pointer_at(address + path_dentry);
    }
    if (kind == TEXT_PATH || kind == TEXT_DENTRY)
        read_path(d, i, max, mnt, address);
    else if (kind == TEXT_BYTES) {
        char *texts = texts_of(&d->whole.r);
        u32 at = d->end & (TEXTS_MAX - 1);
        long failed = read_memory(&texts[at], max, address, IN_KERNEL(base, address));

        end_text(d, i, failed ? TEXT_UNREADABLE : (long)max);
    } else
        read_string(d, i, max, address, IN_KERNEL(base, address));
}

#define TEXT(X, i)                                                                                 \
    {                                                                                              \
        SLOT(use, X##0);                                                                           \
        if (use == moment) {                                                                       \
            SLOT(kind, X##d);                                                                      \
            SLOT(max, X##e);                                                                       \
            SLOT(from, X##1);                                                                      \
            u64 address;                                                                           \
            long failed;                                                                           \
            OBTAIN(X, address, failed)                                                             \
            address = as_number(&d->address[i], address);                                          \
            if (failed)                                                                            \
                d->whole.r.head.text_size[i] = TEXT_UNREADABLE;                                              \
            else                                                                                   \
                read_text(d, i, kind, max, from, address, words);                            \
        }                                                                                          \
    }

static __always_inline void gather_texts(struct draft *d, u64 *words,
                                         const int moment)
{
    TEXT(0x700000000000020, 0)
    TEXT(0x700000000000021, 1)
    TEXT(0x700000000000022, 2)
    TEXT(0x700000000000023, 3)
}

// Whether a text in user memory could not be read. Its page may not be in memory at entry, and a
// program cannot wait for it; by the return the kernel has read it, so then it is there. Without
// branches, all combinations of which the verifier would follow.
static __always_inline int wants_retry(struct draft *d)
{
    u64 retry = 0;

#pragma unroll
    for (int i = 0; i < TEXTS; i++) {
        u64 is_unreadable = (u32)d->whole.r.head.text_size[i] >> 31;
        u64 is_of_kernel = (d->address[i] - 1) >> 63; // or there is none: it is 0

        retry |= is_unreadable & ~is_of_kernel;
    }
    return retry;
}

#define COMPLETE_TEXT(X, i)                                                                        \
    {                                                                                              \
        SLOT(use, X##0);                                                                           \
        if (use == AT_ENTRY) {                                                                     \
            SLOT(kind, X##d);                                                                      \
            SLOT(max, X##e);                                                                       \
            SLOT(base, X##1);                                                                      \
            complete_text(d, i, kind, max, base, &kept, addresses[i]);                             \
        }                                                                                          \
    }

// Copy a text that was read at entry, or read it now. `*kept` is where it is, if it was.
static __always_inline void complete_text(struct draft *d, const int i, u64 kind, u64 max,
                                          u64 base, u64 *kept, u64 address)
{
    char *texts = texts_of(&d->whole.r);
    u32 at = d->end & (TEXTS_MAX - 1);
    s32 size = d->whole.r.head.text_size[i];

    if (size >= 0) {
        size &= TEXT_MAX * 2 - 1;
        if (size > TEXT_MAX)
            return;
        bpf_probe_read_kernel(&texts[at], size, (void *)*kept);
        *kept += size;
        d->end += size;
    } else if (kind == TEXT_STRING)
        read_string(d, i, max, address, IN_KERNEL(base, address));
}

// At the return: put together the texts that were read at entry and those to be read now.
static __always_inline void complete_texts(struct draft *d, u64 *words, u64 kept, u64 *addresses)
{
    d->end = 0;
    COMPLETE_TEXT(0x700000000000020, 0)
    COMPLETE_TEXT(0x700000000000021, 1)
    COMPLETE_TEXT(0x700000000000022, 2)
    COMPLETE_TEXT(0x700000000000023, 3)
    gather_texts(d, words, AT_RETURN);
}
