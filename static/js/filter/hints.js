// SPDX-License-Identifier: Apache-2.0

// Hints about how a valid filter was interpreted, if it may have been meant differently: numbers
// without a unit, words that contain operators, and the whole filter if no event matches.

import { grouped } from "../format/number.js";
import { intervalsOf } from "./compile.js";
import { conjuncts } from "./edits.js";
import { FilterError, fixed, quoted } from "./fault.js";
import { hasWildcard } from "./glob.js";
import { lacksUnit, numberLiteral, UNITS } from "./literals.js";
import { kindOf } from "./operators.js";
import { describe } from "./print.js";
import { patternOf, textOf } from "./terms.js";

/** @import { ColumnNames } from "./column_names.js" */

const MAX_HINTS = 4;
const LARGE = 1_000_000; // larger numbers without a unit are taken literally

/**
 * @param {CompiledFilter} filter  compiled, without faults  @param {ColumnNames} names
 * @param {(column: any) => Look} look  as `compileFilter`
 * @param {boolean} isEmpty  there are events, and none matches
 * @returns {{message: string, fixes: string[]}[]} `fixes` are whole filters
 */
export function hintsOf(filter, names, look, isEmpty) {
  if (filter.tree === null || filter.faults.length > 0) return [];
  const context = { names, look, isEmpty };
  const hints = [];
  for (const node of leaves(filter.tree))
    hints.push(...(node.type === "word" ? ofWord(node, context) : ofTerm(node, context)));
  if (isEmpty) hints.push(...disjoint(filter, context), taken(filter, context));
  return hints.slice(0, MAX_HINTS).map(({ message, fixes = [] }) => ({
    message,
    fixes: [...new Set(fixes.map((fix) => fixed(filter.text, fix)))],
  }));
}

/** Return the words and terms of a tree. */
function leaves(node) {
  if (node.type === "word" || node.type === "term") return [node];
  return (node.parts ?? [node.part]).flatMap(leaves);
}

function taken({ tree, text }, { names }) {
  const words = conjuncts(tree).map((node) => describe(node, names, text));
  return { message: `No event matches. Interpreted as: ${words.join("; ")}` };
}

// Words.

const SIGNS = /[=<>~≠≤≥|&]|^!|!$/;

function ofWord(node, context) {
  if (node.isQuoted) return [];
  const found = wordForms(node.text, context);
  const hasSigns = SIGNS.test(node.text);
  if (!hasSigns && !(context.isEmpty && found.length > 0)) return [];
  const message = `${quoted(node.text)} is interpreted as a word and searched for in every text column`;
  const forms = hasSigns ? [...found, `"${node.text.replace(/[\\"]/g, "\\$&")}"`] : found;
  const { start, end } = node;
  return [{ message, fixes: forms.map((insert) => ({ start, end, insert })) }];
}

const FLIPPED = { "<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "==": "=", "!=": "!=" };
const TURNED = /^([^=<>!]+)(<=|>=|==|!=|<|>|=)([A-Za-z_]\w*)$/;
const TWO = /^([^|&]+)(\||&)([^|&]+)$/;

function wordForms(text, { names, look }) {
  if (text === "|") return ["or"];
  if (text === "&") return ["and"];
  const turned = TURNED.exec(text);
  if (turned && names.find(turned[3]).length > 0)
    return [`${turned[3]}${FLIPPED[turned[2]]}${turned[1]}`];
  const two = TWO.exec(text);
  if (two) return [`${two[1]} ${two[2] === "|" ? "or" : "and"} ${two[3]}`];
  const [, name, value] = /^([A-Za-z_]\w*)[:!]+(.+)$/.exec(text) ?? [];
  const nearest = name && (names.find(name).length > 0 ? name : names.nearest(name));
  if (nearest) return [`${nearest}${text.includes("!") ? "!=" : "="}${value}`];
  const bare = text.replace(/[,;]+$/, "");
  if (bare !== text && bare) return [bare];
  const list = text.split(/[,;]/).filter(Boolean);
  if (list.length > 1) return [list.join(" or ")];
  const texts = names.columns.filter((column) => kindOf(column) === "text");
  const column = texts.find((it) => look(it).grows) ?? texts[0];
  if (!column) return [];
  const glob = globOf(text);
  return glob === null ? [] : [`${names.shortName(column)}~${patternOf(glob)}`];
}

/** Return the pattern meant by `*.tmp`, `%.tmp` or `/\.tmp$/`, also of other languages; or null. */
function globOf(text) {
  const [, inside] = /^\/(.+)\/[a-z]*$/.exec(text) ?? [];
  if (inside !== undefined && /[\\^$.|()[\]]/.test(inside)) return regexAsGlob(inside);
  if (hasWildcard(text)) return text;
  if (/^%|%$/.test(text)) return text.replace(/%/g, "*");
  return /^\^|\$$|\.[*+]|\\[.dsw]/.test(text) ? regexAsGlob(text) : null;
}

function regexAsGlob(regex) {
  const start = regex.startsWith("^") ? "" : "*";
  const end = regex.endsWith("$") ? "" : "*";
  const inner = regex
    .replace(/^\^|\$$/g, "")
    .replace(/\.[*+]/g, "*")
    .replace(/\\[dsw]\+?/g, "*")
    .replace(/\\(.)/g, "$1")
    .replace(/[[\]()^$+]/g, "");
  return `${start}${inner}${end}`.replace(/\*{2,}/g, "*");
}

// Terms.

function ofTerm(node, context) {
  return context.names.find(node.name).flatMap((column) => {
    if (kindOf(column) === "text") return context.isEmpty ? ofText(node, column) : [];
    return ofNumber(node, column, context);
  });
}

function ofNumber(node, column, { look }) {
  const { unit } = column;
  const ends = node.value.split(/\s*\.\.\s*/);
  const nsOf = (end) => numberLiteral(unit)(end)[0].low;
  const bare = ends.filter((end) => lacksUnit(unit, end) && nsOf(end) !== 0n);
  if (bare.length === 0) return [];
  const isLarge = bare.some((end) => nsOf(end) >= LARGE);
  const words = bare.map((end) => {
    const whole = `${end.includes(".") ? end : grouped(nsOf(end))} ${unit}`;
    return isLarge ? `${whole}, ${textParts(look(column), nsOf(end))}` : whole;
  });
  const test = `${node.name}${node.operator}${node.value}`;
  const message = `${test} has no unit: interpreted as ${words.join(" and ")}`;
  const { valueStart: start, end } = node;
  const fixes = (isLarge ? [] : UNITS[unit].slice(1)).map((other) => ({
    start,
    end,
    insert: ends.map((it) => (bare.includes(it) ? `${it}${other}` : it)).join(".."),
  }));
  return [{ message, fixes }];
}

function textParts({ parts }, value) {
  return parts(value)
    .map(({ text }) => text)
    .join("");
}

function ofText(node, column) {
  // A fix would have to replace the whole list.
  if (node.isInList)
    return [{ message: "each value of the list must equal the whole text, including case" }];
  const { operator, value, nameEnd, end, isQuoted } = node;
  const negation = operator.startsWith("!") ? "!" : "";
  const isPattern = operator.endsWith("~") || node.isGlob;
  const form = (message, ...inserts) => [
    { message, fixes: inserts.map((insert) => ({ start: nameEnd, end, insert })) },
  ];
  if (isPattern && !hasWildcard(value) && value !== "") {
    const message = `${node.name}~${value} must match the whole text; to match a part, put * around it`;
    return form(message, `${negation}~${patternOf(`*${value}*`)}`);
  }
  if (isQuoted || isPattern) {
    const regex = /^\/(.+)\/$/.exec(value)?.[1] ?? (/^\^|\$$|\.\*/.test(value) ? value : null);
    if (regex === null && node.isGlob && value.toLowerCase() !== value.toUpperCase())
      return form("= compares case, in a pattern too", `${negation}~${patternOf(value)}`);
    if (regex === null) return [];
    return form(
      "regular expressions are not supported: * matches any characters",
      `${negation}~${patternOf(regexAsGlob(regex))}`,
    );
  }
  if (/^(?:null|none|nil|n\/a)$/i.test(value)) {
    const all = { start: node.start, end, insert: `not ${node.name}~*` };
    return [
      {
        message: "to find events without a value, negate a test that matches every value",
        fixes: [all],
      },
    ];
  }
  const list = value.split(/[,;|]/).filter(Boolean);
  if (list.length > 1)
    return form(
      `${quoted(value)} is a single text`,
      ` ${negation ? "not in" : "in"} (${list.map(textOf).join(", ")})`,
    );
  const bare = value.replace(/[,;]+$/, "");
  if (bare !== value && bare)
    return form(`${quoted(value)} is taken literally`, `${operator}${bare} `);
  const glob = globOf(value);
  if (glob !== null)
    return form(`${quoted(value)} is taken literally`, `${negation}~${patternOf(glob)}`);
  if (column.names?.all.length > 0 && column.names.firstOf(value) === undefined)
    return [{ message: `${quoted(value)} is not a known error name` }];
  return form(
    "= compares the whole text, including case",
    `${negation}~${patternOf(`*${value}*`)}`,
  );
}

/** Return hints about contradictory tests of a number or time: pid>5 pid<3. */
function disjoint({ tree, text }, { names, look }) {
  const byColumn = new Map();
  for (const node of conjuncts(tree)) {
    const [column] = node.type === "term" ? names.find(node.name) : [];
    if (!column || kindOf(column) === "text" || node.operator === "!=") continue;
    const found = intervals(column, node, look);
    if (found.length !== 1) continue;
    const known = byColumn.get(column) ?? { low: null, high: null, nodes: [] };
    const [{ low, high }] = found;
    byColumn.set(column, {
      low: known.low === null || (low !== null && low > known.low) ? low : known.low,
      high: known.high === null || (high !== null && high < known.high) ? high : known.high,
      nodes: [...known.nodes, node],
    });
  }
  const hints = [];
  for (const { low, high, nodes } of byColumn.values()) {
    if (nodes.length < 2 || low === null || high === null || low <= high) continue;
    const typed = nodes.map((node) => text.slice(node.start, node.end)).join(" and ");
    const message = `no event can match both: ${typed} contradict each other`;
    const apart = nodes.length === 2 ? betweenOf(text, nodes) : [];
    hints.push({ message, fixes: apart });
  }
  return hints;
}

/** `pid=1 pid=2` may be meant as `pid=1 or pid=2`. */
function betweenOf(text, [first, second]) {
  const { start } = first;
  const { end } = second;
  const isNext = /^\s*(?:and|&&)?\s*$/i.test(text.slice(first.end, second.start));
  if (!isNext) return [];
  const insert = `(${text.slice(start, first.end)} or ${text.slice(second.start, end)})`;
  return [{ start, end, insert }];
}

function intervals(column, node, look) {
  try {
    return intervalsOf(column, node, look(column).numberOf);
  } catch (error) {
    if (error instanceof FilterError) return []; // another column of that name accepts it
    throw error;
  }
}
