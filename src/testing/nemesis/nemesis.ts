// Fault injection for users: kills, pauses, delays, repeats, hangs and fails what happens between and inside the actors of one
// consumer, by a seed. Everything goes through the seams of `kinact/supervision`; the consumer does not know.
import type { Consumer } from '../../consumer/consumer.js';
import { KinactError } from '../../api/errors.js';
import { attachIntercept, crash } from '../../../supervision/index.js';
import type { Ref } from '../../../supervision/index.js';
import { createDice } from '../dice.js';
import { createEffectFaults, createHang } from './effects.js';
import { killAt, receiveOrDie } from './kills.js';
import type { Strike } from './kills.js';
import {
  checkedMs,
  checkedPause,
  checkedProbability,
  checkedStart,
  checkedVictims,
  checkedWhen,
  checkEffect,
  checkLetters,
  checkMoment,
  checkNemesis,
} from './limits.js';
import { createLog } from './log.js';
import { createMail } from './mail.js';
import type { Letters } from './mail.js';
import { startMayhem } from './mayhem.js';
import { createPauses } from './pauses.js';
import { createTimers } from './timers.js';
import { pickLiving } from './whom.js';
import { createWishes } from './wishes.js';

export interface NemesisOptions {
  /** Decides everything that is left to chance: the same seed and the same run give the same log. */
  readonly seed: number;
}

/** When a kill strikes. */
export type NemesisMoment =
  /** Before or after the actor handles its next message of this `type`. Default `before`: the message dies with it. */
  | { readonly at: string; readonly when?: 'before' | 'after' }
  /**
   * At its next effect of this name (`reduce`, `flush`, `read`, `renew`, `take`, `scan`, …): before it begins, while it runs
   * (the default), or when it has settled and the actor does not know it yet.
   */
  | { readonly effect: string; readonly when?: 'before' | 'during' | 'after' };

/** A random fault. */
export type NemesisAct = 'kill' | 'pause' | 'delay' | 'duplicate' | 'fail' | 'hang';

export interface NemesisStartOptions {
  /** Milliseconds between two faults on average; each interval is half to one and a half of it. Default 1,000. */
  readonly everyMs?: number;
  /** Default: all six, equally often. */
  readonly acts?: readonly NemesisAct[];
  /** Paths or kinds of the actors to choose from. Default: every kind but the supervisors. */
  readonly kinds?: readonly string[];
}

/** One line of what was done. */
export interface NemesisEntry {
  /** The consumer's monotonic clock, milliseconds. */
  readonly at: number;
  readonly what: NemesisAct | 'resume';
  /** The actor's path, or the target as it was given where it may be several. */
  readonly whom: string;
  /** The message or effect it was about, for how long, … */
  readonly detail?: string;
}

/**
 * What `nemesis` returns. A target is an actor's path as `status().tree` shows it (`reducer/3#17`), the path without its
 * incarnation (`reducer/3`: whichever is alive) or a kind (`reducer`). Where several actors are meant, the seed picks one for
 * what is done at once, and whoever gets there first is the one for what waits for its moment.
 *
 * Every verb throws a KinactError: INVALID_OPTION for a kind, a message, an effect, an act or a number that there is not,
 * ACTOR_STOPPED when nobody meant is alive and the fault is to be done at once, STOPPED after it was disposed of; `start` also
 * when the consumer has ended.
 */
export interface Nemesis extends Disposable {
  readonly seed: number;
  /** Everything that was done, in order. */
  readonly log: readonly NemesisEntry[];
  /** The seed and the log as text, for the message of a test that failed. */
  report(): string;
  /** Crashes an actor in the middle of whatever it does: its supervisor decides what follows. Returns its path. */
  kill(target: string): string;
  /** Crashes it at a moment. Resolves to its path; rejects with STOPPED when `calm` came first. */
  kill(target: string, moment: NemesisMoment): Promise<string>;
  /** Kills one living actor, of these kinds (default: all but the supervisors), by the seed. Returns its path. */
  killRandom(options?: { readonly kinds?: readonly string[] }): string;
  /** Lets an actor stand still: its messages, timers and results wait, in order. Until the returned call, or for `ms`. */
  pause(target: string, options?: { readonly ms?: number }): () => void;
  /** Delays messages by `ms`, and later ones of the same sender and receiver with them. Returns what ends it for later ones. */
  delay(letters: Letters & { readonly ms: number }): () => void;
  /** Delivers messages twice, with a probability (default 1). Returns what ends it. */
  duplicate(letters: Letters & { readonly probability?: number }): () => void;
  /**
   * The next effect of this name (default: whichever comes) never settles, not even when it is aborted; a user call that
   * hangs so over a restart becomes an orphan after `stopDeadlineMs`. `when: 'before'` (default): it does not even begin;
   * `after`: it is done, and the actor does not hear of it. Returns what releases it.
   */
  hang(target: string, effect?: string, options?: { readonly when?: 'before' | 'after' }): () => void;
  /** The next effect of this name (default: whichever comes) fails with `error`. Returns what withdraws it. */
  failNext(target: string, effect?: string, error?: unknown): () => void;
  /** Random faults at random intervals until `stop`. Kills count as restarts: see `restart.intensity`. */
  start(options?: NemesisStartOptions): void;
  /** Ends `start`; what is under way ends in its own time. */
  stop(): void;
  /** Ends and undoes everything: resumes, delivers, releases, withdraws. The end of the consumer does so by itself. */
  calm(): void;
  /** `calm`, and lets go of the consumer. */
  [Symbol.dispose](): void;
}

/**
 * Injects faults into a consumer's actors, in real or virtual time.
 *
 * ```ts
 * using chaos = nemesis(consumer, { seed: 7 });
 * await consumer.start();
 * chaos.kill('reducer');
 * await chaos.kill('stage', { at: 'disposed', when: 'after' });
 * chaos.start({ everyMs: 500, acts: ['kill', 'pause'] });
 * ```
 */
export function nemesis(consumer: Pick<Consumer, 'runtime' | 'closed'>, options: NemesisOptions): Nemesis {
  const seed = checkNemesis(consumer, options);
  const { runtime } = consumer;
  const dice = createDice(seed);
  const mail = createMail(runtime, dice.fork());
  const mayhemDice = dice.fork();
  const { log, note, report } = createLog(seed, runtime);
  const timers = createTimers(runtime);
  let disposed = false;
  let ended = false;
  let endMayhem = (): void => {};

  const die = (actor: Ref<never>, detail?: string): string => {
    note('kill', actor.path, detail);
    crash(actor, new Error(`nemesis (seed ${seed}) killed ${actor.path}`));
    return actor.path;
  };
  const strike = (actor: Ref<never>, kill: Strike, detail: string): void => {
    die(actor, `${kill.when} ${detail}`);
    kill.struck(actor.path);
  };
  const messages = createWishes<Strike>((wished, type) => wished === type);
  const effects = createEffectFaults(note, strike);
  const pauses = createPauses(runtime, () => {
    if (disposed) detach();
  });
  const detach = attachIntercept(runtime, {
    deliver: mail.deliver,
    startEffect: effects.startEffect,
    receive: (delivery, receive) => pauses.pass(delivery.to, () => receiveOrDie(delivery, receive, messages, strike)),
  });

  const check = (): void => {
    if (disposed) throw new KinactError('STOPPED', 'this nemesis was disposed of');
  };
  const one = (targets: readonly string[], option: string): Ref<never> => {
    check();
    return pickLiving(runtime, dice, targets, option);
  };

  function kill(target: string): string;
  function kill(target: string, moment: NemesisMoment): Promise<string>;
  function kill(target: string, moment?: NemesisMoment): string | Promise<string> {
    if (moment === undefined) return die(one([target], 'target'));
    check();
    checkMoment(runtime, target, moment);
    return killAt(target, moment, messages, effects.kills);
  }

  const made: Nemesis = {
    seed,
    log,
    report,
    kill,
    killRandom: (given = {}) => die(one(checkedVictims(given), 'kinds')),
    pause: (target, given = {}) => {
      const ms = checkedPause(given);
      const actor = one([target], 'target');
      note('pause', actor.path, ms === undefined ? undefined : `${checkedMs(ms)} ms`);
      const resume = pauses.pause(actor);
      const cancel = ms === undefined ? () => {} : timers.later(ms, () => goOn());
      const goOn = (): void => {
        cancel();
        if (resume()) note('resume', actor.path);
      };
      return goOn;
    },
    delay: (given) => {
      check();
      const { ms, ...letters } = checkLetters(runtime, 'delay', given);
      note('delay', named(letters), `${checkedMs(ms)} ms`);
      return mail.delay(letters, ms);
    },
    duplicate: (given) => {
      check();
      const { probability = 1, ...letters } = checkLetters(runtime, 'duplicate', given);
      note('duplicate', named(letters), `${checkedProbability(probability)}`);
      return mail.duplicate(letters, probability);
    },
    hang: (target, effect, given = {}) => {
      check();
      checkEffect(runtime, target, effect);
      const hang = createHang(checkedWhen(given));
      const withdraw = effects.hangs.add({ target, name: effect, wanted: hang });
      return () => {
        withdraw();
        hang.release();
      };
    },
    failNext: (target, effect, error) => {
      check();
      checkEffect(runtime, target, effect);
      return effects.failures.add({ target, name: effect, wanted: { error } });
    },
    start: (given = {}) => {
      check();
      if (ended) throw new KinactError('STOPPED', 'the consumer of this nemesis has ended');
      endMayhem();
      endMayhem = startMayhem(made, runtime, mayhemDice, timers.later, checkedStart(runtime, given));
    },
    stop: () => endMayhem(),
    calm: () => {
      endMayhem();
      timers.calm();
      for (const missed of [...messages.clear(), ...effects.calm()]) missed.missed();
      mail.calm();
      pauses.calm();
    },
    [Symbol.dispose]: () => {
      made.calm();
      disposed = true;
      if (pauses.empty) detach();
    },
  };
  // Nobody is left to be harmed, and no timer of ours may keep the process.
  const end = (): void => ((ended = true), made.calm());
  consumer.closed.then(end, end);
  return made;
}

const named = ({ from = '*', to = '*', type }: Letters): string =>
  `${from} > ${to}${type === undefined ? '' : ` ${type}`}`;
