// The rows that the filter lets through, oldest first, kept up to date from the new rows only.

export class View {
  #store;
  #filter;
  #rows; // a ring: row numbers, from #head on
  #head = 0;
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
  }

  /** The row number at a place of the view. */
  at(place) {
    return this.#rows[(this.#head + place) & (this.#rows.length - 1)];
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
        if (passed && !passed[row - start] && !chunk.marks.has(row)) continue;
        this.#rows[(this.#head + this.length) & mask] = base + row;
        this.length++;
      }
    });
    this.#seen = end;
  }

  #trim() {
    const { first } = this.#store;
    let gone = 0;
    while (gone < this.length && this.at(gone) < first) gone++;
    this.#head = (this.#head + gone) & (this.#rows.length - 1);
    this.length -= gone;
    this.gone += gone;
  }
}
