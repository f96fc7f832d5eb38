// SPDX-License-Identifier: Apache-2.0

// Batches as static/js/data/decode.js returns them, from plain values.

import { ARRAYS } from "../../../static/js/data/chunk.js";

/** @param {Object<string, [string, any[]]>} columns  name -> [type, values]; null is null */
export function batchOf(columns, { probe = "fexit", run = "1", batch = 0 } = {}) {
  const entries = Object.entries(columns);
  return {
    probe,
    mode: probe,
    run,
    batch,
    rows: entries[0][1][1].length,
    columns: entries.map(([name, [type, values]]) => columnOf(name, type, values)),
  };
}

function columnOf(name, type, values) {
  const valid = values.includes(null) ? (row) => values[row] !== null : null;
  if (type === "text") {
    const repeats = (row) => row > 0 && values[row] === values[row - 1];
    return { name, type, valid, text: (row) => values[row], repeats };
  }
  const zero = ARRAYS[type].BYTES_PER_ELEMENT === 8 ? 0n : 0;
  return { name, type, valid, values: ARRAYS[type].from(values, (value) => value ?? zero) };
}

/** Deterministic numbers from 0 to 2**32 - 1 (a linear congruential generator). */
export function* numbers(seed = 1) {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state;
  }
}
