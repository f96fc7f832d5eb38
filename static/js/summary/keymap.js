// A map from texts or numbers to numbers, in parts: a single map of a million keys stops the
// page for 50 ms each time it grows.

const PARTS = 64;
const END = 6; // names of one folder differ at their end

export class KeyMap {
  #parts = Array.from({ length: PARTS }, () => new Map());

  get size() {
    return this.#parts.reduce((sum, part) => sum + part.size, 0);
  }

  get(key) {
    return this.#part(key).get(key);
  }

  set(key, value) {
    this.#part(key).set(key, value);
  }

  delete(key) {
    this.#part(key).delete(key);
  }

  #part(key) {
    return this.#parts[typeof key === "string" ? partOf(key) : Number(BigInt.asUintN(6, BigInt(key)))];
  }
}

function partOf(text) {
  let hash = text.length;
  for (let i = Math.max(0, text.length - END); i < text.length; i++) {
    hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  }
  return (hash ^ (hash >>> 6)) & (PARTS - 1);
}
