// An HTTP server on localhost for pages under test: several folders under one origin, the headers that make a page
// cross-origin isolated, ranges with ETags, a link of limited speed, and faults on demand.
import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.mjs': 'text/javascript', '.json': 'application/json',
  '.wasm': 'application/wasm', '.gz': 'application/gzip',
};
const PIECE = 64 * 1024;

const drained = (response) => new Promise((resolve) => {
  const done = () => { response.off('drain', done).off('close', done); resolve(); };
  response.on('drain', done).on('close', done);
});

// A link that all answers share: pieces leave one after the other, at `bits` per second.
class Link {
  #free = 0;
  constructor(bits) { this.bits = bits; }
  async send(bytes) {
    if (!this.bits) return;
    const now = performance.now();
    this.#free = Math.max(this.#free, now - 20) + (bytes * 8000) / this.bits;
    if (this.#free > now) await sleep(this.#free - now);
  }
}

// mounts: {url prefix: folder}. `server.fault = (file, request, count) => ...` may answer, for the count-th request of
// a file (from 1), any of: {status, headers, body} instead of the file; {cutAt: n}: the connection is destroyed after n
// bytes of the answer; {flipAt: n}: one bit of the file's byte n; {ranges: false}; {type}; {headers}.
export async function serve(mounts, { bits = 0 } = {}) {
  const link = new Link(bits);
  const counts = new Map();
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => response.destroy(error));
  });
  const self = {
    requests: [],  // {file, range, status, sent}: sent counts bytes of bodies
    fault: null,
    link,
    mounts,
    get url() { return `http://localhost:${server.address().port}/`; },
    // Bytes of bodies sent from under `prefix` since the last call, and the requests; forgets them.
    taken(prefix = '') {
      const requests = self.requests.filter(({ file }) => file.startsWith(prefix));
      self.requests = [];
      return { requests, bytes: requests.reduce((sum, { sent }) => sum + sent, 0) };
    },
    reset() { self.fault = null; self.requests = []; counts.clear(); },
    close: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }),
  };

  async function answer(request, response) {
    const file = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
    const entry = { file, range: request.headers.range ?? null, status: 0, sent: 0 };
    self.requests.push(entry);
    counts.set(file, (counts.get(file) ?? 0) + 1);
    const fault = self.fault?.(file, request, counts.get(file)) ?? {};
    const common = {
      'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp',
      'Cross-Origin-Resource-Policy': 'same-origin', 'Cache-Control': 'no-cache',
    };
    if (fault.body !== undefined || fault.status !== undefined) {
      entry.status = fault.status ?? 200;
      const body = Buffer.from(fault.body ?? '');
      entry.sent = body.length;
      response.writeHead(entry.status, { ...common, 'Content-Length': body.length, ...fault.headers }).end(body);
      return;
    }
    const mount = Object.keys(mounts).find((prefix) => file.startsWith(prefix));
    const place = mount && !file.split('/').includes('..') ? path.join(mounts[mount], file.slice(mount.length)) : null;
    const info = place && (await stat(place).catch(() => null));
    if (!info?.isFile()) {
      entry.status = 404;
      response.writeHead(404, common).end();
      return;
    }
    const etag = `"${createHash('sha256').update(`${info.size} ${info.mtimeMs} ${info.ino}`).digest('hex').slice(0, 16)}"`;
    const headers = { ...common, ETag: etag, 'Content-Type': fault.type ?? TYPES[path.extname(place)] ?? 'application/octet-stream' };
    let [first, last] = [0, info.size - 1];
    entry.status = 200;
    if (fault.ranges !== false) {
      headers['Accept-Ranges'] = 'bytes';
      const range = /^bytes=(\d+)-(\d*)$/.exec(entry.range ?? '');
      const fresh = !request.headers['if-range'] || request.headers['if-range'] === etag;
      if (range && fresh && Number(range[1]) < info.size) {
        first = Number(range[1]);
        if (range[2]) last = Math.min(Number(range[2]), last);
        headers['Content-Range'] = `bytes ${first}-${last}/${info.size}`;
        entry.status = 206;
      }
    }
    headers['Content-Length'] = last - first + 1;
    response.writeHead(entry.status, { ...headers, ...fault.headers });
    if (request.method === 'HEAD') return void response.end();
    await sendRange(response, place, first, last, fault, entry);
  }

  async function sendRange(response, place, first, last, fault, entry) {
    const handle = await open(place);
    const end = Math.min(last + 1, first + (fault.cutAt ?? Infinity));
    try {
      for (let offset = first; offset < end && !response.destroyed;) {
        const buffer = Buffer.alloc(Math.min(PIECE, end - offset));
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
        if (bytesRead === 0) break;
        if (fault.flipAt >= offset && fault.flipAt < offset + bytesRead) buffer[fault.flipAt - offset] ^= 0x10;
        await link.send(bytesRead);
        if (response.destroyed) break;
        if (!response.write(buffer.subarray(0, bytesRead))) {
          await drained(response);
        }
        entry.sent += bytesRead;
        offset += bytesRead;
      }
    } finally {
      await handle.close();
    }
    if (end <= last) {
      await sleep(20);  // what was written leaves first
      response.destroy();
    } else {
      response.end();
    }
  }

  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return self;
}
