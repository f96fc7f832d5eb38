// SPDX-License-Identifier: Apache-2.0

// Copying from the table: cells separated by tabs, rows by line breaks, as spreadsheets expect.

/**
 * Handle `copy` events of the table: copy the selected text of its body, whose cells consist of
 * several elements; if nothing is selected, the current row.
 *
 * @param {HTMLElement} table  @param {HTMLElement} body
 * @param {() => ?string} currentText  the current row's  @param {() => void} onRow  it was copied
 */
export function serveCopy(table, body, currentText, onRow) {
  // The event's target is the focused element; in Chromium the body if nothing is selected.
  document.addEventListener("copy", (event) => {
    const isTable = document.activeElement === table;
    const text = isTable && document.getSelection()?.isCollapsed !== false ? currentText() : null;
    if (text === null || event.defaultPrevented) return;
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
    onRow();
  });
  body.addEventListener("copy", (event) => {
    const selection = document.getSelection();
    if (!selection || selection.isCollapsed) return;
    const picked = selection.getRangeAt(0).cloneContents();
    const rows = [...picked.querySelectorAll(".row:not([hidden])")];
    const text = rows.length > 0 ? rows.map(rowText).join("\n") : rowText(picked);
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  });
}

function rowText(container) {
  const cells = [...container.querySelectorAll(".cell")].filter(({ textContent }) => textContent);
  if (cells.length === 0) return container.textContent;
  return cells.map(({ textContent }) => textContent).join("\t");
}
