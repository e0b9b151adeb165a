// The intercepts of a runtime, combined into one: the one from the runtime's options, and those attached later. They are nested,
// with the first one outermost. `mail.ts` calls `deliver`, `incarnation.ts` the other methods.
import { refuse, type Kind } from '../src/options/option-table.js';
import { cellOf, type Engine, type Runtime } from './cell.js';
import { deliverGuarded } from './mail.js';
import type { Intercept } from './intercept.js';
import { checkRuntime } from './package-copy.js';
import type { Ref } from './actor.js';
import { crash } from './actor-stop.js';
import { callGuarded } from '../src/core/callback.js';
import { asError } from '../src/core/thrown.js';

const methods = ['deliver', 'receive', 'startEffect'] as const;

/** Refuses other methods, because one with a misspelled name would silently do nothing. */
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

/** Makes a copy, because the same intercept may be attached twice and detached separately. Instances of classes work too. */
export function copyIntercept(given: Intercept): Intercept {
  const own: Intercept = {};
  for (const name of methods) if (given[name] !== undefined) Object.assign(own, { [name]: given[name].bind(given) });
  return own;
}

/**
 * Attaches `added` after the existing intercepts; each one sees what the one before lets through. Returns a function that
 * detaches it. Messages that it holds back at that time are still its own to deliver.
 *
 * @throws KinactError INVALID_OPTION.
 */
export function attachIntercept(runtime: Runtime, added: Intercept): () => void {
  checkRuntime(runtime);

  const engine = runtime as Engine;
  const own = copyIntercept(interceptKind.parse(added, 'intercept'));
  engine.intercepts.push(own);
  engine.intercept = combineAll(engine);

  return () => {
    engine.intercepts = engine.intercepts.filter((each) => each !== own);
    engine.intercept = combineAll(engine);
  };
}

/** Combines all intercepts into one. Undefined if there are none, so mail without intercepts costs one comparison. */
function combineAll(engine: Engine): Intercept | undefined {
  const { intercepts } = engine;
  if (intercepts.length < 2) return intercepts[0];
  return intercepts.reduceRight((inner, outer) => combine(engine, outer, inner));
}

/**
 * Combines two intercepts. The caller handles failures of the outer one. Failures of the inner one are handled here, because the
 * outer one may swallow its throw, or drop the promise that it returns.
 */
function combine(engine: Engine, outer: Intercept, inner: Intercept): Intercept {
  return {
    deliver: (delivery, deliver) => {
      const next = (): void => deliverGuarded(engine, inner, delivery, deliver);
      return outer.deliver === undefined ? next() : outer.deliver(delivery, next);
    },
    receive: (delivery, receive) => {
      const next = (): void => {
        if (inner.receive === undefined) return receive();
        callGuarded(
          () => inner.receive?.(delivery, receive),
          (thrown) => crashReceiver(delivery.to, thrown),
        );
      };
      return outer.receive === undefined ? next() : outer.receive(delivery, next);
    },
    startEffect: (actor, info, start) => {
      const next = (): unknown => (inner.startEffect === undefined ? start() : inner.startEffect(actor, info, start));
      return outer.startEffect === undefined ? next() : outer.startEffect(actor, info, next);
    },
  };
}

function crashReceiver(actor: Ref<never>, thrown: unknown): void {
  const cell = cellOf(actor);
  if (cell !== undefined) crash(cell, asError(thrown));
}
