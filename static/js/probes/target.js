// SPDX-License-Identifier: Apache-2.0

// What a probe traces: deletions, or a target of a user's choice (docs/protocol.md, "A probe").

/** The kinds of targets, in the order of the form, each with the name of one as an example. */
export const KINDS = [
  { kind: "function", title: "Function", example: "vfs_read", words: (name) => name },
  {
    kind: "syscall",
    title: "System call",
    example: "openat",
    words: (name) => `system call ${name}`,
  },
  {
    kind: "tracepoint",
    title: "Tracepoint",
    example: "sched:sched_switch",
    words: (name) => `tracepoint ${name}`,
  },
  { kind: "preset", title: "Preset", example: "opens", words: (name) => `preset ${name}` },
];

/** The columns that every probe has: who made the call, and when. */
const CALLER = new Set(["time", "pid", "tid", "uid", "process", "comm"]);

const MAX_ID = 32;

/** Whether a probe is one of the modes; the others have names of their own. */
export function isMode({ id, mode }) {
  return id === mode;
}

/** Whether a probe traces deletions, as a mode without a target does. */
export function tracesDeletions({ target }) {
  return !target;
}

/** Whether tests move into the members of `filter`: of deletions, under any name, they do. */
export function takesFilterMembers(probe) {
  const { target } = probe;
  return tracesDeletions(probe) || (target.kind === "preset" && target.name === "deletions");
}

/** Describe what a probe traces: "vfs_read, fexit". */
export function targetWords({ id, mode, target }) {
  if (!target) return "";
  const known = KINDS.find(({ kind }) => kind === target.kind);
  const what = known ? known.words(target.name) : `${target.kind} ${target.name}`;
  return id === mode ? what : `${what}, ${mode}`;
}

/** The names of a probe's columns, without those that every probe has. */
export function ownColumns({ columns }) {
  return columns.map(({ name }) => name).filter((name) => !CALLER.has(name));
}

/** The columns of deletions in a mode between those of the caller and the result, with `path`. */
export function columnsWithPath(mode) {
  const ofCall = mode === "tracepoint" ? ["syscall", "flags"] : [];
  return [...ofCall, "dfd", "filename", "path", "replaced"];
}

/**
 * Propose a name for a probe of a function, system call or tracepoint: its own, as far as names of
 * probes allow, with a number if that is taken.
 * @param {string} name  @param {Set<string>} taken
 */
export function proposedId(name, taken) {
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, "");
  if (!plain) return "";
  for (let number = 1; ; number++) {
    const end = number === 1 ? "" : `-${number}`;
    const id = plain.slice(0, MAX_ID - end.length) + end;
    if (!taken.has(id)) return id;
  }
}
