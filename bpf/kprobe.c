// SPDX-License-Identifier: GPL-2.0
//
// kprobe and kretprobe.

int on_entry(struct pt_regs *ctx)
{
    enter_deletion(PT_REGS_PARM1(ctx), name_of((const void *)PT_REGS_PARM2(ctx)));
    return 1;
}

#ifdef SEES_RETURN
// An int result leaves the upper half of its register undefined.
int on_return(struct pt_regs *ctx)
{
    leave_call((int)PT_REGS_RC(ctx));
    return 1;
}
#endif

#ifdef RENAME_FUNCTION
// NAMED pastes its arguments together: expand RENAME_FUNCTION first.
#define NAMED(prefix, function) prefix##function
#define AT(prefix, function) NAMED(prefix, function)

int AT(kprobe__, RENAME_FUNCTION)(struct pt_regs *ctx)
{
    enter_rename(PT_REGS_PARM3(ctx), name_of((const void *)PT_REGS_PARM4(ctx)),
                 CALL_RENAME | PENDING, PT_REGS_PARM5(ctx));
    return 1;
}

int kprobe__vfs_rename(struct pt_regs *ctx)
{
    enter_vfs_rename((const void *)PT_REGS_PARM1(ctx));
    return 1;
}

int AT(kretprobe__, RENAME_FUNCTION)(struct pt_regs *ctx)
{
    leave_call((int)PT_REGS_RC(ctx));
    return 1;
}
#endif
