// SPDX-License-Identifier: Apache-2.0

// The user's choice of columns: the layout, its menu, and where both are remembered.

import { ADDED, DECIDED } from "../page/address.js";
import { NARROW } from "../page/dom.js";
import { remember, remembered } from "../page/preferences.js";
import { ColumnMenu } from "./column_menu.js";
import { Layout } from "./layout.js";

/** @import { Address } from "../page/address.js" */
/** @import { ColumnList } from "../../data/columns.js" */

const PARAMETER = "columns";

export class ColumnChoice {
  #list;
  #address;
  #onChange;
  #layout = new Layout();
  #isOwn = true;
  #isDecided = false; // whether a change not yet in the address is the user's decision
  #narrow = matchMedia(NARROW);
  #roomPx = Infinity;
  #folded = "";
  #menu = new ColumnMenu({
    show: (name, isShown) => this.#change(() => this.#layout.show(name, isShown)),
    move: (name, toName) => this.move(name, toName),
    reset: () => this.#change(() => this.#layout.reset()),
  });

  /** @param {ColumnList} list  @param {Address} address  @param {() => void} onChange */
  constructor(list, address, onChange) {
    this.#list = list;
    this.#address = address;
    this.#onChange = onChange;
    /** Incremented with every change of `shown`, except for new columns in the list. */
    this.version = 0;
    this.readAddress();
    this.#narrow.addEventListener("change", () => this.#changed());
  }

  /** Return the columns to show, in order: `{column, look, width, grows}`. Updates the menu. */
  shown() {
    this.#tell();
    const arranged = this.#arranged();
    this.#menu.show(arranged);
    this.#folded = foldedNames(arranged);
    return arranged.filter(({ isShown, isFolded }) => isShown && !isFolded);
  }

  #arranged() {
    return this.#layout.arrange(this.#list.all, this.#narrow.matches, this.#roomPx);
  }

  /** Set the room for columns, in px. */
  fit(roomPx) {
    this.#roomPx = roomPx;
    if (foldedNames(this.#arranged()) !== this.#folded) this.#changed();
  }

  /**
   * Drop the columns of the address that no probe has; call this once the columns are known.
   * @returns {string[]} their names
   */
  dropUnknown() {
    const known = new Set(this.#list.known.map(({ name }) => name));
    const unknown = this.#layout.drop((name) => known.has(name));
    if (unknown.length > 0) this.#changed();
    return unknown;
  }

  resize(column, px) {
    this.#change(() => this.#layout.resize(column.name, px));
  }

  move(name, toName) {
    this.#change(() => this.#layout.move(name, toName, this.#list.all, this.#narrow.matches));
  }

  readAddress() {
    this.#isOwn = this.#layout.restore(remembered(PARAMETER), this.#address.get(PARAMETER));
    this.#changed();
  }

  /** The user went to another address, which may predate any choice. */
  followAddress() {
    if (this.#address.get(PARAMETER) !== null) return this.readAddress();
    this.#layout.forgetChoice();
    this.#isOwn = true;
    remember(PARAMETER, this.#layout.save(this.#list.all));
    this.#changed();
  }

  #change(change) {
    change();
    this.#isOwn = true;
    this.#isDecided = true;
    remember(PARAMETER, this.#layout.save(this.#list.all));
    this.#changed();
  }

  /** Write the columns to the address, even if they were remembered or added by a probe. */
  #tell() {
    const { all } = this.#list;
    const link = this.#layout.link(all);
    if (all.length === 0 || link === this.#address.get(PARAMETER)) {
      this.#isDecided = false;
      return;
    }
    this.#address.set(PARAMETER, link, this.#isDecided ? DECIDED : ADDED);
    this.#isDecided = false;
    if (this.#isOwn) remember(PARAMETER, this.#layout.save(all));
  }

  #changed() {
    this.version++;
    this.#onChange();
  }
}

function foldedNames(arranged) {
  return arranged
    .filter(({ isFolded }) => isFolded)
    .map(({ column }) => column.name)
    .join();
}
