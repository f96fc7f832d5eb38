// SPDX-License-Identifier: Apache-2.0

// Small numbers for values: 1, 2, 3, ..., each used again once its value was forgotten.

const SEED = (Math.random() * 2 ** 32) | 0; // so that nobody can choose names that collide

class Ids {
  /** The values by id; null where an id is free. */
  keys = [null];
  #free = [];

  /** How many ids are in use. */
  get size() {
    return this.keys.length - 1 - this.#free.length;
  }

  take(key) {
    const id = this.#free.pop() ?? this.keys.length;
    this.keys[id] = key;
    return id;
  }

  free(id) {
    this.keys[id] = null;
    this.#free.push(id);
  }
}

/** Ids of numbers: there are few different ones. */
export class NumberIds extends Ids {
  #ids = new Map();

  /** The value's id, 0 where it has none. */
  find(value) {
    return this.#ids.get(value) ?? 0;
  }

  /** The value's id, a new one where it has none. */
  of(value) {
    let id = this.find(value);
    if (id === 0) {
      id = this.take(value);
      this.#ids.set(value, id);
    }
    return id;
  }

  forget(id) {
    this.#ids.delete(this.keys[id]);
    this.free(id);
  }
}

/**
 * Ids of texts, of which there can be a million: a hash table with linear probing, at most half
 * full (Knuth, The Art of Computer Programming 3, 6.4). For a million a Map takes five times as
 * long, and stops the page each time it grows.
 */
export class TextIds extends Ids {
  #slots = new Uint32Array(256); // ids; 0 for none
  #hashes = new Uint32Array(128); // by id

  /** The text's id, 0 where it has none. */
  find(text) {
    return this.#slots[this.#slot(text, hashOf(text))];
  }

  /** The text's id, a new one where it has none. */
  of(text) {
    const hash = hashOf(text);
    const slot = this.#slot(text, hash);
    if (this.#slots[slot] !== 0) return this.#slots[slot];
    const id = this.take(text);
    this.#slots[slot] = id;
    this.#hashes[id] = hash;
    if (id === this.#hashes.length - 1) this.#grow();
    return id;
  }

  forget(id) {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let hole = this.#hashes[id] & mask;
    while (slots[hole] !== id) hole = (hole + 1) & mask;
    // Whoever stands behind the hole and could stand in it moves there.
    for (let slot = (hole + 1) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const home = this.#hashes[slots[slot]] & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      slots[hole] = slots[slot];
      hole = slot;
    }
    slots[hole] = 0;
    this.free(id);
  }

  /** Where the text's id stands, or would stand. */
  #slot(text, hash) {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hash & mask;
    for (let id = slots[slot]; id !== 0; id = slots[slot]) {
      if (this.#hashes[id] === hash && this.keys[id] === text) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  /** Twice the room; ids stay. */
  #grow() {
    const hashes = new Uint32Array(2 * this.#hashes.length);
    hashes.set(this.#hashes);
    const slots = new Uint32Array(2 * this.#slots.length);
    const mask = slots.length - 1;
    for (const id of this.#slots) {
      if (id === 0) continue;
      let slot = hashes[id] & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = id;
    }
    this.#hashes = hashes;
    this.#slots = slots;
  }
}

function hashOf(text) {
  let hash = SEED ^ text.length;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}
