// One request to the server, watched: it ends where nothing comes any more and where it is told to. And the pause before the
// next one.
import { LoaderError } from './errors.mjs';

const READ_BYTES = 1 << 18;

// Yields the bytes of one answer, after check(response), which may throw. A connection that is silent for `stall` ms is as good
// as a broken one; both are transient LoaderErrors. With `reuse` the bytes lie in memory that the next ones overwrite.
export async function* receive({ name, url, fetch, signal, stall }, { headers, cache, check, reuse }) {
  const fail = (message, options) => new LoaderError(name, message, { url, ...options });
  const broken = (cause) => {
    if (cause instanceof LoaderError) return cause;
    return fail(`the connection broke (${cause?.message ?? cause})`, { cause, transient: true });
  };
  if (signal?.aborted) throw broken(signal.reason);
  const abort = new AbortController();
  const stop = () => abort.abort(signal.reason);
  signal?.addEventListener('abort', stop);
  // A fetch of the page's own may not listen to its signal: what is waited for ends here.
  let giveUp = null;
  abort.signal.addEventListener('abort', () => giveUp?.(abort.signal.reason));
  const alive = async (promise) => {
    const timer = setTimeout(() => abort.abort(new Error(`nothing came for ${stall} ms`)), stall);
    try {
      return await new Promise((resolve, reject) => {
        giveUp = reject;
        promise.then(resolve, reject);
      });
    } catch (cause) {
      throw broken(cause);
    } finally {
      clearTimeout(timer);
    }
  };
  try {
    const response = await alive(fetch(url, { headers, signal: abort.signal, cache }));
    const { status } = response;
    if (status !== 200 && status !== 206) {
      throw fail(`the server answered ${status}`, { transient: status >= 500 || status === 429 || status === 408 });
    }
    check?.(response);
    if (!response.body) return;
    const next = readerOf(response.body, reuse);
    for (;;) {
      const { done, value } = await alive(next());
      if (done) return;
      yield value;
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    abort.abort();
  }
}

// After the `failures`-th connection in a row without a byte: waits before the next, or throws where there is to be none.
export async function backOff(error, failures, { attempts, signal }) {
  if (!error.transient || failures >= attempts || signal?.aborted) throw error;
  await new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, 100 * 2 ** failures);
    signal?.addEventListener('abort', done);
  });
}

// Reads a stream; into one piece of memory where the browser can and the reader wants it so, since each chunk would otherwise
// be an ArrayBuffer of its own, and browsers collect those late: as much as the whole file was seen.
function readerOf(body, reuse) {
  let memory = null;
  if (reuse) {
    try {
      const reader = body.getReader({ mode: 'byob' });
      memory = new Uint8Array(READ_BYTES);
      return async () => {
        const { done, value } = await reader.read(memory);
        if (!done) memory = new Uint8Array(value.buffer);
        return { done, value };
      };
    } catch {
      // no stream of bytes: an older browser, or a fetch of the page's own
    }
  }
  const reader = body.getReader();
  return () => reader.read();
}
