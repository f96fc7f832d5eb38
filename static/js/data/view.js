// The rows that the filter lets through, oldest first, kept up to date from the new rows only.

export class View {
  #store;
  #filter;
  #rows; // a ring: row numbers, from #head on
  #head = 0;
  #marks = new Map(); // row number -> the marks it stands for
  #seen;

  /** @param {EventStore} store; the filter is one of `filter/compile.js` */
  constructor(store, filter) {
    this.#store = store;
    this.#filter = filter;
    this.#rows = new Float64Array(2 ** Math.ceil(Math.log2(store.capacity)));
    this.#seen = store.first;
    this.length = 0;
    /** How many rows left the view's front since it was last reset. */
    this.gone = 0;
    /** Rises with every reset, so that who counts the rows can see that they are others. */
    this.epoch = 0;
  }

  /** How many of the view's rows are events. */
  get events() {
    return this.length - this.#marks.size;
  }

  /** The row number at a place of the view. */
  at(place) {
    return this.#rows[(this.#head + place) & (this.#rows.length - 1)];
  }

  /**
   * What is missing at a row that is a mark, `{probe, where, rows}`, else null. Marks of one
   * kind between which the filter let nothing through are one row.
   */
  missingAt(row) {
    const marks = this.#marks.get(row);
    if (!marks) return null;
    const rows = marks.reduce((sum, mark) => (mark.rows === null ? null : sum + mark.rows), 0);
    return { ...marks[0], rows };
  }

  /** Start again with another filter, over the rows up to where this view had come. */
  refilter(filter) {
    const upTo = this.#seen;
    this.#filter = filter;
    this.reset();
    this.advance(upTo);
  }

  reset() {
    this.#head = 0;
    this.length = 0;
    this.gone = 0;
    this.epoch++;
    this.#marks.clear();
    this.#seen = this.#store.first;
  }

  /** The first row not looked at yet. */
  get seen() {
    return this.#seen;
  }

  /** Look at the rows that came since, up to `end`; drop those that the store has let go. */
  advance(end = this.#store.end) {
    this.#trim();
    const from = Math.max(this.#seen, this.#store.first);
    if (end <= from) return;
    const mask = this.#rows.length - 1;
    this.#store.scan(from, end, (chunk, start, stop, base) => {
      const passed = this.#filter.select(chunk, start, stop);
      for (let row = start; row < stop; row++) {
        const missing = chunk.marks.get(row);
        if (missing ? this.#joins(base + row, missing) : passed && !passed[row - start]) continue;
        this.#rows[(this.#head + this.length) & mask] = base + row;
        this.length++;
      }
    });
    this.#seen = end;
  }

  /** Whether the mark goes into the row before; else it is noted as a row of its own. */
  #joins(row, missing) {
    const before = this.length > 0 ? this.#marks.get(this.at(this.length - 1)) : undefined;
    if (before?.[0].probe === missing.probe && before[0].where === missing.where) {
      before.push(missing);
      return true;
    }
    this.#marks.set(row, [missing]);
    return false;
  }

  #trim() {
    const { first } = this.#store;
    let gone = 0;
    while (gone < this.length && this.at(gone) < first) {
      this.#marks.delete(this.at(gone));
      gone++;
    }
    this.#head = (this.#head + gone) & (this.#rows.length - 1);
    this.length -= gone;
    this.gone += gone;
  }
}
