// SPDX-License-Identifier: Apache-2.0

// The columns of the table: the union of the batches' columns, in the order of their schemas, with
// the titles, units and help of the probes.

import { NO_NAMES, ValueNames } from "../format/value_names.js";

/**
 * @typedef {{key: string, name: string, type: string, title: string, unit: ?string,
 *   help: string, names: ValueNames}} Column
 */

/** Return a column's key, which includes the type: two probes may use a name for different types. */
export function columnKey(name, type) {
  return `${name}:${type}`;
}

const BIGINT_TYPES = new Set(["timestamp_ns", "int64", "uint64"]);

/** Return a whole number as a column's values are held: bigint for 64 bits, else number. */
export function inColumnType(type, value) {
  return BIGINT_TYPES.has(type) ? BigInt(value) : Number(value);
}

// The columns from the schema's metadata: the probe that recorded a row, and its mode.
const PROBE_FIELD = { name: "probe", type: "text" };
const MODE_FIELD = { name: "mode", type: "text" };
export const PROBE_KEY = columnKey(PROBE_FIELD.name, PROBE_FIELD.type);
export const MODE_KEY = columnKey(MODE_FIELD.name, MODE_FIELD.type);

export class ColumnList {
  #columns = [];
  #tables = new Map(); // name -> ValueNames
  #tablesText = "";
  #described = new Map();
  #isDescribed = false; // whether a probe has described columns

  constructor() {
    this.#described.set(PROBE_KEY, {
      ...PROBE_FIELD,
      title: "Probe",
      help: "The probe that recorded this event",
    });
    this.#described.set(MODE_KEY, {
      ...MODE_FIELD,
      title: "Mode",
      help: "How the probe is attached",
    });
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
      if (!known.has(key)) known.set(key, this.#make(name, type));
    }
    return [...known.values()];
  }

  /** @param {Object<string, any[]>} tables  names of values, by the `names` of columns */
  name(tables) {
    // The tables are the same in each answer of a service: keep the objects, which serve as keys.
    const text = JSON.stringify(tables);
    if (text === this.#tablesText) return;
    this.#tablesText = text;
    this.#tables = new Map(
      Object.entries(tables).map(([name, entries]) => [name, new ValueNames(entries)]),
    );
    this.#remake();
  }

  /** Copy titles, units and help from a probe's `columns` (docs/protocol.md). */
  describe(columns) {
    let isNew = false;
    this.#isDescribed ||= columns.length > 0;
    for (const { name, type, title, unit, help, names } of columns) {
      const key = columnKey(name, type);
      const known = this.#described.get(key);
      const isKnown =
        known?.title === title &&
        known.unit === unit &&
        known.help === help &&
        known.names === names;
      if (isKnown) continue;
      this.#described.set(key, { name, type, title, unit, help, names });
      isNew = true;
    }
    if (isNew) this.#remake();
  }

  #remake() {
    this.#columns = this.#columns.map((column) => this.#make(column.name, column.type));
    this.version++;
  }

  /** Add the new columns of a batch, each after the column it follows in its schema. */
  add(fields) {
    let place = 0;
    let isNew = false;
    for (const { name, type } of [
      ...fields.slice(0, 1),
      PROBE_FIELD,
      MODE_FIELD,
      ...fields.slice(1),
    ]) {
      const key = columnKey(name, type);
      const found = this.#columns.findIndex((column) => column.key === key);
      if (found >= 0) {
        place = found + 1;
      } else {
        this.#columns.splice(place++, 0, this.#make(name, type));
        isNew = true;
      }
    }
    if (isNew) this.version++;
  }

  #make(name, type) {
    const key = columnKey(name, type);
    const described = this.#described.get(key) ?? {};
    const { title = name, unit = null, help = "" } = described;
    const names = this.#tables.get(described.names) ?? NO_NAMES;
    return { key, name, type, title, unit, help, names };
  }
}
