// Intercepts stand between actors and their messages and effects: the one of the runtime's options, and those attached
// later. They run one after the other, the first attached outermost. `mail.ts` calls `deliver`, `incarnation.ts` the others.
import { refuse } from '../src/options/option-table.js';
import type { Kind } from '../src/options/option-table.js';
import type { Engine, Runtime } from './cell.js';
import type { Intercept } from './seams.js';
import { checkRuntime } from './copies.js';

const methods = ['deliver', 'receive', 'startEffect'] as const;

/** No other methods: one with a misspelt name would silently do nothing. */
export const interceptKind: Kind<Intercept> = {
  expected: `an object with methods of ${methods.join(', ')}, and no others`,
  type: 'Intercept',
  parse(value, path) {
    if (typeof value !== 'object' || value === null) return refuse(path, this.expected, value);
    for (const name of Object.keys(value)) {
      if (typeof (value as Record<string, unknown>)[name] !== 'function') continue;
      if (!(methods as readonly string[]).includes(name)) refuse(`${path}.${name}`, this.expected, name);
    }
    const given = methods.map((name) => (value as Intercept)[name] as unknown);
    const fits = given.every((each) => each === undefined || typeof each === 'function');
    if (!fits) refuse(path, this.expected, value);
    return value;
  },
};

/** A copy: the same intercept may be attached twice, and each works for itself. Also takes the instance of a class. */
export function ownIntercept(given: Intercept): Intercept {
  const own: Intercept = {};
  for (const name of methods) if (given[name] !== undefined) Object.assign(own, { [name]: given[name].bind(given) });
  return own;
}

/**
 * Attaches `added` behind those that are there already: each sees what the one before lets through. Returns a function that
 * detaches it again. Messages that it holds back at that time remain its own to deliver.
 *
 * @throws KinactError INVALID_OPTION.
 */
export function attachIntercept(runtime: Runtime, added: Intercept): () => void {
  checkRuntime(runtime);
  const engine = runtime as Engine;
  const own = ownIntercept(interceptKind.parse(added, 'intercept'));
  engine.intercepts.push(own);
  engine.intercept = chained(engine.intercepts);
  return () => {
    engine.intercepts = engine.intercepts.filter((each) => each !== own);
    engine.intercept = chained(engine.intercepts);
  };
}

/** All as one; undefined when there is none, so that mail without intercepts costs one comparison. */
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
