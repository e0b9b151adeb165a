// Reads the folder of a file sink back. The first pass finds the newest entry of each idempotency key, and keeps only its place, so
// a folder of any size can be listed. The second one reads the entries. The last line of a file may be torn, because its process was
// killed: it was never promised.
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { KinactError } from '../api/errors.js';
import { isParkedFileName } from './file-name.js';
import { lineFiles, type LineFiles, type LinePlace } from './line-files.js';
import { entryList, type EntryList, type ParkedEntries } from './parked-entries.js';
import { maxLineBytes, readParkedLine } from './parked-line.js';
import type { StoredItem } from './stored-item.js';

const newline = 0x0a;

/** A line without its newline, and where it is. */
export interface PlacedLine {
  /** From 1. */
  readonly number: number;
  readonly offset: number;
  /** Undefined if the line is too long. */
  readonly bytes: Buffer | undefined;
}

/** The complete lines of a file. What follows the last newline is left out. */
export async function* linesOfFile(path: string, signal: AbortSignal): AsyncGenerator<PlacedLine> {
  let parts: Buffer[] = [];
  let length = 0;
  let number = 1;
  let offset = 0;
  for await (const chunk of createReadStream(path, { signal, highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      parts.push(chunk.subarray(from, end));
      length += end - from;
      yield { number, offset, bytes: length > maxLineBytes ? undefined : Buffer.concat(parts) };
      offset += length + 1;
      number += 1;
      parts = [];
      length = 0;
      from = end + 1;
    }
    length += chunk.length - from;
    if (length > maxLineBytes) parts = [];
    else parts.push(chunk.subarray(from));
  }
}

/** Rejects with REFUSED if there is no such folder. */
export async function readParkedFolder(
  path: string,
  signal: AbortSignal,
  files: LineFiles = lineFiles(),
): Promise<ParkedEntries> {
  const list = entryList(() => files.close());
  for (const name of await parkedFiles(path)) await readFile({ list, files, path: join(path, name) }, signal);
  return list.finish();
}

interface Reading {
  readonly list: EntryList;
  readonly files: LineFiles;
  readonly path: string;
}

async function parkedFiles(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path)).filter(isParkedFileName).toSorted();
  } catch (cause) {
    const { code } = cause as { readonly code?: unknown };
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw cause;
    throw new KinactError('REFUSED', `${path} is not a folder`, { cause, data: { path } });
  }
}

async function readFile({ list, files, path }: Reading, signal: AbortSignal): Promise<void> {
  for await (const { number, offset, bytes } of linesOfFile(path, signal)) {
    const item = bytes === undefined ? `it has more than ${maxLineBytes} bytes` : readParkedLine(bytes);
    if (typeof item === 'string') list.complain(`${path}:${number}`, item);
    else {
      const { length } = bytes as Buffer;
      list.add(item, () => readAgain(files, { path, offset, length }));
    }
  }
}

async function readAgain(files: LineFiles, place: LinePlace): Promise<StoredItem> {
  const item = readParkedLine(await files.read(place));
  if (typeof item === 'string')
    throw new KinactError('REFUSED', `${place.path} was changed while it was read: ${item}`);
  return item;
}
