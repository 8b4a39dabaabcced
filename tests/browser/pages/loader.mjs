// Runs in the page: the loader of web/, and what it leaves in the browser's storage.
import { openBundle } from '/web/bantam-loader.mjs';
import { sha256Hex } from '/web/manifest.mjs';
import { openStore } from '/web/store.mjs';

const describe = (error) => ({ name: error.name, file: error.file, message: error.message });

// Loads a variant and says how it went: the SHA-256 of every file, how long it took, what was told meanwhile.
export async function load({ url, dtype, options = {}, abortAt, reads = true }) {
  const events = [];
  const abort = new AbortController();
  const start = performance.now();
  try {
    const bundle = await openBundle(url, {
      ...options,
      signal: abort.signal,
      onProgress: (event) => {
        events.push(event);
        if (abortAt && event.all.loaded >= abortAt) abort.abort(new Error('the page was closed'));
      },
    });
    await bundle.load(dtype);
    const ms = performance.now() - start;
    const digests = {};
    for (const name of reads ? bundle.files(dtype) : []) {
      digests[name] = await sha256Hex(new Uint8Array(await (await bundle.blob(name)).arrayBuffer()));
    }
    return { digests, ms, storage: bundle.storage, first: events[0]?.all, last: events.at(-1)?.all, steady: isSteady(events), events: events.length };
  } catch (error) {
    return { error: describe(error), last: events.at(-1)?.all };
  }
}

// Whether no event counts more than there is.
const isSteady = (events) => events.every(({ loaded, total, all }) => loaded >= 0 && loaded <= total && all.loaded <= all.total);

// Every file in the origin's private file system, and every entry of its caches: {name: bytes}.
export async function stored() {
  const found = {};
  const walk = async (directory, prefix) => {
    for await (const [name, handle] of directory.entries()) {
      if (handle.kind === 'directory') await walk(handle, `${prefix}${name}/`);
      else found[`${prefix}${name}`] = (await handle.getFile().catch(() => null))?.size ?? 0;  // may be renamed just now
    }
  };
  await walk(await navigator.storage.getDirectory(), 'opfs/');
  for (const key of await caches.keys()) {
    const cache = await caches.open(key);
    for (const request of await cache.keys()) found[`${key}${new URL(request.url).pathname}`] = (await (await cache.match(request)).blob()).size;
  }
  return found;
}

// A piece that comes twice at once and once more, as two files have it, and from a second store, as another tab has one: what
// was handed out first, read at the end.
export async function storeAgain({ kind }) {
  const [store, other] = [await openStore(kind), await openStore(kind)];
  const bytes = new Uint8Array(1 << 20).fill(7);
  await Promise.all([store.put('piece', bytes), store.put('piece', bytes)]);
  const first = await store.get('piece', bytes.length);
  await store.put('piece', bytes);
  await other.put('piece', bytes);
  const read = await first.arrayBuffer().then((buffer) => new Uint8Array(buffer), (error) => ({ error: describe(error) }));
  return { kind: store.kind, error: read.error, same: read.length === bytes.length && read.every((byte) => byte === 7) };
}

const folder = async (name) =>
  (await (await navigator.storage.getDirectory()).getDirectoryHandle('bantam-loader')).getDirectoryHandle(name);

// One bit of what is stored, as a failing disk would do it: of the piece `hash`, or of any.
export async function damage({ hash } = {}) {
  for await (const handle of (await folder('pieces')).values()) {
    if (hash && handle.name !== hash) continue;
    const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
    bytes[bytes.length >> 1] ^= 4;
    const writable = await handle.createWritable();
    await writable.write(bytes);
    await writable.close();
    return handle.name;
  }
}

// Two tabs find the same damaged piece, and the second says so when the first has replaced it: is it still there? And is a
// piece gone that is what it was?
export async function removeReplaced() {
  const store = await openStore('opfs');
  const bytes = new Uint8Array(1000);
  await store.put('piece', bytes);
  const damaged = await store.get('piece', bytes.length);
  await new Promise((resolve) => setTimeout(resolve, 20));  // files are told apart by the time they were written
  await store.remove('piece');
  await store.put('piece', bytes);
  await store.remove('piece', damaged);
  const good = await store.get('piece', bytes.length);
  await store.remove('piece', good);
  return { stays: good !== null, goes: (await store.get('piece', bytes.length)) === null };
}

const kept = [];  // {bundle, blobs}: what a page holds as long as it lives

export async function loadAndKeep({ url, dtype }) {
  const bundle = await openBundle(url);
  await bundle.load(dtype);
  kept.push({ bundle, blobs: await Promise.all(bundle.files(dtype).map(async (name) => [name, await bundle.blob(name)])) });
}

// The SHA-256 of every Blob, or why it cannot be read.
const digest = (blob) => blob.arrayBuffer().then((bytes) => sha256Hex(new Uint8Array(bytes)), (error) => error.name);
const digests = async (blobs) =>
  Object.fromEntries(await Promise.all(blobs.map(async ([name, blob]) => [name, await digest(blob)])));
export const readKept = () => Promise.all(kept.map(({ blobs }) => digests(blobs)));

// When a note was written.
export const noteTime = async ({ key }) => (await (await (await folder('bundles')).getFileHandle(key)).getFile()).lastModified;

export const removeKept = () => Promise.all(kept.map(({ bundle }) => bundle.remove()));

export const usage = async () => (await navigator.storage.estimate()).usage;

// Writes a note, and says what is there then and whether it went well; of `text` null, removes all.
export async function note({ key, text }) {
  const store = await openStore('opfs');
  if (text === null) for (const [name] of await store.notes()) await store.note(name, null);
  const error = text === null ? undefined : await store.note(key, text).catch(({ name }) => name);
  return { error, notes: Object.fromEntries(await store.notes()) };
}

// The answer of any URL through the bundle's fetch.
export async function ask({ url, requests }) {
  const bundle = await openBundle(url);
  const answers = [];
  for (const [target, init] of requests) {
    const response = await bundle.fetch(target, init);
    const body = new Uint8Array(await response.arrayBuffer());
    answers.push({ status: response.status, headers: Object.fromEntries(response.headers), bytes: body.length, sha256: await sha256Hex(body) });
  }
  return answers;
}

// Plain onnxruntime-web with what the loader gives it.
export async function runSession({ url, dtype, provider, feed, build }) {
  const { ort, toTensor } = await import('/pages/ort.mjs');
  const { model, externalData } = await (await openBundle(url)).session(dtype);
  const blobs = externalData.every(({ data }) => data instanceof Blob);
  const session = await ort.InferenceSession.create(model, { executionProviders: [provider], externalData, logSeverityLevel: 3 });
  const inputs = Object.fromEntries(session.inputMetadata.map(({ name, type }) => [name, toTensor(type, feed[name])]));
  const { logits } = await session.run(inputs);
  await session.release();
  return { blobs, logits: Array.from(logits.data) };
}
