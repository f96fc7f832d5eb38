// SPDX-License-Identifier: Apache-2.0

// Small ids for values: 1, 2, 3, ..., reused once their value is forgotten.

const SEED = (Math.random() * 2 ** 32) | 0; // random, so that chosen names cannot be made to collide

class Ids {
  /** The values by id; null for a free id. */
  keys = [null];
  #free = [];

  /** The number of ids in use. */
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

/** Ids of numbers, of which few are distinct. */
export class NumberIds extends Ids {
  #ids = new Map();

  /** Return the value's id, 0 if it has none. */
  find(value) {
    return this.#ids.get(value) ?? 0;
  }

  /** Return the value's id, a new one if it has none. */
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
 * Ids of texts, of which a million can be distinct: a hash table with linear probing, at most half
 * full (Knuth, The Art of Computer Programming 3, 6.4). For a million texts a Map takes five times
 * as long, and blocks the page each time it grows.
 */
export class TextIds extends Ids {
  #slots = new Uint32Array(256); // ids; 0 for none
  #hashes = new Uint32Array(128); // by id

  /** Return the text's id, 0 if it has none. */
  find(text) {
    return this.#slots[this.#slot(text, hashOf(text))];
  }

  /** Return the text's id, a new one if it has none. */
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
    // Move each following entry that may occupy the hole into it.
    for (let slot = (hole + 1) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const home = this.#hashes[slots[slot]] & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      slots[hole] = slots[slot];
      hole = slot;
    }
    slots[hole] = 0;
    this.free(id);
  }

  /** Return the slot of the text's id, or the free slot for it. */
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

  /** Double the table; ids stay the same. */
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
