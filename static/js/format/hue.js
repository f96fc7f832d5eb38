// SPDX-License-Identifier: Apache-2.0

// A colour for a name, the same everywhere on the page and on every visit. css/colors.css defines
// the colours.

const HUES = 6;

/** Return the class that sets `--hue`; the name is always shown beside the colour. */
export function hueClass(name) {
  let hash = 0;
  for (const character of name) hash = (hash * 33 + character.codePointAt(0)) >>> 0;
  return `hue-${hash % HUES}`;
}
