// Reads bantam.json (docs/formats.md): which files there are, and the SHA-256 of every piece of them.
import { backOff, receive } from './connection.mjs';
import { LoaderError } from './errors.mjs';

export const MANIFEST = 'bantam.json';
const HEX = /^[0-9a-f]{64}$/;
const LARGEST_MANIFEST = 64 * 2 ** 20;
const LARGEST_PIECE = 2 ** 30;  // no file of a bundle is larger

const refuse = (message) => { throw new LoaderError(MANIFEST, message); };
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;

// Names become URLs under the bundle's own; what could leave it, or mean another file to a server, is refused. The characters
// are those that `bantam convert` lets into a bundle (lib/pipeline/source_files.cc).
function checkName(name, where) {
  const segments = typeof name === 'string' ? name.split('/') : [];
  const plain = segments.length > 0 && segments.every((part) => /^[A-Za-z0-9._+=@,()~ -]+$/.test(part) && !/^\.+$/.test(part));
  if (!plain) refuse(`${where} is ${JSON.stringify(name)}, which is not the name of a file inside of the bundle`);
}

// A file's pieces: {index, offset, bytes, sha256}. A file that is not longer than one piece, or that comes from a manifest
// without pieces, is one piece by itself.
function piecesOf({ name, bytes, sha256, chunks }, size, where) {
  if (bytes === 0) return [];
  if (chunks === undefined) return [{ index: 0, offset: 0, bytes, sha256 }];
  if (!isCount(size) || size === 0 || size > LARGEST_PIECE) refuse(`chunk_bytes is ${JSON.stringify(size)}`);
  if (!Array.isArray(chunks) || chunks.length !== Math.ceil(bytes / size) || !chunks.every((hash) => HEX.test(hash))) {
    refuse(`${where}.chunks: ${Math.ceil(bytes / size)} SHA-256 were expected for the ${bytes} bytes of ${name}`);
  }
  return chunks.map((hash, index) =>
    ({ index, offset: index * size, bytes: Math.min(size, bytes - index * size), sha256: hash }));
}

// {files: Map(name -> {name, bytes, sha256, pieces}), variants: Map(dtype -> [graph, shards...]), defaultDtype}
export function parseManifest(text) {
  let json;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    const page = /^\s*</.test(text) ? '; the server answered with a web page' : '';
    throw new LoaderError(MANIFEST, `not JSON${page}`, { cause });
  }
  if (json?.schema_version !== 1) refuse(`schema_version is ${JSON.stringify(json?.schema_version)}; this loader knows 1`);
  if (!Array.isArray(json.files) || !Array.isArray(json.variants)) refuse('files or variants are missing');
  const files = new Map();
  json.files.forEach((entry, i) => {
    const where = `files[${i}]`;
    checkName(entry?.name, `${where}.name`);
    if (!isCount(entry.bytes)) refuse(`${where}.bytes is ${JSON.stringify(entry.bytes)} (${entry.name})`);
    if (!HEX.test(entry.sha256)) refuse(`${where}.sha256 is not a SHA-256 (${entry.name})`);
    if (files.has(entry.name)) refuse(`${entry.name} is listed twice`);
    const { name, bytes, sha256 } = entry;
    files.set(name, { name, bytes, sha256, pieces: piecesOf(entry, json.chunk_bytes, where) });
  });
  const variants = new Map();
  for (const { dtype, file, shards } of json.variants) {
    if (!isCount(shards) || shards > 100) refuse(`shards of ${dtype} is ${JSON.stringify(shards)}`);
    const names = [file, ...Array.from({ length: shards }, (_, i) => `${file}_data${i === 0 ? '' : `_${i}`}`)];
    const lost = names.find((name) => !files.has(name));
    if (lost !== undefined) refuse(`${JSON.stringify(lost)} of ${dtype} is not among its files`);
    variants.set(dtype, names);
  }
  return { files, variants, defaultDtype: json.model?.default_dtype };
}

// `manifestSha256`: what it must be, where the page knows
export async function fetchManifest(base, { fetch, signal, attempts, stall, manifestSha256 }) {
  const remote = { name: MANIFEST, url: new URL(MANIFEST, base).href, fetch, signal, attempts, stall };
  const bytes = await fetchWhole(remote);
  if (manifestSha256 !== undefined && (await sha256Hex(bytes)) !== manifestSha256) {
    throw new LoaderError(MANIFEST, 'is not the one that the page expects (manifestSha256)', { url: remote.url });
  }
  return new TextDecoder().decode(bytes);
}

// From the start again where a connection breaks: it is short.
async function fetchWhole(remote) {
  for (let failures = 0; ;) {
    try {
      const parts = [];
      let length = 0;
      for await (const part of receive(remote, { cache: 'no-cache' })) {
        parts.push(part);
        length += part.length;
        if (length > LARGEST_MANIFEST) refuse(`more than ${LARGEST_MANIFEST} bytes are too many`);
      }
      return new Uint8Array(await new Blob(parts).arrayBuffer());
    } catch (error) {
      await backOff(error, ++failures, remote);
    }
  }
}

export async function sha256Hex(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
