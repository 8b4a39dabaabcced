// A Blob whose stream goes on where the browser's stalls. Chromium (156) now and then never answers the first read of
// Blob.stream() where the bytes are a file of the origin's private file system: on a busy machine in one session of ten to
// two, since onnxruntime-web's JSPI build reads every tensor that way, and its session was then never created.
// arrayBuffer() always answers; but what it makes is garbage that is collected late, hundreds of MiB of it.
const READ_BYTES = 1 << 20;
const STALL = 1000;  // ms
const spare = [];    // memory of READ_BYTES that no stream reads into

export class SteadyBlob extends Blob {
  slice(...range) { return new SteadyBlob([super.slice(...range)]); }

  stream() {
    let position = 0;
    let reader = byteReader(super.stream());
    const next = async (most) => {
      const bytes = await reader?.(most);
      if (!bytes) reader = null;
      return bytes;
    };
    const directly = async (most) => new Uint8Array(await super.slice(position, position + most).arrayBuffer());
    return new ReadableStream({
      type: 'bytes',
      pull: async (controller) => {
        const view = controller.byobRequest?.view;
        const most = Math.min(this.size - position, view?.byteLength ?? READ_BYTES, READ_BYTES);
        const bytes = most === 0 ? new Uint8Array() : (await next(most)) ?? (await directly(most));
        position += bytes.length;
        if (most === 0) controller.close();
        if (view) {
          new Uint8Array(view.buffer, view.byteOffset, bytes.length).set(bytes);
          controller.byobRequest.respond(bytes.length);
        } else if (most > 0) {
          controller.enqueue(bytes.slice());
        }
        if (position === this.size) reader?.end();
      },
      cancel: () => reader?.end(),
    });
  }
}

// read(most): up to `most` bytes of a stream, not none, in memory that the next read overwrites; null where the stream stalls,
// ends or cannot be read so. end() gives the memory back.
function byteReader(stream) {
  let reader;
  try {
    reader = stream.getReader({ mode: 'byob' });
  } catch {
    return null;
  }
  let memory = spare.pop() ?? new Uint8Array(READ_BYTES);
  const read = async (most) => {
    let timer;
    const stalled = new Promise((resolve) => { timer = setTimeout(resolve, STALL); });
    const answer = await Promise.race([reader.read(memory.subarray(0, most)), stalled]).finally(() => clearTimeout(timer));
    if (answer?.value) memory = new Uint8Array(answer.value.buffer);
    if (answer?.value?.length > 0) return new Uint8Array(memory.buffer, 0, answer.value.length);
    memory = null;  // the stalled read has it
    reader.cancel().catch(() => {});
    return null;
  };
  read.end = () => {
    if (memory) spare.push(memory);
    memory = null;
    reader.cancel().catch(() => {});
  };
  return read;
}
