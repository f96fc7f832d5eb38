// SPDX-License-Identifier: GPL-2.0
//
// kprobe and kretprobe.

int on_entry(struct pt_regs *ctx)
{
    struct deletion of = {name_of(PT_REGS_PARM2(ctx)), 0, PT_REGS_PARM1(ctx), 0};

    enter_deletion(&of, DRAFT_OF_ENTRY);
    return 1;
}

#ifdef SEES_RETURN
// An int result leaves the upper half of its register undefined.
int on_return(struct pt_regs *ctx)
{
    leave_deletion((s32)PT_REGS_RC(ctx));
    return 1;
}
#endif

int on_rename(struct pt_regs *ctx)
{
    enter_rename(PT_REGS_PARM3(ctx), name_of(PT_REGS_PARM4(ctx)), (u32)PT_REGS_PARM5(ctx));
    return 1;
}

int on_vfs_rename(struct pt_regs *ctx)
{
    enter_vfs_rename(PT_REGS_PARM1(ctx));
    return 1;
}

int on_rename_return(struct pt_regs *ctx)
{
    leave_deletion((s32)PT_REGS_RC(ctx));
    return 1;
}
