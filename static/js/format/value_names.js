// SPDX-License-Identifier: Apache-2.0

// Names of a column's values, such as error names or a kernel enum's, from a table that the service
// sends (docs/protocol.md, "Names").

/** The table in which a number may be written by its negative: ENOENT is -2, as is -ENOENT. */
export const ERRORS = "errors";

const NUMBERED = /^E(\d{1,4})$/i; // how the service writes an error without a name: E600
const MAX_NUMBERED = 4095;

export class ValueNames {
  #byValue = new Map();
  #byName = new Map(); // every name, in upper case
  #isErrors;

  /**
   * @param {{value: number, name: string, aliases?: string[], meaning?: string}[]} entries
   * @param {string} table  its name
   */
  constructor(entries = [], table = ERRORS) {
    this.#isErrors = table === ERRORS;
    for (const { value, name, aliases = [], meaning = "" } of entries) {
      const entry = { value, name, aliases, meaning };
      if (!this.#byValue.has(Number(value))) this.#byValue.set(Number(value), entry);
      for (const each of [name, ...aliases]) {
        const upper = each.toUpperCase();
        if (!this.#byName.has(upper)) this.#byName.set(upper, entry);
      }
    }
  }

  /** Whether there are names of values. */
  get isEmpty() {
    return this.#byValue.size === 0;
  }

  /** Whether these are the names of errors. */
  get isErrors() {
    return this.#isErrors && !this.isEmpty;
  }

  /** All names, each number's primary name before its aliases. */
  get all() {
    return [...this.#byValue.values()].flatMap(({ name, aliases }) => [name, ...aliases]);
  }

  /** -2n -> "ENOENT"; undefined for a value without a name. */
  nameOf(value) {
    return this.#byValue.get(Number(value))?.name;
  }

  /** Return the values with a name that passes. @param {(name: string) => boolean} passes */
  valuesOf(passes) {
    return [...this.#byValue.values()]
      .filter(({ name, aliases }) => [name, ...aliases].some(passes))
      .map(({ value }) => value);
  }

  /** "ENOENT", "enoent" or "-ENOENT" -> -2; undefined for an unknown name. */
  valueOf(name) {
    const plain = this.#isErrors ? name.replace(/^[-−]/, "") : name;
    const entry = this.#byName.get(plain.toUpperCase());
    if (entry) return entry.value;
    const number = this.isErrors ? Number(NUMBERED.exec(plain)?.[1] ?? 0) : 0;
    return number > 0 && number <= MAX_NUMBERED ? -number : undefined;
  }

  /** "EOPNOTSUPP", "95" or "-95" -> "ENOTSUP", as rows have it; undefined for unknown errors. */
  firstOf(text) {
    if (this.#isErrors && /^[-−]?\d{1,4}$/.test(text))
      return this.nameOf(-Math.abs(Number(text.replace("−", "-"))));
    const value = this.valueOf(text);
    return value === undefined ? undefined : (this.nameOf(value) ?? `E${-value}`);
  }

  /** Whether any name of the value that a row's name denotes passes. */
  isAny(name, passes) {
    const entry = this.#byName.get(name.toUpperCase());
    return entry ? [entry.name, ...entry.aliases].some(passes) : passes(name);
  }

  /** "ENOENT" or -2 -> "No such file or directory". */
  meaningOf(nameOrValue) {
    const entry =
      typeof nameOrValue === "string"
        ? this.#byName.get(nameOrValue.toUpperCase())
        : this.#byValue.get(Number(nameOrValue));
    return entry?.meaning;
  }
}

export const NO_NAMES = new ValueNames();
