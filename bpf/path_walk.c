// SPDX-License-Identifier: GPL-2.0
//
// The absolute path of a struct path or a dentry, as its process sees it: a walk over directory
// entries and mounts up to the process's root, as d_path does (fs/d_path.c), written back to front.

#define PATH_STEPS 64
#define PATH_BYTES 4096

#define COPY_NAME(offset)                                                                          \
    if (size > offset) {                                                                           \
        LOAD(word, u64, from, offset);                                                             \
        *(volatile u64 *)(to + offset) = word;                                                     \
    }

struct walk {
    char path[PATH_BYTES * 2 + 256]; // written back to front, from the middle
    u32 path_at;                     // where in `path` the path begins so far
    u64 mnt;                         // the struct vfsmount and the dentry that it has reached
    u64 dentry;
    u64 root_mnt; // and those of the process's root
    u64 root_dentry;
};

// Copy a name of up to 40 bytes. Returns whether it was not: names are at multiples of 8, so that
// whole words of them are on one page.
static __always_inline int copy_name(struct walk *w, u32 at, u32 size, u64 name, u64 cast_type)
{
    char *to = &w->path[at], *behind = &w->path[(at + size) & (PATH_BYTES * 2 - 1)];
    u64 kept = *(volatile u64 *)behind, from, word;

    if (size > 40 || name & 7)
        return 1;
    from = cast(name, cast_type);
    LOAD(word, u64, from, 0);
    if (!word)
        return 1;
    *(volatile u64 *)to = word;
    COPY_NAME(8)
    COPY_NAME(16)
    COPY_NAME(24)
    COPY_NAME(32)
    *(volatile u64 *)behind = kept;
    return 0;
}

// Put a slash and a name before the path; returns whether there is no room.
static __always_inline int add_name(struct walk *w, u64 name, u32 size)
{
    CAST_TYPE(cast_type);
    u32 at = read_number(&w->path_at);

    size &= 0xff; // NAME_MAX
    if (at < size + 1)
        return 1;
    at = (at - size) & (PATH_BYTES * 2 - 1);
    if ((!cast_type || copy_name(w, at, size, name, cast_type)) &&
        bpf_probe_read_kernel(&w->path[at], size, (void *)name))
        return 1;
    at = (at - 1) & (PATH_BYTES * 2 - 1);
    w->path[at] = '/';
    write_number(&w->path_at, at);
    return 0;
}

// The process's root was reached; its own path is a slash.
static __always_inline void end_path(struct walk *w)
{
    if (read_number(&w->path_at) == PATH_BYTES) {
        w->path[PATH_BYTES - 1] = '/';
        write_number(&w->path_at, PATH_BYTES - 1);
    }
}

// What a step of the walk came to.
#define WALK_ON 0      // there is another
#define WALK_ENDS 1    // the process's root was reached, or that of all
#define WALK_IS_OPEN 2 // neither can be

static __always_inline void start_walk(struct walk *w, u64 mnt, u64 dentry)
{
    SLOT(path_mnt, 0x7000000000000300);
    SLOT(path_dentry, 0x7000000000000301);
    SLOT(d_sb, 0x7000000000000309);
    SLOT(task_fs, 0x700000000000030a);
    SLOT(fs_root, 0x700000000000030b);
    SLOT(fs_pwd, 0x700000000000030c);
    SLOT(mnt_sb, 0x700000000000030d);
    u64 fs = pointer_at(bpf_get_current_task() + task_fs);

    write_number(&w->path_at, PATH_BYTES);
    w->root_mnt = w->root_dentry = 0;
    if (fs) {
        w->root_mnt = pointer_at(fs + fs_root + path_mnt);
        w->root_dentry = pointer_at(fs + fs_root + path_dentry);
    }
    if (!mnt && fs) { // of a dentry alone: is it on the file system of the process's folder or root?
        u64 sb = pointer_at(dentry + d_sb), pwd_mnt = pointer_at(fs + fs_pwd + path_mnt);

        if (pointer_at(pwd_mnt + mnt_sb) == sb)
            mnt = pwd_mnt;
        else if (pointer_at(w->root_mnt + mnt_sb) == sb)
            mnt = w->root_mnt;
    }
    write_address(&w->mnt, mnt);
    write_address(&w->dentry, dentry);
}

static __always_inline int is_at_root(struct walk *w)
{
    return read_address(&w->dentry) == read_address(&w->root_dentry) &&
           read_address(&w->mnt) == read_address(&w->root_mnt);
}

static __always_inline int walk_step(struct walk *w)
{
    SLOT(mnt_root, 0x7000000000000302);
    SLOT(m_mnt, 0x7000000000000303);
    SLOT(m_parent, 0x7000000000000304);
    SLOT(m_point, 0x7000000000000305);
    SLOT(d_parent, 0x7000000000000306);
    SLOT(d_name, 0x7000000000000307);
    SLOT(d_len, 0x7000000000000308);
    u64 mnt = read_address(&w->mnt), dentry = read_address(&w->dentry);

    if (is_at_root(w))
        return WALK_ENDS;
    if (mnt && dentry == pointer_at(mnt + mnt_root)) {
        u64 mount = mnt - m_mnt, up = pointer_at(mount + m_parent);

        if (up == mount || !up) // of no mount point: the first root, or a pseudo file system
            return read_address(&w->root_mnt) ? WALK_IS_OPEN : WALK_ENDS;
        write_address(&w->dentry, pointer_at(mount + m_point));
        write_address(&w->mnt, up + m_mnt);
        return WALK_ON;
    }
    u64 parent = pointer_at(dentry + d_parent);

    if (parent == dentry) // the root of a file system whose mount is not known
        return WALK_IS_OPEN;
    if (add_name(w, pointer_at(dentry + d_name), number_at(dentry + d_len, sizeof(u32))))
        return WALK_IS_OPEN;
    write_address(&w->dentry, parent);
    return WALK_ON;
}

// Write the path to the first half of `w->path`, from its end, and note in `w->path_at` where it
// begins. Returns whether the process's root was not reached. `mnt` is a struct vfsmount, 0 if it
// is not known.
static __always_inline int walk_path(struct walk *w, u64 mnt, u64 dentry)
{
    start_walk(w, mnt, dentry);
    for (int i = 0; i < PATH_STEPS; i++) {
        int end = walk_step(w);

        if (end == WALK_ON)
            continue;
        if (end == WALK_ENDS)
            end_path(w);
        return end == WALK_IS_OPEN;
    }
    return !is_at_root(w); // which the last step may have reached
}
