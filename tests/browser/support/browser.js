// Debian's Chromium without a window, driven by playwright-core: pages that are cross-origin isolated, with the packages
// of tests/js, the loader of web/ and the bundles under one origin. WebGPU is SwiftShader, on the CPU.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

import { bundles, packages, root } from '../../js/support/bundles.js';
import { serve } from './server.js';

const candidates = process.env.BANTAM_CHROMIUM ? [process.env.BANTAM_CHROMIUM] : ['/usr/bin/chromium', '/usr/bin/google-chrome'];
const chromiumPath = candidates.find((file) => existsSync(file));
if (!chromiumPath) {
  console.log(`left out: there is no Chromium at ${candidates.join(' or ')} (scripts/setup --tests installs it)`);
  process.exit(0);  // ctest counts it as skipped, by these words
}

const PATIENCE = 180_000;  // ms; a machine that compiles something else at the same time starts a browser slowly

export async function launch({ args = [] } = {}) {
  const { chromium } = createRequire(`${packages}/`)('playwright-core');
  return chromium.launch({
    executablePath: chromiumPath,
    headless: true,
    timeout: PATIENCE,
    args: ['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--disable-dev-shm-usage', ...args],
  });
}

export const serveAll = (options = {}) => serve({
  '/pages/': path.join(root, 'tests/browser/pages'),
  '/packages/': packages,
  '/web/': path.join(root, 'web'),
  '/models/': bundles,
  ...options.mounts,
}, options);

// A page of its own context, so with empty storage; `script` runs in it before anything else. What it logs is kept in
// page.lines.
export async function openPage(browser, server, { context, runtime = 'asyncify', script } = {}) {
  const owner = context ?? (await browser.newContext());
  const page = await owner.newPage();
  if (script) await page.addInitScript(script);
  page.setDefaultTimeout(PATIENCE);
  page.lines = [];
  page.on('console', (message) => page.lines.push(message.text()));
  page.on('pageerror', (error) => page.lines.push(String(error)));
  await page.goto(`${server.url}pages/${runtime}.html`);
  return page;
}
