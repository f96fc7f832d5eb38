// A JSON object a line, byte for byte as `GET /events/stream` writes them (docs/protocol.md):
// no space, plain ASCII, numbers with all their digits, and gaps at their places.


import { timeWriter } from "./times.js";

const LINE_END = "\n";

export class NdjsonWriter {
  static rowsAtOnce = 4096;
  #gap = 0;

  constructor(columns) {
    this.columns = columns;
  }

  begin() {
    return [];
  }

  slice(snapshot, from, to) {
    const members = this.columns.map((column) => {
      const name = jsonText(column.name);
      const write = VALUES[column.type];
      return snapshot.cells(column, from, to).map((cell) => {
        if (cell === undefined) return null;
        return `${name}:${cell === null ? "null" : write(cell)}`;
      });
    });
    let lines = "";
    for (let i = 0; i < to - from; i++) {
      lines += this.#gaps(snapshot, from + i);
      const present = [];
      for (const column of members) if (column[i] !== null) present.push(column[i]);
      lines += `{${present.join(",")}}${LINE_END}`;
    }
    return [lines];
  }

  end(snapshot) {
    return [this.#gaps(snapshot, snapshot.length)];
  }

  /** The gaps up to that event which are not written yet. */
  #gaps({ gaps }, before) {
    let lines = "";
    for (; this.#gap < gaps.length && gaps[this.#gap].before <= before; this.#gap++) {
      const { probe, where, rows } = gaps[this.#gap];
      lines += `{"type":"gap","probe":${jsonText(probe)},"where":${jsonText(where)},"rows":${rows}}${LINE_END}`;
    }
    return lines;
  }
}

const time = timeWriter();

const VALUES = {
  timestamp_ns: (cell) => `"${time(cell)}"`,
  int64: String,
  uint64: String,
  int32: String,
  uint32: String,
  text: jsonText,
};

function jsonText(text) {
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, unicodeEscape);
}

function unicodeEscape(unit) {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
