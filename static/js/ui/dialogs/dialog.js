// SPDX-License-Identifier: Apache-2.0

// Helpers for dialogs that are made by scripts.

import { el } from "../page/dom.js";

/** Make a modal dialog with a title; `showModal` opens it, Escape closes it. */
export function dialog(id, title, ...children) {
  const heading = el("h2", { class: "options__title", id: `${id}-title` }, title);
  const element = el(
    "dialog",
    { class: "options", id, "aria-labelledby": heading.id },
    heading,
    ...children,
  );
  document.body.append(element);
  return element;
}

/** Make a button that closes its dialog. */
export function closeButton(words) {
  const button = el("button", { type: "button", class: "button" }, words);
  button.addEventListener("click", () => button.closest("dialog").close());
  return button;
}
