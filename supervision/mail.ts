// Every message between kinact's actors goes through this file: first `Intercept.deliver`, then nact. One nact message carries
// one of kinact's, so nact keeps the order per sender and receiver. Called by the rest of `supervision`.
import type { Ref } from './actor.js';
import { callGuarded } from '../src/core/callback.js';
import { count, interceptFailed, stamp, type Cell, type Engine, type Envelope } from './cell.js';
import type { Delivery, Intercept, Via } from './intercept.js';
import { dispatchMail } from './nact.js';
import type { FiredTimer } from './timers.js';

/** Queues a message for an actor. A message to a stopped actor is counted and dropped. */
export function post(to: Cell, from: Ref<never> | undefined, via: Via, message: unknown): void {
  postEnvelope(to, { stamp, from, via, message, handled: false }, message);
}

/** Queues a fired timer for its own actor. */
export function postTimer(to: Cell, timer: FiredTimer): void {
  postEnvelope(to, { stamp, from: undefined, via: 'timer', timer, handled: false }, timer.message);
}

function postEnvelope(to: Cell, envelope: Envelope, message: unknown): void {
  const deliver = (): void => {
    if (to.phase === 'stopped') {
      count(to.engine, 'deadLetter');
      return;
    }
    to.queued += 1;
    dispatchMail(to.mailbox, envelope);
  };

  const { intercept } = to.engine;
  if (intercept?.deliver === undefined) {
    deliver();
    return;
  }

  const { from, via } = envelope;
  const delivery = { to: to.ref, via, message, ...(from === undefined ? {} : { from }) };
  deliverGuarded(to.engine, intercept, delivery, deliver);
}

/** Hands a message to an intercept. An intercept may drop a message on purpose, but a failing one must not lose it. */
export function deliverGuarded(engine: Engine, intercept: Intercept, delivery: Delivery, deliver: () => void): void {
  if (intercept.deliver === undefined) return deliver();

  let delivered = false;
  const once = (): void => {
    delivered = true;
    deliver();
  };

  callGuarded(
    () => intercept.deliver?.(delivery, once),
    (error) => {
      interceptFailed(engine, 'deliver', error);
      if (!delivered) deliver();
    },
  );
}
