// SPDX-License-Identifier: GPL-2.0
//
// Aggregates: a record is added to the group of calls that have the same key, instead of being sent.
// (app/columns/aggregate.py says which, app/tracer/groups.py reads them.)
//
// Each processor has a hash table of its own, with open addressing, in one map that user space reads
// by mmap: so no program waits for another, nor for the reader.

#define MEASURES 4
#define GROUP_TRIES 16

// A measure of those calls of a group where its number could be read.
struct measure {
    u64 known; // how many those are
    u64 total; // their sum, or their maximum
};
// The map's values end with the plan's key, so they are mostly shorter than this.
struct group {
    u64 is_taken;
    u64 calls;
    struct measure measures[MEASURES];
    u64 key[KEY_WORDS];
};
BPF_ARRAY(groups, struct group, 1);

// A number in a record by how it is obtained; a slot that is not used is loaded nevertheless, unless
// it is in a branch that is not taken.
#define WORD 1        // a word of its head
#define HALF_WORD 2   // shifted left and then right
#define OF_VALUE 3    // a value of the plan, which may be unreadable: then it is 0, and not known
#define ERROR_WORD 4  // as WORD, but 0 if it is no negated errno
#define ERROR_VALUE 5 // likewise
#define MAX_ERRNO 4095 // include/linux/err.h

#define FIELD(X, kind, r, result, is_known)                                                        \
    {                                                                                              \
        SLOT(offset, X##1);                                                                        \
        result = *(u64 *)((char *)r + (offset & 0xf8));                                            \
        is_known = 1;                                                                              \
        if (kind == HALF_WORD) {                                                                   \
            SLOT(left, X##2);                                                                      \
            SLOT(right, X##3);                                                                     \
            asm volatile("%0 <<= %1" : "+r"(result) : "r"(left));                                  \
            asm volatile("%0 >>= %1" : "+r"(result) : "r"(right));                                 \
        }                                                                                          \
        if (kind == OF_VALUE || kind == ERROR_VALUE) {                                             \
            SLOT(value, X##5);                                                                     \
            is_known ^= r->head.unreadable >> (value & 31) & 1;                                    \
            result &= -is_known;                                                                   \
        }                                                                                          \
        if (kind == ERROR_WORD || kind == ERROR_VALUE)                                             \
            if (result + MAX_ERRNO > MAX_ERRNO - 1)                                                \
                result = 0;                                                                        \
    }

#define KEY_NUMBER(X, i)                                                                           \
    {                                                                                              \
        SLOT(kind, X##0);                                                                          \
        u64 number, is_known;                                                                      \
        FIELD(X, kind, r, number, is_known)                                                        \
        d->key[i] = number;                                                                        \
    }

// Which bucket of a histogram a number is in, from 1; 0 where it is not known. By powers of 2:
// 1 for negative numbers, 2 for 0, 3 + k for 2^k to 2^(k+1) - 1. By equal steps: 1 for what is below
// `low`, 2 + k for those from `low` + k * `step`, and the last for all beyond.
static __always_inline u64 bucket_of(struct record *r)
{
    SLOT(kind, 0x7000000000000640);
    SLOT(step, 0x7000000000000647);
    SLOT(is_signed, 0x7000000000000644);
    u64 number, is_known, bucket;

    FIELD(0x700000000000064, kind, r, number, is_known)
    if (!step) {
        u64 rest = number, power = 0, more;

        more = (rest > 0xffffffff) << 5, rest >>= more, power |= more;
        more = (rest > 0xffff) << 4, rest >>= more, power |= more;
        more = (rest > 0xff) << 3, rest >>= more, power |= more;
        more = (rest > 0xf) << 2, rest >>= more, power |= more;
        more = (rest > 3) << 1, rest >>= more, power |= more;
        power |= rest >> 1;
        bucket = 3 + power;
        if (!number)
            bucket = 2;
        if (is_signed && (s64)number < 0)
            bucket = 1;
    } else {
        SLOT(low, 0x7000000000000646);
        SLOT(buckets, 0x7000000000000648);
        u64 flip = is_signed << 63;

        if ((number ^ flip) < (low ^ flip))
            bucket = 1;
        else {
            bucket = (number - low) / step;
            if (bucket > buckets)
                bucket = buckets;
            bucket += 2;
        }
    }
    return bucket & -is_known;
}

#define KEY_TEXT(X)                                                                                \
    {                                                                                              \
        SLOT(use, X##0);                                                                           \
        if (use) {                                                                                 \
            SLOT(text, X##1);                                                                      \
            SLOT(at, X##2);                                                                        \
            key_text(d, r, texts, text, at);                                                       \
        }                                                                                          \
    }

// Put a text of a record into the key, at the word `at`. `texts` is the address of the first one.
static __always_inline void key_text(struct group_draft *d, struct record *r, u64 texts, u64 text,
                                     u64 at)
{
    s64 size = r->head.text_size[text & (TEXTS - 1)];
    u64 *to = &d->key[at & 63];

#pragma unroll
    for (int i = 0; i < KEY_TEXT_WORDS; i++)
        *(volatile u64 *)&to[i] = 0;
    *to = size;
    texts = as_number(&d->next, texts);
#pragma unroll
    for (int i = 0; i < TEXTS - 1; i++) {
        s32 before = r->head.text_size[i];

        if (i < text)
            texts += before & ~(before >> 31);
    }

    u64 kept = as_number(&d->next, size < 0 ? 0 : size);

    if (kept > KEY_TEXT_BYTES - 1) // as much as a plan reads of one (app/columns/aggregate_plan.py)
        kept = KEY_TEXT_BYTES - 1;
    bpf_probe_read_kernel(&to[1], kept, (void *)texts);
}

#define SAME_WORD(i)                                                                               \
    if (words > i)                                                                                 \
        difference |= d->key[i] ^ g->key[i];
#define SAME_8(i)                                                                                  \
    SAME_WORD(i)                                                                                   \
    SAME_WORD(i + 1)                                                                               \
    SAME_WORD(i + 2)                                                                               \
    SAME_WORD(i + 3)                                                                               \
    SAME_WORD(i + 4)                                                                               \
    SAME_WORD(i + 5)                                                                               \
    SAME_WORD(i + 6)                                                                               \
    SAME_WORD(i + 7)

static __always_inline u64 is_other_key(struct group_draft *d, struct group *g, u64 words)
{
    u64 difference = 0;

    SAME_8(0)
    SAME_8(8)
    SAME_8(16)
    SAME_8(24)
    SAME_8(32)
    SAME_8(40)
    SAME_WORD(48)
    SAME_WORD(49)
    return difference;
}

#define MIX_WORD(i)                                                                                \
    if (words > i) {                                                                               \
        hash = (hash ^ d->key[i]) * 0x9e3779b97f4a7c15ull;                                         \
        hash ^= hash >> 32;                                                                        \
    }
#define MIX_8(i)                                                                                   \
    MIX_WORD(i)                                                                                    \
    MIX_WORD(i + 1)                                                                                \
    MIX_WORD(i + 2)                                                                                \
    MIX_WORD(i + 3)                                                                                \
    MIX_WORD(i + 4)                                                                                \
    MIX_WORD(i + 5)                                                                                \
    MIX_WORD(i + 6)                                                                                \
    MIX_WORD(i + 7)

static __always_inline u64 hash_of_key(struct group_draft *d, u64 words)
{
    u64 hash = 0;

    MIX_8(0)
    MIX_8(8)
    MIX_8(16)
    MIX_8(24)
    MIX_8(32)
    MIX_8(40)
    MIX_WORD(48)
    MIX_WORD(49)
    return hash;
}

#define SET_WORD(i)                                                                                \
    if (words > i)                                                                                 \
        *(volatile u64 *)&g->key[i] = d->key[i];
#define SET_8(i)                                                                                   \
    SET_WORD(i)                                                                                    \
    SET_WORD(i + 1)                                                                                \
    SET_WORD(i + 2)                                                                                \
    SET_WORD(i + 3)                                                                                \
    SET_WORD(i + 4)                                                                                \
    SET_WORD(i + 5)                                                                                \
    SET_WORD(i + 6)                                                                                \
    SET_WORD(i + 7)

// The key first: whoever sees that the group is taken sees its key.
static __always_inline void take_group(struct group_draft *d, struct group *g, u64 words)
{
    SET_8(0)
    SET_8(8)
    SET_8(16)
    SET_8(24)
    SET_8(32)
    SET_8(40)
    SET_WORD(48)
    SET_WORD(49)
    *(volatile u64 *)&g->is_taken = 1;
    d->taken++;
}

// Return the group of the draft's key, a new one if need be; NULL when there is no room.
static __always_inline struct group *find_group(struct group_draft *d, u64 words)
{
    SLOT(mask, 0x7000000000000682); // places of each processor, a power of 2, less 1
    u64 hash = hash_of_key(d, words);
    u32 base = bpf_get_smp_processor_id() * (mask + 1);
    int index = base + (hash & mask);
    struct group *g = groups.lookup(&index);

    if (g && read_address(&g->is_taken) && !is_other_key(d, g, words)) // mostly
        return g;

    SLOT(most, 0x7000000000000683); // groups of each processor
    u64 step = hash >> 32 | 1;

    write_address(&d->next, hash);
    for (int i = 0; i < GROUP_TRIES; i++) {
        u64 place = read_address(&d->next);

        index = base + (place & mask);
        g = groups.lookup(&index);
        if (!g)
            return NULL;
        if (!read_address(&g->is_taken)) {
            if (read_address(&d->taken) >= most)
                return NULL;
            take_group(d, g, words);
            return g;
        }
        if (!is_other_key(d, g, words))
            return g;
        write_address(&d->next, place + step);
    }
    return NULL;
}

#define SUM 1
#define MAXIMUM 2 // of the number with `flip`, which makes it a minimum, or one of signed numbers

#define MEASURE(X, i)                                                                              \
    {                                                                                              \
        SLOT(kind, X##0);                                                                          \
        if (kind) {                                                                                \
            SLOT(what, X##7);                                                                      \
            u64 number, is_known;                                                                  \
            FIELD(X, kind, r, number, is_known)                                                    \
            g->measures[i].known += is_known;                                                      \
            if (what == SUM)                                                                       \
                g->measures[i].total += number;                                                    \
            else {                                                                                 \
                SLOT(flip, X##6);                                                                  \
                number ^= flip & -is_known;                                                        \
                if (number > g->measures[i].total)                                                 \
                    g->measures[i].total = number;                                                 \
            }                                                                                      \
        }                                                                                          \
    }

// Nested, so that a short key costs few instructions: a slot that is not used is loaded nevertheless.
#define KEY_NUMBERS_FROM_0                                                                         \
    if (numbers > 0) {                                                                             \
        KEY_NUMBER(0x700000000000050, 0)                                                           \
        if (numbers > 1) {                                                                         \
            KEY_NUMBER(0x700000000000051, 1)                                                       \
            KEY_NUMBERS_FROM_2                                                                     \
        }                                                                                          \
    }
#define KEY_NUMBERS_FROM_2                                                                         \
    if (numbers > 2) {                                                                             \
        KEY_NUMBER(0x700000000000052, 2)                                                           \
        KEY_NUMBER(0x700000000000053, 3)                                                           \
        KEY_NUMBERS_FROM_4                                                                         \
    }
#define KEY_NUMBERS_FROM_4                                                                         \
    if (numbers > 4) {                                                                             \
        KEY_NUMBER(0x700000000000054, 4)                                                           \
        KEY_NUMBER(0x700000000000055, 5)                                                           \
        KEY_NUMBER(0x700000000000056, 6)                                                           \
        KEY_NUMBER(0x700000000000057, 7)                                                           \
        KEY_NUMBERS_FROM_8                                                                         \
    }
#define KEY_NUMBERS_FROM_8                                                                         \
    if (numbers > 8) {                                                                             \
        KEY_NUMBER(0x700000000000058, 8)                                                           \
        KEY_NUMBER(0x700000000000059, 9)                                                           \
        KEY_NUMBER(0x70000000000005a, 10)                                                          \
        KEY_NUMBER(0x70000000000005b, 11)                                                          \
        KEY_NUMBER(0x70000000000005c, 12)                                                          \
        KEY_NUMBER(0x70000000000005d, 13)                                                          \
    }

// Add a record to its group. `texts` is the address of its texts.
static __always_inline void add_to_group(struct group_draft *d, struct record *r, u64 texts,
                                         u64 words)
{
    SLOT(marks, 0x7000000000000684);  // of values and texts of the key, as in `unreadable` and `flags`
    SLOT(marks_at, 0x7000000000000685);
    SLOT(bucket_at, 0x7000000000000686);
    SLOT(histogram, 0x7000000000000640);
    SLOT(numbers, 0x7000000000000687);
    SLOT(key_texts, 0x7000000000000688);
    SLOT(measures, 0x7000000000000689);

    if (d->is_busy) { // an interrupt's call, where the kernel lets a program interrupt itself (5.10)
        count(CALLS_UNGROUPED);
        return;
    }
    *(volatile u64 *)&d->is_busy = 1;
    KEY_NUMBERS_FROM_0
    if (marks)
        d->key[marks_at & 15] = ((u64)r->head.flags << 32 | r->head.unreadable) & marks;
    if (histogram)
        d->key[bucket_at & 15] = bucket_of(r);
    if (key_texts) {
        KEY_TEXT(0x700000000000066)
        KEY_TEXT(0x700000000000067)
    }

    struct group *g = find_group(d, words);

    if (g) {
        g->calls++;
        if (measures) {
            MEASURE(0x700000000000060, 0)
            if (measures > 1) {
                MEASURE(0x700000000000061, 1)
                MEASURE(0x700000000000062, 2)
                MEASURE(0x700000000000063, 3)
            }
        }
    } else
        count(CALLS_UNGROUPED);
    *(volatile u64 *)&d->is_busy = 0;
}
