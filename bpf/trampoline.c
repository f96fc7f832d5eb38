// SPDX-License-Identifier: GPL-2.0
//
// fentry and fexit: BPF trampolines.

// KFUNC_PROBE pastes its argument into a name: expand FUNCTION first.
#define AT_ENTRY(function, args...) KFUNC_PROBE(function, ##args)
#define AT_RETURN(function, args...) KRETFUNC_PROBE(function, ##args)

AT_ENTRY(FUNCTION, int dfd, const void *filename)
{
    return enter_deletion(dfd, name_of(filename));
}

#ifdef SEES_RETURN
// An int result leaves the upper half of its register undefined.
AT_RETURN(FUNCTION, int dfd, const void *filename, int ret)
{
    return leave_call(ret);
}
#endif

#ifdef RENAME_FUNCTION
AT_ENTRY(RENAME_FUNCTION, int olddfd, const void *from, int newdfd, const void *to, u32 flags)
{
    return enter_rename(newdfd, name_of(to), CALL_RENAME | PENDING, flags);
}

AT_ENTRY(vfs_rename, const void *renamedata)
{
    return enter_vfs_rename(renamedata);
}

AT_RETURN(RENAME_FUNCTION, int olddfd, const void *from, int newdfd, const void *to, u32 flags,
          int ret)
{
    return leave_call(ret);
}
#endif
