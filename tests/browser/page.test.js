// The page that `bantam convert --page` writes, served by `bantam serve`, in headless Chromium: it answers as PyTorch does,
// streams, measures, fetches nothing from elsewhere, and says what is missing.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { bantam, bundles, packages, readJson, shared, testdata } from '../js/support/bundles.js';

const chromiumPath = [process.env.BANTAM_CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome'].find((file) => file && existsSync(file));
const LIBRARY = ['--mount', `/lib=${path.join(packages, '@huggingface/transformers/dist')}`, '--mount', `/ort=${path.join(packages, 'onnxruntime-web/dist')}`];
const QUERY = '?lib=/lib/transformers.min.js&ort=/ort/';

let browser;
const servers = [];
before(async () => {
  const { chromium } = createRequire(`${packages}/`)('playwright-core');
  browser = await chromium.launch({
    executablePath: chromiumPath, headless: true,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'],
  });
});
after(async () => {
  await browser?.close();
  for (const server of servers) server.kill('SIGINT');
});

function convert(name, source, dtypes = 'fp32,q8') {
  const folder = path.join(bundles, name);
  execFileSync(bantam, ['convert', source, '-o', folder, '--page', '--dtype', dtypes, '--shard-size', '512KiB', '-q', '-f'], { stdio: ['ignore', 'ignore', 'inherit'] });
  return folder;
}

async function serve(folder, mounts = LIBRARY) {
  const merged = mounts.length ? ['--mount', mounts.filter((word) => word !== '--mount').join(',')] : [];
  const server = spawn(bantam, ['serve', folder, '--port', '0', ...merged], { stdio: ['ignore', 'pipe', 'inherit'] });
  servers.push(server);
  return new Promise((resolve) => server.stdout.once('data', (text) => resolve(/http:\S+/.exec(text)[0])));
}

const settled = (page) => page.waitForFunction(() => ['done', 'problem'].includes(document.body.dataset.state), null, { timeout: 120000 });

async function open(url, query = QUERY) {
  const page = await browser.newPage();
  page.elsewhere = [];
  page.on('request', (request) => {
    if (/^https?:/.test(request.url()) && !request.url().startsWith(url)) page.elsewhere.push(request.url());
  });
  await page.goto(url + query);
  await settled(page);
  return page;
}

const scores = (page) => page.$$eval('.score', (rows) => rows.map((row) => [row.querySelector('.name').textContent, parseFloat(row.querySelector('.value').textContent)]));

test('a classifier answers by itself, and as PyTorch does', { timeout: 300000 }, async () => {
  const url = await serve(convert('page', path.join(testdata, 'sst2-bert-tiny')));
  const page = await open(url);
  assert.equal(await page.evaluate(() => document.body.dataset.state), 'done', await page.innerText('#problem'));
  assert.equal((await scores(page)).length, 2);
  assert.equal(await page.evaluate(() => crossOriginIsolated), true);
  const stats = await page.innerText('#stats');
  for (const part of [/q8 with tokenizer/, /to load/, /the first run/, /a run \(median of 3\)/]) assert.match(stats, part);
  for (const { text, scores: golden } of readJson(testdata, 'sst2-bert-tiny-golden.json').cases.slice(0, 5)) {
    await page.fill('textarea[name=text]', text);
    await page.evaluate(() => { document.body.dataset.state = 'asked'; });
    await page.click('#run');
    await settled(page);
    for (const [label, score] of await scores(page)) {
      assert.ok(Math.abs(score / 100 - golden[label]) < 0.02, `${text}: ${label}: ${score} % where ${golden[label]} was expected`);
    }
  }
  await page.selectOption('#dtype', 'fp32');
  await page.click('#load');
  await settled(page);
  assert.match(await page.innerText('#stats'), /fp32 with tokenizer/);
  assert.deepEqual(page.elsewhere, []);
  await page.close();
});

test('a decoder streams', { timeout: 300000, skip: !existsSync(path.join(shared, 'models/tinystories-656k')) }, async () => {
  const url = await serve(convert('page-stories', path.join(shared, 'models/tinystories-656k'), 'fp32'));
  const page = await open(url);
  assert.equal(await page.evaluate(() => document.body.dataset.state), 'done', await page.innerText('#problem'));
  const text = await page.innerText('#stream');
  assert.ok(text.startsWith('Once upon a time') && text.length > 60, text);
  assert.match(await page.innerText('#stats'), /tokens \(60 made\)/);
  assert.deepEqual(page.elsewhere, []);
  await page.close();
});

test('what is missing is said', { timeout: 300000 }, async () => {
  const folder = convert('page-missing', path.join(testdata, 'sst2-bert-tiny'), 'fp32');
  const without = await open(await serve(folder, []), '');
  assert.match(await without.innerText('#problem'), /transformers\.js is not here[\s\S]*lib\/transformers\.min\.js[\s\S]*--mount/);
  await without.close();
  const broken = path.join(bundles, 'page-broken');
  cpSync(folder, broken, { recursive: true });
  rmSync(path.join(broken, 'onnx/model.onnx_data_1'));
  const page = await open(await serve(broken));
  assert.match(await page.innerText('#problem'), /model\.onnx_data_1 is missing/);
  await page.close();
});
