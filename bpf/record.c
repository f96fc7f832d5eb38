// SPDX-License-Identifier: GPL-2.0
//
// Shared by all modes: the record, the maps, the filter, the way out. The tracer puts this file
// in front of the mode's own (fentry.c, ...) and compiles both as one: BCC rewrites map calls in
// the main file only.
//
// The tracer defines RING_PAGES; FUNCTION, an identifier taken from the kernel's symbols, but not
// for tracepoints, where it defines NAME_IN_USER_MEMORY; SEES_RETURN in exit modes;
// RENAME_FUNCTION where the mode also traces the function that renames.
//
// What a program returns: a tracepoint's or kprobe's 1, as 0 would hide the event from every perf
// user of the machine (perf_trace_buf_submit is skipped, kernel/trace/trace_syscalls.c); a
// trampoline's 0, as the verifier demands (check_return_code, kernel/bpf/verifier.c).

#include <linux/types.h>
#include <linux/sched.h> // struct task_struct
#include <uapi/linux/ptrace.h>
#ifndef NAME_IN_USER_MEMORY
#include <linux/fs.h> // struct filename
#endif
#ifdef RENAME_FUNCTION
#include <linux/dcache.h> // struct dentry
#endif

#define NAME_SHORT 64
#define NAME_MEDIUM 256
#define NAME_LONG 4096 // PATH_MAX, with the terminating NUL

#define CALLS_ENTRIES 16384
#define CALLS_KEPT (CALLS_ENTRIES / 4 * 3)
#define LONG_NAMES_ENTRIES 256

#if defined(SEES_RETURN) || defined(RENAME_FUNCTION)
#define REMEMBERS_CALLS
#endif

// Tested in this order; app/tracer/records.py has the same layouts and names.
struct record {
    u64 entry_ns;   // CLOCK_MONOTONIC at entry
    u64 latency_ns; // entry to return; 0 in entry modes
    s64 ret;        // return value; 0 in entry modes
    u32 pid;
    u32 tid;
    u32 uid;
    s32 dfd;
    s32 name_size; // bytes of name without its NUL, or NAME_UNREADABLE
    u32 flags;     // which call, NAME_CUT, REPLACES
    u32 call_flags; // as passed: AT_REMOVEDIR, RENAME_*
    u32 unused;
    char comm[16];    // the thread's name
    char process[16]; // the name of its thread group's leader
    char name[];
};

#define NAME_UNREADABLE (-1)
#define CALL_UNLINK 1
#define CALL_UNLINKAT 2
#define CALL_RMDIR 3
#define CALL_RENAME 4
#define CALL_RENAMEAT 5
#define CALL_RENAMEAT2 6
#define NAME_CUT 0x100
#define REPLACES 0x200 // a rename to a name that a file has
#define PENDING 0x400  // a rename of which that is not known yet: no row so far

#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2

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
    char process[16];
};
#define TEST_PID 1
#define TEST_UID 2
#define TEST_COMM 4
#define TEST_FAILURE 8
#define TEST_PROCESS 16

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

// Double-buffered filter: user space fills the inactive slot, then counts `active_filter` up, whose
// lowest bit is the slot in force. A program never sees half a filter.
BPF_ARRAY(filters, struct filter, 2);
BPF_ARRAY(active_filter, u32, 1);

BPF_PERCPU_ARRAY(counts, u64, COUNTS);
BPF_ARRAY(canary, struct canary, 1);
// Too large for the stack. One for each program that may be preempted by another of these on its CPU
// (a trampoline's programs may be, but not by themselves): deletions and renames.
BPF_PERCPU_ARRAY(scratch, struct long_record, 2);
#define OF_DELETIONS 0
#define OF_RENAMES 1

#ifdef REMEMBERS_CALLS
// What is known of a call between its entry and its return.
struct call {
    u32 temporary;  // this entry goes at the call's return
    u32 generation; // of the filter that let it in
    u64 name;       // its address in user memory
    struct medium_record r; // r.head.entry_ns is 0 when the thread is in no call
};

// The call that each thread is in, by its task_struct: the kernel's own identity of a thread, which
// is not reused before the thread has ended, and stays when an execve by one of several threads
// gives it another id. The traced functions do not call themselves, so there is one call a thread.
//
// A thread's entry stays when its call has returned, and is filled in place by the next: to insert
// and delete one for each call would cost more than all the rest. It goes when the thread ends. When
// three quarters are taken, further threads get entries that go at the return, so that live threads
// that once deleted something do not keep out others. Nothing ever makes room for another call.
BPF_HASH(calls, u64, struct call, CALLS_ENTRIES);
BPF_ARRAY(calls_taken, u64, 1);
// Names that have no room there, for as long as the call takes.
BPF_HASH(long_names, u64, struct long_record, LONG_NAMES_ENTRIES);
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

static __always_inline struct filter *current_filter(u32 *generation)
{
    int zero = 0;
    u32 *active = active_filter.lookup(&zero);

    if (!active)
        return NULL;
    *generation = *active;
    int index = *generation & 1;

    return filters.lookup(&index);
}

// The name of the current thread group's leader, into 16 bytes.
static __always_inline void read_process(char *to)
{
    const char *task = (const char *)bpf_get_current_task(), *leader = NULL;

    bpf_probe_read_kernel(&leader, sizeof(leader),
                          task + __builtin_offsetof(struct task_struct, group_leader));
    bpf_probe_read_kernel_str(to, 16, leader + __builtin_offsetof(struct task_struct, comm));
}

static __always_inline int is_same(const char *name, const char *other)
{
    const u64 *a = (const u64 *)name, *b = (const u64 *)other;

    return a[0] == b[0] && a[1] == b[1];
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
        u64 mine[2] = {};

        bpf_get_current_comm(mine, sizeof(mine));
        if (!is_same((char *)mine, f->comm))
            return 0;
    }
    if (f->tests & TEST_PROCESS) {
        u64 mine[2] = {};

        read_process((char *)mine);
        if (!is_same((char *)mine, f->process))
            return 0;
    }
    return 1;
}

static __always_inline void fill(struct record *head, u64 pid_tgid, u32 uid, s32 dfd, u32 flags,
                                 u32 call_flags)
{
    u64 *comm = (u64 *)head->comm, *process = (u64 *)head->process;

    head->latency_ns = 0;
    head->ret = 0;
    head->pid = pid_tgid >> 32;
    head->tid = pid_tgid;
    head->uid = uid;
    head->dfd = dfd;
    head->flags = flags;
    head->call_flags = call_flags;
    head->unused = 0;
    comm[0] = comm[1] = process[0] = process[1] = 0;
    bpf_get_current_comm(&head->comm, sizeof(head->comm));
    if (head->pid == head->tid) { // the leader itself
        process[0] = comm[0];
        process[1] = comm[1];
    } else
        read_process(head->process);
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

// The whole of a deletion in an entry mode.
static __always_inline int on_call(s32 dfd, const char *name)
{
    if (is_canary(dfd, name))
        return 0;

    u32 uid, generation;
    struct filter *f = current_filter(&generation);
    int place = OF_DELETIONS;

    if (!f || !f->enabled)
        return 0;

    u64 pid_tgid = bpf_get_current_pid_tgid();
    struct long_record *r = scratch.lookup(&place);

    if (!r || !is_wanted(f, pid_tgid, &uid))
        return 0;
    r->head.entry_ns = bpf_ktime_get_ns();
    fill(&r->head, pid_tgid, uid, dfd, 0, 0);
    read_long_name(r, name);
    send(r);
    return 0;
}

#endif

#ifdef REMEMBERS_CALLS

static __always_inline void take_place(s64 places)
{
    int zero = 0;
    u64 *taken = calls_taken.lookup(&zero);

    if (taken)
        __sync_fetch_and_add(taken, places);
}

// This thread's entry of `calls`, made if need be; NULL when there is no room.
static __always_inline struct call *own_call(u64 task, int place)
{
    struct call *c = calls.lookup(&task);
    int zero = 0;

    if (c)
        return c;

    struct call *empty = (struct call *)scratch.lookup(&place);
    u64 *taken = calls_taken.lookup(&zero);

    if (!empty || !taken)
        return NULL;
    empty->temporary = *taken >= CALLS_KEPT;
    empty->r.head.entry_ns = 0;
    if (calls.update(&task, empty))
        return NULL;
    take_place(1);
    return calls.lookup(&task);
}

static __always_inline void remove_call(u64 task)
{
    if (!calls.delete(&task))
        take_place(-1);
}

// The thread is in no call any more.
static __always_inline void end_call(u64 task, struct call *c)
{
    if (c->temporary)
        remove_call(task);
    else
        c->r.head.entry_ns = 0;
}

// A call whose return will not come any more.
static __always_inline void give_up(u64 task, struct record *head)
{
    if (head->name_size >= NAME_MEDIUM)
        long_names.delete(&task);
    if (head->flags & PENDING)
        return;
    count(DROP_MISSED_RETURN);
    count(CALLS_LEFT);
}

// A thread ends, and its entry goes with it. A call that it ended in (the kernel killed it there)
// has no return.
int raw_tracepoint__sched_process_exit(void *ctx)
{
    u64 task = bpf_get_current_task();
    struct call *c = calls.lookup(&task);

    if (!c)
        return 0;
    if (c->r.head.entry_ns)
        give_up(task, &c->r.head);
    remove_call(task);
    return 0;
}

// Keeps a name that `calls` has no room for; false when there is none here either.
static __always_inline int keep_long_name(u64 task, int place, struct medium_record *r,
                                          const char *name)
{
    struct long_record *room = scratch.lookup(&place);

    if (!room)
        return 0;
    room->head.flags = r->head.flags;
    read_long_name(room, name);
    r->head.flags = room->head.flags;
    r->head.name_size = room->head.name_size;
    if (r->head.name_size >= NAME_MEDIUM)
        return !long_names.update(&task, room);
    // Another thread of its process made it shorter, or not readable, between the two readings.
    __builtin_memcpy(r->name, room->name, sizeof(r->name));
    return 1;
}

// The part at entry: what is known of the call waits in `calls`.
static __always_inline int on_enter(s32 dfd, const char *name, u32 flags, u32 call_flags)
{
    if (is_canary(dfd, name))
        return 0;

    u32 uid, generation;
    struct filter *f = current_filter(&generation);

    if (!f || !f->enabled)
        return 0;

    u64 pid_tgid = bpf_get_current_pid_tgid();

    if (!is_wanted(f, pid_tgid, &uid))
        return 0;

    u64 task = bpf_get_current_task();
    int place = flags & PENDING ? OF_RENAMES : OF_DELETIONS;
    struct call *c = own_call(task, place);

    if (!c) {
        count(DROP_STASH_FULL);
        return 0;
    }
    if (c->r.head.entry_ns) { // this thread's last return was missed (no free kretprobe instance)
        give_up(task, &c->r.head);
        c->r.head.entry_ns = 0;
    }
    fill(&c->r.head, pid_tgid, uid, dfd, flags, call_flags);
    c->generation = generation;
    c->name = (u64)name;
    if (!read_name(&c->r.head, c->r.name, sizeof(c->r.name), name) &&
        !keep_long_name(task, place, &c->r, name)) {
        count(DROP_STASH_FULL);
        end_call(task, c);
        return 0;
    }
    if (!(flags & PENDING))
        count(CALLS_ENTERED);
    c->r.head.entry_ns = bpf_ktime_get_ns(); // last, so that our own work is not in the latency
    return 0;
}

// The part of a rename at entry. With one of these flags it replaces nothing.
static __always_inline int on_rename(s32 dfd, const char *name, u32 flags, u32 call_flags)
{
    if (call_flags & (RENAME_NOREPLACE | RENAME_EXCHANGE))
        return 0;
    return on_enter(dfd, name, flags, call_flags);
}

// Sends a call's record and ends the call. `late_name` is where a name is that could not be read
// at entry, or NULL.
static __always_inline void send_call(u64 task, struct call *c, const char *late_name)
{
    struct medium_record *r = &c->r;
    s32 size = r->head.name_size;

    if (size >= NAME_MEDIUM) {
        struct long_record *whole = long_names.lookup(&task);

        if (whole) {
            whole->head = r->head;
            send_long(whole);
        }
#ifdef NAME_IN_USER_MEMORY
    } else if (size == NAME_UNREADABLE && late_name) {
        // At entry the page with the name may not be in memory yet, and a program cannot wait for
        // it. By the return the kernel has read the name, so it is there, unless the address is bad.
        int place = OF_DELETIONS;
        struct long_record *whole = scratch.lookup(&place);

        if (whole) {
            whole->head = r->head;
            read_long_name(whole, late_name);
            send(whole);
        }
#endif
    } else if (size <= NAME_SHORT)
        send_short((struct short_record *)r);
    else
        send_medium(r);
}

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

// Whether the caller passes another filter than that which let the call in.
static __always_inline int is_still_wanted(struct filter *f, struct record *head)
{
    if ((f->tests & TEST_PID) && f->pid != head->pid)
        return 0;
    if ((f->tests & TEST_UID) && f->uid != head->uid)
        return 0;
    if ((f->tests & TEST_COMM) && !is_same(head->comm, f->comm))
        return 0;
    return !(f->tests & TEST_PROCESS) || is_same(head->process, f->process);
}

// Whether a call that is to be sent now passes the filter that is in force now: it may have changed
// since the entry, and no event passes a filter that was replaced.
static __always_inline int is_wanted_now(struct call *c)
{
    u32 generation;
    struct filter *f = current_filter(&generation);

    if (!f)
        return 0;
    if (c->generation != generation && !is_still_wanted(f, &c->r.head))
        return 0;
    return !(f->tests & TEST_FAILURE) || c->r.head.ret < 0;
}

// The part at return; in an entry mode only of renames, of which none is to be sent any more.
#ifndef SEES_RETURN
static __always_inline int on_leave(s64 ret)
{
    u64 task = bpf_get_current_task();
    struct call *c = calls.lookup(&task);

    if (!c || !c->r.head.entry_ns)
        return 0;
    if (c->r.head.name_size >= NAME_MEDIUM)
        long_names.delete(&task);
    end_call(task, c);
    return 0;
}
#else
static __always_inline int on_leave(s64 ret)
{
    u64 task = bpf_get_current_task();
    struct call *c = calls.lookup(&task);

    if (!c || !c->r.head.entry_ns) {
        note_canary_return(ret);
        return 0;
    }

    u64 now_ns = bpf_ktime_get_ns();

    if (!(c->r.head.flags & PENDING)) {
        c->r.head.latency_ns = now_ns - c->r.head.entry_ns;
        c->r.head.ret = ret;
        count(CALLS_LEFT);
        if (is_wanted_now(c))
            send_call(task, c, (const char *)c->name);
    }
    if (c->r.head.name_size >= NAME_MEDIUM)
        long_names.delete(&task);
    end_call(task, c);
    return 0;
}
#endif

#ifdef RENAME_FUNCTION
// In a rename, both names were looked up: is there a file at the new one? A file that has both names
// (hard links) stays. On a stacked file system this comes again for the layer below.
static __always_inline int on_replace(const void *renamedata)
{
    u64 task = bpf_get_current_task();
    struct call *c = calls.lookup(&task);
    const void *dentry = NULL, *source = NULL, *target = NULL;

    if (!c || !c->r.head.entry_ns || !(c->r.head.flags & PENDING))
        return 0;
    bpf_probe_read_kernel(&dentry, sizeof(dentry),
                          renamedata + __builtin_offsetof(struct renamedata, old_dentry));
    bpf_probe_read_kernel(&source, sizeof(source),
                          dentry + __builtin_offsetof(struct dentry, d_inode));
    bpf_probe_read_kernel(&dentry, sizeof(dentry),
                          renamedata + __builtin_offsetof(struct renamedata, new_dentry));
    bpf_probe_read_kernel(&target, sizeof(target),
                          dentry + __builtin_offsetof(struct dentry, d_inode));
    if (!target || target == source)
        return 0;
    c->r.head.flags = (c->r.head.flags & ~PENDING) | REPLACES;
#ifdef SEES_RETURN
    count(CALLS_ENTERED);
#else
    if (is_wanted_now(c))
        send_call(task, c, NULL);
    if (c->r.head.name_size >= NAME_MEDIUM)
        long_names.delete(&task);
    end_call(task, c);
#endif
    return 0;
}
#endif

#endif
