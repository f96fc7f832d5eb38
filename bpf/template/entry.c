// SPDX-License-Identifier: GPL-2.0
//
// At a call's entry: making its record.

static __always_inline void read_leader(char *to)
{
    SLOT(group_leader, 0x7000000000000420);
    SLOT(comm, 0x7000000000000421);
    const char *task = (const char *)bpf_get_current_task(), *leader = NULL;

    bpf_probe_read_kernel(&leader, sizeof(leader), task + group_leader);
    bpf_probe_read_kernel_str(to, 16, leader + comm);
}

static __always_inline void fill_caller(struct head *head)
{
    u64 pid_tgid = bpf_get_current_pid_tgid();
    u64 *comm = (u64 *)head->comm, *process = (u64 *)head->process;

    head->latency_ns = 0;
    head->ret = 0;
    head->pid = pid_tgid >> 32;
    head->tid = pid_tgid;
    head->uid = bpf_get_current_uid_gid();
    head->cpu = bpf_get_smp_processor_id();
    head->flags = 0;
    head->unreadable = 0;
    // Zeroed, as older kernels may not write what follows the NUL (bpf/filter.c).
    comm[0] = comm[1] = process[0] = process[1] = 0;
    bpf_get_current_comm(&head->comm, sizeof(head->comm));
    if (head->pid == head->tid) { // the leader itself
        process[0] = comm[0];
        process[1] = comm[1];
    } else
        read_leader(head->process);
}

// Fill a draft with what is known at entry. Returns false when the filter does not let it pass.
static __always_inline int make_record(struct draft *d, struct tests *f, u64 *words)
{
    SLOT(has_texts, 0x7000000000000401);
    struct record *r = &d->whole.r;

    fill_caller(&r->head);
    if (!caller_passes(f, d, r))
        return 0;
    obtain_values(r, words, AT_ENTRY);
    if (!values_pass(f, d, r))
        return 0;
    d->end = d->retry = 0;
    if (!has_texts)
        return 1;

    s32 *sizes = r->head.text_size;

    sizes[0] = sizes[1] = sizes[2] = sizes[3] = TEXT_UNREADABLE;
    d->address[0] = d->address[1] = d->address[2] = d->address[3] = 0;
    gather_texts(d, words, AT_ENTRY);
#ifdef SEES_RETURN
    d->retry = wants_retry(d); // then they are tested at the return
#endif
    return d->retry || texts_pass(f, d, r, (u64)texts_of(r));
}
