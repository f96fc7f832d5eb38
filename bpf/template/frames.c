// SPDX-License-Identifier: GPL-2.0
//
// Calls from entry to return. A call is known by its frame, not by its thread alone: calls nest (on
// overlayfs vfs_unlink calls itself for the layer below), and interrupts run traced functions
// inside others.

#define CALLS_ENTRIES 16384
#define CALLS_RESIDENT (CALLS_ENTRIES / 4 * 3)
#define LONG_CALLS_ENTRIES 256
#define DEPTHS 4           // calls of a thread at once
#define STACK_BYTES 0x4000 // frames of one stack are no further apart (THREAD_SIZE, x86)

struct call {
    u64 frame;      // 0 while there is no call
    u32 temporary;  // this entry is removed at the call's return
    u32 generation; // of the filter that the call passed at entry
    u32 end;        // bytes of texts; more than KEPT_MAX are in `long_calls`
    u32 retry;      // a text in user memory could not be read: its page may be there at the return
    u64 mask;       // of the tests that held at entry
    u64 address[TEXTS]; // of the texts
    struct kept_record kept;
};
struct call_key {
    u64 task; // as in bpf/calls.c
    u64 depth;
};

// A thread's first entry is resident, as in bpf/calls.c; those of nested calls are temporary.
BPF_HASH(calls, struct call_key, struct call, CALLS_ENTRIES);
BPF_ARRAY(calls_used, u64, 1);
BPF_HASH(long_calls, struct call_key, struct whole_record, LONG_CALLS_ENTRIES);
BPF_PERCPU_ARRAY(empty_call, struct call, 1);

static __always_inline void add_calls_used(s64 entries)
{
    int zero = 0;
    u64 *used = calls_used.lookup(&zero);

    if (used)
        __sync_fetch_and_add(used, entries);
}

static __always_inline struct call *insert_call(struct call_key *key)
{
    int zero = 0;
    struct call *empty = empty_call.lookup(&zero);
    u64 *used = calls_used.lookup(&zero);

    if (!empty || !used)
        return NULL;
    empty->temporary = key->depth || *used >= CALLS_RESIDENT;
    if (calls.update(key, empty))
        return NULL;
    add_calls_used(1);
    return calls.lookup(key);
}

static __always_inline void remove_call(struct call_key *key)
{
    if (!calls.delete(key))
        add_calls_used(-1);
}

static __always_inline void drop_long_texts(struct call_key *key, struct call *c)
{
    if (c->end > KEPT_MAX)
        long_calls.delete(key);
}

// A call whose return will not be seen.
static __always_inline void give_up_call(struct call_key *key, struct call *c)
{
    drop_long_texts(key, c);
    c->frame = 0;
    count(DROP_MISSED_RETURN);
    count(CALLS_LEFT);
}

// Whether a call cannot be in progress any more when another one enters with this frame: stacks
// grow down, so whatever is in progress on this stack has a higher one.
static __always_inline int is_over(struct call *c, u64 frame)
{
    return frame - c->frame < STACK_BYTES;
}

// A trampoline's frame is a pointer to the verifier, with which it allows no arithmetic; from memory
// it comes back as a number.
static __always_inline u64 own_frame(struct draft *d, u64 frame)
{
    write_address(&d->frame, frame);
    return read_address(&d->frame);
}

// Return an entry for a call, inserting it if need be; NULL when there is no room.
static __always_inline struct call *begin_call(struct call_key *key, u64 frame)
{
#pragma unroll
    for (int depth = 0; depth < DEPTHS; depth++) {
        key->depth = depth;
        struct call *c = calls.lookup(key);

        if (!c)
            return insert_call(key);
        if (!c->frame)
            return c;
        if (is_over(c, frame)) {
            give_up_call(key, c);
            return c;
        }
    }
    return NULL;
}

static __always_inline struct call *find_call(struct call_key *key, u64 frame)
{
#pragma unroll
    for (int depth = 0; depth < DEPTHS; depth++) {
        key->depth = depth;
        struct call *c = calls.lookup(key);

        if (c && c->frame == frame)
            return c;
    }
    return NULL;
}

static __always_inline void end_call(struct call_key *key, struct call *c)
{
    drop_long_texts(key, c);
    if (c->temporary)
        remove_call(key);
    else
        c->frame = 0;
}

// A thread ends, and its entries are removed. A call in which the kernel killed it has no return.
int raw_tracepoint__sched_process_exit(void *ctx)
{
    struct call_key key = {bpf_get_current_task(), 0};

#pragma unroll
    for (int depth = 0; depth < DEPTHS; depth++) {
        key.depth = depth;
        struct call *c = calls.lookup(&key);

        if (c) {
            if (c->frame)
                give_up_call(&key, c);
            remove_call(&key);
        }
    }
    return 0;
}
