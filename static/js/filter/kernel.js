// SPDX-License-Identifier: Apache-2.0

// Which tests of a filter the kernel can apply (docs/protocol.md, "Starting"), and the changes of
// probes' filters for it. A test moves only if the same events match afterwards.

import { LIMITS, MAX_COMM_BYTES, seesReturn } from "../probes/spec.js";
import { takesFilterMembers } from "../probes/target.js";
import { intervalsOf } from "./compile.js";
import { conjuncts } from "./edits.js";
import { FilterError } from "./fault.js";
import { WhereChange } from "./kernel_where.js";
import { kindOf } from "./operators.js";
import { textOf } from "./terms.js";

/** @import { ColumnNames } from "./column_names.js" */

/** The members of a probe's filter, each with its form in the filter language. */
const MEMBERS = {
  pid: (value) => `pid=${value}`,
  uid: (value) => `uid=${value}`,
  comm: (value) => `comm=${textOf(value)}`,
  process: (value) => `process=${textOf(value)}`,
  only_failures: () => "ret<0",
};
/** Names of threads and processes, as the kernel keeps them. */
const NAMES = ["comm", "process"];
// An invalid UTF-8 byte is shown like this; the kernel would compare the four characters.
const SHOWN_BYTE = /\\x[0-9a-f]{2}/i;

/**
 * @param {FilterNode} node  a conjunct of a filter without faults
 * @param {ColumnNames} names  @param {(column: any) => Look} look  as `compileFilter`
 * @returns {?{member: string, value: number|string|true}} null if only the view can test it
 */
export function kernelPart(node, names, look) {
  if (node.type !== "term") return null;
  const columns = names.find(node.name);
  if (columns.length !== 1) return null;
  const [column] = columns;
  if (NAMES.includes(column.name) && kindOf(column) === "text") return namePart(column.name, node);
  if (kindOf(column) !== "number") return null;
  const interval = intervalIn(node, column, look(column).numberOf);
  if (!interval) return null;
  const { low, high } = interval;
  if (column.name === "ret")
    return low === null && high === -1n ? { member: "only_failures", value: true } : null;
  if (column.name !== "pid" && column.name !== "uid") return null;
  const [least, most] = LIMITS[column.name];
  if (low === null || low !== high || low < least || low > most) return null;
  return { member: column.name, value: Number(low) };
}

function namePart(member, { operator, value, isGlob }) {
  const bytes = new TextEncoder().encode(value).length;
  const fits =
    operator === "=" && !isGlob && bytes > 0 && bytes <= MAX_COMM_BYTES && !SHOWN_BYTE.test(value);
  return fits ? { member, value } : null;
}

function intervalIn(node, column, numberOf) {
  if (!["=", "<", "<=", ">", ">="].includes(node.operator)) return null;
  try {
    const [interval, ...others] = intervalsOf(column, node, numberOf);
    return others.length > 0 ? null : interval;
  } catch (error) {
    if (error instanceof FilterError) return null; // reported as the filter's own fault
    throw error;
  }
}

/**
 * Plan the changes that move tests into the kernel: for deletions into the members of `filter`, for
 * other probes into `where`.
 *
 * @param {{tree: ?FilterNode, text: string}} filter  compiled, without faults
 * @param {Probe[]} running  probes as in docs/protocol.md
 * @param {{keyOf: (probe: string, name: string, type: string) => string,
 *   isRefused: (probe: Probe, term: string) => boolean}} own  as for `WhereChange`
 * @returns {{patches: Map<string, object>, wheres: WhereChange[], moved: object[],
 *   stay: {node: FilterNode, reason: string}[]}}
 *   `patches` by probe id; `moved` conjuncts need no test in the view afterwards; `stay` those that
 *   the kernel could test in general, but not here
 */
export function planMove({ tree, text }, running, names, look, own) {
  const plan = { patches: new Map(), wheres: [], moved: [], stay: [] };
  const asked = {};
  if (running.length === 0) return plan;
  const deletions = running.filter(takesFilterMembers);
  const wheres = running
    .filter((probe) => !takesFilterMembers(probe))
    .map((probe) => new WhereChange(probe, names, look, own));
  for (const node of conjuncts(tree)) {
    const part = kernelPart(node, names, look);
    const clash = part && obstacle(part, asked, deletions);
    const takes = part && !clash ? deletions.filter((probe) => canTest(probe, part)) : [];
    if (takes.length > 0) asked[part.member] ??= part.value;
    for (const probe of takes) askOf(probe, part, plan.patches);
    const left = deletions.filter((probe) => !takes.includes(probe));
    for (const where of wheres)
      if (!has(where.probe, part) && !where.add(node, text)) left.push(where.probe);
    if (left.length === 0) plan.moved.push(node);
    else {
      const reason = clash || reasonOf(part, left, running, text.slice(node.start, node.end));
      if (reason) plan.stay.push({ node, reason });
    }
  }
  plan.wheres = wheres.filter((where) => !where.isEmpty);
  return plan;
}

/** Return why the deletions cannot have a test without changing the filter's meaning; or null. */
function obstacle({ member, value }, asked, deletions) {
  if (asked[member] !== undefined && asked[member] !== value) {
    return `the kernel filter takes one value, and ${MEMBERS[member](asked[member])} asks for another`;
  }
  const other = deletions.find(({ filter }) => isSet(filter, member) && filter[member] !== value);
  return other
    ? `the kernel filter of ${other.id} already has ${MEMBERS[member](other.filter[member])}`
    : null;
}

function canTest(probe, { member }) {
  return member !== "only_failures" || seesReturn(probe);
}

/** Return why a test stays in view for some of the probes; null if no probe could have it. */
function reasonOf(part, left, running, test) {
  const isBlind = part && left.every((probe) => !canTest(probe, part));
  if (left.length === running.length) return isBlind ? "no running probe sees return values" : null;
  return leftWords(
    left.map(({ id }) => id),
    isBlind ? "see return values" : `test ${test} in the kernel`,
    isBlind ? "ret<0" : "it",
  );
}

/** Return in words what stays in view, for which probes, as they do not do something. */
export function leftWords(ids, act, what) {
  const [verb, them] = ids.length > 1 ? ["do", "them"] : ["does", "it"];
  return `${ids.join(", ")} ${verb} not ${act}: ${what} stays in view for ${them}`;
}

/** Whether the members of a probe's filter have a test already. */
function has({ filter }, part) {
  return part !== null && isSet(filter, part.member) && filter[part.member] === part.value;
}

function askOf(probe, part, patches) {
  if (has(probe, part)) return;
  const { member, value } = part;
  patches.set(probe.id, { ...patches.get(probe.id), [member]: value });
}

/**
 * Return the kernel's current tests, each once, with its probes.
 * @returns {{member: string, text: string, probes: string[]}[]} `text` in the filter's language
 */
export function kernelTests(running) {
  const tests = new Map();
  for (const { id, filter } of running) {
    for (const member of Object.keys(MEMBERS)) {
      if (!isSet(filter, member)) continue;
      const text = MEMBERS[member](filter[member]);
      if (!tests.has(text)) tests.set(text, { member, text, probes: [] });
      tests.get(text).probes.push(id);
    }
  }
  return [...tests.values()];
}

/**
 * Return the filter for what the kernel does not test of probes' own filters, "" for nothing: it
 * concerns the rows of its probe alone.
 * @param {Probe[]} probes
 */
export function restInView(probes) {
  return probes
    .filter(({ where_in_service: rest }) => rest)
    .map(({ id, where_in_service: rest }) => `(not probe=${textOf(id)} or (${rest}))`)
    .join(" and ");
}

/** Return the tests of a PATCH of a probe's filter, in the filter's language. */
export function testsOf(patch) {
  return Object.keys(patch).map((member) => MEMBERS[member](patch[member]));
}

/** Return the PATCH that removes a test from the kernel. */
export function withoutMember(member) {
  return { [member]: null };
}

function isSet(filter, member) {
  const value = filter?.[member];
  return value !== null && value !== undefined && value !== false;
}
