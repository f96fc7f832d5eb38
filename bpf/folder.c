// SPDX-License-Identifier: GPL-2.0
//
// The folder that a relative name begins at, for the column `path`.

#define AT_FDCWD -100

// Whether paths are wanted, and where the kernel keeps a process's folders: slots 0x450 and on
// (app/tracer/template.py).
#define WANTS_PATH(name) SLOT(name, 0x7000000000000450)

// One for each kind of program, as of `scratch`.
BPF_PERCPU_ARRAY(walks, struct walk, 2);

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
    u32 size = 0;

    if (dfd == AT_FDCWD) {
        found = pointer_at(task + task_fs);
        return found ? found + fs_pwd : 0;
    }
    found = pointer_at(pointer_at(task + task_files) + files_table);
    bpf_probe_read_kernel(&size, sizeof(size), (void *)(found + table_size));
    if (dfd < 0 || (u32)dfd >= size)
        return 0;
    found = pointer_at(pointer_at(found + table_files) + (u64)dfd * sizeof(void *));
    return found ? found + file_path : 0;
}

// Read the folder of a name that is relative into `r`, with a slash at its end.
static __always_inline void read_folder(struct long_record *r, int slot, s32 dfd,
                                        const char *name)
{
    SLOT(path_mnt, 0x7000000000000300);
    SLOT(path_dentry, 0x7000000000000301);
    struct walk *w = walks.lookup(&slot);
    u64 folder, dentry = 0;
    char first = 0;
    u32 from, size;

    r->head.folder_size = 0;
    READ_BYTES(&first, 1, name);
    if (first == '/' || !w)
        return;
    folder = find_folder(dfd);
    if (folder)
        dentry = pointer_at(folder + path_dentry);
    if (!dentry) {
        r->head.flags |= NO_FOLDER;
        return;
    }
    if (walk_path(w, pointer_at(folder + path_mnt), dentry))
        r->head.flags |= FOLDER_OPEN;
    w->path[PATH_BYTES] = '/';
    from = read_number(&w->path_at);
    size = PATH_BYTES - from;
    if (size != 1) // the root is a slash already
        size++;
    if (size >= NAME_LONG) { // its end says most
        from += size - (NAME_LONG - 1);
        size = NAME_LONG - 1;
        r->head.flags |= FOLDER_OPEN;
    }
    r->head.folder_size = size;
    asm volatile("" : "+r"(size)); // the bound belongs right before its use
    size &= NAME_LONG - 1;
    bpf_probe_read_kernel(r->name, size, (char *)w->path + from);
}

// Read a name and, if it is relative, its folder before it.
static __always_inline void read_path(struct long_record *r, int slot, s32 dfd, const char *name)
{
    u32 at;

    read_folder(r, slot, dfd, name);
    at = read_number(&r->head.folder_size) & (NAME_LONG - 1);
    read_name_to(&r->head, r->name + at, name);
    if (text_size(&r->head) > NAME_LONG) { // all of the name is worth more than its folder
        r->head.folder_size = 0;
        r->head.flags |= FOLDER_OPEN;
        read_long_name(r, name);
    }
}

// Read a name of any length, with its folder if paths are wanted.
static __always_inline void read_text(struct long_record *r, int slot, s32 dfd, const char *name)
{
    WANTS_PATH(wants_path);

    if (wants_path)
        read_path(r, slot, dfd, name);
    else
        read_long_name(r, name);
}
