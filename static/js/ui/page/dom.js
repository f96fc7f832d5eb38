// SPDX-License-Identifier: Apache-2.0

// Helpers for elements. Text is set by textContent only, never as HTML.

/** The media queries for which the stylesheets have another layout. */
export const NARROW = "(max-width: 720px)";
export const LOW = "(max-height: 480px)";

/**
 * @param {string} tag
 * @param {Object} properties  `class`, `role` and names with a dash become attributes, others
 *   properties
 * @param {...(Node|string)} children
 * @returns {any} an element of the tag's own type, which tsc cannot tell from a variable
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class" || name === "role" || name.includes("-"))
      element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** Set text only if it differs, so that nothing is laid out or read aloud needlessly. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set an attribute, or remove it if the value is null. */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * Return the element with this id; templates/index.html must have it.
 * @returns {any} of its own type, which tsc does not know
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element #${id}`);
  return element;
}
