// Parked items for tests, and files that are written as given, to be read back.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ParkedItem } from '../../src/api/parking.js';
import { readParkedFolder } from '../../src/parking/parked-folder.js';
import type { ParkedEntries } from '../../src/parking/parked-entries.js';

export const never: AbortSignal = new AbortController().signal;

/** The item number `n` of a stream, each of a record of its own. */
export function parkedItem(n: number, more: Partial<ParkedItem> = {}): ParkedItem {
  return {
    idempotencyKey: `s/shardId-000000000000/${n}/-/0`,
    application: 'orders-app',
    source: 'orders',
    stream: 'arn:aws:kinesis:us-east-1:123456789012:stream/orders#1700000000',
    shardId: 'shardId-000000000000',
    sequenceNumber: String(n),
    itemIndex: 0,
    key: `key-${n % 3}`,
    partitionKey: `partition-${n}`,
    data: Buffer.from(`data of ${n}`),
    arrivedAt: 1_700_000_000_000,
    at: 'reduce',
    attempts: 3,
    error: new Error(`cannot save ${n}`),
    failedAt: 1_700_000_001_000 + n,
    parkedAt: 1_700_000_002_000 + n,
    ...more,
  };
}

export function temporaryFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'kinact-parked-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** What the reader finds in a folder with these files. */
export async function readBack(files: ReadonlyMap<string, Uint8Array | string>): Promise<ParkedEntries> {
  const { path, remove } = temporaryFolder();
  try {
    for (const [name, content] of files) writeFileSync(join(path, name), content);
    const read = await readParkedFolder(path, never);
    const { entries, complaints } = read;
    const kept = await Promise.all(
      entries.map(async (entry) => {
        const item = await entry.read();
        return { ...entry, read: () => Promise.resolve(item) };
      }),
    );
    await read.close();
    return { entries: kept, complaints, close: () => Promise.resolve() };
  } finally {
    remove();
  }
}
