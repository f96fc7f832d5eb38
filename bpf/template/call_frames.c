// SPDX-License-Identifier: GPL-2.0
//
// Calls from entry to return. A call is known by its frame, not by its thread alone: calls nest (on
// overlayfs, a function of the VFS calls itself for the layer below), and interrupts run traced
// functions inside others.

#define LONG_CALLS_ENTRIES 256
#define DEPTHS 4           // calls of a thread at once
#define STACK_BYTES 0x4000 // frames of one stack are no further apart (THREAD_SIZE, x86)

// A thread's first entry is resident; those of nested calls are temporary.
BPF_HASH(long_calls, u64, struct whole_record, LONG_CALLS_ENTRIES);

static __always_inline void drop_long_texts(u64 *key, struct call *c)
{
    if (c->end > KEPT_MAX)
        long_calls.delete(key);
}

// A call whose return will not be seen.
static __always_inline void give_up_call(u64 *key, struct call *c)
{
    drop_long_texts(key, c);
    c->frame = 0;
    if (c->pending)
        return;
    count(DROP_MISSED_RETURN);
    count(CALLS_LEFT);
}

// Whether a call cannot be in progress any more when another one enters with this frame: stacks
// grow down, so whatever is in progress on this stack has a higher one. But of several functions, one
// may end with a jump to another one, which then has the same frame: both return at once, the last
// one first.
static __always_inline int is_over(struct call *c, u64 frame, u64 function)
{
    SLOT(several, 0x7000000000000444);

    if (several && c->frame == frame && c->function != function)
        return 0;
    return frame - c->frame < STACK_BYTES;
}

// Return an entry for a call, inserting it if need be; NULL when there is no room.
static __always_inline struct call *begin_call(u64 *key, u64 frame, u64 function)
{
    u64 task = *key;

#pragma unroll
    for (int depth = 0; depth < DEPTHS; depth++) {
        *key = task + depth;
        struct call *c = entry_of(key);

        if (!c)
            return insert_call(key, depth > 0);
        if (!c->frame)
            return c;
        if (is_over(c, frame, function)) {
            give_up_call(key, c);
            return c;
        }
    }
    return NULL;
}

static __always_inline struct call *find_call(u64 *key, u64 frame)
{
    SLOT(several, 0x7000000000000444);
    u64 task = *key, last = 0;

#pragma unroll
    for (int depth = 0; depth < DEPTHS; depth++) {
        *key = task + depth;
        struct call *c = entry_of(key);

        if (!c || !c->frame) // so there are no calls in progress further down
            break;
        if (c->frame == frame) {
            if (!several)
                return c;
            last = *key;
        }
    }
    if (!last)
        return NULL;
    *key = last;
    return entry_of(key);
}

// Other columns are active: this object will not begin the call that enters now, which ends
// nevertheless what cannot be in progress any more.
static __always_inline void give_up_ended_calls(u64 *key, u64 frame, u64 function)
{
    u64 task = *key;

#pragma unroll
    for (int depth = 0; depth < DEPTHS; depth++) {
        *key = task + depth;
        struct call *c = entry_of(key);

        if (c && c->frame && is_over(c, frame, function))
            give_up_call(key, c);
    }
}

static __always_inline void end_call(u64 *key, struct call *c)
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
    u64 task = bpf_get_current_task(), key;

#pragma unroll
    for (int depth = 0; depth < DEPTHS; depth++) {
        key = task + depth;
        struct call *c = entry_of(&key);

        if (c) {
            if (c->frame)
                give_up_call(&key, c);
            remove_call(&key);
        }
    }
    return 0;
}
