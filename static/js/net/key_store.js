// SPDX-License-Identifier: Apache-2.0

// The key of this tab's token, kept across reloads. It is stored as a non-extractable key: a
// program that uses the port later runs its scripts with the same origin.

const DATABASE = "probedeck";
const STORE = "keys";
const TAB = "probedeck.tab";
const TOKEN = "probedeck.token"; // where earlier versions stored the token itself
const MAX_AGE_MS = 7 * 24 * 3600 * 1000;

/** @returns {Promise<?CryptoKey>} */
export async function readKey() {
  sessionStorage.removeItem(TOKEN);
  const tab = sessionStorage.getItem(TAB);
  if (tab === null) return null;
  const found = await transact("readonly", (store) => store.get(tab));
  return found?.key ?? null;
}

/** Store the key for this tab, and delete the keys of tabs closed long ago. */
export async function writeKey(key) {
  const tab = sessionStorage.getItem(TAB) ?? crypto.randomUUID();
  sessionStorage.setItem(TAB, tab);
  const usedMs = Date.now();
  await transact("readwrite", (store) => {
    const old = store.openCursor();
    old.onsuccess = () => {
      if (!old.result) return;
      if (old.result.value.usedMs < usedMs - MAX_AGE_MS) old.result.delete();
      old.result.continue();
    };
    return store.put({ tab, key, usedMs });
  });
}

export async function deleteKey() {
  const tab = sessionStorage.getItem(TAB);
  if (tab === null) return;
  await transact("readwrite", (store) => store.delete(tab));
  sessionStorage.removeItem(TAB);
}

async function transact(mode, work) {
  const database = await opened();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = work(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = () => reject(transaction.error);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "tab" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("another version of the page is open"));
  });
}
