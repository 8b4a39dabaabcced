// web/blob.mjs: the bytes of slices through either kind of reader, also where the browser's own stream never answers.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SteadyBlob } from '../../web/blob.mjs';

const bytes = Uint8Array.from({ length: 3_000_001 }, (_, i) => (i * 7 + (i >> 8)) & 255);
const blob = () => new SteadyBlob([bytes.subarray(0, 1000), new Blob([bytes.subarray(1000)])]);
const RANGES = [[0, bytes.length], [5, 2_999_990], [999, 1001], [17, 17], [-10], [2_000_000]];

// What onnxruntime-web's JSPI build does: one buffer, handed back and forth until the stream is done.
async function readInto(stream, size) {
  const parts = [];
  const reader = stream.getReader({ mode: 'byob' });
  for (let buffer = new ArrayBuffer(size); ;) {
    const { done, value } = await reader.read(new Uint8Array(buffer, 0, size));
    if (value) { parts.push(value.slice()); buffer = value.buffer; }
    if (done) return new Uint8Array(Buffer.concat(parts));
  }
}

async function assertRead() {
  for (const range of RANGES) {
    const wanted = bytes.slice(...range);
    const part = blob().slice(...range);
    assert.equal(part.size, wanted.length);
    assert.ok(part instanceof Blob);
    assert.deepEqual(new Uint8Array(await new Response(part.stream()).arrayBuffer()), wanted);
    for (const size of [1 << 20, 4096 * 33 + 1]) assert.deepEqual(await readInto(part.stream(), size), wanted);
    assert.deepEqual(await readInto(part.slice(3, 20).stream(), 7), wanted.slice(3, 20));
  }
}

test('slices are read as a Blob gives them', assertRead);

for (const [what, pull] of [
  ['never answers', () => new Promise(() => {})],
  ['ends too early', (controller) => { controller.close(); controller.byobRequest?.respond(0); }],
  ['answers once', function (controller) {
    if (this.answered) return new Promise(() => {});
    this.answered = true;
    return this.first(controller);
  }],
]) {
  test(`a stream of the browser that ${what} is gone on from`, async (t) => {
    const { stream } = Blob.prototype;
    t.after(() => { Blob.prototype.stream = stream; });
    // The first of every three streams is one of these, since each costs a second.
    let opened = 0;
    Blob.prototype.stream = function () {
      if (opened++ % 3 !== 0) return stream.call(this);
      const source = { type: 'bytes', pull };
      source.first = (controller) => {
        const { view } = controller.byobRequest;
        return this.slice(0, Math.min(view.byteLength, 10)).arrayBuffer().then((start) => {
          if (start.byteLength === 0) { controller.close(); controller.byobRequest.respond(0); return; }
          new Uint8Array(view.buffer, view.byteOffset).set(new Uint8Array(start));
          controller.byobRequest.respond(start.byteLength);
        });
      };
      return new ReadableStream(source);
    };
    await assertRead();
    assert.ok(opened > 9);
  });
}
