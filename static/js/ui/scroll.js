// Following the newest row until the person scrolls up.

const UPWARD_KEYS = new Set(["ArrowUp", "PageUp", "Home"]);

export class Scroll {
  #element;
  #set = 0;
  #onChange;

  /** @param {HTMLElement} element  what scrolls  @param {() => void} onChange */
  constructor(element, onChange) {
    this.#element = element;
    this.#onChange = onChange;
    this.isFollowing = true;
    element.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    element.addEventListener("wheel", ({ deltaY }) => deltaY < 0 && this.leave(), {
      passive: true,
    });
    element.addEventListener("keydown", ({ key }) => UPWARD_KEYS.has(key) && this.leave());
  }

  /** Stop following, when there is anything to scroll to. */
  leave() {
    if (!this.isFollowing || this.#bottom() <= 0) return;
    this.isFollowing = false;
    this.#onChange();
  }

  follow() {
    this.isFollowing = true;
    this.#onChange();
  }

  /** After rows came: to the newest when following, else stay with the rows that are shown. */
  settle(removedAbovePx) {
    const element = this.#element;
    if (this.isFollowing) element.scrollTop = this.#bottom();
    else if (removedAbovePx > 0) element.scrollTop = Math.max(0, element.scrollTop - removedAbovePx);
    this.#set = element.scrollTop;
  }

  #bottom() {
    return this.#element.scrollHeight - this.#element.clientHeight;
  }

  #scrolled() {
    const { scrollTop } = this.#element;
    // A table that grew taller is moved by the browser too, but then it shows the newest row.
    const showsNewest = scrollTop >= this.#bottom() - 2;
    if (scrollTop < this.#set - 1 && !showsNewest) this.leave();
    else if (scrollTop > this.#set && showsNewest) this.isFollowing = true;
    this.#set = scrollTop;
    this.#onChange();
  }
}
