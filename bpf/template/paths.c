// SPDX-License-Identifier: GPL-2.0
//
// The absolute path of a struct path or a dentry, as its process sees it: a walk over directory
// entries and mounts up to the process's root, as d_path does (fs/d_path.c), written back to front.

#define PATH_STEPS 64

static __always_inline u64 pointer_at(u64 address)
{
    u64 value = 0;

    bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
    return value;
}

// Write the path to the end of `d->path`, and return where it begins there; `*is_open` says whether
// the process's root was not reached. `mnt` is a struct vfsmount, 0 if it is not known.
static __always_inline u32 walk_path(struct draft *d, u64 mnt, u64 dentry, int *is_open)
{
    SLOT(path_mnt, 0x7000000000000300);
    SLOT(path_dentry, 0x7000000000000301);
    SLOT(mnt_root, 0x7000000000000302);
    SLOT(m_mnt, 0x7000000000000303);
    SLOT(m_parent, 0x7000000000000304);
    SLOT(m_point, 0x7000000000000305);
    SLOT(d_parent, 0x7000000000000306);
    SLOT(d_name, 0x7000000000000307);
    SLOT(d_len, 0x7000000000000308);
    SLOT(d_sb, 0x7000000000000309);
    SLOT(task_fs, 0x700000000000030a);
    SLOT(fs_root, 0x700000000000030b);
    SLOT(fs_pwd, 0x700000000000030c);
    SLOT(mnt_sb, 0x700000000000030d);
    u64 fs = pointer_at(bpf_get_current_task() + task_fs), root_mnt = 0, root_dentry = 0;
    u32 at = TEXT_MAX;

    *is_open = 1;
    if (fs) {
        root_mnt = pointer_at(fs + fs_root + path_mnt);
        root_dentry = pointer_at(fs + fs_root + path_dentry);
    }
    if (!mnt && fs) { // of a dentry alone: is it on the file system of the process's folder or root?
        u64 sb = pointer_at(dentry + d_sb), pwd_mnt = pointer_at(fs + fs_pwd + path_mnt);

        if (pointer_at(pwd_mnt + mnt_sb) == sb)
            mnt = pwd_mnt;
        else if (pointer_at(root_mnt + mnt_sb) == sb)
            mnt = root_mnt;
    }
    for (int i = 0; i < PATH_STEPS; i++) {
        if (dentry == root_dentry && mnt == root_mnt) {
            *is_open = 0;
            break;
        }
        if (mnt && dentry == pointer_at(mnt + mnt_root)) {
            u64 mount = mnt - m_mnt, up = pointer_at(mount + m_parent);

            if (up == mount || !up) { // of no mount point: the first root, or a pseudo file system
                *is_open = root_mnt != 0;
                break;
            }
            dentry = pointer_at(mount + m_point);
            mnt = up + m_mnt;
            continue;
        }
        u64 parent = pointer_at(dentry + d_parent), name = pointer_at(dentry + d_name);
        u32 size = 0;

        if (parent == dentry) // the root of a file system whose mount is not known
            break;
        bpf_probe_read_kernel(&size, sizeof(size), (void *)(dentry + d_len));
        size &= 0xff;
        if (at < size + 2)
            break;
        at = (at - size) & (TEXT_MAX * 2 - 1);
        if (at > TEXT_MAX || bpf_probe_read_kernel(&d->path[at], size, (void *)name))
            break;
        at = (at - 1) & (TEXT_MAX - 1);
        d->path[at] = '/';
        dentry = parent;
    }
    if (at == TEXT_MAX && !*is_open) { // the root itself
        at = TEXT_MAX - 1;
        d->path[at] = '/';
    }
    return at;
}
