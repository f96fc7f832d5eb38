// SPDX-License-Identifier: Apache-2.0

// The columns of the table: the union of the batches' columns, in the order of their schemas, with
// the titles, units, help and names of values of the probes.

import { NO_NAMES, ValueNames } from "../format/value_names.js";

/**
 * @typedef {{key: string, name: string, type: string, title: string, unit: ?string,
 *   help: string, render: ?string, names: ValueNames}} Column
 */

/** Return a column's key, which includes the type: two probes may use a name for different types. */
export function columnKey(name, type) {
  return `${name}:${type}`;
}

export const BIGINT_TYPES = new Set(["timestamp_ns", "int64", "uint64"]);

/** Return a whole number as a column's values are held: bigint for 64 bits, else number. */
export function inColumnType(type, value) {
  return BIGINT_TYPES.has(type) ? BigInt(value) : Number(value);
}

// The columns from the schema's metadata: the probe that recorded a row, and its mode.
const PROBE_FIELD = { name: "probe", type: "text" };
const MODE_FIELD = { name: "mode", type: "text" };
export const PROBE_KEY = columnKey(PROBE_FIELD.name, PROBE_FIELD.type);
export const MODE_KEY = columnKey(MODE_FIELD.name, MODE_FIELD.type);
const NO_PROBE = "";

export class ColumnList {
  #columns = []; // {key, name, type}, with the rest of a Column: see #make
  #tables = new Map(); // name -> ValueNames
  #tablesText = "";
  #ownTables = new Map(); // name and contents -> ValueNames of probes
  #described = new Map(); // key -> {name, type, by: Map(probe -> its description)}
  #meanings = new Map(); // name and type -> what its columns mean, by number
  #keys = new Map(); // probe -> Map(name and type -> key) of its present columns
  #texts = new Map(); // probe -> its last description
  #isDescribed = false; // whether a probe has described columns

  constructor() {
    const describe = (field, title, help) =>
      this.#described.set(columnKey(field.name, field.type), {
        ...field,
        by: new Map([[NO_PROBE, { title, help }]]),
      });
    describe(PROBE_FIELD, "Probe", "The probe that recorded this event");
    describe(MODE_FIELD, "Mode", "How the probe is attached");
  }

  /** Incremented with every change, so that readers can detect stale copies. */
  version = 0;

  /** @returns {Column[]} */
  get all() {
    return this.#columns;
  }

  /**
   * All columns of all probes, in the table or not: what a filter may name. Empty until the first is
   * known, since a filter whose columns are still unknown has no fault.
   */
  get known() {
    if (!this.#isDescribed && this.#columns.length === 0) return [];
    const known = new Map(this.#columns.map((column) => [column.key, column]));
    for (const [key, { name, type }] of this.#described) {
      if (!known.has(key)) known.set(key, this.#make(key, name, type));
    }
    return [...known.values()];
  }

  /** Return the key of a probe's column. */
  keyOf(probe, name, type) {
    const plain = columnKey(name, type);
    return this.#keys.get(probe)?.get(plain) ?? plain;
  }

  /** @param {Object<string, any[]>} tables  names of values, by the `names` of columns */
  name(tables) {
    // The tables are the same in each answer of a service: keep the objects, which serve as keys.
    const text = JSON.stringify(tables);
    if (text === this.#tablesText) return;
    this.#tablesText = text;
    this.#tables = new Map(
      Object.entries(tables).map(([name, entries]) => [name, new ValueNames(entries, name)]),
    );
    this.#remake();
  }

  /**
   * Copy titles, units and help from a probe's `columns` (docs/protocol.md).
   * @param {any[]} columns
   * @param {string} [probe]  its id
   * @param {?Object<string, any[]>} [tables]  its own names of values
   */
  describe(columns, probe = NO_PROBE, tables = null) {
    const text = JSON.stringify([columns, tables]);
    if (this.#texts.get(probe) === text) return;
    this.#texts.set(probe, text);
    this.#isDescribed ||= columns.length > 0;
    const keys = new Map();
    for (const column of columns) {
      const { name, type, title, unit = null, help, names = null, render = null } = column;
      const own = this.#ownTable(names, tables);
      const plain = columnKey(name, type);
      const key = this.#keyOfMeaning(plain, JSON.stringify([unit, render, own?.id ?? names]));
      keys.set(plain, key);
      if (!this.#described.has(key)) this.#described.set(key, { name, type, by: new Map() });
      const description = { title, unit, help, names, render, own: own?.names };
      this.#described.get(key).by.set(probe, description);
    }
    this.#keys.set(probe, keys);
    this.#remake();
  }

  /**
   * A probe is forgotten: its columns stay as long as there are rows that have them.
   * @param {string} probe  @param {(key: string) => boolean} isUsed  whether rows have the column
   */
  forget(probe, isUsed) {
    this.#keys.delete(probe);
    this.#texts.delete(probe);
    const current = new Set([...this.#keys.values()].flatMap((keys) => [...keys.values()]));
    const isUnused = (key) =>
      key !== PROBE_KEY && key !== MODE_KEY && !current.has(key) && !isUsed(key);
    for (const key of this.#described.keys()) if (isUnused(key)) this.#described.delete(key);
    this.#columns = this.#columns.filter(({ key }) => !isUnused(key));
    this.#remake();
  }

  /** Return the table of a probe's own that a column names, once for each contents. */
  #ownTable(name, tables) {
    if (name === null || !tables || !Object.hasOwn(tables, name)) return null;
    const text = JSON.stringify([name, tables[name]]);
    if (!this.#ownTables.has(text)) {
      const id = this.#ownTables.size;
      this.#ownTables.set(text, { id, names: new ValueNames(tables[name], name) });
    }
    return this.#ownTables.get(text);
  }

  /** Return the key of a column with this meaning: the first has its name and type alone. */
  #keyOfMeaning(plain, meaning) {
    if (!this.#meanings.has(plain)) this.#meanings.set(plain, []);
    const meanings = this.#meanings.get(plain);
    if (!meanings.includes(meaning)) meanings.push(meaning);
    const number = meanings.indexOf(meaning);
    return number === 0 ? plain : `${plain}:${number + 1}`;
  }

  #remake() {
    this.#columns = this.#columns.map(({ key, name, type }) => this.#make(key, name, type));
    this.version++;
  }

  /** Add the new columns of a probe's batch, each after the column it follows in its schema. */
  add(fields, probe = NO_PROBE) {
    let place = 0;
    let isNew = false;
    for (const { name, type } of [
      ...fields.slice(0, 1),
      PROBE_FIELD,
      MODE_FIELD,
      ...fields.slice(1),
    ]) {
      const key = this.keyOf(probe, name, type);
      const found = this.#columns.findIndex((column) => column.key === key);
      if (found >= 0) {
        place = found + 1;
      } else {
        this.#columns.splice(place++, 0, this.#make(key, name, type));
        isNew = true;
      }
    }
    if (isNew) this.#remake(); // titles depend on the others
  }

  #make(key, name, type) {
    const by = this.#described.get(key)?.by ?? new Map();
    const [first = {}] = by.values();
    const { unit = null, render = null } = first;
    const helps = [...by.values()].map(({ help }) => help).filter(Boolean);
    const names = first.own ?? this.#tables.get(first.names) ?? NO_NAMES;
    const help = [...new Set(helps)].join("; ");
    return { key, name, type, title: this.#titleOf(key, name, type), unit, help, render, names };
  }

  /** Return a column's title; one that another column has already is told apart from it. */
  #titleOf(key, name, type) {
    const described = this.#described.get(key);
    const title = titleOf(described) ?? name;
    const isSame = (other) => other.toLowerCase() === title.toLowerCase();
    const inTable = new Set([key, ...this.#columns.map((column) => column.key)]);
    const others = [...this.#described].filter(
      ([otherKey, other]) => inTable.has(otherKey) && isSame(titleOf(other) ?? other.name),
    );
    const [first] = others;
    if (!first || first[0] === key) return title;
    const isTypeUnique = others.filter(([, other]) => other.type === type).length <= 1;
    if (isTypeUnique) return `${title} (${type})`;
    const [probe] = described?.by.keys() ?? [];
    return `${title} (${probe || key})`;
  }
}

function titleOf(described) {
  return described?.by.values().next().value?.title;
}
