// Lets one process at a time replay with one progress file. The lock is a file beside it, `NAME.N.lock`, with its holder and a beat every
// 2 s. To take it, a process creates the next number N, exclusively, and then removes the locks of dead holders. A holder is dead if its
// process has ended; if that cannot be seen from here, after 20 s without a beat.
import { randomUUID } from 'node:crypto';
import { open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { KinactError } from '../api/errors.js';
import { isAlive, ownMark, type ProcessMark } from './process-mark.js';

export interface ReplayLock {
  /** Rejects with REFUSED if another process has taken the lock, because it saw no beat of this one. */
  confirm(): Promise<void>;
  /** Removes the lock. */
  release(): Promise<void>;
}

export interface LockTimes {
  /** The time between two beats. */
  readonly beatMs: number;
  /** A holder that cannot be looked for counts as dead after so long without a beat. */
  readonly silentMs: number;
}

const times: LockTimes = { beatMs: 2_000, silentMs: 20_000 };

/** How often the lock is tried for if others come and go meanwhile. */
const maxTries = 10;

interface Holder extends ProcessMark {
  readonly id: string;
  readonly since: string;
}

interface LockFile {
  readonly name: string;
  readonly number: number;
}

/** Takes the lock, or rejects with REFUSED. `waiting` is called if only time tells whether a holder lives. */
export async function takeReplayLock(
  progressPath: string,
  { signal, waiting }: { readonly signal: AbortSignal; readonly waiting: (text: string) => void },
  { beatMs, silentMs }: LockTimes = times,
): Promise<ReplayLock> {
  const folder = dirname(resolve(progressPath));
  const prefix = `${basename(progressPath)}.`;
  const holder: Holder = { ...ownMark(), id: randomUUID(), since: new Date().toISOString() };
  const locks = (): Promise<readonly LockFile[]> => locksIn(folder, prefix);
  /** Rejects if any of these is held. Resolves to the others, with the ids of their dead holders. */
  const deadAmong = async (some: readonly LockFile[]): Promise<ReadonlyMap<string, string | undefined>> => {
    const dead = new Map<string, string | undefined>();
    for (const { name } of some) {
      const path = join(folder, name);
      dead.set(name, await idOf(path));
      const held = await liveHolder(path, { silentMs, signal, waiting });
      if (held !== undefined) throw heldBy(held, progressPath);
    }
    return dead;
  };
  /** A name may have a new holder since it was looked at. */
  const isDead = async (name: string, dead: ReadonlyMap<string, string | undefined>): Promise<boolean> =>
    dead.has(name) && (await idOf(join(folder, name))) === dead.get(name);

  for (let tries = 0; tries < maxTries; tries += 1) {
    signal.throwIfAborted();
    const before = await locks();
    const dead = await deadAmong(before);
    const number = Math.max(0, ...before.map((lock) => lock.number)) + 1;
    const path = join(folder, `${prefix}${number}.lock`);
    if (!(await create(path, holder))) continue;

    // Another process may have created another number, because it saw other files. Then both step back.
    const others = (await locks()).filter((lock) => lock.number !== number);
    const areDead = await Promise.all(others.map(({ name }) => isDead(name, dead)));
    if (areDead.every(Boolean)) {
      for (const { name } of others) await rm(join(folder, name), { force: true });
      return heldLock(path, holder, beatMs);
    }
    await rm(path, { force: true });
    await pause(Math.random() * 100);
  }
  throw new KinactError('REFUSED', `other replays with ${progressPath} come and go; run this one again`);
}

function heldBy({ processId, place, since }: Partial<Holder>, path: string): KinactError {
  const who = processId === undefined ? 'another process' : `process ${processId} on ${place?.split(' ')[0]}`;
  const text = `${who} replays with ${path}${since === undefined ? '' : ` since ${since}`}; wait for its end`;
  return new KinactError('REFUSED', text, { data: { path } });
}

async function locksIn(folder: string, prefix: string): Promise<readonly LockFile[]> {
  const names = (await readdir(folder)).filter((name) => name.startsWith(prefix)).toSorted();
  return names.flatMap((name) => {
    const number = /^(\d{1,15})\.lock$/.exec(name.slice(prefix.length))?.[1];
    return number === undefined ? [] : [{ name, number: Number(number) }];
  });
}

async function create(path: string, holder: Holder): Promise<boolean> {
  try {
    await writeFile(path, textOf(holder, 0), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'EEXIST') return false;
    throw error;
  }
}

function textOf(holder: Holder, beat: number): string {
  return `${JSON.stringify({ ...holder, beat })}\n`;
}

interface Watching {
  readonly silentMs: number;
  readonly signal: AbortSignal;
  readonly waiting: (text: string) => void;
}

/** The holder of a lock, if it lives. One that cannot be looked for lives as long as its file changes. */
async function liveHolder(path: string, { silentMs, signal, waiting }: Watching): Promise<Partial<Holder> | undefined> {
  const first = await contentOf(path);
  if (first === undefined) return undefined;
  const holder = holderOf(first);
  const lives = holder.place === undefined ? undefined : isAlive(holder as Holder);
  if (lives !== undefined) return lives ? holder : undefined;

  waiting(
    `${path} is from a process that cannot be looked for: waiting ${Math.ceil(silentMs / 1_000)} s for a sign of it`,
  );
  const pollMs = silentMs / 20;
  for (let waitedMs = 0; waitedMs < silentMs; waitedMs += pollMs) {
    await pause(pollMs, undefined, { signal });
    const now = await contentOf(path);
    if (now === undefined) return undefined;
    if (now !== first) return holderOf(now);
  }
  return undefined;
}

/** Opened each time: a network file system shows what others have written then. */
async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function idOf(path: string): Promise<string | undefined> {
  const content = await contentOf(path);
  return content === undefined ? undefined : holderOf(content).id;
}

/** Empty if the file was read while it was written. */
function holderOf(content: string): Partial<Holder> {
  try {
    return JSON.parse(content) as Partial<Holder>;
  } catch {
    return {};
  }
}

function heldLock(path: string, holder: Holder, beatMs: number): ReplayLock {
  let beat = 0;
  let beating: Promise<void> = Promise.resolve();
  const raise = async (): Promise<void> => {
    beat += 1;
    const text = textOf(holder, beat);
    if ((await idOf(path)) !== holder.id) return;
    // Never creates the file: another process may have removed it, and holds the next one.
    const file = await open(path, 'r+');
    try {
      await file.write(text, 0);
    } finally {
      await file.close();
    }
  };
  const timer = setInterval(() => {
    beating = beating.then(raise).catch(() => undefined);
  }, beatMs);
  timer.unref();
  return {
    async confirm() {
      await beating;
      const content = await contentOf(path);
      if (content !== undefined && holderOf(content).id === holder.id) return;
      throw new KinactError(
        'REFUSED',
        `${path} was taken: another process saw no sign of this one. Nothing more is replayed`,
      );
    },
    async release() {
      clearInterval(timer);
      await beating;
      if ((await idOf(path)) === holder.id) await rm(path, { force: true });
    },
  };
}
