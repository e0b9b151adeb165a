// Where the command `parked` finds items, and what was replayed of them before.
import { join } from 'node:path';
import { KinactError } from '../api/errors.js';
import { readParkedFolder } from '../parking/parked-folder.js';
import type { ParkedEntries, ParkedEntry } from '../parking/parked-entries.js';
import { progressFileName, readProgress, type Replayed } from '../parking/replay-progress.js';
import { say, UsageError, type CommandIo } from './command.js';

/** The options that name a place of parked items. */
export const placeOptions = { path: 'string' } as const;

type PlaceOptions = { readonly [Name in keyof typeof placeOptions]: string | undefined };

export interface ParkedPlace {
  /** The place, as messages name it. */
  readonly name: string;
  /** The file that says what was replayed; undefined if none is known. */
  readonly progress: string | undefined;
  read(io: CommandIo): Promise<ParkedEntries>;
}

export interface ParkedState extends ParkedEntries {
  readonly replayed: Replayed;
}

export function placeOf({ path }: PlaceOptions): ParkedPlace {
  if (path === undefined) throw new UsageError('--path is missing');
  return { name: path, progress: join(path, progressFileName), read: ({ signal }) => readParkedFolder(path, signal) };
}

/** Reads all entries. Names on stderr what cannot be read. */
export async function readPlace(place: ParkedPlace, io: CommandIo): Promise<ParkedState> {
  const { entries, complaints } = await place.read(io);
  const replayed = place.progress === undefined ? new Map() : await readProgress(place.progress, io.signal);
  for (const { place: at, reason } of complaints) say(io, `${at}: left out: ${reason}`);
  return { entries, complaints, replayed };
}

/** The entry of this idempotency key; throws REFUSED if there is none. */
export function entryOf(entries: readonly ParkedEntry[], id: string, { name }: ParkedPlace): ParkedEntry {
  const entry = entries.find(({ idempotencyKey }) => idempotencyKey === id);
  if (entry === undefined) throw new KinactError('REFUSED', `${name} has no parked item '${id}'`);
  return entry;
}

/** Ends a command whose output lacks what could not be read: it must not look complete. */
export function refuseIncomplete({ complaints }: ParkedEntries): void {
  const count = complaints.length;
  if (count === 0) return;
  throw new KinactError('REFUSED', `${count} ${count === 1 ? 'entry' : 'entries'} could not be read, see above`);
}
