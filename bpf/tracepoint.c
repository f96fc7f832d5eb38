// SPDX-License-Identifier: GPL-2.0
//
// tracepoint: syscalls:sys_enter_* and sys_exit_* of the calls that delete. The name is in user
// memory. CPython and gcc call the old unlink, coreutils unlinkat.

#define AT_FDCWD -100

// As in events/syscalls/*/format: the layout is part of the tracepoints' interface.
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
    return on_enter(AT_FDCWD, (const char *)ctx->args[0], CALL_UNLINK);
}

int on_enter_unlinkat(struct enter_context *ctx)
{
    return on_enter(ctx->args[0], (const char *)ctx->args[1], CALL_UNLINKAT);
}

int on_enter_rmdir(struct enter_context *ctx)
{
    return on_enter(AT_FDCWD, (const char *)ctx->args[0], CALL_RMDIR);
}

int on_exit(struct exit_context *ctx)
{
    return on_leave(ctx->ret);
}
