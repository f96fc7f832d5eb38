// SPDX-License-Identifier: Apache-2.0

// The dialog that lists what a mode does not see, as the service describes it.

import { visibleText } from "../../format/text.js";
import { closeButton, dialog } from "../dialogs/dialog.js";
import { el, setText } from "../page/dom.js";

export class NotSeenDialog {
  #lead = el("p", { class: "options__lead" });
  #list = el("ul", { class: "notseen" });
  #dialog = dialog(
    "not-seen",
    "Caveats",
    this.#lead,
    this.#list,
    el("div", { class: "options__actions" }, closeButton("Close")),
  );

  /** @param {Probe} probe  docs/protocol.md */
  open({ id, not_seen: sentences }) {
    setText(this.#lead, `${id} does not see:`);
    this.#list.replaceChildren(...sentences.map((text) => el("li", {}, visibleText(text))));
    this.#dialog.showModal();
  }
}
