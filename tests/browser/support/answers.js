// The loader outside of a browser: a bundle of two files of which a function answers every request.
import { createHash } from 'node:crypto';

import { openBundle } from '../../../web/bantam-loader.mjs';

const PIECE = 1 << 16;
export const base = 'http://localhost/small/';
export const never = new Promise(() => {});

// {name: bytes}: a graph of one piece, and a shard of five.
export const small = {
  'onnx/model_quantized.onnx': Buffer.alloc(1000, 1),
  'onnx/model_quantized.onnx_data': Buffer.concat([2, 3, 4, 5, 6].map((byte) => Buffer.alloc(PIECE, byte))),
};

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const chunks = (bytes) =>
  Array.from({ length: Math.ceil(bytes.length / PIECE) }, (_, i) => sha256(bytes.subarray(i * PIECE, (i + 1) * PIECE)));

export const manifest = JSON.stringify({
  schema_version: 1, chunk_bytes: PIECE, model: { default_dtype: 'q8' },
  variants: [{ dtype: 'q8', file: 'onnx/model_quantized.onnx', shards: 1 }],
  files: Object.entries(small).map(([name, bytes]) => ({ name, bytes: bytes.length, sha256: sha256(bytes), chunks: chunks(bytes) })),
});

// What a server sends that knows ranges; with `cutAt` the connection breaks at that byte of the file.
export function answer(name, init, { cutAt = Infinity } = {}) {
  const bytes = small[name];
  const range = /^bytes=(\d+)-(\d+)$/.exec(init?.headers?.Range ?? '');
  const [begin, end] = range ? [Number(range[1]), Number(range[2]) + 1] : [0, bytes.length];
  let position = begin;
  const body = new ReadableStream({
    pull(controller) {
      if (position >= cutAt) return controller.error(new Error('reset'));
      if (position === end) return controller.close();
      const next = Math.min(position + (1 << 14), end);
      controller.enqueue(new Uint8Array(bytes.subarray(position, next)));
      position = next;
    },
  });
  const headers = range ? { 'Content-Range': `bytes ${begin}-${end - 1}/${bytes.length}` } : {};
  return new Response(body, { status: range ? 206 : 200, headers });
}

// Opens the bundle; `answers(name, init)` is asked for its files, `options.manifest()` for bantam.json.
export function openHere(answers, { manifest: ofManifest = () => new Response(manifest), ...options } = {}, url = base) {
  const fetch = async (target, init) => {
    const name = target.slice(new URL('.', target).href.length);
    return name === 'bantam.json' ? ofManifest() : answers(`onnx/${name}`, init);
  };
  return openBundle(url, { storage: 'memory', fetch, ...options });
}
