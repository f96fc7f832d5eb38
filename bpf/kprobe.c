// SPDX-License-Identifier: GPL-2.0
//
// kprobe: at the function's entry. Of a rename, which deletes when there is a file at the new name,
// it is seen inside of it, where both names were looked up; a kretprobe tells that it is over.

int on_entry(struct pt_regs *ctx)
{
    on_call(PT_REGS_PARM1(ctx), name_of((const void *)PT_REGS_PARM2(ctx)));
    return 1;
}

#ifdef RENAME_FUNCTION
// NAMED pastes its arguments together: expand RENAME_FUNCTION first.
#define NAMED(prefix, function) prefix##function
#define AT(prefix, function) NAMED(prefix, function)

int AT(kprobe__, RENAME_FUNCTION)(struct pt_regs *ctx)
{
    on_rename(PT_REGS_PARM3(ctx), name_of((const void *)PT_REGS_PARM4(ctx)), CALL_RENAME | PENDING,
              PT_REGS_PARM5(ctx));
    return 1;
}

int kprobe__vfs_rename(struct pt_regs *ctx)
{
    on_replace((const void *)PT_REGS_PARM1(ctx));
    return 1;
}

int AT(kretprobe__, RENAME_FUNCTION)(struct pt_regs *ctx)
{
    on_leave((int)PT_REGS_RC(ctx));
    return 1;
}
#endif
