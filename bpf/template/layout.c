// SPDX-License-Identifier: GPL-2.0
//
// The record of a plan (app/columns/plan.py), and the constants that a plan fills in.
//
// These files are a template: one object for each mode, whatever is traced. What depends on the
// plan is a slot: a 64-bit constant in the byte code, which app/tracer/template.py replaces when it
// loads the object. So the verifier knows it, and drops the branches that this plan does not take.
// BCC rewrites map calls in the main file only, so app/tracer/template_source.py concatenates the
// files of a mode; it also defines
//   SEES_RETURN        in modes that emit at a call's return
//   ARGUMENTS_OF_USER  where arguments come from a process: they point to its memory only
//
// Return values of programs: tracepoints and kprobes return 1, as 0 would hide the event from
// every perf user of the machine (perf_trace_buf_submit is skipped,
// kernel/trace/trace_syscalls.c); trampolines return 0, as the verifier demands
// (check_return_code, kernel/bpf/verifier.c).

// Where a member of struct task_struct is.
#define TASK_MEMBER(name, slot) SLOT(name, slot)

#define VALUES 16
#define TEXTS 4
#define TEXT_MAX 4096  // of one text, with the NUL that the helper writes
#define TEXTS_MAX 8192 // of all texts of a record
#define KEPT_MAX 256   // bytes of texts kept with a call; more are kept in `long_calls`

// bpf/template/layout.c and app/tracer/template.py agree on these.
#define AT_ENTRY 1
#define AT_RETURN 2

struct head {
    u64 entry_ns;   // CLOCK_MONOTONIC at entry
    u64 latency_ns; // entry to return; 0 in entry modes
    s64 ret;        // the word of the return value, whatever its type; 0 in entry modes
    u32 pid;
    u32 tid;
    u32 uid;
    u32 cpu;               // at entry
    u32 flags;             // TEXT_CUT << text, PATH_OPEN << text
    u32 unreadable;        // 1 << value
    s32 text_size[TEXTS];  // bytes without a NUL, or TEXT_UNREADABLE
    char comm[16];         // the thread's name
    char process[16];      // the name of its thread group's leader
};

#define TEXT_UNREADABLE (-1)
#define TEXT_CUT 1
#define PATH_OPEN 0x100 // the path's beginning is missing

// The record in a ring has as many values as the plan, then the texts, one after the other. So the
// texts begin at `texts_at`, a slot.
struct record {
    struct head head;
    u64 values[VALUES];
};
struct kept_record {
    struct record r;
    char texts[KEPT_MAX];
};
struct whole_record {
    struct record r;
    char texts[TEXTS_MAX];
};

// A call remembered from entry to return.
struct call {
    u64 key;        // what it is found by; 0 while the entry is free
    u64 frame;      // 0 while there is no call
    u32 temporary;  // this entry is removed at the call's return
    u32 generation; // of the filter that the call passed at entry
    u32 end;        // bytes of texts; more than KEPT_MAX are in `long_calls`
    u32 retry;      // a text in user memory could not be read: its page may be there at the return
    u32 pending;    // by programs of their own: begun, but not yet known to be of interest; in no count
    u32 at_return;  // the filter has tests to be made then
    u64 function;   // of several, the number of the one that was called
    u64 mask;       // of the tests that held at entry
    u64 address[TEXTS]; // of the texts
    struct kept_record kept;
};
// The task, and in its lower bits, as it is aligned, how deep the call is nested. It is the address of
// task_struct: the kernel's own identity of a thread, which is not reused before the thread has
// ended, and stays when an execve by one of several threads changes its id.
#define CALL_KEY u64

#define KEY_NUMBERS 16
#define KEY_TEXTS 2
#define KEY_TEXT_BYTES 128
#define KEY_TEXT_WORDS (1 + KEY_TEXT_BYTES / 8) // its size, and its bytes with NULs after them
#define KEY_WORDS (KEY_NUMBERS + KEY_TEXTS * KEY_TEXT_WORDS)
// Where a key is made (bpf/template/groups.c), of each processor.
struct group_draft {
    u64 is_busy;
    u64 taken; // groups of this processor
    u64 next;  // place to be tried
    u64 key[KEY_WORDS];
};

// Where a record is made: too large for the stack. One for programs at entry and one for those at
// return, as these may preempt one another; a program never preempts itself.
struct draft {
    struct whole_record whole;
    char room[TEXT_MAX * 2];  // for the end of one more text, as far as the verifier sees
    u64 address[TEXTS];       // of the texts
    u32 end;                  // bytes of texts so far
    u32 retry;                // a text may be readable at the return only
    struct walk walk;         // to a path
    u64 frame;                // see as_number
    u64 texts;                // address of those to be tested at the return
    u32 next;                 // the filter's test to be made
    u64 mask;                 // of its tests that hold
    u64 source[8];            // addresses of the texts that it tests, by SOURCE_*
    s32 length[8];            // and their sizes
    u32 flags;                // of the record, with the texts' marks
    struct group_draft group;
};
#ifndef DRAFTS
#define DRAFTS 2
#endif
BPF_PERCPU_ARRAY(drafts, struct draft, DRAFTS);

static __always_inline struct draft *get_draft(int moment)
{
    int slot = moment - 1;

    return drafts.lookup(&slot);
}

static __always_inline char *texts_of(struct record *r)
{
    SLOT(texts_at, 0x7000000000000400);

    return (char *)r + texts_at;
}

// What reads begin with (app/columns/plan.py): 12 words of arguments, then these.
#define RESULT 12
#define CONTEXT 13
#define TASK 14
#define CGROUP 15
#define WORDS 16
