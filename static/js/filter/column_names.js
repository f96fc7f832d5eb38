// SPDX-License-Identifier: Apache-2.0

// What a column may be called in a filter: its name, the name without its unit, or its title
// without spaces; in any case. What two columns could be meant by is no name.

import { isKeyword } from "./operators.js";

const NAME = /^[a-z_]\w*$/;

export class ColumnNames {
  #byName = new Map(); // name in lower case -> columns; two probes may give a name two types
  #byAlias = new Map(); // alias -> the name in lower case, null when there are several

  /** @param {{name: string, type: string, title: string, unit: ?string}[]} columns */
  constructor(columns) {
    this.columns = columns;
    for (const column of columns) {
      const name = column.name.toLowerCase();
      this.#byName.set(name, [...(this.#byName.get(name) ?? []), column]);
    }
    for (const column of columns) {
      for (const alias of aliases(column)) this.#addAlias(alias, column.name.toLowerCase());
    }
  }

  /** The columns of that name, more than one where types differ; none when it is unknown. */
  find(name) {
    const lower = name.toLowerCase();
    const columns = this.#byName.get(lower) ?? this.#byName.get(this.#byAlias.get(lower)) ?? [];
    const exact = columns.filter((column) => column.name === name);
    return exact.length > 0 ? exact : columns;
  }

  /** What to write for a column: without its unit, where that is clear. */
  shortName(column) {
    const short = withoutUnit(column);
    return this.#byAlias.get(short.toLowerCase()) === column.name.toLowerCase()
      ? short
      : column.name;
  }

  /** The known name that is most like this one, null when none is like it. */
  nearest(name) {
    const lower = name.toLowerCase();
    let best = null;
    let least = Math.max(1, Math.floor(lower.length / 3)) + 1;
    for (const known of [...this.#byAlias.keys(), ...this.#byName.keys()]) {
      if (this.#byAlias.get(known) === null) continue;
      const isStart = lower.length >= 2 && known.startsWith(lower);
      const distance = isStart ? 1 : editDistance(lower, known);
      if (distance < least) [best, least] = [known, distance];
    }
    return best;
  }

  #addAlias(alias, name) {
    if (this.#byName.has(alias) || isKeyword(alias) || !NAME.test(alias)) return;
    const known = this.#byAlias.get(alias);
    this.#byAlias.set(alias, known === undefined || known === name ? name : null);
  }
}

function aliases(column) {
  return [withoutUnit(column), column.title.replace(/\s+/g, "")].map((alias) =>
    alias.toLowerCase(),
  );
}

function withoutUnit({ name, unit }) {
  return unit && name.endsWith(`_${unit}`) ? name.slice(0, -unit.length - 1) : name;
}

/** How many characters to put in, take out or change (Levenshtein). */
function editDistance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}
