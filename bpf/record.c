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

#define STASH_SHORT_ENTRIES 16384
#define STASH_MEDIUM_ENTRIES 2048
#define STASH_LONG_ENTRIES 256

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

// Why an event that passed the filter did not reach a ring.
enum drop { DROP_RING_FULL, DROP_STASH_FULL, DROP_MISSED_RETURN, DROP_KINDS };

// One ring for each record size: a ring of equal records can be read as an array.
BPF_RINGBUF_OUTPUT(ring_short, RING_PAGES);
BPF_RINGBUF_OUTPUT(ring_medium, RING_PAGES / 2);
BPF_RINGBUF_OUTPUT(ring_long, RING_PAGES / 2);

// Two filters and which of them holds: user space writes the other one and then switches, so a
// program never sees half a filter.
BPF_ARRAY(filters, struct filter, 2);
BPF_ARRAY(active_filter, u32, 1);

BPF_PERCPU_ARRAY(drops, u64, DROP_KINDS);
BPF_PERCPU_ARRAY(scratch, struct long_record, 1); // too large for the stack

#ifdef SEES_RETURN
// Calls that have been entered and not yet returned, by thread. Each name size has a stash of
// its own, so that the common short names do not pay for long ones; the short one holds an
// entry for every call.
BPF_HASH(stash_short, u32, struct short_record, STASH_SHORT_ENTRIES);
BPF_HASH(stash_medium, u32, struct medium_record, STASH_MEDIUM_ENTRIES);
BPF_HASH(stash_long, u32, struct long_record, STASH_LONG_ENTRIES);
#endif

static __always_inline void count_drop(int kind)
{
    u64 *count = drops.lookup(&kind);

    if (count)
        __sync_fetch_and_add(count, 1); // a preempting program may count on the same CPU
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

// The record to fill for this call, or NULL when the filter does not let it through.
static __always_inline struct long_record *begin_record(s32 dfd, u32 flags)
{
    struct filter *f = current_filter();

    if (!f || !f->enabled)
        return NULL;

    u64 pid_tgid = bpf_get_current_pid_tgid();
    u32 uid = bpf_get_current_uid_gid();

    if ((f->tests & TEST_PID) && f->pid != pid_tgid >> 32)
        return NULL;
    if ((f->tests & TEST_UID) && f->uid != uid)
        return NULL;

    int zero = 0;
    struct long_record *r = scratch.lookup(&zero);

    if (!r)
        return NULL;

    u64 *mine = (u64 *)r->head.comm, *wanted = (u64 *)f->comm;

    // Before Linux 6.4 ("bpf: ensure all memory is initialized in bpf_get_current_comm") the
    // helper may leave what stands behind the name's NUL as it was.
    mine[0] = mine[1] = 0;
    bpf_get_current_comm(&r->head.comm, sizeof(r->head.comm));
    if (f->tests & TEST_COMM) {
        if (mine[0] != wanted[0] || mine[1] != wanted[1])
            return NULL;
    }
    r->head.latency_ns = 0;
    r->head.ret = 0;
    r->head.pid = pid_tgid >> 32;
    r->head.tid = pid_tgid;
    r->head.uid = uid;
    r->head.dfd = dfd;
    r->head.flags = flags;
    r->head.entry_ns = bpf_ktime_get_ns();
    return r;
}

#ifdef NAME_IN_USER_MEMORY
static __always_inline void read_user_name(struct long_record *r, const char *name)
{
    long copied = bpf_probe_read_user_str(r->name, sizeof(r->name), name);
    char next = 0;

    // Bytes with the NUL; but for the empty name 0 on older kernels, 1 on newer ones.
    r->head.name_size = copied > 0 ? copied - 1 : copied == 0 ? 0 : NAME_UNREADABLE;
    if (copied == sizeof(r->name)) {
        // The last byte is the NUL that the helper wrote; was it the name's own?
        bpf_probe_read_user(&next, 1, name + sizeof(r->name) - 1);
        if (next)
            r->head.flags |= NAME_CUT;
    }
}
#else
// `filename` is a struct filename *, or an error pointer when the kernel could not read the name
// (too long, empty, bad address): then there is nothing to show.
static __always_inline void read_kernel_name(struct long_record *r, const void *filename)
{
    const char *name = NULL;
    long copied = -1;
    const void *field = filename + __builtin_offsetof(struct filename, name);

    if (!bpf_probe_read_kernel(&name, sizeof(name), field))
        copied = bpf_probe_read_kernel_str(r->name, sizeof(r->name), name);
    r->head.name_size = copied > 0 ? copied - 1 : NAME_UNREADABLE;
}
#endif

#if !defined(SEES_RETURN) || defined(NAME_IN_USER_MEMORY)
// Send a record from scratch, through the ring of its size.
static __always_inline void emit(struct long_record *r)
{
    long failed;

    if (r->head.name_size <= NAME_SHORT)
        failed = ring_short.ringbuf_output(r, sizeof(struct short_record), BPF_RB_NO_WAKEUP);
    else if (r->head.name_size <= NAME_MEDIUM)
        failed = ring_medium.ringbuf_output(r, sizeof(struct medium_record), BPF_RB_NO_WAKEUP);
    else
        failed = ring_long.ringbuf_output(r, sizeof(struct long_record), BPF_RB_NO_WAKEUP);
    if (failed)
        count_drop(DROP_RING_FULL);
}
#endif

#ifdef SEES_RETURN

static __always_inline void stash_entry(struct long_record *r)
{
    u32 tid = r->head.tid;
    long failed = 0;

    if (r->head.name_size > NAME_MEDIUM)
        failed = stash_long.update(&tid, r);
    else if (r->head.name_size > NAME_SHORT)
        failed = stash_medium.update(&tid, (struct medium_record *)r);
    if (failed) {
        count_drop(DROP_STASH_FULL);
        return;
    }
    failed = stash_short.insert(&tid, (struct short_record *)r);
    if (failed == -17) { // EEXIST: this thread's last return was missed (no free kretprobe instance)
        count_drop(DROP_MISSED_RETURN);
        // What that call left in a stash of another size would stay there.
        if (r->head.name_size <= NAME_MEDIUM)
            stash_long.delete(&tid);
        if (r->head.name_size <= NAME_SHORT || r->head.name_size > NAME_MEDIUM)
            stash_medium.delete(&tid);
        failed = stash_short.update(&tid, (struct short_record *)r);
    }
    if (failed) {
        count_drop(DROP_STASH_FULL);
        if (r->head.name_size > NAME_MEDIUM)
            stash_long.delete(&tid);
        else if (r->head.name_size > NAME_SHORT)
            stash_medium.delete(&tid);
    }
}

#ifdef NAME_IN_USER_MEMORY
// At entry the page with the name may not be in memory yet, and a program cannot wait for it.
// By the return the kernel has read the name, so it is there, unless the address is bad.
static __always_inline void emit_with_late_name(struct record *head, const char *name)
{
    int zero = 0;
    struct long_record *r = scratch.lookup(&zero);

    if (!r)
        return;
    r->head = *head;
    read_user_name(r, name);
    emit(r);
}
#endif

static __always_inline int emit_return(s64 ret)
{
    u64 now = bpf_ktime_get_ns();
    u32 tid = bpf_get_current_pid_tgid();
    struct short_record *s = stash_short.lookup(&tid);

    if (!s)
        return 0;

    struct filter *f = current_filter();
    s32 size = s->head.name_size;
    int wanted = f && (!(f->tests & TEST_FAILURE) || ret < 0);
    long failed = 0;
#ifdef NAME_IN_USER_MEMORY
    const char *name = (const char *)s->head.ret;
#endif

    s->head.latency_ns = now - s->head.entry_ns;
    s->head.ret = ret;
    if (size > NAME_MEDIUM) {
        struct long_record *l = stash_long.lookup(&tid);

        if (l && wanted) {
            l->head = s->head;
            failed = ring_long.ringbuf_output(l, sizeof(*l), BPF_RB_NO_WAKEUP);
        }
        stash_long.delete(&tid);
    } else if (size > NAME_SHORT) {
        struct medium_record *m = stash_medium.lookup(&tid);

        if (m && wanted) {
            m->head = s->head;
            failed = ring_medium.ringbuf_output(m, sizeof(*m), BPF_RB_NO_WAKEUP);
        }
        stash_medium.delete(&tid);
    } else if (wanted) {
#ifdef NAME_IN_USER_MEMORY
        if (size == NAME_UNREADABLE)
            emit_with_late_name(&s->head, name);
        else
#endif
            failed = ring_short.ringbuf_output(s, sizeof(*s), BPF_RB_NO_WAKEUP);
    }
    if (failed)
        count_drop(DROP_RING_FULL);
    stash_short.delete(&tid);
    return 0;
}

#endif
