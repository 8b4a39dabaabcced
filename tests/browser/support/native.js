// What the binary under test answers: `bantam run` on the same bundle.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { bantam } from '../../js/support/bundles.js';

const KINDS = {
  int64: ['I64', (data) => BigInt64Array.from(data, BigInt)],
  float32: ['F32', (data) => Float32Array.from(data)],
  float16: ['F16', (data) => Uint16Array.from(data, toHalf)],
};
const ARRAYS = { F32: Float32Array, I64: BigInt64Array, F16: Uint16Array };

// IEEE 754 binary16, to nearest, ties to even; Node 20 has no Float16Array. Normal numbers and zero are enough here.
function toHalf(value) {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0];
  const [sign, rest] = [(bits >>> 16) & 0x8000, bits & 0x7fffffff];
  if (rest < 0x38800000) return sign | Math.round(Math.abs(value) * 2 ** 24);
  return sign | ((rest - 0x38000000 + 0xfff + ((rest >>> 13) & 1)) >>> 13);
}
function fromHalf(bits) {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const size = exponent === 31 ? (fraction ? NaN : Infinity)
    : exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -size : size;
}

function writeSafetensors(file, tensors) {
  const header = {};
  const parts = [];
  let offset = 0;
  for (const [name, { type, dims, data }] of Object.entries(tensors)) {
    const [dtype, pack] = KINDS[type];
    const bytes = Buffer.from(pack(data).buffer);
    header[name] = { dtype, shape: dims, data_offsets: [offset, offset + bytes.length] };
    offset += bytes.length;
    parts.push(bytes);
  }
  let text = JSON.stringify(header);
  text += ' '.repeat((8 - (text.length % 8)) % 8);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  writeFileSync(file, Buffer.concat([size, Buffer.from(text), ...parts]));
}

function readSafetensors(file) {
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start));
  delete header.__metadata__;
  return Object.fromEntries(Object.entries(header).map(([name, { dtype, shape, data_offsets: [begin, end] }]) => {
    const data = new ARRAYS[dtype](bytes.buffer.slice(bytes.byteOffset + start + begin, bytes.byteOffset + start + end));
    return [name, { dims: shape, data: Array.from(data, dtype === 'F16' ? fromHalf : Number) }];
  }));
}

// The raw outputs of a variant, by name, for inputs {name: {type, dims, data}}.
export function runTensors(folder, dtype, inputs, flags = []) {
  const scratch = mkdtempSync(path.join(tmpdir(), 'bantam-native-'));
  try {
    const [give, take] = ['in', 'out'].map((name) => path.join(scratch, `${name}.safetensors`));
    writeSafetensors(give, inputs);
    execFileSync(bantam, ['run', folder, '--dtype', dtype, '--inputs', give, '--outputs', take, '--threads', '1', ...flags],
      { stdio: ['ignore', 'ignore', 'inherit'] });
    return readSafetensors(take);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

// The task's own answers: what `bantam run --json` prints.
export function runTexts(folder, dtype, texts, flags = []) {
  const given = texts.flatMap((text) => ['--text', text]);
  const out = execFileSync(bantam, ['run', folder, '--dtype', dtype, '--json', '--threads', '1', ...given, ...flags],
    { encoding: 'utf8', maxBuffer: 1 << 28 });
  return JSON.parse(out);
}
