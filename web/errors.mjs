// What went wrong, with the file that it concerns. `file` is the name in the manifest, `url` where it was asked for.
export class LoaderError extends Error {
  constructor(file, message, { url, cause, transient = false } = {}) {
    super(`${file}: ${message}`, { cause });
    this.name = 'LoaderError';
    this.file = file;
    this.url = url;
    this.transient = transient;  // worth asking again
  }
}
