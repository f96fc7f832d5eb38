// SPDX-License-Identifier: GPL-2.0
// Every kind of map and of program that the include tree must serve.

#include <linux/types.h>
#include <uapi/linux/ptrace.h>

struct record {
	u64 time;
	s64 ret;
	u32 pid;
	char comm[16];
	char name[256];
};

BPF_RINGBUF_OUTPUT(events, 64);
BPF_HASH(stash, u64, struct record, 1024);
BPF_PERCPU_ARRAY(lost, u64, 4);
BPF_PERCPU_ARRAY(scratch, struct record, 1);

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

int enter(struct enter_context *ctx)
{
	u64 thread = bpf_get_current_pid_tgid();
	u32 zero = 0;
	struct record *record = scratch.lookup(&zero);

	if (!record)
		return 0;
	record->time = bpf_ktime_get_ns();
	record->pid = thread >> 32;
	bpf_get_current_comm(&record->comm, sizeof(record->comm));
	bpf_probe_read_user_str(record->name, sizeof(record->name), (void *)ctx->args[1]);
	stash.update(&thread, record);
	return 0;
}

int leave(struct exit_context *ctx)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct record *record = stash.lookup(&thread);

	if (!record)
		return 0;
	record->ret = ctx->ret;
	if (events.ringbuf_output(record, sizeof(*record), BPF_RB_NO_WAKEUP))
		lost.increment(0);
	stash.delete(&thread);
	return 0;
}

int at_entry(struct pt_regs *ctx)
{
	struct record *record = events.ringbuf_reserve(sizeof(*record));

	if (!record)
		return 0;
	record->pid = PT_REGS_PARM1(ctx);
	bpf_probe_read_kernel_str(record->name, sizeof(record->name), (void *)PT_REGS_PARM2(ctx));
	events.ringbuf_submit(record, 0);
	return 0;
}

int at_return(struct pt_regs *ctx)
{
	struct record *record = events.ringbuf_reserve(sizeof(*record));

	if (!record)
		return 0;
	record->ret = PT_REGS_RC(ctx);
	events.ringbuf_submit(record, 0);
	return 0;
}
