// SPDX-License-Identifier: Apache-2.0

// The names of columns in a filter: the column's name, its name without the unit, or its title
// without spaces; case is ignored. Ambiguous aliases are not valid. An index may be written as in
// the column's expression: `args[0]` is `args.0`.

import { isKeyword } from "./operators.js";

const NAME = /^[a-z_]\w*$/;
const INDEX = /\[(\d+)\]/g;

export class ColumnNames {
  #byName = new Map(); // name in lower case -> columns; a name may have several types
  #byAlias = new Map(); // alias -> the name in lower case, null if ambiguous

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

  /** Return the columns with this name, several if types differ; none if it is unknown. */
  find(name) {
    const dotted = name.replace(INDEX, ".$1");
    const lower = dotted.toLowerCase();
    const columns = this.#byName.get(lower) ?? this.#byName.get(this.#byAlias.get(lower)) ?? [];
    const exact = columns.filter((column) => column.name === dotted);
    return exact.length > 0 ? exact : columns;
  }

  /** Return the name to write for a column: without its unit, if that is unambiguous. */
  shortName(column) {
    const short = withoutUnit(column);
    return this.#byAlias.get(short.toLowerCase()) === column.name.toLowerCase()
      ? short
      : column.name;
  }

  /** Return the known name most similar to this one, null if none is similar. */
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

/** Return the Levenshtein distance. */
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
