// SPDX-License-Identifier: Apache-2.0

// Names of columns and of files.

/**
 * A name for each column, no two the same: where two probes use one name for two types, the
 * later column has its type in its name ("pid:int32").
 */
export function columnNames(columns) {
  const seen = new Set();
  return columns.map(({ name, key }) => {
    const unique = seen.has(name) ? key : name;
    seen.add(unique);
    return unique;
  });
}

/**
 * "probedeck-HOST-2026-11-22T10-15-20Z.csv": sorts by time, and no file system minds it.
 *
 * @param {string} host  of the machine that is traced; what is not plain in it becomes "-"
 */
export function fileName(host, date, extension) {
  const safe = host
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[.-]+|[.-]+$/g, "")
    .slice(0, 64);
  const time = `${date.toISOString().slice(0, 19).replaceAll(":", "-")}Z`;
  const stem = ["probedeck", safe, time].filter(Boolean).join("-");
  return `${stem}.${extension}`;
}
