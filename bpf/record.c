// SPDX-License-Identifier: GPL-2.0
//
// Shared by all modes: the record, the maps, the filter, the way out. The tracer puts this file
// in front of the mode's own (fentry.c, ...) and compiles both as one: BCC rewrites map calls in
// the main file only.
//
// The tracer defines RING_PAGES; FUNCTION, an identifier taken from the kernel's symbols, but not
// for tracepoints, where it defines NAME_IN_USER_MEMORY; SEES_RETURN in exit modes.

#include <linux/types.h>
#include <uapi/linux/ptrace.h>
#ifndef NAME_IN_USER_MEMORY
#include <linux/fs.h> // struct filename
#endif

#define NAME_SHORT 64
#define NAME_MEDIUM 256
#define NAME_LONG 4096 // PATH_MAX, with the terminating NUL

#define CALLS_ENTRIES 16384
#define LONG_NAMES_ENTRIES 256

// Tested in this order; app/tracer/records.py has the same layouts and names.
struct record {
    u64 entry_ns;   // CLOCK_MONOTONIC at entry
    u64 latency_ns; // entry to return; 0 in entry modes
    s64 ret;        // return value; between entry and return the tracepoints keep the name's address here
    u32 pid;
    u32 tid;
    u32 uid;
    s32 dfd;
    s32 name_size; // bytes of name without its NUL, or NAME_UNREADABLE
    u32 flags;     // which system call, and NAME_CUT
    char comm[16];
    char name[];
};

#define NAME_UNREADABLE (-1)
#define CALL_UNLINK 1
#define CALL_UNLINKAT 2
#define CALL_RMDIR 3
#define NAME_CUT 0x100

struct short_record {
    struct record head;
    char name[NAME_SHORT];
};
struct medium_record {
    struct record head;
    char name[NAME_MEDIUM];
};
struct long_record {
    struct record head;
    char name[NAME_LONG];
};

// Tests that must all hold; `tests` says which are asked for.
struct filter {
    u32 enabled;
    u32 tests;
    u32 pid;
    u32 uid;
    char comm[16];
};
#define TEST_PID 1
#define TEST_UID 2
#define TEST_COMM 4
#define TEST_FAILURE 8

// The tracer's own call that shows whether these programs run: see is_canary.
struct canary {
    u64 pid_tgid; // who made it, as seen at entry: the tracer may be in another pid namespace
    u32 token;    // tells this tracer's canaries from others'
    u32 entered;
    u32 left;
    u32 missed; // canaries that are in `recursion`, kept here for whoever reads the counts later
};
#define CANARY_RESULT (-14) // EFAULT

// What is counted: first why an event that passed the filter did not reach a ring, then calls
// that were remembered at entry, and those of them that were found again or given up; last,
// the canaries of all tracers at entry.
enum count {
    DROP_RING_FULL,
    DROP_STASH_FULL,
    DROP_MISSED_RETURN,
    CALLS_ENTERED,
    CALLS_LEFT,
    CANARIES,
    COUNTS,
};

// One ring for each record size: a ring of equal records can be read as an array.
BPF_RINGBUF_OUTPUT(ring_short, RING_PAGES);
BPF_RINGBUF_OUTPUT(ring_medium, RING_PAGES / 2);
BPF_RINGBUF_OUTPUT(ring_long, RING_PAGES / 2);

// Two filters and which of them holds: user space writes the other one and then switches, so a
// program never sees half a filter.
BPF_ARRAY(filters, struct filter, 2);
BPF_ARRAY(active_filter, u32, 1);

BPF_PERCPU_ARRAY(counts, u64, COUNTS);
BPF_ARRAY(canary, struct canary, 1);
BPF_PERCPU_ARRAY(scratch, struct long_record, 1); // too large for the stack

#ifdef SEES_RETURN
// The call that each thread is in; `entry_ns` is 0 when it is in none. A thread's entry stays when
// its call has returned, and is filled in place by the next: to insert and delete one for each call
// would cost more than all the rest. LRU, so that those of threads that are gone make room. An
// entry that had to make room while its call was under way shows as never having returned.
BPF_TABLE("lru_hash", u32, struct medium_record, calls, CALLS_ENTRIES);
// Names that have no room there, for as long as the call takes.
BPF_HASH(long_names, u32, struct long_record, LONG_NAMES_ENTRIES);
#endif

static __always_inline void count(int kind)
{
    u64 *counter = counts.lookup(&kind);

    if (counter)
        __sync_fetch_and_add(counter, 1); // a preempting program may count on the same CPU
}

// Whether this call is a tracer's canary, which is no event for any tracer of the machine: a call
// whose name the kernel cannot read, from a process named as tracers are ("pd:..."). Nobody can
// hide a deletion by it: without a name nothing is deleted, and neither an address in the
// kernel's half nor what the kernel made of it can be changed by anyone on the way.
static __always_inline int is_canary(s32 dfd, const char *name)
{
    u64 comm[2] = {};
    int zero = 0;
#ifdef NAME_IN_USER_MEMORY
    u32 token = (u64)name;

    if ((u64)name >> 32 != 0xffffffff)
        return 0;
#else
    u32 token = dfd;

    if (name != (const char *)CANARY_RESULT)
        return 0;
#endif
    bpf_get_current_comm(comm, sizeof(comm));
    if ((comm[0] & 0xffffff) != 0x3a6470) // "pd:", little-endian
        return 0;
    count(CANARIES);

    struct canary *own = canary.lookup(&zero);

    if (own && own->token == token) {
        own->pid_tgid = bpf_get_current_pid_tgid();
        own->entered++;
    }
    return 1;
}

static __always_inline struct filter *current_filter(void)
{
    int zero = 0;
    u32 *active = active_filter.lookup(&zero);

    if (!active)
        return NULL;
    int index = *active & 1;

    return filters.lookup(&index);
}

// Whether a call of this thread passes the tests that can be made at entry; its user, then.
static __always_inline int is_wanted(struct filter *f, u64 pid_tgid, u32 *uid)
{
    if ((f->tests & TEST_PID) && f->pid != pid_tgid >> 32)
        return 0;
    *uid = bpf_get_current_uid_gid();
    if ((f->tests & TEST_UID) && f->uid != *uid)
        return 0;
    if (f->tests & TEST_COMM) {
        // Before Linux 6.4 ("bpf: ensure all memory is initialized in bpf_get_current_comm") the
        // helper may leave what stands behind the name's NUL as it was.
        u64 mine[2] = {}, *wanted = (u64 *)f->comm;

        bpf_get_current_comm(mine, sizeof(mine));
        if (mine[0] != wanted[0] || mine[1] != wanted[1])
            return 0;
    }
    return 1;
}

static __always_inline void fill(struct record *head, u64 pid_tgid, u32 uid, s32 dfd, u32 flags)
{
    head->latency_ns = 0;
    head->ret = 0;
    head->pid = pid_tgid >> 32;
    head->tid = pid_tgid;
    head->uid = uid;
    head->dfd = dfd;
    head->flags = flags;
    bpf_get_current_comm(&head->comm, sizeof(head->comm));
}

#ifdef NAME_IN_USER_MEMORY
#define READ_NAME bpf_probe_read_user_str
#define READ_BYTES bpf_probe_read_user
#else
#define READ_NAME bpf_probe_read_kernel_str
#define READ_BYTES bpf_probe_read_kernel
#endif

// Reads a name into `to`, which has room for `size` bytes with the NUL; sets `name_size`. False
// when the name may go on behind them.
static __always_inline int read_name(struct record *head, char *to, u32 size, const char *name)
{
    long copied = READ_NAME(to, size, name);

    // Bytes with the NUL; but for the empty name 0 on older kernels, 1 on newer ones.
    head->name_size = copied > 0 ? copied - 1 : copied == 0 ? 0 : NAME_UNREADABLE;
    return copied < (long)size;
}

// As above, into the room there is for the longest names.
static __always_inline void read_long_name(struct long_record *r, const char *name)
{
    char next = 0;

    if (read_name(&r->head, r->name, sizeof(r->name), name))
        return;
    // The last byte is the NUL that the helper wrote; was it the name's own?
    READ_BYTES(&next, 1, name + sizeof(r->name) - 1);
    if (next)
        r->head.flags |= NAME_CUT;
}

#ifndef NAME_IN_USER_MEMORY
// `filename` is a struct filename *, or an error pointer when the kernel could not read the name
// (too long, empty, bad address): then there is nothing to show, and nothing to be read at NULL.
// The one of a bad address is given as it is, for is_canary; nothing can be read there either.
static __always_inline const char *name_of(const void *filename)
{
    const char *name = NULL;

    if (filename == (const void *)CANARY_RESULT)
        return filename;
    bpf_probe_read_kernel(&name, sizeof(name), filename + __builtin_offsetof(struct filename, name));
    return name;
}
#endif

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

static __always_inline void send_long(struct long_record *r)
{
    if (ring_long.ringbuf_output(r, sizeof(*r), BPF_RB_NO_WAKEUP))
        count(DROP_RING_FULL);
}

static __always_inline void send(struct long_record *r)
{
    if (r->head.name_size <= NAME_SHORT)
        send_short((struct short_record *)r);
    else if (r->head.name_size <= NAME_MEDIUM)
        send_medium((struct medium_record *)r);
    else
        send_long(r);
}

#ifndef SEES_RETURN

// The whole of an entry mode.
static __always_inline int on_call(s32 dfd, const char *name)
{
    if (is_canary(dfd, name))
        return 0;

    struct filter *f = current_filter();
    int zero = 0;

    if (!f || !f->enabled)
        return 0;

    u64 pid_tgid = bpf_get_current_pid_tgid();
    struct long_record *r = scratch.lookup(&zero);
    u32 uid;

    if (!r || !is_wanted(f, pid_tgid, &uid))
        return 0;
    r->head.entry_ns = bpf_ktime_get_ns();
    fill(&r->head, pid_tgid, uid, dfd, 0);
    read_long_name(r, name);
    send(r);
    return 0;
}

#else

// This thread's entry of `calls`, made if need be; NULL when there is no room.
static __always_inline struct medium_record *own_call(u32 tid)
{
    struct medium_record *r = calls.lookup(&tid);
    int zero = 0;

    if (r)
        return r;

    struct medium_record *empty = (struct medium_record *)scratch.lookup(&zero);

    if (!empty)
        return NULL;
    empty->head.entry_ns = 0;
    calls.update(&tid, empty);
    return calls.lookup(&tid);
}

// Keeps a name that `calls` has no room for; false when there is none here either.
static __always_inline int keep_long_name(struct record *head, const char *name)
{
    struct long_record *r;
    int zero = 0;
    u32 tid = head->tid;

    r = scratch.lookup(&zero);
    if (!r)
        return 0;
    r->head.flags = head->flags;
    read_long_name(r, name);
    head->flags = r->head.flags;
    head->name_size = r->head.name_size;
    // It may have become shorter, or not readable, in another thread's hands.
    return head->name_size < NAME_MEDIUM || !long_names.update(&tid, r);
}

// The part at entry: what is known of the call waits in `calls`.
static __always_inline int on_enter(s32 dfd, const char *name, u32 flags)
{
    if (is_canary(dfd, name))
        return 0;

    struct filter *f = current_filter();

    if (!f || !f->enabled)
        return 0;

    u64 pid_tgid = bpf_get_current_pid_tgid();
    u32 uid, tid = pid_tgid;

    if (!is_wanted(f, pid_tgid, &uid))
        return 0;

    struct medium_record *r = own_call(tid);

    if (!r) {
        count(DROP_STASH_FULL);
        return 0;
    }
    if (r->head.entry_ns) { // this thread's last return was missed (no free kretprobe instance)
        count(DROP_MISSED_RETURN);
        count(CALLS_LEFT);
        long_names.delete(&tid);
        r->head.entry_ns = 0;
    }
    fill(&r->head, pid_tgid, uid, dfd, flags);
#ifdef NAME_IN_USER_MEMORY
    r->head.ret = (s64)name;
#endif
    if (!read_name(&r->head, r->name, sizeof(r->name), name) && !keep_long_name(&r->head, name)) {
        count(DROP_STASH_FULL);
        return 0;
    }
    count(CALLS_ENTERED);
    r->head.entry_ns = bpf_ktime_get_ns(); // last, so that our own work is not in the latency
    return 0;
}

static __always_inline void send_long_name(struct record *head, int wanted)
{
    u32 tid = head->tid;
    struct long_record *r = long_names.lookup(&tid);

    if (r && wanted) {
        r->head = *head;
        send_long(r);
    }
    long_names.delete(&tid);
}

#ifdef NAME_IN_USER_MEMORY
// At entry the page with the name may not be in memory yet, and a program cannot wait for it.
// By the return the kernel has read the name, so it is there, unless the address is bad.
static __always_inline void send_with_late_name(struct record *head, const char *name)
{
    int zero = 0;
    struct long_record *r = scratch.lookup(&zero);

    if (!r)
        return;
    r->head = *head;
    read_long_name(r, name);
    send(r);
}
#endif

// A call returns that was not remembered at entry.
static __always_inline void note_canary_return(s64 ret)
{
    int zero = 0;

    if (ret != CANARY_RESULT)
        return;

    struct canary *own = canary.lookup(&zero);

    if (own && own->pid_tgid == bpf_get_current_pid_tgid())
        own->left++;
}

// The part at return.
static __always_inline int on_leave(s64 ret)
{
    u32 tid = bpf_get_current_pid_tgid();
    struct medium_record *r = calls.lookup(&tid);

    if (!r || !r->head.entry_ns) {
        note_canary_return(ret);
        return 0;
    }

    u64 now_ns = bpf_ktime_get_ns();
    struct filter *f = current_filter();
    s32 size = r->head.name_size;
    int wanted = f && (!(f->tests & TEST_FAILURE) || ret < 0);
#ifdef NAME_IN_USER_MEMORY
    const char *name = (const char *)r->head.ret;
#endif

    r->head.latency_ns = now_ns - r->head.entry_ns;
    r->head.ret = ret;
    count(CALLS_LEFT);
    if (size >= NAME_MEDIUM)
        send_long_name(&r->head, wanted);
    else if (wanted) {
#ifdef NAME_IN_USER_MEMORY
        if (size == NAME_UNREADABLE)
            send_with_late_name(&r->head, name);
        else
#endif
        if (size <= NAME_SHORT)
            send_short((struct short_record *)r);
        else
            send_medium(r);
    }
    r->head.entry_ns = 0;
    return 0;
}

#endif
