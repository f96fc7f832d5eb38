// SPDX-License-Identifier: GPL-2.0
//
// fexit: BPF trampolines at entry and exit. The record is copied at entry: before Linux 7.0
// do_unlinkat has freed its struct filename by the time it returns. A rename deletes when there is
// a file at the new name, which is known inside of it, where both names were looked up.

// KFUNC_PROBE pastes its argument into a name: expand FUNCTION first.
#define AT_ENTRY(function, args...) KFUNC_PROBE(function, ##args)
#define AT_EXIT(function, args...) KRETFUNC_PROBE(function, ##args)

AT_ENTRY(FUNCTION, int dfd, const void *filename)
{
    return on_enter(dfd, name_of(filename), 0, 0);
}

// An int result leaves the upper half of its register undefined.
AT_EXIT(FUNCTION, int dfd, const void *filename, int ret)
{
    return on_leave(ret);
}

#ifdef RENAME_FUNCTION
AT_ENTRY(RENAME_FUNCTION, int olddfd, const void *from, int newdfd, const void *to, u32 flags)
{
    return on_rename(newdfd, name_of(to), CALL_RENAME | PENDING, flags);
}

AT_ENTRY(vfs_rename, const void *renamedata)
{
    return on_replace(renamedata);
}

AT_EXIT(RENAME_FUNCTION, int olddfd, const void *from, int newdfd, const void *to, u32 flags, int ret)
{
    return on_leave(ret);
}
#endif
