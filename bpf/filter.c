// SPDX-License-Identifier: GPL-2.0
//
// The filter in force, and the tests of a call against it.

// All tests must hold; `tests` is a set of TEST_*. app/tracer/filter_map.py has the same layout.
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

// Double-buffered filter: user space fills the inactive slot, then increments `active_filter`,
// whose lowest bit is the slot in force. A program never sees half a filter.
BPF_ARRAY(filters, struct filter, 2);
BPF_ARRAY(active_filter, u32, 1);

static __always_inline struct filter *current_filter(u32 *generation)
{
    int zero = 0;
    u32 *active = active_filter.lookup(&zero);

    if (!active)
        return NULL;
    *generation = *active;
    int slot = *generation & 1;

    return filters.lookup(&slot);
}

// Read the name of the current thread group's leader into 16 bytes.
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

// Whether a call of this thread passes the tests that can be made at entry. Sets its user if so.
static __always_inline int passes_at_entry(struct filter *f, u64 pid_tgid, u32 *uid)
{
    if ((f->tests & TEST_PID) && f->pid != pid_tgid >> 32)
        return 0;
    *uid = bpf_get_current_uid_gid();
    if ((f->tests & TEST_UID) && f->uid != *uid)
        return 0;
    if (f->tests & TEST_COMM) {
        // Zeroed: before Linux kernel commit f3f213497797 ("bpf: ensure all memory is
        // initialized in bpf_get_current_comm", v6.4) the helper may not write what follows the
        // NUL.
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

// The same tests by what was recorded at entry, against another filter than the one of then.
static __always_inline int record_passes(struct filter *f, struct record *head)
{
    if ((f->tests & TEST_PID) && f->pid != head->pid)
        return 0;
    if ((f->tests & TEST_UID) && f->uid != head->uid)
        return 0;
    if ((f->tests & TEST_COMM) && !is_same(head->comm, f->comm))
        return 0;
    return !(f->tests & TEST_PROCESS) || is_same(head->process, f->process);
}

// Whether a record about to be sent passes the filter in force now. The filter may have changed
// since the entry, which passed the one of `generation`; no event passes a filter that was
// replaced.
static __always_inline int passes_now(struct record *head, u32 entry_generation)
{
    u32 generation;
    struct filter *f = current_filter(&generation);

    if (!f)
        return 0;
    if (entry_generation != generation && !record_passes(f, head))
        return 0;
    return !(f->tests & TEST_FAILURE) || head->ret < 0;
}
