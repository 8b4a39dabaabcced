// A static file server on localhost that remembers what was asked of it.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';

export async function serve(folder) {
  const requests = [];  // {file, status}, in order
  const server = createServer(async (request, response) => {
    const file = decodeURIComponent(new URL(request.url, 'http://localhost').pathname).slice(1);
    const answer = (status, headers = {}, body = '') => {
      requests.push({ file, status });
      response.writeHead(status, headers).end(body);
    };
    if (file.split('/').includes('..')) return answer(403);
    const body = await readFile(path.join(folder, file)).catch(() => null);
    if (body === null) return answer(404);
    // transformers.js asks for the first byte of a file to learn whether it exists.
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    if (range === null) return answer(200, { 'Content-Length': body.length }, body);
    const [first, last] = [Number(range[1]), Math.min(Number(range[2]), body.length - 1)];
    return answer(206, { 'Content-Range': `bytes ${first}-${last}/${body.length}` }, body.subarray(first, last + 1));
  });
  // wasm computes for seconds in the thread that server and client share; a connection closed meanwhile would be reused.
  server.keepAliveTimeout = 600_000;
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    requests,
    // What was fetched from `prefix` since the last call, each file once, sorted; and forgets it.
    taken(prefix) {
      const files = requests.splice(0).filter(({ file }) => file.startsWith(prefix));
      const failed = files.filter(({ status }) => status >= 400).map(({ file }) => file);
      return { files: [...new Set(files.map(({ file }) => file.slice(prefix.length)))].sort(), failed };
    },
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}
