// Fault injection for users: kills and pauses the actors of one consumer, delays and repeats their messages, and makes their
// effects fail or hang. A seed decides every random choice. All faults use the seams of `kinact/supervision`: the consumer has
// no code for them.
import type { Consumer } from '../../consumer/consumer.js';
import { KinactError } from '../../api/errors.js';
import { attachIntercept, crash, type Ref } from '../../../supervision/index.js';
import { createDice } from '../dice.js';
import { createEffectFaults, injected, createHang } from './effect-faults.js';
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
import { createMessageFaults } from './message-faults.js';
import type { MessageFilter, NemesisOptions, Nemesis, NemesisMoment } from './types.js';
import { startRandomFaults } from './random-faults.js';
import { createPauses } from './pauses.js';
import { createFaultTimers } from './fault-timers.js';
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
  const messageFaults = createMessageFaults(runtime, dice.split());
  const { log, note, report } = createLog(seed, runtime);
  const timers = createFaultTimers(runtime);
  const context = { runtime, dice: dice.split(), later: timers.later };

  let disposed = false;
  let ended = false;
  let endRandomFaults = (): void => {};

  const killActor = (actor: Ref<never>, detail?: string): string => {
    note('kill', actor.path, detail);
    crash(actor, injected(`nemesis (seed ${seed}) killed ${actor.path}`, actor.path));
    return actor.path;
  };

  const killNow = (actor: Ref<never>, kill: PendingKill, detail: string): void => {
    killActor(actor, `${kill.when} ${detail}`);
    kill.killed(actor.path);
  };

  const messageKills = createTriggers<PendingKill>((name, type) => name === type);
  const effectFaults = createEffectFaults(note, killNow);

  const pauses = createPauses(runtime, () => {
    if (disposed) detach();
  });

  const detach = attachIntercept(runtime, {
    deliver: messageFaults.deliver,
    startEffect: effectFaults.startEffect,
    receive: (delivery, receive) =>
      pauses.pass(delivery.to, () => receiveOrDie(delivery, receive, messageKills, killNow)),
  });

  const refuseIfDisposed = (): void => {
    if (disposed) throw new KinactError('STOPPED', 'this nemesis was disposed of');
  };

  const pickOne = (targets: readonly string[], option: string): Ref<never> => {
    refuseIfDisposed();
    return pickLiving(runtime, dice, targets, option);
  };

  function kill(target: string): string;
  function kill(target: string, moment: NemesisMoment): Promise<string>;
  function kill(target: string, moment?: NemesisMoment): string | Promise<string> {
    if (moment === undefined) return killActor(pickOne([target], 'target'));
    refuseIfDisposed();
    checkMoment(runtime, target, moment);
    return killAt(target, moment, messageKills, effectFaults.kills);
  }

  const chaos: Nemesis = {
    seed,
    log,
    report,
    kill,
    killRandom: (given = {}) => killActor(pickOne(checkedVictims(given), 'kinds')),
    pause: (target, given = {}) => {
      const ms = checkedPause(given);
      const actor = pickOne([target], 'target');

      note('pause', actor.path, ms === undefined ? undefined : `${checkedMs(ms)} ms`);
      const endPause = pauses.pause(actor);

      const cancel = ms === undefined ? () => {} : timers.later(ms, () => resume());
      const resume = (): void => {
        cancel();
        if (endPause()) note('resume', actor.path);
      };

      return resume;
    },
    delay: (given) => {
      refuseIfDisposed();
      const { ms, ...filter } = checkFilter(runtime, 'delay', given);
      note('delay', describeFilter(filter), `${checkedMs(ms)} ms`);
      return messageFaults.delay(filter, ms);
    },
    duplicate: (given) => {
      refuseIfDisposed();
      const { probability = 1, ...filter } = checkFilter(runtime, 'duplicate', given);
      note('duplicate', describeFilter(filter), `${checkedProbability(probability)}`);
      return messageFaults.duplicate(filter, probability);
    },
    hang: (target, effect, given = {}) => {
      refuseIfDisposed();
      checkEffect(runtime, target, effect);
      const hang = createHang(checkedWhen(given));
      const withdraw = effectFaults.hangs.add({ target, name: effect, fault: hang });
      return () => {
        withdraw();
        hang.release();
      };
    },
    failNext: (target, effect, error) => {
      refuseIfDisposed();
      checkEffect(runtime, target, effect);
      return effectFaults.failures.add({ target, name: effect, fault: { error } });
    },
    start: (given = {}) => {
      refuseIfDisposed();
      if (ended) throw new KinactError('STOPPED', 'the consumer of this nemesis has ended');
      endRandomFaults();
      endRandomFaults = startRandomFaults(chaos, context, checkedStart(runtime, given));
    },
    stop: () => endRandomFaults(),
    heal: () => {
      endRandomFaults();
      timers.heal();
      for (const kill of [...messageKills.clear(), ...effectFaults.heal()]) kill.missed();
      messageFaults.heal();
      pauses.heal();
    },
    [Symbol.dispose]: () => {
      chaos.heal();
      disposed = true;
      if (pauses.isEmpty) detach();
    },
  };

  // After the end of the consumer no actor is left, and no timer of ours may keep the process alive.
  const healAtEnd = (): void => ((ended = true), chaos.heal());
  consumer.closed.then(healAtEnd, healAtEnd);
  return chaos;
}

const describeFilter = ({ from = '*', to = '*', type }: MessageFilter): string =>
  `${from} > ${to}${type === undefined ? '' : ` ${type}`}`;
