// Effects that fail or hang, and actors that die before, during or after an effect.
import type { EffectInfo, Ref } from '../../../supervision/index.js';
import type { PendingKill } from './kills.js';
import { createTriggers, isEffectName } from './triggers.js';

export interface Hang {
  /** `before`: the work begins only at the release. `after`: the work is done, but the actor gets the result at the release. */
  readonly when: 'before' | 'after';
  readonly released: Promise<void>;
  readonly release: () => void;
}

export function createHang(when: Hang['when']): Hang {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  return { when, released, release };
}

export type Note = (what: 'fail' | 'hang', target: string, detail: string) => void;

export function createEffectFaults(
  note: Note,
  killNow: (actor: Ref<never>, kill: PendingKill, detail: string) => void,
) {
  const failures = createTriggers<{ readonly error: unknown }>(isEffectName);
  const hangs = createTriggers<Hang>(isEffectName);
  const kills = createTriggers<PendingKill>(isEffectName);
  const hanging = new Set<Hang>();

  const startEffect = (actor: Ref<never>, info: EffectInfo, start: () => unknown): unknown => {
    const { path } = actor;
    const failure = failures.take(path, info.name);
    if (failure !== undefined) {
      note('fail', path, info.name);
      throw failure.error ?? new Error(`nemesis: ${info.name} of ${path} fails`);
    }

    const hang = hangs.take(path, info.name);
    if (hang !== undefined) {
      note('hang', path, info.name);
      hanging.add(hang);
      void hang.released.then(() => hanging.delete(hang));
      return startHanging(hang, info, start);
    }

    const kill = kills.take(path, info.name);
    return kill === undefined ? start() : startAndDie(kill, () => killNow(actor, kill, info.name), start);
  };

  return {
    startEffect,
    failures,
    hangs,
    kills,
    /** Withdraws the faults that wait, and releases effects that hang. Returns the kills that waited. */
    heal(): readonly PendingKill[] {
      failures.clear();
      for (const hang of [...hangs.clear(), ...hanging]) hang.release();
      hanging.clear();
      return kills.clear();
    },
  };
}

async function startHanging(hang: Hang, info: EffectInfo, start: () => unknown): Promise<unknown> {
  if (hang.when === 'after') {
    const work = startAsync(start);
    // The work may fail before the release: that must not be an unhandled rejection.
    work.catch(() => {});
    await hang.released;
    return work;
  }
  await hang.released;
  // If the actor has stopped by now, its work must not begin.
  info.signal.throwIfAborted();
  return start();
}

function startAndDie(kill: PendingKill, die: () => void, start: () => unknown): unknown {
  if (kill.when === 'before') {
    die();
    throw new Error('nemesis: the actor was killed before this began');
  }
  if (kill.when === 'after') return startAsync(start).finally(die);
  try {
    return start();
  } finally {
    die();
  }
}

async function startAsync(start: () => unknown): Promise<unknown> {
  return start();
}
