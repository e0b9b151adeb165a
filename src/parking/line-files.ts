// Reads single lines of files, by their places. Lines of one file mostly come in the order of the file, so each read fetches what follows,
// too: a file is opened once, and read once. Callers close the reader.
import { close, open, read } from 'node:fs';
import { promisify } from 'node:util';

/** Where a line is, without its newline. */
export interface LinePlace {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

/** The calls of the file system, by descriptors. Tests count them. */
export interface FileCalls {
  open(path: string): Promise<number>;
  /** Resolves to the number of bytes that were read. */
  read(file: number, into: Buffer, position: number): Promise<number>;
  close(file: number): Promise<void>;
}

const calls = { open: promisify(open), read: promisify(read), close: promisify(close) };

export const hostFiles: FileCalls = {
  open: (path) => calls.open(path, 'r'),
  read: async (file, into, position) => (await calls.read(file, into, 0, into.length, position)).bytesRead,
  close: (file) => calls.close(file),
};

export interface LineFiles {
  /** The bytes at this place: fewer if the file has become shorter. */
  read(place: LinePlace): Promise<Buffer>;
  close(): Promise<void>;
}

/** Files of several processes are read in turn. */
const maxOpenFiles = 32;
const windowBytes = 256 * 1024;

interface OpenedFile {
  readonly file: number;
  from: number;
  window: Buffer;
}

export function lineFiles(files: FileCalls = hostFiles): LineFiles {
  /** The one that was used last is the last. */
  const opened = new Map<string, OpenedFile>();
  const fileAt = async (path: string): Promise<OpenedFile> => {
    const found = opened.get(path) ?? { file: await files.open(path), from: 0, window: Buffer.alloc(0) };
    opened.delete(path);
    opened.set(path, found);
    if (opened.size <= maxOpenFiles) return found;
    const [[oldest, { file }]] = opened as unknown as [[string, OpenedFile]];
    opened.delete(oldest);
    await files.close(file);
    return found;
  };
  const lineAt = async ({ path, offset, length }: LinePlace): Promise<Buffer> => {
    const at = await fileAt(path);
    if (offset < at.from || offset + length > at.from + at.window.length) {
      const buffer = Buffer.allocUnsafe(Math.max(length, windowBytes));
      const bytesRead = await files.read(at.file, buffer, offset);
      at.from = offset;
      at.window = buffer.subarray(0, bytesRead);
    }
    return at.window.subarray(offset - at.from, offset - at.from + length);
  };
  let last: Promise<unknown> = Promise.resolve();
  return {
    read(place) {
      // One read at a time: two must not open one file, or replace each other's window.
      const line = last.then(() => lineAt(place));
      last = line.catch(() => undefined);
      return line;
    },
    async close() {
      await last;
      const left = [...opened.values()];
      opened.clear();
      await Promise.all(left.map(({ file }) => files.close(file)));
    },
  };
}
