// SPDX-License-Identifier: Apache-2.0

// Writes comma-separated values, RFC 4180, UTF-8, for spreadsheets.

import { utcTimeWriter } from "../format/time.js";
import { columnNames } from "./file_names.js";

const LINE_END = "\r\n";
const NEEDS_QUOTES = /[",;\t\r\n]|^\s|\s$/;

// Where a spreadsheet could see the start of a formula (CWE-1236; OWASP, "CSV injection"), including
// full-width characters that some accept: at the beginning of a text, and after any character that a
// spreadsheet with other settings takes for a separator.
const FORMULA =
  /(?<=^|[,;\t\r\n"])(?=[ \u00a0\u3000]*[=+\-@\uff1d\uff0b\uff0d\uff20])|^(?=[\t\r\n])/g;

/** Return the text with an apostrophe before each possible start of a formula. */
export function defused(text) {
  return text.replace(FORMULA, "'");
}

export class CsvWriter {
  static rowsAtOnce = 2048;

  constructor(columns) {
    this.columns = columns;
  }

  begin() {
    return [columnNames(this.columns).map(textField).join(",") + LINE_END];
  }

  slice(snapshot, from, to) {
    const fields = this.columns.map((column) =>
      snapshot.cells(column, from, to).map(FIELDS[column.type]),
    );
    let lines = "";
    for (let i = 0; i < to - from; i++) {
      for (let c = 0; c < fields.length; c++) lines += (c > 0 ? "," : "") + fields[c][i];
      lines += LINE_END;
    }
    return [lines];
  }

  end() {
    return [];
  }
}

const isNothing = (cell) => cell === null || cell === undefined;
const number = (cell) => (isNothing(cell) ? "" : String(cell));

const time = utcTimeWriter();

const FIELDS = {
  timestamp_ns: (cell) => (isNothing(cell) ? "" : time(cell)),
  int64: number,
  uint64: number,
  int32: number,
  uint32: number,
  bool: (cell) => (isNothing(cell) ? "" : String(Boolean(cell))),
  text: (cell) => (isNothing(cell) ? "" : textField(cell)),
};

/** Return a field; an empty text is quoted, to distinguish it from no value. */
function textField(text) {
  const safe = defused(text);
  return safe === "" || NEEDS_QUOTES.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
