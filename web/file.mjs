// One file of a bundle on this page: its pieces from the store or from the server, each verified, handed out as a stream
// while it arrives or as a Blob when it is whole. What is downloaded does not wait for who reads it.
import { SteadyBlob } from './blob.mjs';
import { downloadPieces, Remote } from './download.mjs';
import { sha256Hex } from './manifest.mjs';

const MOST_WRITES = 4;  // pieces of a file on their way to the store

export class BundleFile {
  #blobs = [];          // by piece: files of the store, or memory of the browser, which is not on the JS heap
  #fresh = [];          // by piece: its bytes, until the store has them
  #stored = new Set();  // pieces whose blob is a file of the store
  #waiting = [];        // by piece: who wants it before it is there
  #given = new Set();   // pieces whose very bytes somebody else holds
  #whole = null;
  #attempt = null;      // of the bundle, that #whole belongs to
  #writes = new Set();
  complete = false;
  loaded = 0;           // bytes, for who shows progress

  // entry: of the manifest; twin: {name, bytes, url} of its gzip twin, or null; host: the bundle (see bantam-loader.mjs)
  constructor(entry, url, twin, host) { Object.assign(this, { entry, url, twin, host }); }

  // Resolves when every piece is here, and stored where there is a store. Who asks again after a failure of the bundle tries
  // again, as soon as what the failed attempt left under way has ended.
  whole() {
    const { attempt } = this.host;
    if (this.complete || (this.#whole && this.#attempt === attempt)) return this.#whole;
    this.#attempt = attempt;
    const before = this.#whole?.catch(() => {});
    const whole = Promise.resolve(before).then(() => this.#load(attempt)).catch(async (error) => {
      while (this.#writes.size > 0) await Promise.all(this.#writes);
      // Broken connections and closed pages are gone on from; of a file that is wrong nothing stays.
      if (error.file === this.entry.name && !error.transient) await this.#forget();
      if (this.#whole === whole) this.#giveUp(error);
      throw error;
    });
    this.#whole = whole;
    return whole;
  }

  async blob() {
    await this.whole();
    return this.#stored.size > 0 ? new SteadyBlob(this.#blobs) : new Blob(this.#blobs);
  }

  // The file's bytes in order, piece by piece, each as soon as it is verified.
  stream() {
    let index = 0;
    return new ReadableStream({
      pull: async (controller) => {
        if (index === this.entry.pieces.length) controller.close();
        else controller.enqueue(await this.piece(index++));
      },
    }, { highWaterMark: 0 });
  }

  async piece(index) {
    if (this.#fresh[index]) {
      this.#given.add(index);
      return this.#fresh[index];
    }
    if (this.#blobs[index]) return new Uint8Array(await this.#blobs[index].arrayBuffer());
    const waiting = (this.#waiting[index] ??= deferred());
    this.whole().catch(() => {});  // who waits for the piece hears of it
    return waiting.promise;
  }

  // Takes what is stored of this file into memory, and out of the store.
  async unstore(keep) {
    for (const index of this.#stored) {
      const { sha256 } = this.entry.pieces[index];
      if (keep.has(sha256)) continue;
      this.#blobs[index] = new Blob([await this.#blobs[index].arrayBuffer()]);
      this.#stored.delete(index);
      await this.host.discard(sha256);
    }
  }

  #giveUp(error) {
    for (const waiting of this.#waiting) waiting?.reject(error);
    this.#waiting = [];
    this.#whole = null;
  }

  async #forget() {
    const keep = this.host.keptHashes();
    for (const index of this.#stored) {
      const { sha256 } = this.entry.pieces[index];
      if (!keep.has(sha256)) await this.host.discard(sha256);
    }
    this.#stored.clear();
    this.#blobs = [];
  }

  #count(bytes) {
    this.loaded += bytes;
    this.host.progress(this);
  }

  async #load(attempt) {
    const missing = [];
    for (const piece of this.entry.pieces) {
      if (!this.#blobs[piece.index] && !(await this.#fromStore(piece))) missing.push(piece);
    }
    const { host, entry } = this;
    this.loaded = 0;  // an attempt that failed has counted too
    this.#count(entry.bytes - missing.reduce((sum, { bytes }) => sum + bytes, 0));
    if (missing.length > 0) await host.slot(attempt, (net) => this.#download(missing, net));
    while (this.#writes.size > 0) await Promise.all(this.#writes);
    await host.settled;
    this.complete = true;
  }

  async #fromStore(piece) {
    const { store, checkStored } = this.host;
    const blob = await store.get(piece.sha256, piece.bytes);
    if (!blob) return false;
    let bytes = null;
    if (checkStored) {
      bytes = await blob.arrayBuffer().then((buffer) => new Uint8Array(buffer), () => new Uint8Array());
      if ((await sha256Hex(bytes)) !== piece.sha256) {
        await store.remove(piece.sha256, blob);
        return false;
      }
    }
    this.#blobs[piece.index] = blob;
    this.#stored.add(piece.index);
    if (this.#waiting[piece.index]) this.#arrived(piece, bytes ?? new Uint8Array(await blob.arrayBuffer()));
    return true;
  }

  async #download(missing, net) {
    const { host, entry } = this;
    const remote = new Remote({ name: entry.name, url: this.url, bytes: entry.bytes }, net);
    // A twin is one stream from its start: not for a file of which a part is here.
    const twin = this.twin && missing.length === entry.pieces.length ? new Remote(this.twin, net) : null;
    await downloadPieces({
      remote, twin, pieces: missing,
      allocate: (n) => host.allocate(n),
      onBytes: (n) => this.#count(n),
      deliver: async (piece, bytes) => {
        this.#fresh[piece.index] = bytes;
        this.#arrived(piece, bytes);
        while (this.#writes.size >= MOST_WRITES) await Promise.race(this.#writes);
        const write = this.#write(piece, bytes).finally(() => this.#writes.delete(write));
        this.#writes.add(write);
      },
    });
  }

  async #write(piece, bytes) {
    const { store } = this.host;
    let blob = null;
    try {
      await store.put(piece.sha256, bytes);
      blob = await store.get(piece.sha256, piece.bytes);
    } catch (error) {
      this.host.refused(store, error);
    }
    // Another piece may have been refused meanwhile; then this one does not stay either.
    if (blob && this.host.store !== store) {
      await this.host.discard(piece.sha256);
      blob = null;
    }
    if (blob) this.#stored.add(piece.index);
    this.#blobs[piece.index] = blob ?? new Blob([bytes]);
    delete this.#fresh[piece.index];
    if (!this.#given.delete(piece.index)) this.host.recycle(bytes);
  }

  #arrived({ index }, bytes) {
    if (!this.#waiting[index]) return;
    this.#given.add(index);
    this.#waiting[index].resolve(bytes);
    delete this.#waiting[index];
  }
}

function deferred() {
  const result = {};
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }));
  result.promise.catch(() => {});
  return result;
}
