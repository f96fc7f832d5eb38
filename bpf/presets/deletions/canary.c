// SPDX-License-Identifier: GPL-2.0
//
// Canaries: calls by which a tracer checks that its own programs run (app/presets/deletions/canary.py).

#define CANARY_RESULT (-14) // EFAULT
#define TRACER_PREFIX 0x3a6470 // "pd:", little-endian: tracers are named so

// app/tracer/records.py has the same layout.
struct canary {
    u64 pid_tgid; // its caller, as seen at entry: the tracer may be in another pid namespace
    u32 token;    // tells this tracer's canaries from others'
    u32 entered;
    u32 left;
    u32 missed; // canaries counted in `recursion`; kept here, as this map outlives the tracer
};

BPF_ARRAY(canary, struct canary, 1);

// Whether this call is a canary, which is an event for no tracer of the machine: its name is at an
// address that the kernel cannot read, and its process is named as tracers are. Nobody can hide a
// deletion this way: without a name nothing is deleted, and user space can change neither an
// address in the kernel's half nor an error pointer while the call runs.
static __always_inline int is_canary(s32 dfd, const char *name)
{
    u64 comm[2];
    u32 token;
    int zero = 0;

    if (!canary_token(dfd, name, &token))
        return 0;
    read_comm(comm);
    if ((comm[0] & 0xffffff) != TRACER_PREFIX)
        return 0;
    count(CANARIES);

    struct canary *own = canary.lookup(&zero);

    if (own && own->token == token) {
        own->pid_tgid = bpf_get_current_pid_tgid();
        own->entered++;
    }
    return 1;
}

// At the return of a call that was not remembered at entry.
static __always_inline void note_canary_return(s64 ret)
{
    int zero = 0;

    if (ret != CANARY_RESULT)
        return;

    struct canary *own = canary.lookup(&zero);

    if (own && own->pid_tgid == bpf_get_current_pid_tgid())
        own->left++;
}
