// SPDX-License-Identifier: Apache-2.0

// Text chosen by a traced process, made safe to display: characters that are invisible, move the
// cursor or change the text direction are shown as escapes.

// Controls (C0, DEL, C1), soft hyphen, bidirectional and invisible formatting, line and paragraph
// separators, spaces other than U+0020, byte order mark, interlinear and tag characters, variation
// selectors, lone surrogates.
const UNSEEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  // biome-ignore lint/suspicious/noMisleadingCharacterClass: single code points are meant
  /[\u0000-\u001f\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e01ef}]|\p{Cs}/gu;

/** Return a part of a cell: its text, and its CSS class ("" for plain). */
export function part(text, className = "") {
  return { text, className };
}

/**
 * @param {string} text
 * @param {string} className  of the readable parts
 * @returns {{text: string, className: string}[]} parts; replaced characters have class "escape"
 */
export function visibleParts(text, className = "") {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(UNSEEN)) {
    if (match.index > end) parts.push(part(text.slice(end, match.index), className));
    parts.push(part(escapeOf(match[0]), "escape"));
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push(part(text.slice(end), className));
  return parts;
}

/** Replace each character that is invisible or moves others, by `write(character)`. */
export function replaceUnseen(text, write) {
  return text.replace(UNSEEN, write);
}

/** Return `visibleParts` as one string, for titles and messages. */
export function visibleText(text) {
  return replaceUnseen(text, escapeOf);
}

/** Return a reason as a sentence, safe to display: capitalised, with a full stop. */
export function sentence(text) {
  const visible = visibleText(text.trim());
  const ended = /[.!?]$/.test(visible) ? visible : `${visible}.`;
  return ended.charAt(0).toUpperCase() + ended.slice(1);
}

const SHORT = {
  7: "\\a",
  8: "\\b",
  9: "\\t",
  10: "\\n",
  11: "\\v",
  12: "\\f",
  13: "\\r",
  27: "\\e",
};

function escapeOf(character) {
  const code = character.codePointAt(0);
  if (SHORT[code]) return SHORT[code];
  const hex = code.toString(16).toUpperCase();
  return code < 0x100 ? `\\x${hex.padStart(2, "0")}` : `U+${hex.padStart(4, "0")}`;
}

/**
 * Split a path into its folder and its last component, so that a narrow cell can shorten the folder
 * and keep the name. The slash between them belongs to the name.
 */
export function splitPath(path) {
  const end = path.endsWith("/") ? path.length - 2 : path.length - 1;
  const slash = Math.max(0, path.lastIndexOf("/", end));
  return [path.slice(0, slash), path.slice(slash)];
}
