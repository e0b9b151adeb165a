// The calls of the file system that a file sink makes. Tests pass a disk that fails: full, torn, deleted. Each call is one attempt.
import { open, close, write, ftruncate, fsync, fstat } from 'node:fs';
import { lstat, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';

/** Files are named by descriptors, not by handles: one that is never closed does not warn the process. */
export interface Disk {
  /** Creates the folder and its parents. Resolves to the first one that was missing, undefined if none was. */
  makeFolder(path: string): Promise<string | undefined>;
  /** Makes the entries of a folder durable. */
  syncFolder(path: string): Promise<void>;
  /** The size of all files of a folder together; 0 if there is no such folder. */
  folderBytes(path: string): Promise<number>;
  /** Creates a file for writing; rejects with EEXIST if it exists. */
  create(path: string): Promise<number>;
  /** Resolves to the number of bytes that were written, which may be less than there are. */
  write(file: number, bytes: Uint8Array, position: number): Promise<number>;
  truncate(file: number, bytes: number): Promise<void>;
  /** Makes the content of a file durable. */
  sync(file: number): Promise<void>;
  /** Whether the path still names this file. */
  isAt(file: number, path: string): Promise<boolean>;
  close(file: number): Promise<void>;
  remove(path: string): Promise<void>;
}

const calls = {
  open: promisify(open),
  close: promisify(close),
  write: promisify(write),
  truncate: promisify(ftruncate),
  sync: promisify(fsync),
  status: promisify(fstat),
};

const isMissing = (error: unknown): boolean => (error as { readonly code?: unknown }).code === 'ENOENT';

/** The folder above `path`, or `path` itself, that is missing in a folder that is there. */
async function firstMissing(path: string): Promise<string> {
  const parent = dirname(path);
  const isThere = parent === path || (await stat(parent).catch(gone)) !== 0;
  return isThere ? path : firstMissing(parent);
}

export const hostDisk: Disk = {
  async makeFolder(path) {
    try {
      return await mkdir(path, { recursive: true, mode: 0o700 });
    } catch (error) {
      // On a read-only disk Node says ENOENT of a recursive call. The call for one folder says why.
      if (isMissing(error)) await mkdir(await firstMissing(resolve(path)), { mode: 0o700 });
      throw error;
    }
  },
  async syncFolder(path) {
    // Windows has no such call: its journal has the entries.
    if (process.platform === 'win32') return;
    const folder = await calls.open(path, 'r');
    try {
      await calls.sync(folder);
    } finally {
      await calls.close(folder);
    }
  },
  async folderBytes(path) {
    try {
      const sizes = (await readdir(path)).map((name) => lstat(join(path, name)).then(({ size }) => size, gone));
      return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
    } catch (error) {
      return gone(error);
    }
  },
  create: (path) => calls.open(path, 'wx', 0o600),
  write: async (file, bytes, position) => (await calls.write(file, bytes, 0, bytes.length, position)).bytesWritten,
  truncate: (file, bytes) => calls.truncate(file, bytes),
  sync: (file) => calls.sync(file),
  async isAt(file, path) {
    try {
      const [own, named] = await Promise.all([calls.status(file), stat(path)]);
      return own.ino === named.ino && own.dev === named.dev;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  },
  close: (file) => calls.close(file),
  remove: (path) => rm(path),
};

/** A file or folder that has been deleted in the meantime has no bytes. */
function gone(error: unknown): number {
  if (isMissing(error)) return 0;
  throw error;
}
