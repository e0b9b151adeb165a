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
import type { Letters, NemesisOptions, Nemesis, NemesisMoment } from './types.js';
import { startMayhem } from './mayhem.js';
import { createPauses } from './pauses.js';
import { createTimers } from './timers.js';
import { pickLiving } from './whom.js';
import { createWishes } from './wishes.js';

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
