// SPDX-License-Identifier: Apache-2.0

// Which columns are shown, in which order and how wide: those of the schemas, as changed by the
// user. Columns of a new probe appear automatically, after the one they follow in its schema.

import { coveredNames, narrowOrder, presentation } from "../../format/presentation.js";

export const MIN_PX = 40;
export const MAX_PX = 2000;
const MAX_NAMES = 500;

export class Layout {
  #order = null; // names; null for the order of the schemas
  #chosen = new Map(); // name -> whether it is shown, by the user's choice
  #only = null; // a set of names: the columns that a link shows
  #widths = new Map();

  /**
   * Return all columns, in order: `{column, look, isShown, isFolded, width, grows}`, in CSS pixels.
   * If there is no room for all shown columns, the least important ones are folded, except those
   * that the user chose.
   */
  arrange(columns, isNarrow = false, roomPx = Infinity) {
    const covered = coveredNames(columns);
    const arranged = this.#ordered(columns, isNarrow).map((column) => {
      const look = presentation(column);
      const own = this.#widths.get(column.name);
      const { width, narrowWidth = width } = look;
      return {
        column,
        look,
        isShown: this.#isShown(column.name, covered),
        isFolded: false,
        width: own ?? (isNarrow ? narrowWidth : width),
        grows: own === undefined && look.grows === true,
      };
    });
    this.#fold(arranged, roomPx);
    return arranged;
  }

  #fold(arranged, roomPx) {
    const shown = arranged.filter(({ isShown }) => isShown);
    let least = shown.reduce((sum, { width }) => sum + width, 0);
    const first = shown
      .filter(({ column, look }) => look.folds && !this.#isChosen(column.name))
      .sort((a, b) => a.look.folds - b.look.folds);
    for (const entry of first) {
      if (least <= roomPx) return;
      entry.isFolded = true;
      least -= entry.width;
    }
  }

  #isChosen(name) {
    return this.#chosen.has(name) || this.#widths.has(name) || Boolean(this.#only?.has(name));
  }

  show(name, isShown) {
    this.#chosen.set(name, isShown);
  }

  /** Set a column's width, clamped to the minimum and maximum. */
  resize(name, px) {
    this.#widths.set(name, Math.round(Math.min(MAX_PX, Math.max(MIN_PX, px))));
  }

  /** Move a column to another's place; those between shift. */
  move(name, toName, columns, isNarrow = false) {
    const names = this.#ordered(columns, isNarrow).map((column) => column.name);
    const order = [...new Set(names)];
    const to = order.indexOf(toName);
    if (to < 0 || !order.includes(name)) return;
    order.splice(order.indexOf(name), 1);
    order.splice(to, 0, name);
    this.#order = order;
  }

  /** Restore the defaults. */
  reset() {
    this.forgetChoice();
    this.#widths.clear();
  }

  /** Show all columns in their default order, with their current widths. */
  forgetChoice() {
    this.#order = null;
    this.#only = null;
    this.#chosen.clear();
  }

  /** Return the names of the shown columns, for the address; null for the default. */
  link(columns) {
    if (!this.#order && !this.#only && this.#chosen.size === 0) return null;
    const shown = this.arrange(columns).filter(({ isShown }) => isShown);
    const names = new Set(shown.map(({ column }) => column.name));
    // A column of the link may belong to a probe that has not started yet.
    const known = new Set(columns.map(({ name }) => name));
    for (const name of this.#only ?? []) if (!known.has(name)) names.add(name);
    return [...names].join(",");
  }

  /** Follow a link: show only these columns, in this order. */
  follow(link) {
    const names = link.split(",").filter(Boolean).slice(0, MAX_NAMES);
    if (names.length === 0) return;
    this.#order = names;
    this.#only = new Set(names);
    this.#chosen.clear();
  }

  /** Drop the unknown columns of a link, and the link if none is left. Returns their names. */
  drop(isKnown) {
    if (!this.#only) return [];
    const unknown = [...this.#only].filter((name) => !isKnown(name));
    for (const name of unknown) this.#only.delete(name);
    if (unknown.length === 0) return [];
    this.#order = this.#order?.filter(isKnown) ?? null;
    if (this.#only.size === 0 && this.#chosen.size === 0) this.#order = this.#only = null;
    return unknown;
  }

  /** Return the text that `restore` takes. */
  save(columns) {
    return JSON.stringify({
      order: this.#order,
      only: this.#only && [...this.#only],
      chosen: [...this.#chosen],
      widths: [...this.#widths],
      link: this.link(columns),
    });
  }

  /**
   * @param {?string} saved  by `save`; may be malformed
   * @param {?string} link  of the address: it takes precedence over what this browser remembers,
   *   except for widths
   * @returns {boolean} whether the columns are this browser's own choice
   */
  restore(saved, link) {
    this.reset();
    const { order, only, chosen, widths, link: own } = parse(saved);
    for (const [name, px] of pairs(widths)) if (Number.isFinite(px)) this.resize(name, px);
    if (link && link !== own) {
      this.follow(link);
      return false;
    }
    this.#order = names(order);
    this.#only = names(only) && new Set(names(only));
    for (const [name, isShown] of pairs(chosen)) {
      if (typeof isShown === "boolean") this.#chosen.set(name, isShown);
    }
    return true;
  }

  #isShown(name, covered) {
    return this.#chosen.get(name) ?? (this.#only ? this.#only.has(name) : !covered.has(name));
  }

  #ordered(columns, isNarrow) {
    if (!this.#order) return isNarrow ? narrowOrder(columns) : columns;
    const place = new Map(this.#order.map((name, i) => [name, i]));
    const known = columns.filter(({ name }) => place.has(name));
    const ordered = known.sort((a, b) => place.get(a.name) - place.get(b.name));
    columns.forEach((column, i) => {
      if (place.has(column.name)) return;
      const before = i > 0 ? ordered.indexOf(columns[i - 1]) : -1;
      ordered.splice(before + 1, 0, column);
    });
    return ordered;
  }
}

function parse(saved) {
  try {
    const value = JSON.parse(saved ?? "{}");
    return value !== null && typeof value === "object" ? value : {};
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return {}; // malformed or truncated: use the defaults
  }
}

function names(value) {
  if (!Array.isArray(value) || value.length > MAX_NAMES) return null;
  return value.every((name) => typeof name === "string") ? value : null;
}

function pairs(value) {
  if (!Array.isArray(value) || value.length > MAX_NAMES) return [];
  return value.filter((pair) => Array.isArray(pair) && typeof pair[0] === "string");
}
