// SPDX-License-Identifier: GPL-2.0
//
// Filling a record: the caller, and the name in question.

// Records are too large for the stack. Deletions and renames have one each, because a program of
// one kind may preempt one of the other on the same CPU; a trampoline's program never preempts
// itself.
struct scratch_record {
    struct long_record r;
    char room[NAME_LONG]; // for a name behind a folder, as far as the verifier sees
};
BPF_PERCPU_ARRAY(scratch, struct scratch_record, 2);
#define SCRATCH_DELETION 0
#define SCRATCH_RENAME 1

static __always_inline struct long_record *get_scratch(int slot)
{
    struct scratch_record *found = scratch.lookup(&slot);

    return found ? &found->r : NULL;
}

// Fill everything but the stamps and the name.
static __always_inline void fill_head(struct head *head, u64 pid_tgid, u32 uid, s32 dfd,
                                      u32 flags, u32 call_flags)
{
    fill_caller(head, pid_tgid, uid);
    head->dfd = dfd;
    head->flags = flags;
    head->call_flags = call_flags;
    head->folder_size = 0;
}

// Read a name into `to`, which has room for `size` bytes with the NUL, and set `name_size`.
// Returns false when the name may be longer.
static __always_inline int read_name(struct head *head, char *to, u32 size, const char *name)
{
    long copied = READ_NAME(to, size, name);

    // The helper counts the NUL, except that older kernels return 0 for an empty name, newer ones
    // 1.
    head->name_size = copied > 0 ? copied - 1 : copied == 0 ? 0 : NAME_UNREADABLE;
    return copied < (long)size;
}

// Read a name of up to NAME_LONG bytes, and set NAME_CUT if it is longer.
static __always_inline void read_name_to(struct head *head, char *to, const char *name)
{
    char next = 0;

    if (read_name(head, to, NAME_LONG, name))
        return;
    // The helper has written a NUL at the end. Did the name end there too?
    READ_BYTES(&next, 1, name + NAME_LONG - 1);
    if (next)
        head->flags |= NAME_CUT;
}

// Read a name of any length.
static __always_inline void read_long_name(struct long_record *r, const char *name)
{
    read_name_to(&r->head, r->name, name);
}
