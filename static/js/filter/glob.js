// SPDX-License-Identifier: Apache-2.0

// Patterns for whole texts, in any case: `*` stands for any characters, also none, `?` for
// one. `\*`, `\?` and `\\` are these characters themselves; any other backslash is one.

// A regular expression is twice as fast as toLowerCase() and includes(). `u`: `?` is a
// character and not half of one; `s`: a line end is one too.
const FLAGS = "isu";
const SYNTAX = /[\\^$.*+?()[\]{}|/]/g;

/** A text as the pattern that only it fits. */
export function escapeGlob(text) {
  return text.replace(/[*?\\]/g, "\\$&");
}

/** Whether a pattern has a `*` or `?` that stands for others. */
export function hasWildcard(pattern) {
  return pieces(pattern).some((piece) => piece === "*" || piece === "?");
}

/** @returns {(text: string) => boolean} whether a text has this one in it, in any case */
export function partMatcher(part) {
  return matcher(literal(part));
}

/** @returns {(text: string) => boolean} whether the whole of a text fits the pattern */
export function globMatcher(pattern) {
  const parts = [""]; // between the stars
  for (const piece of pieces(pattern)) {
    if (piece === "*") parts.push("");
    else parts[parts.length - 1] += piece === "?" ? "." : literal(plain(piece));
  }
  const first = parts.shift();
  const last = parts.pop();
  if (last === undefined) return matcher(`^${first}$`);
  const middle = parts.filter((part) => part !== "");
  if (middle.length === 1 && !first && !last) return matcher(middle[0]);
  if (middle.length === 0 && !first) return matcher(`${last}$`);
  // The leftmost place of each part is as good as any. A lookahead is not tried again, so that
  // a pattern of many stars takes no more time than one of few.
  const found = middle.map((part, i) => `(?=(.*?${part}))\\${i + 1}`);
  return matcher(`^${first}${found.join("")}.*${last}$`);
}

/** Its characters, `*`, `?`, and escaped ones with their backslash. */
function pieces(pattern) {
  return pattern.match(/\\[*?\\]|./gsu) ?? [];
}

function plain(piece) {
  return piece.length === 2 && piece[0] === "\\" ? piece[1] : piece;
}

function literal(text) {
  return text.replace(SYNTAX, "\\$&");
}

function matcher(source) {
  const expression = new RegExp(source, FLAGS);
  return (text) => expression.test(text);
}
