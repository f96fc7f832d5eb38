// SPDX-License-Identifier: GPL-2.0
//
// Renames, which delete the file that had the new name. Inside of RENAME_FUNCTION, vfs_rename gets
// both directory entries, so there it is known whether such a file exists; the return of
// RENAME_FUNCTION tells that the call is over.

#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2

// At a rename's entry. With either of these flags it replaces nothing.
static __always_inline int enter_rename(s32 dfd, const char *name, u32 flags, u32 call_flags)
{
    if (call_flags & (RENAME_NOREPLACE | RENAME_EXCHANGE))
        return 0;
    return begin_call(dfd, name, flags, call_flags);
}

#ifdef RENAME_FUNCTION
// At the entry of vfs_rename: is there a file at the new name? If both names are hard links of one
// file, it stays. On a stacked file system vfs_rename runs again for the layer below.
static __always_inline int enter_vfs_rename(const void *renamedata)
{
    u64 task = bpf_get_current_task();
    struct call *c = calls.lookup(&task);
    const void *dentry = NULL, *source = NULL, *target = NULL;

    if (!is_in_call(c) || !(c->r.head.flags & PENDING))
        return 0;
    bpf_probe_read_kernel(&dentry, sizeof(dentry),
                          renamedata + __builtin_offsetof(struct renamedata, old_dentry));
    bpf_probe_read_kernel(&source, sizeof(source),
                          dentry + __builtin_offsetof(struct dentry, d_inode));
    bpf_probe_read_kernel(&dentry, sizeof(dentry),
                          renamedata + __builtin_offsetof(struct renamedata, new_dentry));
    bpf_probe_read_kernel(&target, sizeof(target),
                          dentry + __builtin_offsetof(struct dentry, d_inode));
    if (!target || target == source)
        return 0;
    c->r.head.flags = (c->r.head.flags & ~PENDING) | REPLACES;
    confirm_rename(&task, c);
    return 0;
}
#endif
