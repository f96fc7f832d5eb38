// SPDX-License-Identifier: GPL-2.0
//
// The tests of a call against a filter.

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
        u64 mine[2];

        read_comm(mine);
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
static __always_inline int record_passes(struct filter *f, struct head *head)
{
    if ((f->tests & TEST_PID) && f->pid != head->pid)
        return 0;
    if ((f->tests & TEST_UID) && f->uid != head->uid)
        return 0;
    if ((f->tests & TEST_COMM) && !is_same(head->comm, f->comm))
        return 0;
    return !(f->tests & TEST_PROCESS) || is_same(head->process, f->process);
}
