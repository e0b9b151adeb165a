// The file that says which parked items have been replayed: one line of JSON each. Invariant: a line is durable before the next record
// is replayed. A torn line counts as none, so its item may be replayed twice, but never not at all.
import { open, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { hostDisk } from './disk.js';
import { linesOfFile } from './parked-folder.js';
import { lineMembers } from './parked-line.js';

/** Its name in a folder of parked items. */
export const progressFileName = 'replayed.jsonl';

/** Idempotency keys with the time of their replay, as a text of ISO 8601. */
export type Replayed = ReadonlyMap<string, string>;

/** What the file has of an application. No file: nothing is replayed. Lines that cannot be read are left out. */
export async function readProgress(
  path: string,
  application: string | undefined,
  signal: AbortSignal,
): Promise<Replayed> {
  const replayed = new Map<string, string>();
  try {
    for await (const { bytes } of linesOfFile(path, signal)) {
      const read = bytes === undefined ? '' : lineMembers(bytes);
      if (typeof read === 'string') continue;
      const { idempotencyKey, replayedAt } = read;
      if (read['application'] !== undefined && read['application'] !== application) continue;
      if (typeof idempotencyKey === 'string' && typeof replayedAt === 'string')
        replayed.set(idempotencyKey, replayedAt);
    }
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== 'ENOENT') throw error;
  }
  return replayed;
}

/** What a line of the file says of an item. */
interface ReplayedItem {
  readonly application: string;
  readonly idempotencyKey: string;
}

export interface ProgressWriter {
  /** Resolves when the lines are durable. `into`: where the items went. */
  note(items: readonly ReplayedItem[], into: object): Promise<void>;
  close(): Promise<void>;
}

/** Opens the file for more lines, and creates it if it is missing. Rejects if it cannot be written. */
export async function openProgress(path: string, wallNow: () => number): Promise<ProgressWriter> {
  const file = await open(path, 'a', 0o600);
  try {
    await hostDisk.syncFolder(dirname(resolve(path)));
    // The first newline ends a line that an earlier process has torn.
    if ((await file.stat()).size > 0) await append(file, '\n');
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    async note(items, into) {
      const replayedAt = new Date(wallNow()).toISOString();
      const lines = items.map(({ application, idempotencyKey }) =>
        JSON.stringify({ version: 1, application, idempotencyKey, replayedAt, into }),
      );
      await append(file, `${lines.join('\n')}\n`);
    },
    close: () => file.close(),
  };
}

async function append(file: FileHandle, text: string): Promise<void> {
  await file.appendFile(text);
  await file.sync();
}
