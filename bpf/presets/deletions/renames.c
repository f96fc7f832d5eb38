// SPDX-License-Identifier: GPL-2.0
//
// Renames, which delete the file that had the new name. Inside of the kernel's function that renames,
// vfs_rename gets both directory entries, so there it is known whether such a file exists; the return
// of the function tells that the call is over.

#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2

// With either of these flags a rename replaces nothing.
static __always_inline int may_replace(u64 call_flags)
{
    return !(call_flags & (RENAME_NOREPLACE | RENAME_EXCHANGE));
}

static __always_inline void enter_rename(s32 dfd, u64 name, u64 call_flags)
{
    struct deletion of = {name, call_flags, dfd, CALL_RENAME};

    if (may_replace(call_flags) && !is_canary(dfd, (const char *)name))
        keep_deletion(&of, 1, DRAFT_OF_RENAME);
}

// At the entry of vfs_rename: is there a file at the new name? If both names are hard links of one
// file, it stays. On a stacked file system vfs_rename runs again for the layer below.
static __always_inline void enter_vfs_rename(u64 renamedata)
{
    SLOT(rename_old, 0x7000000000000457);
    SLOT(rename_new, 0x7000000000000458);
    SLOT(dentry_inode, 0x7000000000000459);
    u64 key = bpf_get_current_task(), target;
    struct call *c = entry_of(&key);

    if (!is_in_call(c) || !c->pending)
        return;
    target = pointer_at(pointer_at(renamedata + rename_new) + dentry_inode);
    if (target && target != pointer_at(pointer_at(renamedata + rename_old) + dentry_inode))
        confirm_rename(&key, c);
}
