// Fault injection for users: kills and pauses the actors of one consumer, delays and repeats their messages, and makes their
// effects fail or hang. A seed decides every random choice. All faults use the seams of `kinact/supervision`: the consumer has
// no code for them.
import type { Consumer } from '../../consumer/consumer.js';
import { KinactError } from '../../api/errors.js';
import { attachIntercept, crash, type Ref } from '../../../supervision/index.js';
import { createDice } from '../dice.js';
import { createEffectFaults, createHang } from './effect-faults.js';
import { killAt, receiveOrDie, type PendingKill } from './kills.js';
import {
  checkedMs,
  checkedPause,
  checkedProbability,
  checkedStart,
  checkedVictims,
  checkedWhen,
  checkEffect,
  checkFilter,
  checkMoment,
  checkNemesis,
} from './argument-check.js';
import { createLog } from './log.js';
import { createMail } from './message-faults.js';
import type { MessageFilter, NemesisOptions, Nemesis, NemesisMoment } from './types.js';
import { startRandomFaults } from './random-faults.js';
import { createPauses } from './pauses.js';
import { createTimers } from './fault-timers.js';
import { pickLiving } from './targets.js';
import { createTriggers } from './triggers.js';

/**
 * Injects faults into a consumer's actors, in real or virtual time.
 *
 * @example
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
  const mail = createMail(runtime, dice.split());
  const { log, note, report } = createLog(seed, runtime);
  const timers = createTimers(runtime);
  const chance = { runtime, dice: dice.split(), later: timers.later };
  let disposed = false;
  let ended = false;
  let endRandomFaults = (): void => {};

  const die = (actor: Ref<never>, detail?: string): string => {
    note('kill', actor.path, detail);
    crash(actor, new Error(`nemesis (seed ${seed}) killed ${actor.path}`));
    return actor.path;
  };
  const killNow = (actor: Ref<never>, kill: PendingKill, detail: string): void => {
    die(actor, `${kill.when} ${detail}`);
    kill.killed(actor.path);
  };
  const messages = createTriggers<PendingKill>((name, type) => name === type);
  const effects = createEffectFaults(note, killNow);
  const pauses = createPauses(runtime, () => {
    if (disposed) detach();
  });
  const detach = attachIntercept(runtime, {
    deliver: mail.deliver,
    startEffect: effects.startEffect,
    receive: (delivery, receive) => pauses.pass(delivery.to, () => receiveOrDie(delivery, receive, messages, killNow)),
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
      const { ms, ...filter } = checkFilter(runtime, 'delay', given);
      note('delay', named(filter), `${checkedMs(ms)} ms`);
      return mail.delay(filter, ms);
    },
    duplicate: (given) => {
      check();
      const { probability = 1, ...filter } = checkFilter(runtime, 'duplicate', given);
      note('duplicate', named(filter), `${checkedProbability(probability)}`);
      return mail.duplicate(filter, probability);
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
      endRandomFaults();
      endRandomFaults = startRandomFaults(made, chance, checkedStart(runtime, given));
    },
    stop: () => endRandomFaults(),
    heal: () => {
      endRandomFaults();
      timers.heal();
      for (const missed of [...messages.clear(), ...effects.heal()]) missed.missed();
      mail.heal();
      pauses.heal();
    },
    [Symbol.dispose]: () => {
      made.heal();
      disposed = true;
      if (pauses.empty) detach();
    },
  };
  // After the end of the consumer no actor is left, and no timer of ours may keep the process alive.
  const end = (): void => ((ended = true), made.heal());
  consumer.closed.then(end, end);
  return made;
}

const named = ({ from = '*', to = '*', type }: MessageFilter): string =>
  `${from} > ${to}${type === undefined ? '' : ` ${type}`}`;
