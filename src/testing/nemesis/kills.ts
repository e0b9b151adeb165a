// A kill that waits for a message or an effect.
import type { Delivery, Ref } from '../../../supervision/index.js';
import { isRunning } from '../../../supervision/status.js';
import { KinactError } from '../../api/errors.js';
import type { NemesisMoment } from './types.js';
import type { Triggers } from './triggers.js';

export interface PendingKill {
  readonly when: 'before' | 'during' | 'after';
  /** Called when the actor has been killed. */
  readonly killed: (path: string) => void;
  /** Called if `heal` comes before the kill. */
  readonly missed: () => void;
}

/** Callers may ignore the promise, so its rejection is handled. */
export function killAt(
  target: string,
  moment: NemesisMoment,
  messages: Triggers<PendingKill>,
  effects: Triggers<PendingKill>,
): Promise<string> {
  const done = new Promise<string>((killed, failed) => {
    const missed = (): void => {
      const text = `heal() came before nemesis had killed ${target}`;
      failed(new KinactError('STOPPED', text, { data: { actor: target } }));
    };
    if ('at' in moment) {
      messages.add({ target, name: moment.at, fault: { when: moment.when ?? 'before', killed, missed } });
    } else {
      effects.add({ target, name: moment.effect, fault: { when: moment.when ?? 'during', killed, missed } });
    }
  });
  done.catch(() => {});
  return done;
}

/** Lets an actor handle a message, and kills the actor before or after that if a kill waits for the message. */
export function receiveOrDie(
  { to, message }: Delivery,
  receive: () => void,
  triggers: Triggers<PendingKill>,
  killNow: (actor: Ref<never>, kill: PendingKill, detail: string) => void,
): void {
  const type = (message as { readonly type?: unknown } | null | undefined)?.type;
  const kill = triggers.hasAny && isRunning(to) ? triggers.take(to.path, type) : undefined;
  if (kill?.when === 'before') killNow(to, kill, String(type));
  // Also after the kill: the message then counts as a dead letter.
  receive();
  if (kill?.when === 'after') killNow(to, kill, String(type));
}
