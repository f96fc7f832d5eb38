// SPDX-License-Identifier: GPL-2.0
//
// fentry: a BPF trampoline at the function's entry. Of a rename, which deletes when there is a file
// at the new name, it is seen inside of it, where both names were looked up; its return is traced
// to know that it is over.

// KFUNC_PROBE pastes its argument into a name: expand FUNCTION first.
#define AT_ENTRY(function, args...) KFUNC_PROBE(function, ##args)
#define AT_EXIT(function, args...) KRETFUNC_PROBE(function, ##args)

AT_ENTRY(FUNCTION, int dfd, const void *filename)
{
    return on_call(dfd, name_of(filename));
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
