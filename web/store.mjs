// Where verified pieces are kept between visits, under their own SHA-256: nothing in it is ever out of date, and a piece
// that two versions or two bundles share is there once, and is written once: a Blob of a file that is written again can no
// longer be read. Pieces are written whole or not at all. All stores have:
//   get(hash, bytes) -> Blob or null, put(hash, bytes), remove(hash, blob), hashes() -> iterable; with `blob` a piece is removed
//     only if that is what is there,
//   note(key, text), notes() -> [[key, text]]: a short text for each bundle, its manifest; null removes it.
const NAME = 'bantam-loader';

class OpfsStore {
  kind = 'opfs';
  static async open() {
    if (!globalThis.FileSystemFileHandle?.prototype.createWritable) throw new Error('no createWritable');
    if (!navigator.locks) throw new Error('no locks: two tabs would write the same piece');
    const top = await (await navigator.storage.getDirectory()).getDirectoryHandle(NAME, { create: true });
    const store = new OpfsStore();
    store.pieces = await top.getDirectoryHandle('pieces', { create: true });
    store.bundles = await top.getDirectoryHandle('bundles', { create: true });
    store.known = new Set();
    for await (const name of store.pieces.keys()) store.known.add(name);
    return store;
  }
  hashes() { return [...this.known]; }
  async get(hash, bytes) {
    if (!this.known.has(hash)) return null;
    const file = await fileIn(this.pieces, hash);
    if (file?.size === bytes) return file;
    this.known.delete(hash);  // another tab removed it, or the page ended between creating and writing it
    return null;
  }
  // Other tabs and other bundles of this page write too. Under the piece's lock the second finds what the first wrote, whole and
  // named by its hash, and leaves it: the first may have handed out a Blob of it.
  #locked(hash, work) { return navigator.locks.request(`${NAME}/${hash}`, work); }
  put(hash, bytes) {
    return this.#locked(hash, async () => {
      if ((await fileIn(this.pieces, hash))?.size !== bytes.length) await write(this.pieces, hash, bytes);
      this.known.add(hash);
    });
  }
  remove(hash, blob) {
    return this.#locked(hash, async () => {
      if (blob && (await fileIn(this.pieces, hash))?.lastModified !== blob.lastModified) return;
      this.known.delete(hash);
      await this.pieces.removeEntry(hash).catch(() => {});
    });
  }
  // A note that says the same already is left alone: it must survive a full quota.
  async note(key, text) {
    if (text === null) await this.bundles.removeEntry(key).catch(() => {});
    else if ((await textIn(this.bundles, key)) !== text) await write(this.bundles, key, text);
  }
  async notes() {
    const notes = [];
    for await (const key of this.bundles.keys()) notes.push([key, await textIn(this.bundles, key)]);
    return notes;
  }
}

const fileIn = (directory, name) => directory.getFileHandle(name).then((handle) => handle.getFile()).catch(() => null);
const textIn = async (directory, name) => (await fileIn(directory, name))?.text().catch(() => '') ?? '';

// What createWritable takes is in a file of its own until close() moves it; what fails leaves what was there before, and no
// empty file.
async function write(directory, name, content) {
  try {
    const writable = await (await directory.getFileHandle(name, { create: true })).createWritable();
    try {
      await writable.write(content);
      await writable.close();
    } catch (error) {
      await writable.abort().catch(() => {});
      throw error;
    }
  } catch (error) {
    if ((await fileIn(directory, name))?.size === 0) await directory.removeEntry(name).catch(() => {});
    throw error;
  }
}

class CacheStore {
  kind = 'cache';
  static async open() {
    const store = new CacheStore();
    store.cache = await caches.open(NAME);
    store.known = new Set();
    for (const { url } of await store.cache.keys()) {
      const [, kind, name] = url.match(/\/([a-z]+)\/([^/]+)$/);
      if (kind === 'pieces') store.known.add(name);
    }
    return store;
  }
  #url(kind, name) { return new URL(`/${NAME}/${kind}/${name}`, location.origin).href; }
  hashes() { return [...this.known]; }
  async get(hash, bytes) {
    const response = this.known.has(hash) ? await this.cache.match(this.#url('pieces', hash)) : null;
    const blob = await response?.blob();
    if (blob?.size === bytes) return blob;
    this.known.delete(hash);
    return null;
  }
  async put(hash, bytes) {
    await this.cache.put(this.#url('pieces', hash), new Response(bytes));
    this.known.add(hash);
  }
  async remove(hash) {
    this.known.delete(hash);
    await this.cache.delete(this.#url('pieces', hash));
  }
  async note(key, text) {
    const url = this.#url('bundles', key);
    await (text === null ? this.cache.delete(url) : this.cache.put(url, new Response(text)));
  }
  async notes() {
    const all = (await this.cache.keys()).filter(({ url }) => url.includes(`/${NAME}/bundles/`));
    return Promise.all(all.map(async ({ url }) => [url.split('/').at(-1), (await (await this.cache.match(url))?.text()) ?? '']));
  }
}

export class NoStore {
  kind = 'memory';
  static async open() { return new NoStore(); }
  hashes() { return []; }
  async get() { return null; }
  async put() { throw new Error('nothing is stored'); }
  async remove() {}
  async note() {}
  async notes() { return []; }
}

const STORES = { opfs: OpfsStore, cache: CacheStore, memory: NoStore };

// `wanted`: 'opfs', 'cache' or 'memory'; 'auto' takes the first of these that the browser lets us have.
export async function openStore(wanted) {
  if (wanted !== 'auto' && !STORES[wanted]) throw new TypeError(`storage is '${wanted}'; one of auto, ${Object.keys(STORES).join(', ')}`);
  for (const kind of wanted === 'auto' ? Object.keys(STORES) : [wanted]) {
    try {
      return await STORES[kind].open();
    } catch {
      // private windows and insecure contexts refuse one or the other
    }
  }
  return NoStore.open();
}
