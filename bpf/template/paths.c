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

// Put a slash and a name before the path; returns whether there is no room.
static __always_inline int add_name(struct draft *d, u64 name, u32 size)
{
    u32 at = read_number(&d->path_at);

    size &= 0xff; // NAME_MAX
    if (at < size + 1)
        return 1;
    at = (at - size) & (TEXT_MAX * 2 - 1);
    if (bpf_probe_read_kernel(&d->path[at], size, (void *)name))
        return 1;
    at = (at - 1) & (TEXT_MAX * 2 - 1);
    d->path[at] = '/';
    write_number(&d->path_at, at);
    return 0;
}

// The process's root was reached; its own path is a slash.
static __always_inline void end_path(struct draft *d)
{
    if (read_number(&d->path_at) == TEXT_MAX) {
        d->path[TEXT_MAX - 1] = '/';
        write_number(&d->path_at, TEXT_MAX - 1);
    }
}

// What a step of the walk came to.
#define WALK_ON 0      // there is another
#define WALK_ENDS 1    // the process's root was reached, or that of all
#define WALK_IS_OPEN 2 // neither can be

static __always_inline void start_walk(struct draft *d, u64 mnt, u64 dentry)
{
    SLOT(path_mnt, 0x7000000000000300);
    SLOT(path_dentry, 0x7000000000000301);
    SLOT(d_sb, 0x7000000000000309);
    SLOT(task_fs, 0x700000000000030a);
    SLOT(fs_root, 0x700000000000030b);
    SLOT(fs_pwd, 0x700000000000030c);
    SLOT(mnt_sb, 0x700000000000030d);
    u64 fs = pointer_at(bpf_get_current_task() + task_fs);

    write_number(&d->path_at, TEXT_MAX);
    d->root_mnt = d->root_dentry = 0;
    if (fs) {
        d->root_mnt = pointer_at(fs + fs_root + path_mnt);
        d->root_dentry = pointer_at(fs + fs_root + path_dentry);
    }
    if (!mnt && fs) { // of a dentry alone: is it on the file system of the process's folder or root?
        u64 sb = pointer_at(dentry + d_sb), pwd_mnt = pointer_at(fs + fs_pwd + path_mnt);

        if (pointer_at(pwd_mnt + mnt_sb) == sb)
            mnt = pwd_mnt;
        else if (pointer_at(d->root_mnt + mnt_sb) == sb)
            mnt = d->root_mnt;
    }
    write_address(&d->mnt, mnt);
    write_address(&d->dentry, dentry);
}

static __always_inline int is_at_root(struct draft *d)
{
    return read_address(&d->dentry) == read_address(&d->root_dentry) &&
           read_address(&d->mnt) == read_address(&d->root_mnt);
}

static __always_inline int walk_step(struct draft *d)
{
    SLOT(mnt_root, 0x7000000000000302);
    SLOT(m_mnt, 0x7000000000000303);
    SLOT(m_parent, 0x7000000000000304);
    SLOT(m_point, 0x7000000000000305);
    SLOT(d_parent, 0x7000000000000306);
    SLOT(d_name, 0x7000000000000307);
    SLOT(d_len, 0x7000000000000308);
    u64 mnt = read_address(&d->mnt), dentry = read_address(&d->dentry);

    if (is_at_root(d))
        return WALK_ENDS;
    if (mnt && dentry == pointer_at(mnt + mnt_root)) {
        u64 mount = mnt - m_mnt, up = pointer_at(mount + m_parent);

        if (up == mount || !up) // of no mount point: the first root, or a pseudo file system
            return read_address(&d->root_mnt) ? WALK_IS_OPEN : WALK_ENDS;
        write_address(&d->dentry, pointer_at(mount + m_point));
        write_address(&d->mnt, up + m_mnt);
        return WALK_ON;
    }
    u64 parent = pointer_at(dentry + d_parent);
    u32 size = 0;

    if (parent == dentry) // the root of a file system whose mount is not known
        return WALK_IS_OPEN;
    bpf_probe_read_kernel(&size, sizeof(size), (void *)(dentry + d_len));
    if (add_name(d, pointer_at(dentry + d_name), size))
        return WALK_IS_OPEN;
    write_address(&d->dentry, parent);
    return WALK_ON;
}

// Write the path to the first half of `d->path`, from its end, and note in `d->path_at` where it
// begins. Returns whether the process's root was not reached. `mnt` is a struct vfsmount, 0 if it
// is not known.
static __always_inline int walk_path(struct draft *d, u64 mnt, u64 dentry)
{
    start_walk(d, mnt, dentry);
    for (int i = 0; i < PATH_STEPS; i++) {
        int end = walk_step(d);

        if (end == WALK_ON)
            continue;
        if (end == WALK_ENDS)
            end_path(d);
        return end == WALK_IS_OPEN;
    }
    return !is_at_root(d); // which the last step may have reached
}
