// SPDX-License-Identifier: Apache-2.0

// Values for the filter, as the column itself holds them.

const WIDE = new Set(["timestamp_ns", "int64", "uint64"]);

/** A whole number as the column's own kind: bigint for 64 bits, else number. */
export function inColumnType(type, value) {
  return WIDE.has(type) ? BigInt(value) : Number(value);
}
