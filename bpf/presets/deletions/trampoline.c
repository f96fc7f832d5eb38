// SPDX-License-Identifier: GPL-2.0
//
// fentry and fexit: BPF trampolines. The context is an array of the arguments' words, with the return
// value after them.

int on_entry(u64 *ctx)
{
    struct deletion of = {name_of(ctx[1]), 0, ctx[0], 0};

    enter_deletion(&of, DRAFT_OF_ENTRY);
    return 0;
}

#ifdef SEES_RETURN
// An int result leaves the upper half of its register undefined.
int on_return(u64 *ctx)
{
    leave_deletion((s32)ctx[2]);
    return 0;
}
#endif

int on_rename(u64 *ctx)
{
    enter_rename(ctx[2], name_of(ctx[3]), (u32)ctx[4]);
    return 0;
}

int on_vfs_rename(u64 *ctx)
{
    enter_vfs_rename(ctx[0]);
    return 0;
}

int on_rename_return(u64 *ctx)
{
    leave_deletion((s32)ctx[5]);
    return 0;
}
