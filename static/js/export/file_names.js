// SPDX-License-Identifier: Apache-2.0

// Names of exported columns and files.

/**
 * Return a unique name for each column: if two probes use a name for different types, the later
 * column's name includes its type ("pid:int32").
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
 * Return a file name, "probedeck-HOST-2026-11-22T10-15-20Z.csv": valid on every file system.
 *
 * @param {string} host  of the traced machine; special characters become "-"
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
