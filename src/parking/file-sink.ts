// `fileSink`: keeps parked items in files of a folder. Calls that come together share one write and one sync. Invariants: a call
// resolves only after its line and the names of file and folder are durable. A call that rejects has left no line, unless the disk
// refused to cut it back. One write at a time, in the order of the calls.
import { resolve } from 'node:path';
import { KinactError } from '../api/errors.js';
import type { FileSinkOptions } from '../api/options.js';
import { marked, markMaker } from '../api/misplaced.js';
import { NonRetryableError } from '../api/failure-policy.js';
import type { ParkedItem, ParkingSink, ParkingSinkCheck } from '../api/parking.js';
import { messageOf } from '../core/thrown.js';
import { resolveTable, type Resolved } from '../options/option-table.js';
import { fileSinkTable } from '../options/sink-option-tables.js';
import { hostDisk, type Disk } from './disk.js';
import { parkedFileName } from './file-name.js';
import { maxLineBytes, parkedLine } from './parked-line.js';
import { createParkingFile, type FileMaker, type ParkingFile } from './parking-file.js';
import { WaitingLines, type WaitingLine } from './waiting-lines.js';

/** The parts of the host that the sink uses. */
export interface SinkHost {
  readonly disk: Disk;
  /** Milliseconds since the epoch. */
  readonly wallNow: () => number;
  readonly processId: number;
}

/** At most this many bytes are in one write, or one line. It bounds what one failure rejects. */
const maxWriteBytes = 8 * 1024 * 1024;

/**
 * A sink for `park` that appends each item to a file, as a line of JSON (docs/parked.md). A call resolves when the line is durable: the
 * file and all new folder entries are synced. Calls that come together share one sync. Each process writes its own files, so
 * several processes may use one folder. They can be read only by the user of the process. No file is ever deleted.
 *
 * `start()` of a consumer creates the folder and an empty file in it, and removes the file. If that fails, it rejects.
 *
 * A call rejects with PARKING_FAILED if the folder is full, or if the disk fails. If its signal aborts before its line is written, it
 * rejects with the signal's reason, and the item is not kept. A line of more than 64 MiB, which only a message of a pipe can have, is
 * refused with a NonRetryableError.
 *
 * @throws KinactError INVALID_OPTION (path, expected, got).
 * @see {@link FileSinkOptions} for the options.
 *
 * @example
 * ```ts
 * const sink = fileSink({ path: '/var/lib/orders/parked' });
 * ```
 */
export function fileSink(options: FileSinkOptions): ParkingSink {
  return openFileSink(options, { disk: hostDisk, wallNow: () => Date.now(), processId: process.pid });
}

/** The same, with the given host. */
export function openFileSink(options: FileSinkOptions, host: SinkHost): ParkingSink {
  const limits = resolveTable(fileSinkTable, options, 'fileSink');
  const writer = new LineWriter(limits, host);
  const sink: ParkingSink = async (item, { signal }) => writer.add(lineWithin(item), signal);
  const check: ParkingSink['check'] = ({ warn }) => writer.check(warn);
  return marked(Object.assign(sink, { check }), {
    name: 'a sink made by fileSink',
    asPolicy: 'park(fileSink({ path: … }))',
    place: `fileSink of ${resolve(limits.path)}`,
  });
}

markMaker(fileSink, 'fileSink', '{ path: … }');

/** What `kinact parked` could not read back is not written. */
function lineWithin(item: ParkedItem): Buffer {
  const refused = (bytes: number): NonRetryableError =>
    new NonRetryableError(`its line would have ${bytes} bytes, and a line of a fileSink has at most ${maxLineBytes}`);
  const { length } = item.data;
  // A text of that length may not even be possible.
  if (length > maxLineBytes) throw refused(length);
  const line = parkedLine(item);
  if (line.length > maxLineBytes) throw refused(line.length);
  return line;
}

/** A disk without room is no wrong path: others may make room. */
const full: readonly unknown[] = ['ENOSPC', 'EDQUOT'];

class LineWriter {
  readonly #limits: Resolved<typeof fileSinkTable>;
  readonly #maker: FileMaker;
  readonly #queue = new WaitingLines();
  #isWriting = false;
  #file: ParkingFile | undefined;
  /** The size of the folder, as it was before this write. */
  #folderBytes = 0;

  constructor(limits: Resolved<typeof fileSinkTable>, { disk, wallNow, processId }: SinkHost) {
    this.#limits = limits;
    const nextName = parkedFileName(processId, wallNow);
    this.#maker = { disk, folder: resolve(limits.path), nextName, unsynced: new Set() };
  }

  add(line: Buffer, signal: AbortSignal): Promise<void> {
    return new Promise((kept, failed) => {
      if (signal.aborted) {
        failed(signal.reason);
        return;
      }
      this.#queue.push({ line, signal, kept, failed });
      if (!this.#isWriting) void this.#writeAll();
    });
  }

  /** Creates a file in the folder, as parking does, and removes it. A file that is in use already is proof enough. */
  async check(warn: ParkingSinkCheck['warn']): Promise<void> {
    if (this.#file !== undefined) return;
    const { disk, folder: path } = this.#maker;
    const { maxBytes } = this.#limits;
    try {
      await (await createParkingFile(this.#maker)).close();
      const bytes = await disk.folderBytes(path);
      if (bytes >= maxBytes) warn(`${path} has ${bytes} bytes, so maxBytes (${maxBytes}) lets no item be parked`);
    } catch (cause) {
      const text = `items cannot be kept in ${path}: ${messageOf(cause)}`;
      const error = new KinactError('PARKING_FAILED', text, { cause, data: { path } });
      if (!full.includes((cause as { readonly code?: unknown }).code)) throw error;
      warn(text, error);
    }
  }

  /** Never rejects. The first step waits, so calls of the same turn come into one write. */
  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    for (let head = this.#queue.head; head !== undefined; head = this.#queue.head) {
      try {
        await this.#prepare(head.line.length);
      } catch (error) {
        for (const { failed } of this.#queue.takeAll()) failed(this.#failure(error));
        continue;
      }
      const lines = this.#takeFitting();
      if (lines.length > 0) await this.#write(lines);
    }
    this.#isWriting = false;
  }

  /** Makes a file ready that has room for a line of this many bytes, unless the folder is full. */
  async #prepare(bytes: number): Promise<void> {
    const { disk, folder } = this.#maker;
    this.#folderBytes = await disk.folderBytes(folder);
    const file = this.#file;
    if (file !== undefined && (!file.isOpen || !(await file.isInPlace()) || this.#isPast(file, bytes))) {
      this.#file = undefined;
      await file.close();
    }
    if (this.#file === undefined && this.#folderBytes + bytes <= this.#limits.maxBytes)
      this.#file = await createParkingFile(this.#maker);
  }

  #isPast(file: ParkingFile, bytes: number): boolean {
    return file.bytes > 0 && file.bytes + bytes > this.#limits.maxFileBytes;
  }

  /** Takes what fits into the file, from the head of the queue. Rejects a head that does not fit into the folder. */
  #takeFitting(): readonly WaitingLine[] {
    const { maxBytes, maxFileBytes } = this.#limits;
    const file = this.#file;
    let bytes = 0;
    let count = 0;
    for (let next = this.#queue.head; next !== undefined; next = this.#queue.at(count)) {
      const { length } = next.line;
      if (this.#folderBytes + bytes + length > maxBytes) {
        if (count > 0) break;
        this.#queue.take(1);
        next.failed(this.#isFull(length));
        continue;
      }
      if (file === undefined || this.#isPast(file, bytes + length)) break;
      if (bytes > 0 && bytes + length > Math.min(maxWriteBytes, maxFileBytes)) break;
      bytes += length;
      count += 1;
    }
    return this.#queue.take(count);
  }

  async #write(lines: readonly WaitingLine[]): Promise<void> {
    try {
      await (this.#file as ParkingFile).append(Buffer.concat(lines.map(({ line }) => line)));
    } catch (error) {
      for (const { failed } of lines) failed(this.#failure(error));
      return;
    }
    for (const { kept } of lines) kept();
  }

  #failure(cause: unknown): KinactError {
    const path = this.#maker.folder;
    return new KinactError('PARKING_FAILED', `the item is not parked in ${path}: ${messageOf(cause)}`, {
      cause,
      data: { path },
    });
  }

  #isFull(length: number): KinactError {
    const { folder: path } = this.#maker;
    const { maxBytes } = this.#limits;
    const bytes = this.#folderBytes;
    const text = `the item is not parked: ${path} has ${bytes} bytes, and ${length} more would pass maxBytes (${maxBytes})`;
    return new KinactError('PARKING_FAILED', text, { data: { path, bytes, maxBytes } });
  }
}
