// SPDX-License-Identifier: Apache-2.0

// Writes a JSON object per line, byte for byte as `GET /events/stream` does (docs/protocol.md): no
// spaces, ASCII, numbers with all digits, and gaps in their places.

import { jsonText } from "../format/json.js";
import { utcTimeWriter } from "../format/time.js";

const LINE_END = "\n";

export class NdjsonWriter {
  static rowsAtOnce = 2048;
  #gap = 0;

  constructor(columns) {
    this.columns = columns;
  }

  begin() {
    return [];
  }

  slice(snapshot, from, to) {
    const members = this.columns.map((column) =>
      membersOf(column, snapshot.cells(column, from, to)),
    );
    let lines = "";
    for (let i = 0; i < to - from; i++) {
      lines += this.#gaps(snapshot, from + i);
      let row = "";
      for (const column of members) row += column[i];
      lines += `{${row.slice(1)}}${LINE_END}`;
    }
    return [lines];
  }

  end(snapshot) {
    return [this.#gaps(snapshot, snapshot.length)];
  }

  /** Return the lines of the unwritten gaps before an event. */
  #gaps({ gaps }, before) {
    let lines = "";
    for (; this.#gap < gaps.length && gaps[this.#gap].before <= before; this.#gap++) {
      const { probe, where, rows, from, to } = gaps[this.#gap];
      lines += `{"type":"gap","probe":${jsonText(probe)},"where":${jsonText(where)},"rows":${rows}`;
      lines += `${member("from", from)}${member("to", to)}}${LINE_END}`;
    }
    return lines;
  }
}

/** Return a member with a time; "" for the page's own gaps, which have none. */
function member(name, time) {
  if (time === undefined) return "";
  return `,"${name}":${time === null ? "null" : jsonText(time)}`;
}

/** Return `,"name":value` for each cell, "" if the probe has no such column. */
function membersOf({ name, type }, cells) {
  const start = `,${jsonText(name)}:`;
  const write = VALUES[type];
  return cells.map((cell) => {
    if (cell === undefined) return "";
    return start + (cell === null ? "null" : write(cell));
  });
}

const time = utcTimeWriter();

const VALUES = {
  timestamp_ns: (cell) => `"${time(cell)}"`,
  int64: String,
  uint64: String,
  int32: String,
  uint32: String,
  bool: (cell) => String(Boolean(cell)),
  text: jsonText,
};
