// SPDX-License-Identifier: GPL-2.0
//
// A filter's tests of a record (app/tracer/filter_tests.py has the same layout).
//
// What the tests found is kept in memory, not in registers (see read_number). And the verifier follows
// each branch in each turn of a loop, so there are few.

#define NUMBER_TESTS 20
#define TEXT_TESTS 20
#define CLAUSES 8
#define PATTERN_WORDS 8

// Passes if the word at `offset` of the record, shifted left, is within `low` to `low + span`. So
// user space has shifted the bounds, and turned their top bit around (`flip`) for signed numbers.
struct number_test {
    u64 low;
    u64 span;
    u64 flip;
    u32 left;
    u32 offset; // a multiple of 8
    u32 value;  // which value of the plan it is; 31 for a member of struct head
    u32 unused;
};
// Passes if the text begins with (or ends with, or is) the pattern.
struct text_test {
    u32 source;   // 0 to 3: a text of the plan; SOURCE_*
    s32 size;     // of the pattern, in bytes
    u32 is_whole; // all bits set, or none
    u32 is_end;   // likewise
    u32 marks;    // TEXT_CUT and PATH_OPEN: a text so marked does not pass, as its end is unknown
    u32 unused;
    u64 pattern[PATTERN_WORDS]; // padded with NULs
    u64 bits[PATTERN_WORDS];    // which of its bits count
};
#define SOURCE_COMM 4
#define SOURCE_PROCESS 5
#define SOURCES 8

// A clause passes when of all tests in `care` exactly those in `want` hold. The bits are those of
// the number tests, then those of the text tests.
struct clause {
    u64 care;
    u64 want;
};

// Tests are made as early as they can be: with what is known of the caller, then with the values,
// then with the texts, and at the return.
#define OF_CALLER 0
#define OF_VALUES 1
#define OF_TEXTS 2
#define OF_RETURN 3
#define GROUPS 4

struct filter {
    u32 enabled;
    u32 pid;          // the only process whose calls pass,
    u32 pid_bits;     // if these bits are all set; none: every process
    u32 at_return;    // whether there are tests that can be made at the return only
    u32 clause_count; // 0: everything passes
    u32 unused;
    u32 number_ends[GROUPS];
    u32 text_ends[GROUPS];
    u64 known[GROUPS]; // the tests made by then
    struct clause clauses[CLAUSES];
    struct number_test numbers[NUMBER_TESTS];
    struct text_test texts[TEXT_TESTS];
};

// 1 or 0, without a branch.
static __always_inline u64 is_zero(u64 number)
{
    return (number | -number) >> 63 ^ 1;
}

static __always_inline void make_number_tests(struct filter *f, u32 begin, u32 end, struct draft *d,
                                              struct record *r)
{
    write_number(&d->next, begin);
    for (int n = 0; n < NUMBER_TESTS; n++) {
        u32 i = read_number(&d->next);

        if (i >= end || i >= NUMBER_TESTS)
            break;
        write_number(&d->next, i + 1);
        struct number_test *t = &f->numbers[i];
        u64 v = *(u64 *)((char *)r + (t->offset & 0xf8));

        v = (v << (t->left & 63)) ^ t->flip;
        u64 is_unreadable = r->head.unreadable >> (t->value & 31) & 1;

        if (v - t->low <= t->span)
            d->mask |= (is_unreadable ^ 1) << i;
    }
}

// Note a thread's name for text tests; the helper counts its NUL.
static __always_inline void find_name(struct draft *d, const int source, const char *name)
{
    char copy[16];
    long size = bpf_probe_read_kernel_str(copy, sizeof(copy), name);

    d->source[source] = (u64)name;
    d->length[source] = size > 0 ? size - 1 : 0;
}

static __always_inline void find_names(struct draft *d, struct record *r)
{
    find_name(d, SOURCE_COMM, r->head.comm);
    find_name(d, SOURCE_PROCESS, r->head.process);
}

// Note where the texts of a record are. `texts` is the address of the first.
static __always_inline void find_texts(struct draft *d, struct record *r, u64 texts)
{
    d->flags = r->head.flags;
#pragma unroll
    for (int i = 0; i < TEXTS; i++) {
        s32 size = r->head.text_size[i];

        d->source[i] = texts;
        d->length[i] = size;
        texts += size & ~(size >> 31); // nothing for one that could not be read
    }
}

static __always_inline void make_text_tests(struct filter *f, u32 begin, u32 end, struct draft *d)
{
    write_number(&d->next, begin);
    for (int n = 0; n < TEXT_TESTS; n++) {
        u32 i = read_number(&d->next);

        if (i >= end || i >= TEXT_TESTS)
            break;
        write_number(&d->next, i + 1);
        struct text_test *t = &f->texts[i];
        u32 source = t->source & (SOURCES - 1);
        u64 text = d->source[source];
        s32 rest = d->length[source] - t->size;
        u64 words[PATTERN_WORDS] = {}, difference = 0;

        if ((u32)rest >> 31 | (rest & t->is_whole) | (d->flags >> source & t->marks))
            continue;
        text += (u32)rest & t->is_end;
        difference |= bpf_probe_read_kernel(words, sizeof(words), (void *)text);
#pragma unroll
        for (int k = 0; k < PATTERN_WORDS; k++)
            difference |= (words[k] ^ t->pattern[k]) & t->bits[k];
        d->mask |= is_zero(difference) << (i + NUMBER_TESTS);
    }
}

// Whether a record can still pass when this group's tests have been made.
static __always_inline int may_pass(struct filter *f, const int group, struct draft *d)
{
    u64 known = f->known[group];

    if (!f->clause_count)
        return 1;
    for (u32 i = 0; i < CLAUSES; i++) {
        if (i >= f->clause_count)
            break;
        u64 care = f->clauses[i].care & known;

        if ((d->mask & care) == (f->clauses[i].want & care))
            return 1;
    }
    return 0;
}

// The most usual test, before anything is read for a call that it refuses.
static __always_inline int process_passes(struct filter *f, u32 pid)
{
    return !((pid ^ f->pid) & f->pid_bits);
}

// Make the tests of what is known of the caller.
static __always_inline int caller_passes(struct filter *f, struct draft *d, struct record *r)
{
    d->mask = 0;
    if (!f->known[OF_CALLER])
        return 1;
    make_number_tests(f, 0, f->number_ends[OF_CALLER], d, r);
    if (f->text_ends[OF_CALLER]) {
        find_names(d, r);
        make_text_tests(f, 0, f->text_ends[OF_CALLER], d);
    }
    return may_pass(f, OF_CALLER, d);
}

static __always_inline int values_pass(struct filter *f, struct draft *d, struct record *r)
{
    if (f->number_ends[OF_VALUES] == f->number_ends[OF_CALLER])
        return 1;
    make_number_tests(f, f->number_ends[OF_CALLER], f->number_ends[OF_VALUES], d, r);
    return may_pass(f, OF_VALUES, d);
}

static __always_inline int texts_pass(struct filter *f, struct draft *d, struct record *r, u64 texts)
{
    if (f->text_ends[OF_TEXTS] == f->text_ends[OF_CALLER])
        return 1;
    find_texts(d, r, texts);
    make_text_tests(f, f->text_ends[OF_CALLER], f->text_ends[OF_TEXTS], d);
    return may_pass(f, OF_TEXTS, d);
}

// Make the tests of a record that is complete: all, or only those that could not be made at entry.
static __always_inline int return_passes(struct filter *f, struct draft *d, struct record *r,
                                         u64 texts, int is_again)
{
    u32 numbers = 0, first_text = 0;

    if (is_again && !process_passes(f, r->head.pid))
        return 0;
    if (!f->clause_count)
        return 1;
    if (!is_again) {
        numbers = f->number_ends[OF_TEXTS];
        first_text = f->text_ends[OF_TEXTS];
    }
    make_number_tests(f, numbers, f->number_ends[OF_RETURN], d, r);
    if (first_text < f->text_ends[OF_RETURN]) {
        find_names(d, r);
        find_texts(d, r, texts);
        make_text_tests(f, first_text, f->text_ends[OF_RETURN], d);
    }
    return may_pass(f, OF_RETURN, d);
}
