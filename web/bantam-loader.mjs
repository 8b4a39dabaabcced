// Loads bundles of bantam into pages: verified, resumable, kept between visits. docs/loader.md tells how to use it.
// No dependencies; put this folder beside the page and import this file.
import { LoaderError } from './errors.mjs';
import { BundleFile } from './file.mjs';
import { fetchManifest, parseManifest, sha256Hex } from './manifest.mjs';
import { NoStore, openStore } from './store.mjs';

export { LoaderError };

const LOCK = 'bantam-loader';
const SPARE = 16;  // pieces of memory that are kept for use
const TYPES = { json: 'application/json', md: 'text/markdown', txt: 'text/plain', html: 'text/html' };
const DEFAULTS = {
  storage: 'auto',       // where pieces are kept: 'opfs', 'cache', 'memory'; 'auto' takes the first that works
  concurrency: 4,        // files downloaded at a time
  attempts: 5,           // connections in a row without a byte before a file is given up
  stall: 30_000,         // ms of silence after which a connection counts as broken
  checkStored: true,     // compute the SHA-256 of what is stored again before it is used
  twins: true,           // download gzip twins where the bundle has them
  manifestSha256: undefined,  // what bantam.json must be, where the page knows
  onProgress: undefined,
  signal: undefined,
  fetch: undefined,      // in place of the page's
};

// Reads bantam.json under `url` (a folder) and returns a Bundle. Nothing else is fetched before it is asked for.
export async function openBundle(url, options = {}) {
  const unknown = Object.keys(options).find((name) => !(name in DEFAULTS));
  if (unknown) throw new TypeError(`openBundle: there is no option '${unknown}'`);
  if (!globalThis.crypto?.subtle) throw new Error('bantam-loader needs a secure context (https or localhost): there is no crypto.subtle');
  const settings = { ...DEFAULTS, ...options };
  settings.fetch ??= globalThis.fetch.bind(globalThis);
  const base = new URL(url, globalThis.location?.href);
  base.search = base.hash = '';
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  const [text, store] = await Promise.all([fetchManifest(base, settings), openStore(settings.storage)]);
  const manifest = parseManifest(text);
  const key = await sha256Hex(new TextEncoder().encode(base.href));
  await evict(store, key, manifest);
  await holdLock();
  await store.note(key, text).catch(() => {});  // a full store shows again with the first piece
  return new Bundle(base.href, manifest, store, settings, key);
}

// Removes what no bundle's manifest names any more, unless another page or bundle is at work.
async function evict(store, key, manifest) {
  await globalThis.navigator?.locks?.request(LOCK, { ifAvailable: true }, async (lock) => {
    if (!lock) return;
    const wanted = await notedHashes(store, key);
    for (const hash of hashesOf(manifest)) wanted.add(hash);
    for (const hash of store.hashes()) if (!wanted.has(hash)) await store.remove(hash);
  });
}

const hashesOf = (manifest) => [...manifest.files.values()].flatMap(({ pieces }) => pieces.map(({ sha256 }) => sha256));

// The pieces of all bundles but `key`, by their notes.
async function notedHashes(store, key) {
  const noted = new Set();
  for (const [other, text] of await store.notes()) {
    if (other === key) continue;
    try {
      for (const hash of hashesOf(parseManifest(text))) noted.add(hash);
    } catch {
      // of another version of this loader, or cut off: what it named can be fetched again
    }
  }
  return noted;
}

// Blobs are handed out that must not vanish: shared as long as the page lives. Resolves when it is held.
function holdLock() {
  return new Promise((resolve, reject) => {
    const held = globalThis.navigator?.locks?.request(LOCK, { mode: 'shared' }, () => {
      resolve();
      return new Promise(() => {});
    });
    if (held) held.catch(reject); else resolve();
  });
}

// Whether no other page and no other bundle of this one holds the lock.
async function isAlone() {
  const state = await globalThis.navigator?.locks?.query();
  return !state || state.held.filter(({ name }) => name === LOCK).length <= 1;
}

// Ends with the first file that cannot be had: what else is under way stops, and who asks again starts the next one.
function newAttempt() {
  const stop = new AbortController();
  const failed = new Promise((_, reject) => stop.signal.addEventListener('abort', () => reject(stop.signal.reason)));
  failed.catch(() => {});
  return { stop, failed };
}

class Bundle {
  #files = new Map();
  #attached = new WeakSet();  // what attach() put into some env
  #queue = [];
  #running = 0;
  #spare = [];

  constructor(url, manifest, store, settings, key) {
    Object.assign(this, { url, manifest, store, disk: store, settings, key });
    this.checkStored = settings.checkStored;
    this.attempt = newAttempt();
  }

  get dtypes() { return [...this.manifest.variants.keys()]; }
  get storage() { return this.store.kind; }
  // Rejects with the next file that cannot be had. For consumers that would wait for ever.
  get failed() { return this.attempt.failed; }

  // The names of a variant's files: its graph, then its shards. Without a dtype, of the default one.
  files(dtype = this.manifest.defaultDtype) {
    const names = this.manifest.variants.get(dtype);
    if (!names) throw new TypeError(`there is no variant '${dtype}' in ${this.url}; there are ${this.dtypes.join(', ')}`);
    return names;
  }

  // Downloads a variant, all of its files at once as far as `concurrency` goes. Resolves when all are here and verified;
  // rejects with the first that cannot be had, when nothing is under way any more.
  async load(dtype) {
    const files = this.files(dtype).map((name) => this.#file(name));
    const loading = files.map((file) => this.#guarded(file.whole()));
    await Promise.all(loading).catch(async (error) => {
      await Promise.allSettled(loading);
      throw error;
    });
  }

  // A file's bytes, verified. The Blob is a file on the disk where there is a store, else memory outside of the JS heap.
  blob(name) { return this.#guarded(this.#file(name).blob()); }

  // What onnxruntime-web wants: InferenceSession.create(model, {externalData, ...}). Shards are Blobs; builds with JSPI read
  // single tensors from them, others read one after the other.
  async session(dtype) {
    await this.load(dtype);
    const [graph, ...shards] = this.files(dtype);
    const externalData = await Promise.all(shards.map(async (name) => ({ path: basename(name), data: await this.blob(name) })));
    return { model: new Uint8Array(await (await this.blob(graph)).arrayBuffer()), externalData };
  }

  // Options for pipeline() or from_pretrained() of transformers.js that hand it the shards as Blobs, where it would read each
  // into memory as a whole. Worth it with a build of onnxruntime-web that has JSPI (docs/loader.md).
  async transformersOptions(dtype = this.manifest.defaultDtype) {
    const { externalData } = await this.session(dtype);
    return { dtype, use_external_data_format: false, session_options: { externalData } };
  }

  // fetch() for URLs under the bundle: what the manifest names is answered from here, what it does not name is 404, and all
  // other URLs go to the page's fetch.
  fetch = async (input, init) => {
    const url = plainUrl(input);
    if (!this.#covers(url)) return this.settings.fetch(input, init);
    const entry = this.manifest.files.get(decoded(url.href.slice(this.url.length)));
    if (!entry) return new Response(null, { status: 404, statusText: 'Not in bantam.json' });
    const request = new Request(url, init?.headers ? { headers: init.headers } : undefined);
    const method = (init?.method ?? (input instanceof Request ? input.method : 'GET')).toUpperCase();
    return this.#answer(entry, method, request.headers.get('range'));
  };

  async #answer(entry, method, range) {
    const headers = { 'Content-Type': TYPES[entry.name.split('.').at(-1)] ?? 'application/octet-stream', 'Accept-Ranges': 'bytes' };
    const asked = /^bytes=(\d+)-(\d*)$/.exec(range ?? '');
    if (asked) {
      const [first, last] = [Number(asked[1]), Math.min(asked[2] ? Number(asked[2]) : Infinity, entry.bytes - 1)];
      if (first > last) return new Response(null, { status: 416, headers: { 'Content-Range': `bytes */${entry.bytes}` } });
      headers['Content-Range'] = `bytes ${first}-${last}/${entry.bytes}`;
      headers['Content-Length'] = String(last - first + 1);
      return new Response(method === 'HEAD' ? null : this.#slice(entry, first, last + 1), { status: 206, headers });
    }
    headers['Content-Length'] = String(entry.bytes);
    if (method === 'HEAD') return new Response(null, { headers });
    const file = this.#file(entry.name);
    if (entry.pieces.length > 0) await this.#guarded(file.piece(0));  // what fails at once, fails here
    this.#guarded(file.whole()).catch(() => {});
    return new Response(file.stream(), { headers });
  }

  // Only when somebody reads it: whoever asks for a file's first byte wants to know whether it is there.
  #slice(entry, begin, end) {
    return new ReadableStream({
      pull: async (controller) => {
        const blob = (await this.blob(entry.name)).slice(begin, end);
        controller.enqueue(new Uint8Array(await blob.arrayBuffer()));
        controller.close();
      },
    }, { highWaterMark: 0 });
  }

  // Puts the bundle in front of transformers.js: env.fetch answers from here, and its own cache, which knows neither versions
  // nor hashes, is left out.
  attach(env) {
    env.useBrowserCache = false;
    if (this.#attached.has(env.fetch)) return;
    const before = env.fetch ?? this.settings.fetch;
    env.fetch = (input, init) => (this.#covers(plainUrl(input)) ? this.fetch(input, init) : before(input, init));
    this.#attached.add(env.fetch);
  }

  // transformers.js waits for ever for a shard that fails; this does not. What failed before is not held against it.
  guard(promise) { return Promise.race([promise, this.failed]); }

  // Removes what is stored of this bundle (and of no other).
  async remove() {
    await this.disk.note(this.key, null);
    const kept = await notedHashes(this.disk, this.key);
    for (const hash of hashesOf(this.manifest)) if (!kept.has(hash)) await this.disk.remove(hash);
    this.#files.clear();
  }

  #file(name) {
    const entry = this.manifest.files.get(name);
    if (!entry) throw new LoaderError(name, `is not in the manifest of ${this.url}`);
    if (!this.#files.has(name)) {
      const gzip = this.settings.twins ? this.manifest.files.get(`${name}.gz`) : null;
      const twin = gzip ? { name: gzip.name, bytes: gzip.bytes, url: this.#url(gzip.name) } : null;
      this.#files.set(name, new BundleFile(entry, this.#url(name), twin, this));
    }
    return this.#files.get(name);
  }

  #covers(url) { return url.href.startsWith(this.url); }

  #url(name) { return this.url + name.split('/').map(encodeURIComponent).join('/'); }

  // With one file that cannot be had the bundle is of no use. What fails later in an attempt that is over ends no other.
  #guarded(promise) {
    const { attempt } = this;
    return promise.catch((error) => {
      if (this.attempt === attempt) this.attempt = newAttempt();
      attempt.stop.abort(error);
      throw error;
    });
  }

  // ---- for BundleFile

  // Pieces come in few sizes and many: memory is used again instead of waiting for the collector.
  allocate(bytes) {
    const at = this.#spare.findIndex(({ length }) => length === bytes);
    return at < 0 ? new Uint8Array(bytes) : this.#spare.splice(at, 1)[0];
  }

  recycle(bytes) { if (this.#spare.length < SPARE) this.#spare.push(bytes); }

  progress({ entry, loaded }) {
    const sum = (value) => [...this.#files.values()].reduce((total, file) => total + value(file), 0);
    this.settings.onProgress?.({
      file: entry.name, loaded, total: entry.bytes,
      all: { loaded: sum((file) => file.loaded), total: sum((file) => file.entry.bytes) },
      storage: this.storage,
    });
  }

  async slot(attempt, work) {
    const stop = attempt.stop.signal;
    if (this.#running >= this.settings.concurrency) await new Promise((resolve) => this.#queue.push(resolve));
    else ++this.#running;
    try {
      stop.throwIfAborted();
      const signal = this.settings.signal ? AbortSignal.any([stop, this.settings.signal]) : stop;
      const { fetch, attempts, stall } = this.settings;
      return await work({ fetch, signal, attempts, stall });
    } finally {
      const next = this.#queue.shift();
      if (next) next();
      else --this.#running;
    }
  }

  // The pieces of files that are whole.
  keptHashes() {
    const kept = new Set();
    for (const { complete, entry } of this.#files.values()) if (complete) entry.pieces.forEach(({ sha256 }) => kept.add(sha256));
    return kept;
  }

  // Removes a piece, unless another page or bundle may hold a Blob of it: there it stays.
  async discard(hash) { if (await isAlone()) await this.disk.remove(hash); }

  // The store took a piece no more: the rest stays in memory, and of files that are not whole nothing stays behind.
  refused(store) {
    if (this.store !== store) return;
    this.store = new NoStore();
    const keep = this.keptHashes();
    const unstored = [...this.#files.values()].filter(({ complete }) => !complete).map((file) => file.unstore(keep));
    this.settled = Promise.all(unstored);
  }
}

// Where a request goes, without query and hash.
function plainUrl(input) {
  const url = new URL(input instanceof Request ? input.url : input, globalThis.location?.href);
  url.search = url.hash = '';
  return url;
}

// null where an escape is none: no file has such a name.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

const basename = (name) => name.slice(name.lastIndexOf('/') + 1);
