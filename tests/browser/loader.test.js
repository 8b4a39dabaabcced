// web/bantam-loader.mjs in Chromium, over a link of 100 Mbit/s: connections that break, bytes that flip, storage that is
// full, servers that are simple or wrong, updates.
import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { launch, openPage, serveAll } from './support/browser.js';
import { bundles, convert, readJson, testdata } from '../js/support/bundles.js';
import { parseManifest } from '../../web/manifest.mjs';
import { answer, base, manifest, never, openHere, small } from './support/answers.js';
import { makeBig, manifestFiles } from './support/big.js';
import { peakOfBuffers } from './support/buffers.js';
import { distance } from './support/compare.js';
import { runTensors } from './support/native.js';

const LIMIT = { timeout: 300_000 };
const BITS = 100e6;

let browser, server, folders, files, total, shards;
before(async () => {
  folders = makeBig();
  files = manifestFiles(folders.first, 'fp32');
  total = Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0);
  shards = Object.keys(files).filter((name) => name.includes('_data'));
  assert.ok(total > 64e6 && shards.length >= 4);
  browser = await launch();
  server = await serveAll({ bits: BITS, mounts: { '/bundle/': folders.first } });
}, LIMIT);
after(async () => {
  await browser?.close();
  await server?.close();
});

const url = '/bundle/';
const call = (page, name, given) =>
  page.evaluate(async ([f, x]) => (await import('/pages/loader.mjs'))[f](x), [name, given]);
const load = (page, more = {}) => call(page, 'load', { url, dtype: 'fp32', ...more });

// A page with empty storage, after whatever the last test did to the server.
async function fresh(t) {
  server.reset();
  server.mounts['/bundle/'] = folders.first;
  const context = await browser.newContext();
  t.after(() => context.close());
  return openPage(browser, server, { context });
}

function assertWhole(result, expected = files) {
  assert.equal(result.error, undefined, result.error?.message);
  assert.deepEqual(result.digests, Object.fromEntries(Object.entries(expected).map(([name, { sha256 }]) => [name, sha256])));
  assert.deepEqual(result.last.loaded, result.last.total);
  assert.ok(result.steady, 'progress counts no byte twice');
}

async function assertNamed(result, file, message, page) {
  assert.equal(result.error?.name, 'LoaderError', JSON.stringify(result));
  assert.equal(result.error.file, file);
  assert.match(result.error.message, message);
  if (page) assert.deepEqual(Object.keys(await call(page, 'stored')).filter((name) => /pieces/.test(name)), [], 'nothing is stored');
}

test('a first visit fetches each byte once, the second none', LIMIT, async (t) => {
  const page = await fresh(t);
  const cold = await load(page);
  assertWhole(cold);
  assert.equal(cold.storage, 'opfs');
  assert.equal(cold.first.total, total, 'the total is known from the first event on');
  const once = server.taken('/bundle/onnx/');
  assert.equal(once.bytes, total);
  assert.equal(once.requests.length, Object.keys(files).length);
  const stored = await call(page, 'stored');
  assert.equal(Object.entries(stored).reduce((sum, [name, bytes]) => sum + (name.includes('/pieces/') ? bytes : 0), 0), total);
  await page.reload();
  server.taken();
  assertWhole(await load(page));
  assert.equal(server.taken('/bundle/onnx/').bytes, 0);
});

test('a connection that breaks at 90 % goes on where it broke', LIMIT, async (t) => {
  const page = await fresh(t);
  server.fault = (file, request, count) => (files[file.slice(url.length)] && count === 1 ? { cutAt: Math.floor(files[file.slice(url.length)].bytes * 0.9) } : {});
  assertWhole(await load(page));
  const { bytes, requests } = server.taken('/bundle/onnx/');
  t.diagnostic(`${(bytes / total - 1) * 100} % fetched again`);
  assert.ok(bytes <= 1.15 * total);
  assert.ok(requests.some(({ status }) => status === 206));
});

test('a page that is closed at 90 % leaves what it has for the next', LIMIT, async (t) => {
  const page = await fresh(t);
  const cut = await load(page, { abortAt: 0.9 * total });
  assert.ok(cut.error);
  const first = server.taken('/bundle/onnx/').bytes;
  await page.reload();
  assertWhole(await load(page));
  const second = server.taken('/bundle/onnx/').bytes;
  t.diagnostic(`${((first + second) / total - 1) * 100} % fetched again`);
  assert.ok(first + second <= 1.15 * total, `${first} + ${second} of ${total}`);
});

test('of a shard with one wrong bit only a piece is fetched again', LIMIT, async (t) => {
  const page = await fresh(t);
  server.fault = (file, request, count) => (file.endsWith(shards[1]) && count === 1 ? { flipAt: 5_000_000 } : {});
  assertWhole(await load(page));
  const { bytes } = server.taken('/bundle/onnx/');
  assert.equal(bytes, total + 2 ** 20);
});

test('a shard that is always wrong is named', LIMIT, async (t) => {
  const page = await fresh(t);
  server.fault = (file) => (file.endsWith(shards[2]) ? { flipAt: 3_000_000 } : {});
  await assertNamed(await load(page), shards[2], /bytes 2097152 to 3145727 do not have the SHA-256 of the manifest/);
  assert.deepEqual(await storedPieces(page, shards[2]), []);
});

test('a wrong bit on the disk is found and fetched again', LIMIT, async (t) => {
  const page = await fresh(t);
  assertWhole(await load(page, { dtype: 'q4' }), manifestFiles(folders.first, 'q4'));
  const piece = await call(page, 'damage');
  assert.match(piece, /^[0-9a-f]{64}$/);
  server.taken();
  await page.reload();
  assertWhole(await load(page, { dtype: 'q4' }), manifestFiles(folders.first, 'q4'));
  const { bytes } = server.taken('/bundle/onnx/');
  assert.ok(bytes > 0 && bytes <= 2 ** 20, `${bytes}`);
});

test('while it loads, pieces are in memory and not files', LIMIT, async (t) => {
  const page = await fresh(t);
  const { result, peak, dumps } = await peakOfBuffers(browser, () => load(page, { reads: false }));
  assert.equal(result.error, undefined, result.error?.message);
  assert.equal(result.last.loaded, total);
  t.diagnostic(`${(peak / 2 ** 20).toFixed(1)} MiB in array buffers of ${(total / 2 ** 20).toFixed(1)} (${dumps} dumps)`);
  assert.ok(dumps > 5 && peak > 0, 'there are dumps');
  assert.ok(peak < 0.6 * total, `${peak} of ${total}`);
});

test('a piece that two files share is written once, and stays readable', LIMIT, async (t) => {
  for (const kind of ['opfs', 'cache']) {
    const page = await fresh(t);
    assert.deepEqual(await call(page, 'storeAgain', { kind }), { kind, error: undefined, same: true });
  }
});

test('two tabs and two bundles of a page load at once, and what each was given stays readable', LIMIT, async (t) => {
  const one = await fresh(t);
  const two = await openPage(browser, server, { context: one.context() });
  const given = { url, dtype: 'q4' };
  const later = (page) => sleep(300).then(() => call(page, 'loadAndKeep', given));
  await Promise.all([call(one, 'loadAndKeep', given), later(one), later(two)]);
  const listed = Object.entries(manifestFiles(folders.first, 'q4'));
  const whole = Object.fromEntries(listed.map(([name, { sha256 }]) => [name, sha256]));
  assert.deepEqual(await call(one, 'readKept'), [whole, whole]);
  assert.deepEqual(await call(two, 'readKept'), [whole]);
});

test('a tab whose download fails removes nothing that another tab holds', LIMIT, async (t) => {
  const one = await fresh(t);
  const two = await openPage(browser, server, { context: one.context() });
  await call(one, 'loadAndKeep', { url, dtype: 'fp32' });
  const bad = shards[1];
  const before = await storedPieces(one, bad);
  await call(one, 'damage', { hash: before[2] });
  server.fault = (file) => (file.endsWith(bad) ? { status: 404 } : {});
  await assertNamed(await load(two), bad, /answered 404/);
  assert.deepEqual(await storedPieces(one, bad), before.filter((hash) => hash !== before[2]));
});

test('a damaged piece that another tab has replaced meanwhile stays', LIMIT, async (t) => {
  assert.deepEqual(await call(await fresh(t), 'removeReplaced'), { stays: true, goes: true });
});

test('a server without ranges is asked again from the start', LIMIT, async (t) => {
  const page = await fresh(t);
  const cut = shards[1];
  server.fault = (file, request, count) => ({ ranges: false, ...(file.endsWith(cut) && count === 1 ? { cutAt: 4_000_000 } : {}) });
  assertWhole(await load(page));
  const { requests, bytes } = server.taken('/bundle/onnx/');
  assert.ok(requests.every(({ status }) => status === 200));
  assert.ok(bytes <= total + 4_000_000);
});

test('an update between two visits fetches what changed, and the old bytes go', LIMIT, async (t) => {
  const page = await fresh(t);
  assertWhole(await load(page));
  const before = await call(page, 'stored');
  server.mounts['/bundle/'] = folders.second;
  const updated = manifestFiles(folders.second, 'fp32');
  const changed = Object.keys(files).filter((name) => files[name].sha256 !== updated[name].sha256);
  assert.ok(changed.length > 0 && changed.length < 3, 'the second version differs in little');
  server.taken();
  await page.reload();
  assertWhole(await load(page), updated);
  const { requests } = server.taken('/bundle/onnx/');
  assert.deepEqual([...new Set(requests.map(({ file }) => file.slice(url.length)))].sort(), changed.sort());
  const pieces = (stored) => Object.entries(stored).filter(([name]) => name.includes('/pieces/')).reduce((sum, [, bytes]) => sum + bytes, 0);
  assert.equal(pieces(await call(page, 'stored')), pieces(before), 'as much as before, nothing of the old version');
});

test('a full quota: the model loads all the same, and no half of a file stays', LIMIT, async (t) => {
  const page = await fresh(t);
  const inspector = await page.context().newCDPSession(page);
  await inspector.send('Storage.overrideQuotaForOrigin', { origin: new URL(server.url).origin, quotaSize: 20e6 });
  const result = await load(page);
  assertWhole(result);
  assert.equal(result.storage, 'memory');
  const manifest = new Map(Object.entries(await call(page, 'stored')).filter(([name]) => name.includes('/pieces/')).map(([name, bytes]) => [name.split('/').at(-1), bytes]));
  const kept = wholeFiles(manifest);
  assert.equal(kept.rest, 0, 'every stored piece belongs to a file that is stored whole');
});

test('a quota with room for not even a note: what is stored stays, and is used', LIMIT, async (t) => {
  const page = await fresh(t);
  assertWhole(await load(page, { dtype: 'q4' }), manifestFiles(folders.first, 'q4'));
  const { notes } = await call(page, 'note', { key: 'other', text: 'short' });
  const written = await call(page, 'noteTime', { key: 'other' });
  await sleep(20);
  await call(page, 'note', { key: 'other', text: 'short' });
  assert.equal(await call(page, 'noteTime', { key: 'other' }), written, 'a note is not written again that says the same');
  const inspector = await page.context().newCDPSession(page);
  const quotaSize = (await call(page, 'usage')) + 100;
  await inspector.send('Storage.overrideQuotaForOrigin', { origin: new URL(server.url).origin, quotaSize });
  const visit = async () => {
    server.taken();
    await page.reload();
    const result = await load(page, { dtype: 'q4' });
    assertWhole(result, manifestFiles(folders.first, 'q4'));
    return { storage: result.storage, fetched: server.taken('/bundle/onnx/').bytes };
  };
  for (let i = 0; i < 2; ++i) assert.deepEqual(await visit(), { storage: 'opfs', fetched: 0 });
  const { error, notes: left } = await call(page, 'note', { key: 'other', text: 'long'.repeat(1e6) });
  assert.equal(error, 'QuotaExceededError');
  assert.deepEqual(left, notes, 'a note that cannot be replaced stays');
  // Without a note and without room for one, the manifest at hand says what is wanted.
  assert.deepEqual((await call(page, 'note', { text: null })).notes, {});
  assert.deepEqual(await visit(), { storage: 'opfs', fetched: 0 });
});

test('remove() beside the note of another bundle that was cut off', LIMIT, async (t) => {
  const page = await fresh(t);
  await call(page, 'loadAndKeep', { url, dtype: 'q4' });
  await call(page, 'note', { key: 'other', text: '{"schema_version": 1, "fi' });
  await call(page, 'removeKept');
  assert.deepEqual(Object.keys(await call(page, 'stored')), ['opfs/bantam-loader/bundles/other']);
});

// Which of a file's pieces are stored.
async function storedPieces(page, name) {
  const { sha256, chunks } = manifestEntries().find((entry) => entry.name === name);
  const names = new Set(Object.keys(await call(page, 'stored')).map((place) => place.split('/').at(-1)));
  return (chunks ?? [sha256]).filter((hash) => names.has(hash));
}

// How many of the stored pieces do not belong to a file of which every piece is stored.
function wholeFiles(stored) {
  const left = new Set(stored.keys());
  for (const { sha256, chunks } of manifestEntries()) {
    const hashes = chunks ?? [sha256];
    if (hashes.every((hash) => stored.has(hash))) hashes.forEach((hash) => left.delete(hash));
  }
  return { rest: left.size };
}
const manifestEntries = () => readJson(folders.first, 'bantam.json').files;

test('no storage at all: it works in memory', LIMIT, async (t) => {
  const page = await fresh(t);
  const result = await load(page, { dtype: 'q4', options: { storage: 'memory' } });
  assertWhole(result, manifestFiles(folders.first, 'q4'));
  assert.deepEqual(await call(page, 'stored'), {});
});

test('Cache storage in place of OPFS', LIMIT, async (t) => {
  const page = await fresh(t);
  for (const fetched of [true, false]) {
    server.taken();
    const result = await load(page, { dtype: 'q4', options: { storage: 'cache' } });
    assertWhole(result, manifestFiles(folders.first, 'q4'));
    assert.equal(result.storage, 'cache');
    assert.equal(server.taken('/bundle/onnx/').bytes > 0, fetched);
    await page.reload();
  }
});

const HTML = '<!DOCTYPE html><html><body>Welcome</body></html>';
for (const [what, fault, message] of [
  ['200 with HTML', { status: 200, body: HTML, headers: { 'Content-Type': 'text/html' } }, /web page \(text\/html\)/],
  ['200 with HTML that is called binary', { status: 200, body: HTML, headers: { 'Content-Type': 'application/octet-stream' } }, /has \d+ bytes on the server where the manifest says/],
  ['the right length of something else', { status: 200, body: HTML.padEnd(109) }, /has 109 bytes/],
  ['a wrong MIME type', { type: 'text/html; charset=utf-8' }, /web page \(text\/html/],
  ['404', { status: 404, body: 'no' }, /answered 404/],
  ['500 for ever', { status: 503, body: 'no' }, /answered 503/],
]) {
  test(`${what} for a shard is named by file, and nothing of it is stored`, LIMIT, async (t) => {
    const page = await fresh(t);
    const bad = shards[0];
    server.fault = (file) => (file === `${url}${bad}` ? fault : {});
    const result = await load(page, { options: { attempts: 2 } });
    await assertNamed(result, bad, message);
    assert.deepEqual(await storedPieces(page, bad), []);
  });
}

test('a manifest that is none, or that points outside, is refused', LIMIT, async (t) => {
  const page = await fresh(t);
  const entry = { bytes: 3, sha256: '0'.repeat(64) };
  const good = { schema_version: 1, model: { default_dtype: 'q8' }, variants: [], files: [] };
  const cases = [
    [HTML, /not JSON; the server answered with a web page/],
    ['{"schema_version": 2}', /schema_version is 2/],
    ...['../secret', '/etc/passwd', '//elsewhere.example/x', 'https://elsewhere.example/x', 'onnx/../../x', 'a\\..\\b', '', 'onnx//x', 'x?y', 'x#y', '%2e%2e/x', 7, null]
      .map((name) => [JSON.stringify({ ...good, files: [{ name, ...entry }] }), /files\[0\]\.name is .* not the name of a file inside of the bundle/]),
    [JSON.stringify({ ...good, files: [{ name: 'x', ...entry, bytes: -1 }] }), /files\[0\]\.bytes is -1 \(x\)/],
    [JSON.stringify({ ...good, files: [{ name: 'x', ...entry, sha256: 'no' }] }), /not a SHA-256 \(x\)/],
    [JSON.stringify({ ...good, chunk_bytes: 2, files: [{ name: 'x', ...entry, chunks: ['0'.repeat(64)] }] }), /2 SHA-256 were expected for the 3 bytes of x/],
    [JSON.stringify({ ...good, variants: [{ dtype: 'q8', file: '../../x.onnx', shards: 0 }] }), /"\.\.\/\.\.\/x\.onnx" of q8 is not among its files/],
  ];
  for (const [body, message] of cases) {
    server.fault = (file) => (file === `${url}bantam.json` ? { status: 200, body, headers: { 'Content-Type': 'application/json' } } : {});
    await assertNamed(await load(page), 'bantam.json', message, page);
    assert.deepEqual(server.taken('/bundle/').requests.map(({ file }) => file), [`${url}bantam.json`]);
  }
  server.fault = null;
  await assertNamed(await load(page, { options: { manifestSha256: 'f'.repeat(64) } }), 'bantam.json', /not the one that the page expects/, page);
});

test('fetch() answers for the bundle: whole files, ranges, and 404 without asking', LIMIT, async (t) => {
  const page = await fresh(t);
  const graph = `${url}onnx/model_q4.onnx`;
  const listed = manifestFiles(folders.first, 'q4')['onnx/model_q4.onnx'];
  const answers = await call(page, 'ask', { url, requests: [
    [graph, {}], [graph, { headers: { Range: 'bytes=0-0' } }], [graph, { headers: { Range: 'bytes=10-' } }],
    [graph, { headers: { Range: `bytes=${listed.bytes}-` } }], [graph, { method: 'HEAD' }],
    [`${url}chat_template.jinja`, {}], ['/pages/asyncify.html', {}],
  ] });
  assert.deepEqual(answers.map(({ status, bytes }) => [status, bytes]).slice(0, 6),
    [[200, listed.bytes], [206, 1], [206, listed.bytes - 10], [416, 0], [200, 0], [404, 0]]);
  assert.equal(answers[0].sha256, listed.sha256);
  assert.equal(answers[1].headers['content-range'], `bytes 0-0/${listed.bytes}`);
  assert.equal(answers[6].status, 200);
  const { requests } = server.taken('/bundle/');
  assert.deepEqual(requests.map(({ file }) => file), [`${url}bantam.json`, graph]);
});

test('gzip twins are fetched in place of what they unpack to, and can be damaged without harm', LIMIT, async (t) => {
  const folder = convert('zipped', path.join(testdata, 'sst2-bert-tiny'), { dtypes: ['fp32'], shardSize: '4MiB', more: ['--compress', 'gzip'] });
  const zipped = manifestFiles(folder, 'fp32');
  const twins = readJson(folder, 'bantam.json').files.filter(({ name }) => name.startsWith('onnx/') && name.endsWith('.gz'));
  assert.equal(twins.length, Object.keys(zipped).length);
  const size = twins.reduce((sum, { bytes }) => sum + bytes, 0);
  const one = `/zipped/${twins.find(({ name }) => name.includes('_data')).name}`;
  const visit = async (fault) => {
    const page = await fresh(t);
    server.mounts['/zipped/'] = folder;
    server.fault = fault;
    assertWhole(await load(page, { url: '/zipped/' }), zipped);
    return server.taken('/zipped/onnx/');
  };
  const plain = await visit(null);
  assert.deepEqual(plain.requests.map(({ file }) => file.slice('/zipped/'.length)).sort(), twins.map(({ name }) => name).sort());
  assert.equal(plain.bytes, size);
  const cut = await visit((file, request, count) => (file === one && count === 1 ? { cutAt: 600_000 } : {}));
  assert.equal(cut.bytes, size, 'a broken twin goes on where it broke');
  const flipped = await visit((file) => (file === one ? { flipAt: 500_000 } : {}));
  assert.ok(flipped.requests.some(({ file }) => `${file}.gz` === one), 'what a damaged twin does not give comes from the file itself');
  const decoded = await visit((file) => (file.endsWith('.gz') ? { headers: { 'Content-Encoding': 'gzip' } } : {}));
  assert.ok(decoded.requests.length > twins.length, 'a server that lets the browser unpack does no harm');
});

test('plain onnxruntime-web takes shards as Blobs from the disk, with and without JSPI', LIMIT, async (t) => {
  await fresh(t);
  const ids = [2, 41, 1207, 388, 3];
  const ints = (data) => ({ type: 'int64', dims: [1, data.length], data });
  const feed = { input_ids: ints(ids), attention_mask: ints(ids.map(() => 1)), token_type_ids: ints(ids.map(() => 0)) };
  const [wanted] = Object.values(runTensors(folders.first, 'fp32', feed));
  for (const runtime of ['asyncify', 'jspi']) {
    const context = await browser.newContext();
    t.after(() => context.close());
    const page = await openPage(browser, server, { context, runtime });
    const { blobs, logits } = await call(page, 'runSession', { url, dtype: 'fp32', provider: 'wasm', feed });
    assert.equal(blobs, true);
    assert.ok(distance(logits, wanted.data) < 2e-5, runtime);
  }
});

test('the names that convert takes into a bundle are those that the loader takes out of it', LIMIT, async (t) => {
  const source = path.join(bundles, '.names-source');
  cpSync(path.join(testdata, 'sst2-bert-tiny'), source, { recursive: true, dereference: true });
  const marks = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).filter((mark) => mark !== '/');
  const nameOf = (mark) => `a${mark}b.txt`;
  for (const mark of marks) writeFileSync(path.join(source, nameOf(mark)), `This is ${mark}.`);
  const folder = convert('names', source, { dtypes: ['q8'] });
  const { files: listed } = parseManifest(readFileSync(path.join(folder, 'bantam.json'), 'utf8'));
  const isTaken = (mark) => {
    const entry = { name: nameOf(mark), bytes: 0, sha256: '0'.repeat(64) };
    try {
      return parseManifest(JSON.stringify({ schema_version: 1, model: {}, variants: [], files: [entry] })).files.size === 1;
    } catch {
      return false;
    }
  };
  const inside = marks.filter((mark) => listed.has(nameOf(mark)));
  assert.deepEqual(marks.filter(isTaken), inside);
  assert.ok([...',()~ +@='].every((mark) => inside.includes(mark)), inside.join(''));
  const page = await fresh(t);
  server.mounts['/names/'] = folder;
  const requests = inside.map((mark) => [`/names/${encodeURIComponent(nameOf(mark))}`, {}]);
  const answers = await call(page, 'ask', { url: '/names/', requests });
  assert.deepEqual(answers.map(({ sha256 }) => sha256), inside.map((mark) => listed.get(nameOf(mark)).sha256));
});

// ---- without a browser: a function in place of the server, memory in place of storage

const [GRAPH, SHARD] = Object.keys(small);
const named = (file, message) => (error) => error.name === 'LoaderError' && error.file === file && message.test(error.message);

test('after a failure that is over, guard() is about what fails from then on', LIMIT, async () => {
  let bad = true;
  const bundle = await openHere((name, init) => (bad && name === SHARD ? new Response('', { status: 404 }) : answer(name, init)));
  await assert.rejects(bundle.guard(Promise.all([never, bundle.load()])), named(SHARD, /answered 404/));
  bad = false;
  const { failed } = bundle;
  await bundle.guard(bundle.load());
  assert.equal(await Promise.race([failed, sleep(50).then(() => 'nothing failed')]), 'nothing failed');
  assert.equal((await bundle.blob(SHARD)).size, small[SHARD].length);
});

test('a file that waits before it asks again ends with its attempt, and does not end the next', LIMIT, async () => {
  let bad = true;
  const bundle = await openHere(async (name, init) => {
    if (!bad) return sleep(500).then(() => answer(name, init));
    if (name === SHARD) throw new Error('reset');
    return sleep(700).then(() => new Response('', { status: 404 }));  // the shard waits from 600 to 1400 then
  });
  let ended;
  const shard = assert.rejects(bundle.blob(SHARD), named(GRAPH, /answered 404/)).then(() => { ended = performance.now(); });
  await assert.rejects(bundle.blob(GRAPH), named(GRAPH, /answered 404/));
  const failed = performance.now();
  bad = false;
  const [graph, again] = await Promise.all([bundle.blob(GRAPH), bundle.blob(SHARD), shard]);
  assert.deepEqual([graph.size, again.size], [small[GRAPH].length, small[SHARD].length]);
  assert.ok(ended - failed < 350, `${ended - failed} ms`);
});

test('progress after a retry counts what is there once', LIMIT, async () => {
  let bad = true;
  const events = [];
  const bundle = await openHere(
    (name, init) => answer(name, init, bad && name === SHARD ? { cutAt: 200_000 } : {}),
    { attempts: 2, onProgress: (event) => events.push(event) });
  await assert.rejects(bundle.load(), named(SHARD, /the connection broke \(reset\)/));
  bad = false;
  await bundle.load();
  assert.equal(events.at(-1).all.loaded, small[GRAPH].length + small[SHARD].length);
  assert.ok(events.every(({ loaded, total, all }) => loaded <= total && all.loaded <= all.total));
});

test('bantam.json is asked for as other files are: signal, stall, attempts', LIMIT, async () => {
  const asked = async (answers, options = {}) => {
    let count = 0;
    const opening = openHere(answer, { ...options, manifest: () => answers[Math.min(count++, answers.length - 1)]() });
    return { error: await opening.then(() => undefined, (error) => error.message), count };
  };
  const good = () => new Response(manifest);
  const answered = (status) => () => new Response('', { status });
  const three = (controller) => controller.enqueue(new Uint8Array(3));
  const cut = () => new Response(new ReadableStream({ start: three, pull: (controller) => controller.error(new Error('reset')) }));
  const start = performance.now();
  assert.deepEqual(await asked([() => never], { signal: AbortSignal.timeout(50) }),
    { error: 'bantam.json: the connection broke (The operation was aborted due to timeout)', count: 1 });
  assert.deepEqual(await asked([answered(503)], { signal: AbortSignal.timeout(50) }),
    { error: 'bantam.json: the connection broke (The operation was aborted due to timeout)', count: 1 });
  assert.ok(performance.now() - start < 200, 'also while it waits before it asks again');
  assert.deepEqual(await asked([() => never, good], { stall: 50 }), { error: undefined, count: 2 });
  assert.deepEqual(await asked([answered(503), cut, good]), { error: undefined, count: 3 });
  assert.deepEqual(await asked([answered(503)], { attempts: 2 }), { error: 'bantam.json: the server answered 503', count: 2 });
  assert.deepEqual(await asked([answered(404)]), { error: 'bantam.json: the server answered 404', count: 1 });
});

test('attaching again, and in turn with another bundle, is harmless', LIMIT, async () => {
  const env = { fetch: async () => new Response('outside') };
  const [one, two] = [await openHere(answer), await openHere(answer, {}, `${base}other/`)];
  for (const bundle of [one, one, two, one, two]) bundle.attach(env);
  assert.equal(await (await env.fetch('http://localhost/other.json')).text(), 'outside');
  for (const place of [base, `${base}other/`]) {
    assert.deepEqual(Buffer.from(await (await env.fetch(place + GRAPH)).arrayBuffer()), small[GRAPH]);
  }
});

test('URLs with a query, a fragment, or an escape that is none', LIMIT, async () => {
  for (const more of ['', '?v=1', '#top', '/?v=1']) {
    const bundle = await openHere(answer, {}, base.slice(0, -1) + more);
    assert.equal(bundle.url, base);
    assert.equal((await bundle.fetch(`${base}100%.txt`)).status, 404);
  }
});

test('an answer without a body is named by file', LIMIT, async () => {
  const bundle = await openHere((name, init) => (name === SHARD ? new Response(null) : answer(name, init)), { attempts: 1 });
  await assert.rejects(bundle.load(), named(SHARD, /the server ended after 0 of \d+ bytes/));
});
