// SPDX-License-Identifier: GPL-2.0
//
// Who calls.

// Load a task's name. What follows its NUL is zeroed by the kernel (__set_task_comm in fs/exec.c) since
// v5.17, which is older than plain loads.
static __always_inline void load_comm(u64 *to, u64 comm, u64 cast_type)
{
    u64 from = cast(comm, cast_type), word;

    LOAD(word, u64, from, 0);
    to[0] = word;
    LOAD(word, u64, from, 8);
    to[1] = word;
}

// Read the name of the current thread group's leader into 16 bytes.
static __always_inline void read_process(char *to)
{
    TASK_MEMBER(group_leader, 0x7000000000000420);
    TASK_MEMBER(comm, 0x7000000000000421);
    CAST_TYPE(cast_type);
    u64 leader = pointer_at(bpf_get_current_task() + group_leader);

    if (cast_type)
        load_comm((u64 *)to, leader + comm, cast_type);
    else
        bpf_probe_read_kernel_str(to, 16, (void *)(leader + comm));
}

// Read the name of the current thread into two words. Zeroed: before Linux kernel commit
// f3f213497797 ("bpf: ensure all memory is initialized in bpf_get_current_comm", v6.4) the helper
// may not write what follows the NUL.
static __always_inline void read_comm(u64 *to)
{
    TASK_MEMBER(comm, 0x7000000000000421);
    CAST_TYPE(cast_type);

    if (cast_type) {
        load_comm(to, bpf_get_current_task() + comm, cast_type);
        return;
    }
    to[0] = to[1] = 0;
    bpf_get_current_comm(to, 16);
}

// Return the real user id of the current thread, as bpf_get_current_uid_gid does, which makes both of
// its ids numbers of the first user namespace: there they are what they are.
static __always_inline u32 read_uid(void)
{
    TASK_MEMBER(cred, 0x7000000000000422);
    TASK_MEMBER(cred_uid, 0x7000000000000423); // of its struct cred
    CAST_TYPE(cast_type);

    if (cast_type)
        return load_plain(load_plain(bpf_get_current_task() + cred, 8, cast_type) + cred_uid, 4,
                          cast_type);
    return bpf_get_current_uid_gid();
}

// What of the caller is needed, whatever else: the filter, or that a record is sent, needs all of it.
#define NEEDS_UID 1
#define NEEDS_COMM 2
#define NEEDS_PROCESS 4
#define NEEDS_CPU 8
#define NEEDS_RESULT 16
#define NEEDS_ALL 31

static __always_inline void fill_caller(struct head *head, u64 pid_tgid, u64 needs)
{
    u64 *comm = (u64 *)head->comm, *process = (u64 *)head->process;

    if (needs & NEEDS_RESULT) {
        head->latency_ns = 0;
        head->ret = 0;
    }
    head->pid = pid_tgid >> 32;
    head->tid = pid_tgid;
    if (needs & NEEDS_UID)
        head->uid = read_uid();
    if (needs & NEEDS_CPU)
        head->cpu = bpf_get_smp_processor_id();
    if (needs & (NEEDS_COMM | NEEDS_PROCESS))
        read_comm(comm);
    if (!(needs & NEEDS_PROCESS))
        return;
    process[0] = process[1] = 0;
    if (head->pid == head->tid) { // the leader itself
        process[0] = comm[0];
        process[1] = comm[1];
    } else
        read_process(head->process);
}
