// SPDX-License-Identifier: Apache-2.0

// Patterns for whole texts: `*` matches any number of characters, `?` matches one.
// `\*`, `\?` and `\\` are literal characters; any other backslash is a backslash.

// A regular expression is twice as fast as toLowerCase() and includes(). `u`: `?` matches a whole
// code point; `s`: `?` matches a line break too.
const FLAGS = "su";
const SYNTAX = /[\\^$.*+?()[\]{}|/]/g;

/** Return the pattern that matches exactly this text. */
export function escapeGlob(text) {
  return text.replace(/[*?\\]/g, "\\$&");
}

/** Whether a pattern has an unescaped `*` or `?`. */
export function hasWildcard(pattern) {
  return pieces(pattern).some((piece) => piece === "*" || piece === "?");
}

/** @returns {(text: string) => boolean} whether a text contains this one, ignoring case */
export function partMatcher(part) {
  return matcher(literal(part), true);
}

/** @returns {(text: string) => boolean} whether a whole text matches the pattern */
export function globMatcher(pattern, ignoresCase = true) {
  const parts = [""]; // between the stars
  for (const piece of pieces(pattern)) {
    if (piece === "*") parts.push("");
    else parts[parts.length - 1] += piece === "?" ? "." : literal(plain(piece));
  }
  const first = parts.shift();
  const last = parts.pop();
  if (last === undefined) return matcher(`^${first}$`, ignoresCase);
  const middle = parts.filter((part) => part !== "");
  if (middle.length === 1 && !first && !last) return matcher(middle[0], ignoresCase);
  if (middle.length === 0 && !first) return matcher(`${last}$`, ignoresCase);
  // The leftmost match of each part suffices. A lookahead is atomic, so a pattern with many stars
  // cannot backtrack exponentially.
  const found = middle.map((part, i) => `(?=(.*?${part}))\\${i + 1}`);
  return matcher(`^${first}${found.join("")}.*${last}$`, ignoresCase);
}

/** Split a pattern into characters, `*`, `?`, and escaped characters with their backslash. */
export function pieces(pattern) {
  return pattern.match(/\\[*?\\]|./gsu) ?? [];
}

/** Return the character that a piece means literally. */
export function plain(piece) {
  return piece.length === 2 && piece[0] === "\\" ? piece[1] : piece;
}

function literal(text) {
  return text.replace(SYNTAX, "\\$&");
}

function matcher(source, ignoresCase) {
  const expression = new RegExp(source, ignoresCase ? `${FLAGS}i` : FLAGS);
  return (text) => expression.test(text);
}
