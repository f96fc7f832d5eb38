// SPDX-License-Identifier: Apache-2.0

// Names that stand for a column's values, from a table that the service sends (docs/protocol.md,
// "Names"): the page has none of its own.

const NUMBERED = /^E(\d{1,4})$/i; // how the service names an error that has no name: E600
const MAX_NUMBERED = 4095;

export class ValueNames {
  #byValue = new Map();
  #byName = new Map(); // every name, in capitals

  /** @param {{value: number, name: string, aliases: string[], meaning: string}[]} entries */
  constructor(entries = []) {
    for (const entry of entries) {
      this.#byValue.set(entry.value, entry);
      for (const name of [entry.name, ...entry.aliases])
        this.#byName.set(name.toUpperCase(), entry);
    }
  }

  /** Every name, each number's first one before its others. */
  get all() {
    return [...this.#byValue.values()].flatMap(({ name, aliases }) => [name, ...aliases]);
  }

  /** -2n -> "ENOENT"; undefined for what has no name. */
  nameOf(value) {
    return this.#byValue.get(Number(value))?.name;
  }

  /** "ENOENT", "enoent" or "-ENOENT" -> -2; undefined for what is no name here. */
  valueOf(name) {
    const plain = name.replace(/^[-−]/, "");
    const entry = this.#byName.get(plain.toUpperCase());
    if (entry) return entry.value;
    const number = this.#byName.size > 0 ? Number(NUMBERED.exec(plain)?.[1] ?? 0) : 0;
    return number > 0 && number <= MAX_NUMBERED ? -number : undefined;
  }

  /** "EOPNOTSUPP", or "95" or "-95" -> "ENOTSUP", as rows have it; undefined for no known error. */
  firstOf(text) {
    if (/^[-−]?\d{1,4}$/.test(text)) return this.nameOf(-Math.abs(Number(text.replace("−", "-"))));
    const value = this.valueOf(text);
    return value === undefined ? undefined : (this.nameOf(value) ?? `E${-value}`);
  }

  /** Whether any name of what a row's name stands for passes. */
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
