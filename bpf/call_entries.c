// SPDX-License-Identifier: GPL-2.0
//
// The entries of `calls`: calls remembered from entry to return, whatever a struct call is and what
// it is found by (CALL_KEY, a number with its top bit set, kept in the member `key`).

#define CALLS_ENTRIES 16384
#define CALLS_RESIDENT (CALLS_ENTRIES / 2)
#define CALLS_TRIES 32

// A thread's entry is resident: it stays after the return and is filled in place by the next call,
// because inserting and deleting one for each call would cost more than all the rest. It is
// removed when the thread ends. Once half of them are in use, further threads get temporary
// entries, so that live threads that once were in a call do not keep out others. No entry is ever
// evicted.
//
// An array, not a hash table: most entries are where their key says, so one comparison finds them.
BPF_ARRAY(calls, struct call, CALLS_ENTRIES);

// By the number of an entry, who has claimed it: only one can insert that. By a key whose entry is
// not where it says, its number.
BPF_HASH(call_places, u64, u64, CALLS_ENTRIES * 2);
BPF_ARRAY(calls_used, u64, 1);

// Multiplicative hashing: Knuth, TAOCP 6.4.
static __always_inline u64 hash_of(u64 key)
{
    return key * 0x9e3779b97f4a7c15;
}

// Where an entry is unless another has that place.
static __always_inline u32 first_place(u64 key)
{
    return hash_of(key) >> 50;
}

static __always_inline struct call *entry_of(CALL_KEY *key)
{
    u32 place = first_place(*key);
    struct call *c = calls.lookup((int *)&place);

    if (c && c->key == *key)
        return c;
    u64 *other = call_places.lookup(key);

    if (!other)
        return NULL;
    place = *other;
    return calls.lookup((int *)&place);
}

static __always_inline void add_calls_used(s64 entries)
{
    int zero = 0;
    u64 *used = calls_used.lookup(&zero);

    if (used)
        __sync_fetch_and_add(used, entries);
}

// Insert an entry; NULL when there is no room. One of a nested call is temporary always.
static __always_inline struct call *insert_call(CALL_KEY *key, u32 is_nested)
{
    int zero = 0;
    u64 *used = calls_used.lookup(&zero), first = first_place(*key), place = first;
    u32 tries;

    if (!used)
        return NULL;
    u32 temporary = is_nested || *used >= CALLS_RESIDENT;
    u64 step = hash_of(*key) >> 30 | 1; // odd, so it comes to all places

    for (tries = 0; tries < CALLS_TRIES; tries++) {
        if (!call_places.insert(&place, key))
            break;
        place = (place + step) % CALLS_ENTRIES;
    }
    if (tries == CALLS_TRIES)
        return NULL;
    if (place != first && call_places.update(key, &place)) {
        call_places.delete(&place);
        return NULL;
    }
    u32 number = place;
    struct call *c = calls.lookup((int *)&number);

    if (!c)
        return NULL;
    c->frame = 0;
    c->end = 0;
    c->pending = 0;
    c->temporary = temporary;
    c->key = *key; // last: from here on it is found
    add_calls_used(1);
    return c;
}

static __always_inline void free_place(u64 place)
{
    u32 number = place;
    struct call *c = calls.lookup((int *)&number);

    if (c)
        c->key = 0;
    if (!call_places.delete(&place))
        add_calls_used(-1);
}

// Remove a key's entry, if it has one. It may have two: an interrupt may insert one while the call that
// it interrupts inserts its own.
static __always_inline void remove_call(CALL_KEY *key)
{
    u64 *other = call_places.lookup(key), place = first_place(*key);
    u32 number = place;

    if (other) {
        u64 second = *other;

        call_places.delete(key);
        free_place(second);
    }
    struct call *c = calls.lookup((int *)&number);

    if (c && c->key == *key)
        free_place(place);
}
