// SPDX-License-Identifier: GPL-2.0
//
// Calls remembered from entry to return, one for each thread.

#define LONG_NAMES_ENTRIES 256

// Names that do not fit into `calls`, until the call returns.
BPF_HASH(long_names, u64, struct long_record, LONG_NAMES_ENTRIES);

// Return this thread's entry, inserting it if need be; NULL when there is no room. `slot` is the
// caller's slot of `scratch`.
static __always_inline struct call *get_call(u64 *task, int slot)
{
    struct call *c = calls.lookup(task);

    if (c)
        return c;

    struct call *empty = (struct call *)get_scratch(slot);

    if (empty)
        empty->r.head.entry_ns = 0;
    return insert_call(task, empty, 0);
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
    if (text_size(&c->r.head) >= NAME_MEDIUM)
        long_names.delete(task);
    end_call(task, c);
}

// Count a call whose return will not be seen.
static __always_inline void give_up_call(u64 *task, struct head *head)
{
    if (text_size(head) >= NAME_MEDIUM)
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
