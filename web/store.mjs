// Where verified pieces are kept between visits, under their own SHA-256: nothing in it is ever out of date, and a piece
// that two versions or two bundles share is there once, and is written once: a Blob of a file that is written again can no
// longer be read. Pieces are written whole or not at all. All stores have:
//   has(hash), get(hash, bytes) -> Blob or null, put(hash, bytes), remove(hash), hashes() -> iterable,
//   note(key, text), notes() -> [text]: a short text for each bundle, its manifest.
const NAME = 'bantam-loader';

class OpfsStore {
  kind = 'opfs';
  static async open() {
    if (!globalThis.FileSystemFileHandle?.prototype.createWritable) throw new Error('no createWritable');
    const top = await (await navigator.storage.getDirectory()).getDirectoryHandle(NAME, { create: true });
    const store = new OpfsStore();
    store.pieces = await top.getDirectoryHandle('pieces', { create: true });
    store.bundles = await top.getDirectoryHandle('bundles', { create: true });
    store.known = new Set();
    store.writing = new Map();
    for await (const name of store.pieces.keys()) store.known.add(name);
    return store;
  }
  has(hash) { return this.known.has(hash); }
  hashes() { return [...this.known]; }
  async get(hash, bytes) {
    if (!this.known.has(hash)) return null;
    const file = await this.pieces.getFileHandle(hash).then((handle) => handle.getFile()).catch(() => null);
    if (file?.size === bytes) return file;
    this.known.delete(hash);  // another tab removed it, or the page ended between creating and writing it
    return null;
  }
  async put(hash, bytes) {
    if (this.known.has(hash)) return;
    if (!this.writing.has(hash)) {
      this.writing.set(hash, write(this.pieces, hash, bytes).then(() => this.known.add(hash)).finally(() => this.writing.delete(hash)));
    }
    await this.writing.get(hash);
  }
  async remove(hash) {
    this.known.delete(hash);
    await this.pieces.removeEntry(hash).catch(() => {});
  }
  note(key, text) { return text === null ? this.bundles.removeEntry(key).catch(() => {}) : write(this.bundles, key, text); }
  async notes() {
    const texts = [];
    for await (const handle of this.bundles.values()) texts.push(await (await handle.getFile()).text());
    return texts;
  }
}

// What createWritable takes is in a file of its own until close() moves it; what fails leaves no empty file behind.
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
    await directory.removeEntry(name).catch(() => {});
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
  has(hash) { return this.known.has(hash); }
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
    return Promise.all(all.map(async (request) => (await this.cache.match(request)).text()));
  }
}

export class NoStore {
  kind = 'memory';
  static async open() { return new NoStore(); }
  has() { return false; }
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
