// What stands between actors and their messages and effects: the one given with the runtime's options, and those attached
// later. One after the other, the first attached outermost. Called by `mail.ts` and `system.ts`.
import type { Engine, Intercept, Runtime } from './cell.js';

/**
 * Puts `added` behind what stands there already: each sees what the one before lets through. Returns what takes it away
 * again; whatever it holds back then is its own to let go.
 */
export function attachIntercept(runtime: Runtime, added: Intercept): () => void {
  const engine = runtime as Engine;
  // A copy: the same one may be attached twice, and each goes for itself.
  const own = { ...added };
  engine.intercepts.push(own);
  engine.intercept = chained(engine.intercepts);
  return () => {
    engine.intercepts = engine.intercepts.filter((each) => each !== own);
    engine.intercept = chained(engine.intercepts);
  };
}

/** All as one; undefined when there is none, which is all that mail without one pays. */
export function chained(intercepts: readonly Intercept[]): Intercept | undefined {
  if (intercepts.length < 2) return intercepts[0];
  return intercepts.reduceRight((inner, outer) => ({
    deliver: (delivery, deliver) => {
      const next = (): void => (inner.deliver === undefined ? deliver() : inner.deliver(delivery, deliver));
      if (outer.deliver === undefined) next();
      else outer.deliver(delivery, next);
    },
    receive: (delivery, receive) => {
      const next = (): void => (inner.receive === undefined ? receive() : inner.receive(delivery, receive));
      if (outer.receive === undefined) next();
      else outer.receive(delivery, next);
    },
    startEffect: (actor, info, start) => {
      const next = (): unknown => (inner.startEffect === undefined ? start() : inner.startEffect(actor, info, start));
      return outer.startEffect === undefined ? next() : outer.startEffect(actor, info, next);
    },
  }));
}
