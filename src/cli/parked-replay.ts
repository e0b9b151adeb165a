// `kinact parked replay`: which items come again, and what is said about it. Invariants: without --yes nothing happens. An item is *done*
// when the stream has accepted it, or a checkpoint has passed it. It counts as replayed when its line in the progress file is durable, too,
// and only then is more replayed. Two replays never share a progress file at one time.
import { isKinactError, KinactError } from '../api/errors.js';
import { messageOf } from '../core/thrown.js';
import { hostEnvironment } from '../consumer/host-environment.js';
import type { ParkedEntry } from '../parking/parked-entries.js';
import type { ReplayGroup, ReplayTarget } from './replay-target.js';
import { takeReplayLock, type ReplayLock } from '../parking/replay-lock.js';
import { openProgress } from '../parking/replay-progress.js';
import { readOptions, required, say, UsageError, type CommandIo } from './command.js';
import { moduleTarget } from './parked-module-target.js';
import { streamTarget } from './parked-stream-target.js';
import { entryOf, placeOf, placeOptions, readPlace, refuseIncomplete, type ParkedState } from './parked-source.js';

interface Selection {
  readonly groups: readonly ReplayGroup[];
  /** How many entries are left out because they were replayed before. */
  readonly before: number;
}

interface Plan extends Selection {
  /** How many entries the target refuses. */
  readonly refused: number;
}

export async function replayParked(args: readonly string[], io: CommandIo): Promise<number> {
  const { yes, again, id, limit, ...options } = readOptions(args, {
    ...placeOptions,
    'into-stream': 'string',
    module: 'string',
    id: 'string',
    limit: 'string',
    yes: 'boolean',
    again: 'boolean',
  });
  const count = limitOf(limit);
  const target = targetOf(options);
  try {
    const place = placeOf(options);
    const path = required(place.progress, 'progress');
    const replay = async (lock?: ReplayLock): Promise<number> => {
      // Only under the lock: another replay would record more.
      const state = await readPlace(place, io);
      try {
        const only = id === undefined ? undefined : entryOf(state.entries, id, place);
        const selection = select(state, { again, only, limit: count, takesRecords: target.takesRecords });
        await target.check(io);
        if (lock === undefined) await print(io, planLines(await withoutRefused(selection, target, io), target));
        else await replayAll(selection, target, { path, lock }, io);
      } finally {
        await state.close();
      }
      refuseIncomplete(state);
      return 0;
    };
    await place.refuseMissing();
    return await (yes ? underLock(path, replay, io) : replay());
  } finally {
    await target.close();
  }
}

async function underLock(path: string, replay: (lock: ReplayLock) => Promise<number>, io: CommandIo): Promise<number> {
  const lock = await lockFor(path, io);
  try {
    return await replay(lock);
  } finally {
    await lock.release();
  }
}

async function lockFor(path: string, io: CommandIo): Promise<ReplayLock> {
  try {
    return await takeReplayLock(path, { signal: io.signal, waiting: (text) => say(io, text) });
  } catch (cause) {
    if (isKinactError(cause) || io.signal.aborted) throw cause;
    throw new KinactError('REFUSED', `no lock beside ${path}: ${messageOf(cause)}`, { cause, data: { path } });
  }
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return Infinity;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError(`--limit: expected how many, 1 to 999999999, got '${text}'`);
  return Number(text);
}

function targetOf(options: {
  readonly 'into-stream': string | undefined;
  readonly module: string | undefined;
}): ReplayTarget {
  const { 'into-stream': stream, module } = options;
  if (stream !== undefined && module !== undefined)
    throw new UsageError('expected --into-stream or --module, got both');
  if (stream !== undefined) return streamTarget(stream);
  if (module !== undefined) return moduleTarget(module);
  throw new UsageError('--into-stream or --module is missing');
}

interface Picks {
  readonly again: boolean;
  readonly only: ParkedEntry | undefined;
  readonly limit: number;
  readonly takesRecords: boolean;
}

/** Picks entries, oldest first. With a record come its other entries that would be picked without a limit. */
function select({ entries, replayed }: ParkedState, { again, only, limit, takesRecords }: Picks): Selection {
  const isOpen = ({ idempotencyKey }: ParkedEntry): boolean => again || !replayed.has(idempotencyKey);
  const open = entries.filter(isOpen);
  const chosen = (only === undefined ? open : [only].filter(isOpen)).slice(0, limit);
  const before = only === undefined ? entries.length - open.length : 1 - chosen.length;
  if (!takesRecords) return { groups: chosen.map((entry) => [entry]), before };

  const groups = new Map<string, ParkedEntry[]>(chosen.map(({ record }) => [record, []]));
  for (const entry of open) groups.get(entry.record)?.push(entry);
  return { groups: [...groups.values()], before };
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

function countText(groups: readonly ReplayGroup[], { takesRecords }: ReplayTarget): string {
  const items = plural(
    groups.reduce((sum, { length }) => sum + length, 0),
    'item',
  );
  return takesRecords ? `${items} of ${plural(groups.length, 'record')}` : items;
}

/** What the target will try. Says of each other entry why not. */
async function withoutRefused({ groups, before }: Selection, target: ReplayTarget, io: CommandIo): Promise<Plan> {
  const tried: ReplayGroup[] = [];
  let refused = 0;
  for (const group of groups) {
    const [entry] = group as [ParkedEntry];
    const refusal = target.refusalOf(await entry.read());
    if (refusal === undefined) tried.push(group);
    else {
      refused += group.length;
      say(io, `${entry.idempotencyKey} would not be replayed: ${refusal}`);
    }
  }
  return { groups: tried, before, refused };
}

function planLines({ groups, before, refused }: Plan, target: ReplayTarget): readonly string[] {
  const leftOut = [
    ...(before === 0 ? [] : [`left out: ${plural(before, 'item')} replayed before; --again includes them`]),
    ...(refused === 0 ? [] : [`refused: ${plural(refused, 'item')}, for the reasons above`]),
  ];
  if (groups.length === 0) return ['replay: nothing to do', ...leftOut];
  const todo = `replay: ${countText(groups, target)} would go into ${target.name}`;
  return [todo, ...leftOut, ...target.consequences, 'nothing was done; --yes does it'];
}

interface Recording {
  /** The progress file. */
  readonly path: string;
  readonly lock: ReplayLock;
}

async function replayAll(
  { groups }: Selection,
  target: ReplayTarget,
  { path, lock }: Recording,
  io: CommandIo,
): Promise<void> {
  const done: ReplayGroup[] = [];
  const empty: ReplayGroup[] = [];
  let failures = 0;
  // A progress that cannot be written must show before the first replay.
  const progress = await openProgress(path, () => hostEnvironment.clock.wallNow());
  const record = async (some: readonly ReplayGroup[]): Promise<void> => {
    await progress.note(some.flat(), target.into).catch((cause: unknown) => {
      throw unrecorded(some, path, cause);
    });
    await lock.confirm();
  };
  try {
    await target.replay(
      groups,
      {
        done: (some) => (done.push(...some), record(some)),
        madeNothing: (group) => (empty.push(group), record([group])),
        failed(group, reason) {
          failures += 1;
          say(io, `${group[0]!.idempotencyKey} is not replayed: ${reason}`);
        },
      },
      io,
    );
  } finally {
    await progress.close();
    await print(io, [`replay: ${countText(done, target)} went into ${target.name}`, ...emptyLines(empty)]);
  }
  const recorded = done.length + empty.length;
  refuseUnfinished({ all: groups.length, recorded, failures, path });
}

function emptyLines({ length }: readonly ReplayGroup[]): readonly string[] {
  if (length === 0) return [];
  const [whose, are] = length === 1 ? ['its', 'it is'] : ['their', 'they are'];
  return [`${plural(length, 'item')} made nothing: ${whose} extract returned no items; ${are} recorded as replayed`];
}

interface Tally {
  readonly all: number;
  /** How many are recorded. */
  readonly recorded: number;
  readonly failures: number;
  readonly path: string;
}

function refuseUnfinished({ all, recorded, failures, path }: Tally): void {
  const left = all - recorded - failures;
  if (left > 0) {
    const failed = failures === 0 ? '' : `, and ${failures} could not be replayed`;
    throw new KinactError('STOPPED', `the replay is incomplete: ${left} of ${all} are left${failed}; run it again`);
  }
  if (failures === 0) return;
  const others = recorded === 0 ? '' : `; the others are recorded in ${path}`;
  throw new KinactError('REFUSED', `${failures} of ${all} could not be replayed${others}`);
}

function keysOf(groups: readonly ReplayGroup[]): readonly string[] {
  return groups.flatMap((group) => group.map(({ idempotencyKey }) => idempotencyKey));
}

function unrecorded(groups: readonly ReplayGroup[], path: string, cause: unknown): KinactError {
  const keys = keysOf(groups).join(', ');
  const text = `replayed, but not recorded in ${path} (${messageOf(cause)}); the next replay repeats ${keys}`;
  return new KinactError('REFUSED', text, { cause, data: { path } });
}

function print(io: CommandIo, lines: readonly string[]): Promise<void> {
  return new Promise((resolve) => io.stdout.write(lines.map((line) => `${line}\n`).join(''), () => resolve()));
}
