// Keeps the page's contents in this browser: pictures, settings, steps and results, in IndexedDB. Nothing of it leaves the machine.

const NAME = "pellucid";
const LOCK = "pellucid-pictures";
const TRIES = 8; // to get the store, which a page that is being left still has for a moment
const EVERY = 200; // milliseconds between them
const TOGETHER = 32; // pictures that are written at a time
const PAUSE = 150; // milliseconds in which changes are gathered

const asked = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

const finished = (transaction) => new Promise((resolve, reject) => {
  transaction.oncomplete = () => resolve();
  transaction.onabort = () => reject(transaction.error || new Error("it was given up"));
});

// The keys of the files in a record.
function keysIn(value) {
  if (value === null || typeof value !== "object") return [];
  return typeof value.blob === "string" ? [value.blob] : Object.values(value).flatMap(keysIn);
}

// A value with its files replaced by { blob: KEY }: `keyOf` gives the key of a file.
function packed(value, keyOf) {
  if (value instanceof Blob) return { blob: keyOf(value) };
  if (Array.isArray(value)) return value.map((each) => packed(each, keyOf));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, packed(each, keyOf)]));
}

function unpacked(value, blobs) {
  if (Array.isArray(value)) return value.map((each) => unpacked(each, blobs));
  if (value === null || typeof value !== "object") return value;
  if (typeof value.blob === "string") return blobs.get(value.blob) ?? null;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, unpacked(each, blobs)]));
}

// Two pages that write would take each other's pictures away: one holds the store until it is closed.
async function held() {
  if (!navigator.locks) return true;
  const once = () => new Promise((resolve, reject) => {
    navigator.locks.request(LOCK, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock && new Promise(() => {});
    }).catch(reject);
  });
  for (let tries = 1; ; tries++) {
    if (await once()) return true;
    if (tries === TRIES) return false;
    await new Promise((resolve) => setTimeout(resolve, EVERY));
  }
}

export class Store {
  // The store of this page. One that is null remembers nothing, and `reason` says why, where that is worth a word.
  static async open() {
    if (!globalThis.indexedDB) return { store: null, reason: "" };
    if (!(await held())) return { store: null, reason: "This page is open in another tab, too: what is done in this one is not there after a reload." };
    try {
      const opening = indexedDB.open(NAME, 1);
      opening.onupgradeneeded = () => { for (const name of ["pictures", "blobs", "page"]) opening.result.createObjectStore(name); };
      return { store: new Store(await asked(opening)), reason: "" };
    } catch {
      return { store: null, reason: "This browser lets the page remember nothing: what is done here is not there after a reload." };
    }
  }

  constructor(database) {
    this.database = database;
    this.keyOf = new Map(); // file -> its key in the store; several records may have one file
    this.files = new Map(); // number of a record -> its files
    this.dirty = new Map(); // number of a record -> { record, done }: `record()` gives its record; null: it is to be forgotten
    this.prints = new Map(); // number of a picture -> text that is equal for equal records
    this.count = 0;
    this.writing = null;
    this.timer = 0;
    this.onFull = () => {};
    this.onChange = () => {};
  }

  // Records by number, as they were kept: those of pictures have numbers from 1.
  async all() {
    const transaction = this.database.transaction(["pictures", "blobs"]);
    const [numbers, records, keys, blobs] = await Promise.all([
      asked(transaction.objectStore("pictures").getAllKeys()), asked(transaction.objectStore("pictures").getAll()),
      asked(transaction.objectStore("blobs").getAllKeys()), asked(transaction.objectStore("blobs").getAll()),
    ]);
    const named = new Map(keys.map((key, place) => [key, blobs[place]]));
    for (const [key, blob] of named) this.keyOf.set(blob, key);
    for (const [place, number] of numbers.entries()) this.files.set(number, new Set(keysIn(records[place]).map((key) => named.get(key))));
    return numbers.map((number, place) => [number, unpacked(records[place], named)]);
  }

  async get(name) {
    return asked(this.database.transaction("page").objectStore("page").get(name));
  }

  set(name, value) {
    try {
      this.database.transaction("page", "readwrite").objectStore("page").put(value, name);
    } catch { /* the page is being left */ }
  }

  // Keeps a record soon: `record()` gives it. Nothing is written where `print` is that of the last time. Those that are
  // `done` go first: work that is lost is worse than a picture that is lost.
  keep(number, print, record, done) {
    if (this.prints.get(number) === print) return;
    this.prints.set(number, print);
    this.dirty.set(number, { record, done });
    this.soon();
  }

  forget(number) {
    this.prints.delete(number);
    this.dirty.set(number, { record: null, done: true });
    this.soon();
  }

  // How many pictures are kept.
  get size() { return [...this.files.keys()].filter((number) => number > 0).length; }

  has(number) { return this.files.has(number); }

  get busy() { return this.dirty.size > 0 || this.writing !== null; }

  soon() {
    this.onChange(this.busy);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), PAUSE);
  }

  // Writes all that waits; some pictures at a time, and where that fails one after the other, so that a full disk costs one.
  async flush() {
    clearTimeout(this.timer);
    if (this.writing) return;
    this.writing = (async () => {
      while (this.dirty.size) {
        const waiting = [...this.dirty].sort(([, one], [, other]) => other.done - one.done).slice(0, TOGETHER);
        for (const [number] of waiting) this.dirty.delete(number);
        try {
          await this.write(waiting);
        } catch {
          for (const each of waiting) await this.write([each]).catch((error) => this.onFull(error));
        }
      }
    })();
    await this.writing;
    this.writing = null;
    this.onChange(this.busy);
  }

  async write(waiting) {
    const transaction = this.database.transaction(["pictures", "blobs"], "readwrite", { durability: "relaxed" });
    const [pictures, blobs] = ["pictures", "blobs"].map((name) => transaction.objectStore(name));
    const done = finished(transaction);
    const fresh = new Map();
    const after = new Map(this.files);
    for (const [number, { record }] of waiting) {
      const now = new Set();
      const plain = record && packed(record(), (blob) => {
        now.add(blob);
        if (!this.keyOf.has(blob) && !fresh.has(blob)) fresh.set(blob, `${number}/${Date.now()}-${++this.count}`);
        return this.keyOf.get(blob) || fresh.get(blob);
      });
      if (record) after.set(number, now);
      else after.delete(number);
      if (record) pictures.put(plain, number);
      else pictures.delete(number);
    }
    for (const [blob, key] of fresh) blobs.put(blob, key);
    const used = new Set([...after.values()].flatMap((each) => [...each]));
    const gone = [...this.keyOf].filter(([blob]) => !used.has(blob));
    for (const [, key] of gone) blobs.delete(key);
    await done;
    this.files = after;
    for (const [blob, key] of fresh) this.keyOf.set(blob, key);
    for (const [blob] of gone) this.keyOf.delete(blob);
    this.onChange(this.busy);
  }
}

// Asks the browser not to throw away what is kept when the disk gets full.
export function persist() {
  navigator.storage?.persist?.().catch(() => {});
}
