// SPDX-License-Identifier: Apache-2.0

// Dialogs that are made by their own modules.

import { el } from "../page/dom.js";

/** A modal dialog with a title, closed by Escape too; not shown yet. */
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

/** A button that closes the dialog it stands in. */
export function closeButton(words) {
  const button = el("button", { type: "button", class: "button" }, words);
  button.addEventListener("click", () => button.closest("dialog").close());
  return button;
}
