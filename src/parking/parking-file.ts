// One file of a file sink, from its creation to its end. Invariant: `bytes` is its durable length, and every byte before it is part of
// a line whose `append` has resolved. What cannot be made durable is cut back. A file whose sync or cut has failed is closed for good:
// its page cache may show bytes that are not on the disk.
import { dirname, join } from 'node:path';
import type { Disk } from './disk.js';

export interface ParkingFile {
  readonly path: string;
  /** The durable length. */
  readonly bytes: number;
  /** False: the file is closed, and takes no more lines. */
  readonly isOpen: boolean;
  /** Resolves when the bytes are durable. Otherwise it rejects, and has cut them back if the disk lets it. */
  append(bytes: Uint8Array): Promise<void>;
  /** Whether the path still names this file: it may have been deleted. */
  isInPlace(): Promise<boolean>;
  /** Ends the file. An empty one is removed. */
  close(): Promise<void>;
}

export interface FileMaker {
  readonly disk: Disk;
  readonly folder: string;
  /** A name that was not given before. */
  readonly nextName: () => string;
  /** Folders whose entries are not durable yet. They stay here until a sync succeeds. */
  readonly unsynced: Set<string>;
}

/** How many names are tried. Another machine may use the same process id and time. */
const maxNames = 100;

/** Creates a file, and makes its entry and those of new folders durable. */
export async function createParkingFile(maker: FileMaker): Promise<ParkingFile> {
  const { disk, folder, unsynced } = maker;
  const first = await disk.makeFolder(folder);
  if (first !== undefined) {
    for (let at = folder; at.length >= first.length; at = dirname(at)) unsynced.add(dirname(at));
  }

  const { path, descriptor } = await createFile(maker);
  const file = parkingFile(disk, path, descriptor);
  unsynced.add(folder);
  try {
    for (const each of unsynced) {
      await disk.syncFolder(each);
      unsynced.delete(each);
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  return file;
}

async function createFile({ disk, folder, nextName }: FileMaker): Promise<{ path: string; descriptor: number }> {
  for (let names = 1; ; names += 1) {
    const path = join(folder, nextName());
    try {
      return { path, descriptor: await disk.create(path) };
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== 'EEXIST' || names === maxNames) throw error;
    }
  }
}

function parkingFile(disk: Disk, path: string, descriptor: number): ParkingFile {
  let durable = 0;
  let isOpen = true;

  const close = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    // A failure changes nothing: what the file has is durable, and the rest was never promised.
    await disk.close(descriptor).catch(() => undefined);
    if (durable === 0) await disk.remove(path).catch(() => undefined);
  };
  /** Cuts the file back. The cut is durable, too: otherwise the next power cut would bring the lines back. */
  const cutBack = async (): Promise<boolean> => {
    try {
      await disk.truncate(descriptor, durable);
      await disk.sync(descriptor);
      return true;
    } catch {
      return false;
    }
  };
  const write = async (bytes: Uint8Array): Promise<void> => {
    const written = await disk.write(descriptor, bytes, durable);
    if (written !== bytes.length) throw new Error(`only ${written} of ${bytes.length} bytes could be written`);
  };
  const commit = async (): Promise<void> => {
    await disk.sync(descriptor);
    if (!(await disk.isAt(descriptor, path))) throw new Error(`${path} was deleted`);
  };

  return {
    path,
    get bytes() {
      return durable;
    },
    get isOpen() {
      return isOpen;
    },
    async append(bytes) {
      try {
        await write(bytes);
      } catch (error) {
        if (!(await cutBack())) await close();
        throw error;
      }
      try {
        await commit();
      } catch (error) {
        await cutBack();
        await close();
        throw error;
      }
      durable += bytes.length;
    },
    isInPlace: () => disk.isAt(descriptor, path),
    close,
  };
}
