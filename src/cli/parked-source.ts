// Where the command `parked` finds items, and what was replayed of them before.
import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { kinesisSource } from '../aws/kinesis/kinesis-source.js';
import { KinactError } from '../api/errors.js';
import type { SourceNotice } from '../api/ports.js';
import { hostEnvironment } from '../consumer/host-environment.js';
import { readParkedStream } from '../parking/parked-stream.js';
import { readParkedFolder } from '../parking/parked-folder.js';
import type { ParkedEntries, ParkedEntry } from '../parking/parked-entries.js';
import { progressFileName, readProgress, type Replayed } from '../parking/replay-progress.js';
import { say, streamOf, UsageError, type CommandIo, type StreamReference } from './command.js';
import { retryReporter, type ReportRetry } from './retry-report.js';

/** The time between the last records of a shard and the read that finds its tip. */
const tipIdleMs = 200;

/** The options that name a place of parked items. */
export const placeOptions = { path: 'string', stream: 'string', progress: 'string', application: 'string' } as const;

type PlaceOptions = { readonly [Name in keyof typeof placeOptions]: string | undefined };

export interface ParkedPlace {
  /** The place, as messages name it. */
  readonly name: string;
  /** The file that says what was replayed; undefined if none is known. */
  readonly progress: string | undefined;
  /** Whose items are wanted; undefined if the place has those of one application. */
  readonly application: string | undefined;
  read(io: CommandIo): Promise<ParkedEntries>;
  /** Rejects with REFUSED if the folder of the items, or of the progress file, is missing. */
  refuseMissing(): Promise<void>;
}

export interface ParkedState extends ParkedEntries {
  readonly replayed: Replayed;
}

export function placeOf({ path, stream, progress, application }: PlaceOptions): ParkedPlace {
  if (path === undefined && stream === undefined) throw new UsageError('--path or --stream is missing');
  if (path !== undefined && stream !== undefined) throw new UsageError('expected --path or --stream, got both');
  if (path === undefined) {
    const read = streamReading(streamOf(stream!));
    const refuseMissing = async (): Promise<void> => {
      if (progress !== undefined) await refuseNoFolder(dirname(resolve(progress)), `--progress ${progress}: `);
    };
    return { name: `stream '${stream}'`, progress, application, read, refuseMissing };
  }
  if (progress !== undefined) throw new UsageError('--progress goes with --stream: a folder has its own progress file');
  const read: ParkedPlace['read'] = ({ signal }) => readParkedFolder(path, signal);
  const refuseMissing = (): Promise<void> => refuseNoFolder(path);
  return { name: path, progress: join(path, progressFileName), application, read, refuseMissing };
}

async function refuseNoFolder(path: string, prefix = ''): Promise<void> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    // Any other failure shows when the folder is read.
    ({ code }: NodeJS.ErrnoException) => code !== 'ENOENT' && code !== 'ENOTDIR',
  );
  if (!isFolder) throw new KinactError('REFUSED', `${prefix}${path} is not a folder`, { data: { path } });
}

function streamReading(stream: StreamReference): ParkedPlace['read'] {
  return async (io) => {
    const source = kinesisSource({ ...stream, idleMs: tipIdleMs }, hostEnvironment);
    const report = retryReporter((text) => say(io, text), hostEnvironment.clock);
    try {
      return await readParkedStream(source, (notice) => reportNotice(notice, report), io.signal);
    } finally {
      source.close();
    }
  };
}

/** Retention has its own limits: an item that has expired is gone, and nobody can list it. */
function reportNotice(notice: SourceNotice, report: ReportRetry): void {
  if (notice.type === 'retrying') report(notice.operation, notice.error);
  else if (notice.type === 'throttled')
    report('GetRecords', new KinactError('AWS_ERROR', `${notice.shardId} is throttled`));
}

/** Reads all entries of one application. Names on stderr what cannot be read. */
export async function readPlace(place: ParkedPlace, io: CommandIo): Promise<ParkedState> {
  await place.refuseMissing();
  const parked = await place.read(io);
  const { entries: all, complaints } = parked;
  const application = applicationOf(place, all);
  const entries = all.filter((entry) => entry.application === application);
  const { progress } = place;
  const replayed = progress === undefined ? new Map() : await readProgress(progress, application, io.signal);
  for (const { place: at, reason } of complaints) say(io, `${at}: left out: ${reason}`);
  return { entries, complaints, replayed, close: () => parked.close() };
}

/** Two applications that read one stream give its items the same keys, so their items are never mixed. */
function applicationOf({ name, application }: ParkedPlace, entries: readonly ParkedEntry[]): string | undefined {
  const all = [...new Set(entries.map((entry) => entry.application))].toSorted();
  if (application === undefined && all.length > 1) {
    const text = `${name} has items of ${all.length} applications (${all.join(', ')}): choose one with --application`;
    throw new KinactError('REFUSED', text);
  }
  if (application === undefined || all.includes(application)) return application ?? all[0];
  throw new KinactError('REFUSED', `${name} has no items of the application '${application}'`);
}

/** The entry of this idempotency key; throws REFUSED if there is none. */
export function entryOf(entries: readonly ParkedEntry[], id: string, { name }: ParkedPlace): ParkedEntry {
  const entry = entries.find(({ idempotencyKey }) => idempotencyKey === id);
  if (entry === undefined) throw new KinactError('REFUSED', `${name} has no parked item '${id}'`);
  return entry;
}

/** Ends a command whose output lacks what could not be read: it must not look complete. */
export function refuseIncomplete({ complaints }: Pick<ParkedEntries, 'complaints'>): void {
  const count = complaints.length;
  if (count === 0) return;
  throw new KinactError('REFUSED', `${count} ${count === 1 ? 'entry' : 'entries'} could not be read, see above`);
}
