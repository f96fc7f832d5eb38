// SPDX-License-Identifier: Apache-2.0

// The export formats. The module of a format is loaded when it is chosen (app/web/bundle.py).

/** @type {{name: string, title: string, help: string, extension: string, mediaType: string,
 *   load: () => Promise<Function>}[]} `load` gives the writer's class */
export const FORMATS = [
  {
    name: "csv",
    title: "CSV",
    help: "for spreadsheets; text that could be read as a formula is prefixed with '",
    extension: "csv",
    mediaType: "text/csv;charset=utf-8",
    load: async () => (await import("./csv.js")).CsvWriter,
  },
  {
    name: "ndjson",
    title: "NDJSON",
    help: "one JSON object per line, as GET /events/stream sends them, with a line where events are missing",
    extension: "ndjson",
    mediaType: "application/x-ndjson",
    load: async () => (await import("./ndjson.js")).NdjsonWriter,
  },
  {
    name: "arrow",
    title: "Arrow",
    help: "Arrow IPC file, for pandas, polars, DuckDB, R",
    extension: "arrow",
    mediaType: "application/vnd.apache.arrow.file",
    load: async () => (await import("./arrow.js")).ArrowWriter,
  },
  {
    name: "parquet",
    title: "Parquet",
    help: "compressed and typed, for the same tools and for archives",
    extension: "parquet",
    mediaType: "application/vnd.apache.parquet",
    load: async () => (await import("./parquet.js")).ParquetWriter,
  },
];
