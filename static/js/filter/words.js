// The text filter: words that must all occur in a row, each in any text column, in any case.

const MOST_WORDS = 30; // one bit each

/**
 * Split into words; "double quotes" keep spaces.
 * @returns {string[]} in lower case, empty for a blank text
 */
export function parseWords(text) {
  const words = [];
  for (const [, quoted, bare] of text.matchAll(/"([^"]*)"?|(\S+)/g)) {
    const word = (quoted ?? bare).toLowerCase();
    if (word) words.push(word);
  }
  return words.slice(0, MOST_WORDS);
}

/**
 * A test of rows: `(chunk, start, stop, passed)` clears the rows of `passed` that lack a word.
 * Each distinct text of a chunk is searched once.
 */
export function wordsTest(words) {
  const all = (1 << words.length) - 1;
  return (chunk, start, stop, passed) => {
    const found = new Int32Array(stop - start);
    for (const column of chunk.columns.values()) {
      if (column.texts) markFound(words, column, start, found);
    }
    for (let i = 0; i < found.length; i++) if (found[i] !== all) passed[i] = 0;
  };
}

function markFound(words, column, start, found) {
  const { codes, texts } = column;
  const known = new Int32Array(texts.length).fill(-1);
  for (let i = 0; i < found.length; i++) {
    const code = codes[start + i];
    if (known[code] < 0) known[code] = wordsIn(words, texts[code]);
    found[i] |= known[code];
  }
}

function wordsIn(words, text) {
  if (text === null) return 0;
  const lower = text.toLowerCase();
  let bits = 0;
  for (let i = 0; i < words.length; i++) if (lower.includes(words[i])) bits |= 1 << i;
  return bits;
}
