// SPDX-License-Identifier: Apache-2.0

// What the tests of the filter language share: columns, and a store to filter.

import { readFileSync } from "node:fs";

import { EventStore } from "../../../static/js/data/store.js";
import { View } from "../../../static/js/data/view.js";
import { ColumnNames } from "../../../static/js/filter/column_names.js";
import { compileFilter } from "../../../static/js/filter/compile.js";
import { presentation } from "../../../static/js/format/presentation.js";
import { NO_NAMES, ValueNames } from "../../../static/js/format/value_names.js";
import { batchOf } from "./batches.mjs";

const recorded = (name) =>
  JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), "utf8"));

/** The filters that every evaluator must agree on; see tests/vectors/README.md. */
export const CASES = recorded("filter_cases");

/** The tables of names that the service sends. */
export const TABLES = recorded("names");
export const ERRORS = new ValueNames(TABLES.errors);

const DESCRIBED = [
  ["time", "timestamp_ns", "Time", null],
  ["probe", "text", "Probe", null],
  ["pid", "uint32", "PID", null],
  ["uid", "uint32", "User", null],
  ["process", "text", "Process", null],
  ["comm", "text", "Thread", null],
  ["dfd", "int32", "Dir fd", null],
  ["filename", "text", "File", null],
  ["ret", "int64", "Result", null],
  ["errno", "text", "Error", null],
  ["latency_ns", "uint64", "Latency", "ns"],
];

export const COLUMNS = DESCRIBED.map(([name, type, title, unit]) => ({
  key: `${name}:${type}`,
  name,
  type,
  title,
  unit,
  help: `about ${name}`,
  names: name === "ret" || name === "errno" ? ERRORS : NO_NAMES,
}));

export const NAMES = new ColumnNames(COLUMNS);

export const columnNamed = (name) => NAMES.find(name)[0];

const USERS = { alice: 1000, "bob smith": 1001 };

/** As `presentation`, with users by name. */
export function look(column) {
  const shown = presentation(column);
  return column.name === "uid" ? { ...shown, numberOf: (name) => USERS[name] } : shown;
}

/** Five events: four of a probe with results, one of a probe without. */
export function events() {
  const store = new EventStore();
  store.append(
    batchOf({
      pid: ["uint32", [10, 11, 12, 13]],
      uid: ["uint32", [0, 1000, 1001, 0]],
      comm: ["text", ["rm", "RM", "git", "rm"]],
      filename: ["text", ["/tmp/a", "/var/B.log", null, "/tmp/b.LOG"]],
      ret: ["int64", [0n, -2n, 0n, -13n]],
      errno: ["text", [null, "ENOENT", null, "EACCES"]],
      latency_ns: ["uint64", [900n, 1_000_000n, 1_500_000n, 2n ** 63n]],
    }),
  );
  store.append(batchOf({ pid: ["uint32", [14]], comm: ["text", ["rm"]] }, { probe: "kprobe" }));
  return store;
}

export function compiled(text) {
  return compileFilter(text, NAMES, look);
}

/** The rows that a filter lets through. */
export function passing(store, text) {
  const filter = compiled(text);
  if (filter.faults.length > 0) throw filter.faults[0];
  const view = new View(store, filter);
  view.advance();
  return Array.from({ length: view.length }, (_, place) => view.at(place));
}
