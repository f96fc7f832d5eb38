// SPDX-License-Identifier: GPL-2.0
//
// Calls remembered from entry to return, one for each thread.

#define CALLS_ENTRIES 16384
#define CALLS_RESIDENT (CALLS_ENTRIES / 4 * 3)
#define LONG_NAMES_ENTRIES 256

struct call {
    u32 temporary;  // this entry is removed at the call's return
    u32 generation; // of the filter that the call passed at entry
    u64 name;       // its address at entry: read again where NAME_MAY_BE_PAGED_OUT
    struct medium_record r; // r.head.entry_ns is 0 while the thread is in no call
};

// Keyed by task_struct: the kernel's own identity of a thread, which is not reused before the
// thread has ended, and stays when an execve by one of several threads changes its id. The traced
// functions do not call themselves, so a thread is in one call at most.
//
// A thread's entry is resident: it stays after the return and is filled in place by the next call,
// because inserting and deleting one for each call would cost more than all the rest. It is
// removed when the thread ends. Once three quarters are in use, further threads get temporary
// entries, so that live threads that once deleted something do not keep out others. No entry is
// ever evicted.
BPF_HASH(calls, u64, struct call, CALLS_ENTRIES);
BPF_ARRAY(calls_used, u64, 1);
// Names that do not fit into `calls`, until the call returns.
BPF_HASH(long_names, u64, struct long_record, LONG_NAMES_ENTRIES);

static __always_inline void add_calls_used(s64 entries)
{
    int zero = 0;
    u64 *used = calls_used.lookup(&zero);

    if (used)
        __sync_fetch_and_add(used, entries);
}

// Return this thread's entry, inserting it if need be; NULL when there is no room. `slot` is the
// caller's slot of `scratch`.
static __always_inline struct call *get_call(u64 *task, int slot)
{
    struct call *c = calls.lookup(task);
    int zero = 0;

    if (c)
        return c;

    struct call *empty = (struct call *)scratch.lookup(&slot);
    u64 *used = calls_used.lookup(&zero);

    if (!empty || !used)
        return NULL;
    empty->temporary = *used >= CALLS_RESIDENT;
    empty->r.head.entry_ns = 0;
    if (calls.update(task, empty))
        return NULL;
    add_calls_used(1);
    return calls.lookup(task);
}

static __always_inline void remove_call(u64 *task)
{
    if (!calls.delete(task))
        add_calls_used(-1);
}

static __always_inline int is_in_call(struct call *c)
{
    return c && c->r.head.entry_ns;
}

// Mark the thread as being in no call.
static __always_inline void end_call(u64 *task, struct call *c)
{
    if (c->temporary)
        remove_call(task);
    else
        c->r.head.entry_ns = 0;
}

// As end_call, for one whose name may be in `long_names`.
static __always_inline void forget_call(u64 *task, struct call *c)
{
    if (c->r.head.name_size >= NAME_MEDIUM)
        long_names.delete(task);
    end_call(task, c);
}

// Count a call whose return will not be seen.
static __always_inline void give_up_call(u64 *task, struct record *head)
{
    if (head->name_size >= NAME_MEDIUM)
        long_names.delete(task);
    if (head->flags & PENDING)
        return;
    count(DROP_MISSED_RETURN);
    count(CALLS_LEFT);
}

// A thread ends, and its entry is removed. A call in which the kernel killed it has no return.
int raw_tracepoint__sched_process_exit(void *ctx)
{
    u64 task = bpf_get_current_task();
    struct call *c = calls.lookup(&task);

    if (!c)
        return 0;
    if (c->r.head.entry_ns)
        give_up_call(&task, &c->r.head);
    remove_call(&task);
    return 0;
}
