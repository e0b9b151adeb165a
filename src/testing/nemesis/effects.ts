// Effects that fail, that hang, or whose actor dies while they run.
import type { EffectInfo, Ref } from '../../../supervision/index.js';
import type { Strike } from './kills.js';
import { createWishes, isEffect } from './wishes.js';

export interface Hang {
  /** `before`: the work is not begun until the release. `after`: it is done, and nobody hears of it until then. */
  readonly when: 'before' | 'after';
  readonly released: Promise<void>;
  readonly release: () => void;
}

export function createHang(when: Hang['when']): Hang {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  return { when, released, release };
}

export type Told = (what: 'fail' | 'hang', whom: string, detail: string) => void;

export function createEffectFaults(told: Told, strike: (actor: Ref<never>, kill: Strike, detail: string) => void) {
  const failures = createWishes<{ readonly error: unknown }>(isEffect);
  const hangs = createWishes<Hang>(isEffect);
  const kills = createWishes<Strike>(isEffect);
  const hanging = new Set<Hang>();

  const startEffect = (actor: Ref<never>, info: EffectInfo, start: () => unknown): unknown => {
    const { path } = actor;
    const failure = failures.take(path, info.name);
    if (failure !== undefined) {
      told('fail', path, info.name);
      throw failure.error ?? new Error(`nemesis: ${info.name} of ${path} fails`);
    }
    const hang = hangs.take(path, info.name);
    if (hang !== undefined) {
      told('hang', path, info.name);
      hanging.add(hang);
      void hang.released.then(() => hanging.delete(hang));
      return held(hang, info, start);
    }
    const kill = kills.take(path, info.name);
    return kill === undefined ? start() : startAndDie(kill, () => strike(actor, kill, info.name), start);
  };

  return {
    startEffect,
    failures,
    hangs,
    kills,
    /** Withdraws what has not come about, releases what hangs; returns the kills that were waited for. */
    calm(): readonly Strike[] {
      failures.clear();
      for (const hang of [...hangs.clear(), ...hanging]) hang.release();
      hanging.clear();
      return kills.clear();
    },
  };
}

async function held(hang: Hang, info: EffectInfo, start: () => unknown): Promise<unknown> {
  if (hang.when === 'after') {
    const work = begin(start);
    // It may fail long before anybody looks.
    work.catch(() => {});
    await hang.released;
    return work;
  }
  await hang.released;
  // Its actor has stopped meanwhile: nothing of it may begin any more.
  info.signal.throwIfAborted();
  return start();
}

function startAndDie(kill: Strike, die: () => void, start: () => unknown): unknown {
  if (kill.when === 'before') {
    die();
    throw new Error('nemesis: the actor was killed before this began');
  }
  if (kill.when === 'after') return begin(start).finally(die);
  try {
    return start();
  } finally {
    die();
  }
}

async function begin(start: () => unknown): Promise<unknown> {
  return start();
}
