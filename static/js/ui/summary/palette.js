// SPDX-License-Identifier: Apache-2.0

// The stylesheet's colours, for what is drawn on a canvas.

/** The value of a custom property as it holds for an element, e.g. `--line`. */
export function token(element, name) {
  return getComputedStyle(element).getPropertyValue(name).trim();
}

/** The same colour, see-through; only for colours written as #rrggbb, others stay as they are. */
export function faded(colour, alpha) {
  if (!/^#[0-9a-f]{6}$/i.test(colour)) return colour;
  return (
    colour +
    Math.round(alpha * 255)
      .toString(16)
      .padStart(2, "0")
  );
}

/** Calls back when light becomes dark or dark light, by the system or by `data-theme`. */
export function onThemeChange(callback) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", callback);
  new MutationObserver(callback).observe(document.documentElement, {
    attributes: true,
    attributeFilter: ["data-theme"],
  });
}
