// A kill that waits for its moment.
import type { Delivery, Ref } from '../../../supervision/index.js';
import { isRunning } from '../../../supervision/status.js';
import { KinactError } from '../../api/errors.js';
import type { NemesisMoment } from './types.js';
import type { Wishes } from './wishes.js';

export interface Strike {
  readonly when: 'before' | 'during' | 'after';
  /** It has come about. */
  readonly struck: (path: string) => void;
  /** It will not. */
  readonly missed: () => void;
}

/** The promise is for whoever waits; nobody has to. */
export function killAt(
  target: string,
  moment: NemesisMoment,
  messages: Wishes<Strike>,
  effects: Wishes<Strike>,
): Promise<string> {
  const done = new Promise<string>((struck, failed) => {
    const missed = (): void => {
      const text = `nemesis was calmed before it had killed ${target}`;
      failed(new KinactError('STOPPED', text, { data: { actor: target } }));
    };
    if ('at' in moment) {
      messages.add({ target, name: moment.at, wanted: { when: moment.when ?? 'before', struck, missed } });
    } else {
      effects.add({ target, name: moment.effect, wanted: { when: moment.when ?? 'during', struck, missed } });
    }
  });
  done.catch(() => {});
  return done;
}

/** Lets an actor handle a message, and kills it before or after where that was wished for. */
export function receiveOrDie(
  { to, message }: Delivery,
  receive: () => void,
  wishes: Wishes<Strike>,
  strike: (actor: Ref<never>, kill: Strike, detail: string) => void,
): void {
  const type = (message as { readonly type?: unknown } | null | undefined)?.type;
  const kill = wishes.any && isRunning(to) ? wishes.take(to.path, type) : undefined;
  if (kill?.when === 'before') strike(to, kill, String(type));
  // Also after its death: the letter is then counted as a dead one.
  receive();
  if (kill?.when === 'after') strike(to, kill, String(type));
}
