// The current row of the table, moved by keys; a row's number stays its name while others go.

const ROWS_BY_KEY = { ArrowDown: 1, ArrowUp: -1 };
const PAGES_BY_KEY = { PageDown: 1, PageUp: -1 };

export class Cursor {
  #view;

  /** @param {View} view */
  constructor(view) {
    this.#view = view;
    /** The current row's number, null for none. */
    this.row = null;
  }

  /**
   * @param {string} key  @param {number} page  rows of a page
   * @param {number} before  the place from where to start when no row is current
   * @returns {?number} the place in the view it moved to, null when the key moves nothing
   */
  move(key, page, before) {
    const last = this.#view.length - 1;
    if (last < 0) return null;
    let place;
    if (key === "Home") place = 0;
    else if (key === "End") place = last;
    else if (key in ROWS_BY_KEY) place = (this.#place() ?? before) + ROWS_BY_KEY[key];
    else if (key in PAGES_BY_KEY) place = (this.#place() ?? before) + PAGES_BY_KEY[key] * page;
    else return null;
    place = Math.min(last, Math.max(0, place));
    this.row = this.#view.at(place);
    return place;
  }

  /** Row numbers of the view rise, so a binary search finds it; null when it is not there. */
  #place() {
    if (this.row === null) return null;
    let low = 0;
    let high = this.#view.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#view.at(middle) < this.row) low = middle + 1;
      else high = middle;
    }
    return low < this.#view.length && this.#view.at(low) === this.row ? low : null;
  }
}
