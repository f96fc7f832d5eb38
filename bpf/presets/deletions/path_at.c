// SPDX-License-Identifier: GPL-2.0
//
// The absolute path of a name: the folder that it begins at, and the name.

#define AT_FDCWD (-100)

// Return the struct path of the folder that `dfd` stands for; 0 if there is none.
static __always_inline u64 find_folder(s32 dfd)
{
    SLOT(task_fs, 0x700000000000030a);
    SLOT(fs_pwd, 0x700000000000030c);
    SLOT(task_files, 0x7000000000000451);
    SLOT(files_table, 0x7000000000000452);
    SLOT(table_size, 0x7000000000000453);
    SLOT(table_files, 0x7000000000000454);
    SLOT(file_path, 0x7000000000000455);
    u64 task = bpf_get_current_task(), found;

    if (dfd == AT_FDCWD) {
        found = pointer_at(task + task_fs);
        return found ? found + fs_pwd : 0;
    }
    found = pointer_at(pointer_at(task + task_files) + files_table);
    if (dfd < 0 || (u32)dfd >= (u32)number_at(found + table_size, sizeof(u32)))
        return 0;
    found = pointer_at(pointer_at(found + table_files) + (u64)dfd * sizeof(void *));
    return found ? found + file_path : 0;
}

// Put the path of a name's folder, with a slash at its end, behind the texts so far. Returns its
// size in bytes, or -1 if there is no such folder.
static __always_inline s32 put_folder(struct draft *d, const int i, s32 dfd)
{
    SLOT(path_mnt, 0x7000000000000300);
    SLOT(path_dentry, 0x7000000000000301);
    char *texts = texts_of(&d->whole.r);
    u32 at = d->end & (TEXTS_MAX - 1), from, size;
    u64 folder = find_folder(dfd), dentry = folder ? pointer_at(folder + path_dentry) : 0;

    if (!dentry)
        return -1;
    if (walk_path(&d->walk, pointer_at(folder + path_mnt), dentry))
        d->whole.r.head.flags |= PATH_OPEN << i;
    d->walk.path[PATH_BYTES] = '/';
    from = read_number(&d->walk.path_at);
    size = PATH_BYTES - from;
    if (size != 1) // the root is a slash already
        size++;
    if (size >= TEXT_MAX) { // its end says most
        from += size - (TEXT_MAX - 1);
        size = TEXT_MAX - 1;
        d->whole.r.head.flags |= PATH_OPEN << i;
    }
    from &= PATH_BYTES * 2 - 1;
    asm volatile("" : "+r"(size)); // the bound belongs right before its use
    size &= TEXT_MAX - 1;
    bpf_probe_read_kernel(&texts[at], size, (char *)d->walk.path + from);
    return size;
}

// Read a name and, if it is relative, its folder before it.
static __always_inline void read_name_at(struct draft *d, const int i, u64 max, s32 dfd,
                                         u64 address, int in_kernel)
{
    s32 folder = 0, size;
    char first = 0;

    read_memory(&first, 1, address, in_kernel);
    if (first && first != '/') {
        folder = put_folder(d, i, dfd);
        if (folder < 0) {
            end_text(d, i, TEXT_UNREADABLE);
            return;
        }
        d->end += folder;
    }
    read_string(d, i, max, address, in_kernel);
    size = d->whole.r.head.text_size[i];
    if (size < 0 || size + folder > TEXT_MAX) { // all of the name is worth more than its folder
        d->end -= folder + (size > 0 ? size : 0);
        if (size < 0)
            return;
        d->whole.r.head.flags |= PATH_OPEN << i;
        read_string(d, i, max, address, in_kernel);
    } else
        d->whole.r.head.text_size[i] = size + folder;
}
