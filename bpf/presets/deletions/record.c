// SPDX-License-Identifier: GPL-2.0
//
// The record of a deletion: a plan's (bpf/template/layout.c), made straight in the call's entry, where
// that of any function is made in a draft and copied. app/presets/deletions/hooks.py names its values and
// texts; what differs between modes is in names_in_kernel_memory.c and names_in_user_memory.c.

#define DFD 0
#define CALL 1
#define CALL_FLAGS 2

#define NAME 0
#define PATH_AT 1 // where it is wanted: the name with its folder

// The system call; in the modes that see functions, CALL_RENAME or 0.
#define CALL_UNLINK 1
#define CALL_UNLINKAT 2
#define CALL_RMDIR 3
#define CALL_RENAME 4
#define CALL_RENAMEAT 5
#define CALL_RENAMEAT2 6

struct deletion {
    u64 name; // its address
    u64 call_flags;
    s32 dfd;
    u32 call;
};

// Each program has a draft of its own, as one may preempt another on the same CPU; it never preempts
// itself. Those of system calls have that of their call's number.
#define DRAFT_AT_RETURN 0
#define DRAFT_OF_ENTRY 1
#define DRAFT_OF_RENAME 2
#define DRAFT_OF_VFS_RENAME 3

static __always_inline struct draft *draft_of(u32 number)
{
    return drafts.lookup(&number);
}

#define WANTS_PATH(name) SLOT(name, 0x7000000000000450)

// Fill everything but the stamps and the texts.
static __always_inline void fill_record(struct record *r, struct deletion *of, u64 pid_tgid)
{
    s32 *sizes = r->head.text_size;

    fill_caller(&r->head, pid_tgid, NEEDS_ALL);
    r->head.flags = 0;
    r->head.unreadable = 0;
    sizes[0] = sizes[1] = sizes[2] = sizes[3] = TEXT_UNREADABLE;
    r->values[DFD] = (s64)of->dfd;
    r->values[CALL] = of->call;
    r->values[CALL_FLAGS] = of->call_flags;
}

// Make the texts in a draft, where they have room.
static __always_inline void draft_texts(struct draft *d, s32 dfd, u64 name)
{
    WANTS_PATH(wants_path);

    d->end = 0;
    read_string(d, NAME, TEXT_MAX, name, NAMES_IN_KERNEL);
    if (wants_path)
        read_name_at(d, PATH_AT, TEXT_MAX, dfd, name, NAMES_IN_KERNEL);
}

// Read a name of less than KEPT_MAX bytes; returns whether it may be longer.
static __always_inline int read_kept_name(struct draft *d, struct record *r, u64 name)
{
    long copied = READ_NAME(texts_of(r), KEPT_MAX, name);

    d->end = 0;
    if (copied < 0)
        return 0;
    if (copied >= KEPT_MAX)
        return 1;
    // The helper counts the NUL, except that older kernels return 0 for an empty text.
    d->end = r->head.text_size[NAME] = copied ? copied - 1 : 0;
    return 0;
}

#define REFUSED 0  // by the filter
#define IN_PLACE 1 // the record is where it was begun
#define IN_DRAFT 2 // it has no room there

// Make a record at `r`, which is in a call's entry or in the draft; return what has become of it.
static __always_inline int make_deletion(struct draft *d, struct filter *f, struct record *r,
                                         struct deletion *of)
{
    WANTS_PATH(wants_path);
    u64 pid_tgid = bpf_get_current_pid_tgid();
    int place = IN_PLACE;

    if (!process_passes(f, pid_tgid >> 32))
        return REFUSED;
    fill_record(r, of, pid_tgid);
    if (!caller_passes(f, d, r) || !values_pass(f, d, r))
        return REFUSED;
    if (wants_path || read_kept_name(d, r, of->name)) {
        copy_record(&d->whole.r, r);
        r = &d->whole.r;
        draft_texts(d, of->dfd, of->name);
        place = IN_DRAFT;
    }
    d->retry = NAMES_IN_KERNEL ? 0 : r->head.text_size[NAME] < 0 && (s64)of->name > 0;
    return d->retry || texts_pass(f, d, r, (u64)texts_of(r)) ? place : REFUSED;
}
