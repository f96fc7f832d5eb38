// SPDX-License-Identifier: GPL-2.0
//
// tracepoint: syscalls:sys_enter_* and sys_exit_* of the calls that delete, and of those that
// rename, which delete when there is a file at the new name; a tracepoint cannot tell whether
// there is one. CPython and gcc call the old unlink, coreutils unlinkat. Each call has an entry
// program of its own, as one may read only as many arguments as its tracepoint has
// (perf_event_set_bpf_prog).

// As in tracefs' events/syscalls/*/format: the layout is part of the tracepoints' interface.
struct enter_context {
    u64 common;
    s64 number;
    u64 args[6];
};
struct exit_context {
    u64 common;
    s64 number;
    s64 ret;
};

int on_enter_unlink(struct enter_context *ctx)
{
    begin_call(AT_FDCWD, (const char *)ctx->args[0], CALL_UNLINK, 0);
    return 1;
}

int on_enter_unlinkat(struct enter_context *ctx)
{
    begin_call(ctx->args[0], (const char *)ctx->args[1], CALL_UNLINKAT, ctx->args[2]);
    return 1;
}

int on_enter_rmdir(struct enter_context *ctx)
{
    begin_call(AT_FDCWD, (const char *)ctx->args[0], CALL_RMDIR, 0);
    return 1;
}

int on_enter_rename(struct enter_context *ctx)
{
    begin_call(AT_FDCWD, (const char *)ctx->args[1], CALL_RENAME, 0);
    return 1;
}

int on_enter_renameat(struct enter_context *ctx)
{
    begin_call(ctx->args[2], (const char *)ctx->args[3], CALL_RENAMEAT, 0);
    return 1;
}

int on_enter_renameat2(struct enter_context *ctx)
{
    enter_rename(ctx->args[2], (const char *)ctx->args[3], CALL_RENAMEAT2, ctx->args[4]);
    return 1;
}

int on_exit(struct exit_context *ctx)
{
    leave_call(ctx->ret);
    return 1;
}
