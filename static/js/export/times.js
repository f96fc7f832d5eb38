// SPDX-License-Identifier: Apache-2.0

// Many times as text, as fast as a file of a million rows wants them.

import { utcTime } from "../format/time.js";

const NS_PER_S = 1_000_000_000n;

/**
 * @returns {(ns: bigint) => string} the same as `utcTime`; rows come in order of time, so one
 *   date serves all of a second
 */
export function timeWriter() {
  let start = null;
  let prefix = "";
  return (ns) => {
    if (start === null || ns < start || ns >= start + NS_PER_S) {
      const text = utcTime(ns);
      start = ns - BigInt(text.slice(20, 29));
      prefix = text.slice(0, 20);
    }
    return `${prefix}${String(Number(ns - start)).padStart(9, "0")}Z`;
  };
}
