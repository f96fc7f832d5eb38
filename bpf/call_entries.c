// SPDX-License-Identifier: GPL-2.0
//
// The entries of `calls`: calls remembered from entry to return, whatever a struct call is and what
// it is found by (CALL_KEY).

#define CALLS_ENTRIES 16384
#define CALLS_RESIDENT (CALLS_ENTRIES / 4 * 3)

// A thread's entry is resident: it stays after the return and is filled in place by the next call,
// because inserting and deleting one for each call would cost more than all the rest. It is
// removed when the thread ends. Once three quarters are in use, further threads get temporary
// entries, so that live threads that once were in a call do not keep out others. No entry is ever
// evicted.
BPF_HASH(calls, CALL_KEY, struct call, CALLS_ENTRIES);
BPF_ARRAY(calls_used, u64, 1);

static __always_inline void add_calls_used(s64 entries)
{
    int zero = 0;
    u64 *used = calls_used.lookup(&zero);

    if (used)
        __sync_fetch_and_add(used, entries);
}

// Insert an entry, which begins as `empty`; NULL when there is no room. One of a nested call is
// temporary always.
static __always_inline struct call *insert_call(CALL_KEY *key, struct call *empty, u32 is_nested)
{
    int zero = 0;
    u64 *used = calls_used.lookup(&zero);

    if (!empty || !used)
        return NULL;
    empty->temporary = is_nested || *used >= CALLS_RESIDENT;
    if (calls.update(key, empty))
        return NULL;
    add_calls_used(1);
    return calls.lookup(key);
}

static __always_inline void remove_call(CALL_KEY *key)
{
    if (!calls.delete(key))
        add_calls_used(-1);
}
