// Patterns for whole texts, in any case: `*` stands for any characters, also none, `?` for
// one. `\*`, `\?` and `\\` are these characters themselves; any other backslash is one.

const ONE = null; // a `?` among a segment's characters
const SURROGATE = /[\ud800-\udfff]/;

/** A text as the pattern that only it fits. */
export function escapeGlob(text) {
  return text.replace(/[*?\\]/g, "\\$&");
}

/** Whether a pattern has a `*` or `?` that stands for others. */
export function hasWildcard(pattern) {
  return segments(pattern).length > 1 || segments(pattern)[0].includes(ONE);
}

/**
 * @param {string} pattern
 * @returns {(text: string) => boolean}
 */
export function globMatcher(pattern) {
  const parts = segments(pattern.toLowerCase());
  if (parts.some((part) => part.includes(ONE))) return segmentMatcher(parts);
  return literalMatcher(parts.map((part) => part.join("")));
}

/** Between the stars: lists of characters, `ONE` for `?`. */
function segments(pattern) {
  const found = [[]];
  const characters = [...pattern];
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i];
    if (character === "*") found.push([]);
    else if (character === "?") found.at(-1).push(ONE);
    else if (character === "\\" && "*?\\".includes(characters[i + 1] ?? " ")) {
      found.at(-1).push(characters[++i]);
    } else found.at(-1).push(character);
  }
  return found;
}

/** Without `?`: a beginning, an end, and pieces in order between them. */
function literalMatcher(parts) {
  if (parts.length === 1) return (text) => text.toLowerCase() === parts[0];
  const [first] = parts;
  const last = parts.at(-1);
  const middle = parts.slice(1, -1).filter((part) => part !== "");
  if (!first && !last && middle.length === 1) return (text) => text.toLowerCase().includes(middle[0]);
  return (text) => {
    const lower = text.toLowerCase();
    const end = lower.length - last.length;
    if (!lower.startsWith(first) || !lower.endsWith(last)) return false;
    let at = first.length;
    for (const part of middle) {
      const found = lower.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return at <= end;
  };
}

function segmentMatcher(parts) {
  return (text) => {
    const lower = text.toLowerCase();
    // `?` stands for a character, not for half of one.
    return fits(parts, SURROGATE.test(lower) ? [...lower] : lower);
  };
}

/** The leftmost place for each segment is as good as any, so there is no way back to try. */
function fits(parts, text) {
  const [first] = parts;
  if (parts.length === 1) return text.length === first.length && isAt(first, text, 0);
  const last = parts.at(-1);
  const end = text.length - last.length;
  if (first.length > end || !isAt(first, text, 0) || !isAt(last, text, end)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    while (at + part.length <= end && !isAt(part, text, at)) at++;
    if (at + part.length > end) return false;
    at += part.length;
  }
  return true;
}

function isAt(part, text, at) {
  for (let i = 0; i < part.length; i++) {
    if (part[i] !== ONE && part[i] !== text[at + i]) return false;
  }
  return true;
}
