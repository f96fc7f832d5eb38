// The grammar of a number or time column's filter box: `5`, `=5`, `!=5`, `<5`, `<=5`, `>5`,
// `>=5`, `1..5`, `..5`, `5..`. What stands for 5 is the caller's: a number, a latency with
// its unit, an errno's name, a time of day.

/** A filter text that cannot be understood; the message is for the person who typed it. */
export class FilterError extends Error {}

/**
 * @param {string} text
 * @param {(literal: string) => [bigint|number, bigint|number]} read  the first and last value
 *   that a literal stands for (`10:15` is a whole minute); throws FilterError
 * @returns {(value: bigint|number) => boolean}
 * @throws {FilterError}
 */
export function parseInterval(text, read) {
  const compared = /^(<=|>=|!=|=|<|>)\s*(.*)$/s.exec(text);
  if (compared) {
    const [, operator, literal] = compared;
    if (!literal) throw new FilterError(`a value is missing after ${operator}`);
    return COMPARISONS[operator](...read(literal));
  }
  const range = /^(.*?)\s*\.\.\s*(.*)$/s.exec(text);
  if (range) return between(range[1], range[2], read);
  return COMPARISONS["="](...read(text));
}

// Comparisons of a bigint with a number are exact in JavaScript, so both may be mixed.
const COMPARISONS = {
  "=": (first, last) => (value) => value >= first && value <= last,
  "!=": (first, last) => (value) => value < first || value > last,
  "<": (first) => (value) => value < first,
  "<=": (first, last) => (value) => value <= last,
  ">": (first, last) => (value) => value > last,
  ">=": (first) => (value) => value >= first,
};

function between(low, high, read) {
  if (!low && !high) throw new FilterError("a range needs a value before or after ..");
  if (!low) return COMPARISONS["<="](...read(high));
  if (!high) return COMPARISONS[">="](...read(low));
  const [first] = read(low);
  const [, last] = read(high);
  if (first > last) throw new FilterError(`${low} is more than ${high}: nothing is between`);
  return (value) => value >= first && value <= last;
}
