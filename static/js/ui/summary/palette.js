// SPDX-License-Identifier: Apache-2.0

// The stylesheet's colours, for canvases.

/** Return the computed value of an element's custom property, such as `--line`. */
export function token(element, name) {
  return getComputedStyle(element).getPropertyValue(name).trim();
}

/** Return a #rrggbb colour with an alpha value; other notations are returned unchanged. */
export function faded(colour, alpha) {
  if (!/^#[0-9a-f]{6}$/i.test(colour)) return colour;
  return (
    colour +
    Math.round(alpha * 255)
      .toString(16)
      .padStart(2, "0")
  );
}

/** Call back when the theme changes, by the system or by `data-theme`. */
export function onThemeChange(callback) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", callback);
  new MutationObserver(callback).observe(document.documentElement, {
    attributes: true,
    attributeFilter: ["data-theme"],
  });
}
