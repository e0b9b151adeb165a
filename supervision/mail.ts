// Every message between our actors passes here: through `Intercept.deliver`, then through nact. One nact message carries one
// of ours, so that the order per sender and receiver is nact's own. Called by the rest of `supervision`.
import type { Ref } from './actor.js';
import { tell } from '../src/core/callback.js';
import { count, interceptFailed, stamp, type Cell, type Envelope } from './cell.js';
import type { Via } from './seams.js';
import { dispatchMail } from './nact.js';
import type { FiredTimer } from './timers.js';

/** Queues a message for an actor. One for a stopped actor is counted and dropped. */
export function post(to: Cell, from: Ref<never> | undefined, via: Via, message: unknown): void {
  pass(to, { stamp, from, via, message, handled: false }, message);
}

/** Queues a fired timer for its own actor. */
export function postTimer(to: Cell, timer: FiredTimer): void {
  pass(to, { stamp, from: undefined, via: 'timer', timer, handled: false }, timer.message);
}

function pass(to: Cell, envelope: Envelope, message: unknown): void {
  let delivered = false;
  const deliver = (): void => {
    delivered = true;
    if (to.phase === 'stopped') {
      count(to.engine, 'deadLetter');
      return;
    }
    to.queued += 1;
    dispatchMail(to.mailbox, envelope);
  };
  const intercept = to.engine.intercept;
  if (intercept?.deliver === undefined) {
    deliver();
    return;
  }
  const { from, via } = envelope;
  const delivery = { to: to.ref, via, message, ...(from === undefined ? {} : { from }) };
  tell(
    () => intercept.deliver?.(delivery, deliver),
    (error) => {
      interceptFailed(to.engine, 'deliver', error);
      // An intercept may lose a message on purpose, not by a mistake.
      if (!delivered) deliver();
    },
  );
}
