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

/** Whether there is something at the path, whatever it is. */
async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** The missing folders of a path, the topmost one first. */
async function missingFolders(path: string): Promise<string[]> {
  const missing: string[] = [];
  for (let folder = resolve(path); !(await isThere(folder)); folder = dirname(folder)) {
    missing.unshift(folder);
    if (dirname(folder) === folder) break;
  }
  return missing;
}

/** Creates one folder. Another process may have created it first. */
async function createFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const isFolder = await stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (!isFolder) throw error;
  }
}

export const hostDisk: Disk = {
  async makeFolder(path) {
    // Not with `recursive`: Node tries for ever in a file system that takes no folders, such as /proc, and says ENOENT of a read-only disk.
    const missing = await missingFolders(path);
    for (const folder of missing) await createFolder(folder);
    if (missing.length === 0) await createFolder(resolve(path));
    return missing[0];
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
