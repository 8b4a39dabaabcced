// Gets bytes of one file over connections that break, from servers that may or may not know ranges, and cuts them into
// pieces whose SHA-256 is known. Knows neither stores nor bundles.
import { backOff, receive } from './connection.mjs';
import { LoaderError } from './errors.mjs';
import { sha256Hex } from './manifest.mjs';

// Talks to one file on the server and remembers what it learned about it: {name, url, bytes} and how to fetch.
export class Remote {
  constructor({ name, url, bytes }, { fetch, signal, attempts, stall }) {
    Object.assign(this, { name, url, bytes, fetch, signal, attempts, stall });
    this.ranges = true;      // until an answer shows otherwise
    this.validator = null;   // for If-Range
  }

  fail(message, options = {}) { return new LoaderError(this.name, message, { url: this.url, ...options }); }

  // Yields the bytes [begin, end) in order. A broken connection is taken up again where it broke; after `attempts`
  // connections in a row without a byte it gives up. With `reuse` they lie in memory that the next ones overwrite.
  async *read(begin, end, { reuse = false } = {}) {
    let [position, failures] = [begin, 0];
    while (position < end) {
      try {
        for await (const bytes of this.#connection(position, end, reuse)) {
          position += bytes.length;
          failures = 0;
          yield bytes;
        }
        if (position < end) throw this.fail(`the server ended after ${position} of ${this.bytes} bytes`, { transient: true });
      } catch (error) {
        await backOff(error, ++failures, this);
      }
    }
  }

  // One answer of the server, from `begin` on; bytes before it, where the server knows no ranges, are dropped.
  async *#connection(begin, end, reuse) {
    const headers = {};
    if (this.ranges && (begin > 0 || end < this.bytes)) {
      headers.Range = `bytes=${begin}-${end - 1}`;
      if (this.validator) headers['If-Range'] = this.validator;
    }
    let skip = 0;
    let left = end - begin;
    const check = (response) => { skip = this.#check(response, headers.Range ? begin : 0, begin); };
    for await (const value of receive(this, { headers, cache: 'no-store', check, reuse })) {
      const from = Math.min(skip, value.length);
      skip -= from;
      const bytes = value.subarray(from, from + left);
      left -= bytes.length;
      if (bytes.length > 0) yield bytes;
      if (left === 0) return;
    }
  }

  // Whether this answer can be the file; how many bytes of it come before `begin`.
  #check(response, asked, begin) {
    const { status, headers } = response;
    const type = headers.get('content-type') ?? '';
    if (/^(text\/html|application\/xhtml)/i.test(type)) throw this.fail(`the server answered with a web page (${type})`);
    this.validator = [headers.get('etag'), headers.get('last-modified')].find((v) => v && !v.startsWith('W/')) ?? null;
    if (status === 206) {
      const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
      if (!range || Number(range[1]) !== asked) throw this.fail(`asked for bytes from ${asked} on, the server sent '${headers.get('content-range')}'`);
      this.#checkLength(range[2]);
      return 0;
    }
    if (asked > 0) this.ranges = false;
    // Behind Content-Encoding, Content-Length counts other bytes than those that arrive here.
    if (!headers.get('content-encoding')) this.#checkLength(headers.get('content-length'));
    return begin;
  }

  #checkLength(text) {
    if (text !== null && text !== '*' && Number(text) !== this.bytes) {
      throw this.fail(`has ${text} bytes on the server where the manifest says ${this.bytes}; an older or newer version, or another file`);
    }
  }
}

// Neighbouring pieces in one request. A server without ranges sends everything from the start, so there it is asked once.
function nextRun(missing, ranges) {
  const run = [missing[0]];
  for (const piece of missing.slice(1)) {
    const last = run.at(-1);
    if (ranges && piece.offset !== last.offset + last.bytes) break;
    run.push(piece);
  }
  return { begin: run[0].offset, end: run.at(-1).offset + run.at(-1).bytes };
}

// Collects a stream of bytes that starts at `begin` into the pieces that are wanted.
class Collector {
  constructor(pieces, begin, allocate, deliver) {
    Object.assign(this, { pieces, position: begin, allocate, deliver, buffer: null, next: 0 });
  }
  async add(bytes) {
    while (bytes.length > 0) {
      while (this.next < this.pieces.length && this.#end(this.pieces[this.next]) <= this.position) ++this.next;
      const piece = this.pieces[this.next];
      const skip = Math.min(bytes.length, piece ? Math.max(0, piece.offset - this.position) : bytes.length);
      this.position += skip;
      bytes = bytes.subarray(skip);
      if (bytes.length === 0) return;
      this.buffer ??= this.allocate(piece.bytes);
      const taken = bytes.subarray(0, this.#end(piece) - this.position);
      this.buffer.set(taken, this.position - piece.offset);
      this.position += taken.length;
      bytes = bytes.subarray(taken.length);
      if (this.position === this.#end(piece)) {
        const whole = this.buffer;
        this.buffer = null;
        await this.deliver(piece, whole);
      }
    }
  }
  #end(piece) { return piece.offset + piece.bytes; }
}

const PENDING = 4;  // pieces whose SHA-256 is being computed while the next ones arrive

// Fetches `pieces` of a file, in order, and calls deliver(piece, bytes) for each that has its SHA-256, in memory that
// allocate(n) gives. One that has not is asked for again by itself. With `twin`, a gzip twin of the whole file, that is tried
// first.
// onBytes(n) counts what arrives; a negative n takes back what turned out to be wrong.
export async function downloadPieces({ remote, twin, pieces, allocate, deliver, onBytes }) {
  const missing = new Map(pieces.map((piece) => [piece.index, piece]));
  const wrong = new Map();
  if (twin) await collect(twin.read(0, twin.bytes), 0, true).catch((error) => { if (remote.signal?.aborted) throw error; });
  while (missing.size > 0) {
    const { begin, end } = nextRun([...missing.values()], remote.ranges);
    await collect(remote.read(begin, end, { reuse: true }), begin, false);
  }

  async function collect(source, begin, zipped) {
    const pending = new Set();
    let inARow = 0;
    let failure = null;
    let counted = 0;
    const count = (n) => { counted += n; onBytes(n); };
    const collector = new Collector([...missing.values()], begin, allocate, async (piece, bytes) => {
      const check = verify(piece, bytes).catch((error) => { failure ??= error; }).finally(() => pending.delete(check));
      pending.add(check);
      if (pending.size >= PENDING) await Promise.race(pending);
      if (failure) throw failure;
    });
    try {
      for await (const bytes of zipped ? unzip(source, remote.bytes) : source) {
        count(bytes.length);
        await collector.add(bytes);
      }
    } finally {
      await Promise.all(pending);
      // What was counted and did not become a piece is not there.
      onBytes(-counted);
    }
    if (failure) throw failure;

    async function verify(piece, bytes) {
      if ((await sha256Hex(bytes)) === piece.sha256) {
        missing.delete(piece.index);
        inARow = 0;
        counted -= piece.bytes;
        await deliver(piece, bytes);
        return;
      }
      if (zipped) throw remote.fail('its gzip twin holds other bytes');
      const times = (wrong.get(piece.index) ?? 0) + 1;
      wrong.set(piece.index, times);
      // A single one is damaged on the way; in a row they are another file.
      if (times >= remote.attempts || ++inARow >= 3) throw corrupted(remote, piece, bytes, times);
    }
  }
}

function corrupted(remote, { offset, bytes }, content, times) {
  const page = /^\s*<(!doctype|html)/i.test(new TextDecoder().decode(content.subarray(0, 64))) ? '; it looks like a web page' : '';
  return remote.fail(`bytes ${offset} to ${offset + bytes - 1} do not have the SHA-256 of the manifest (asked ${times} times)${page}`);
}

async function* unzip(source, limit) {
  const reader = fromIterator(source).pipeThrough(new DecompressionStream('gzip')).getReader();
  let total = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      total += value.length;
      if (total > limit) throw new Error(`unpacks to more than ${limit} bytes`);
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

const fromIterator = (iterator) => new ReadableStream({
  async pull(controller) {
    const { done, value } = await iterator.next();
    if (done) controller.close(); else controller.enqueue(value);
  },
  async cancel() { await iterator.return?.(); },
});
