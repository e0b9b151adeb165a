// Checks behaviours and the values that they return. Applications write behaviours too, some in JavaScript, so a mistake must
// fail where it is made, with an error that explains it. Called by `incarnation.ts`, `effect-interpreter.ts`,
// `running-effects.ts` and `supervisor-operation.ts`.
import type { Behaviour, Step } from './actor.js';
import { KinactError } from '../src/api/errors.js';
import { ignoreRejection } from '../src/core/callback.js';
import { duration, refuse, show } from '../src/options/option-table.js';

const needed = ['initial', 'receive'] as const;
const hooks = ['stopped', 'stopOrder', 'status'] as const;

/** Throws INVALID_OPTION for a behaviour, name or time that is not valid. */
export function checkBehaviour(behaviour: unknown, name: unknown, shutdownMs: unknown): void {
  const expected = 'an object with kind, initial and receive';
  if (typeof behaviour !== 'object' || behaviour === null) refuse('behaviour', expected, behaviour);
  ignoreRejection(behaviour);

  const { kind, stopChildren, ...rest } = behaviour as Partial<Behaviour<unknown, unknown>>;
  if (typeof kind !== 'string' || kind === '') refuse('behaviour.kind', 'a non-empty string', kind);

  const member = (hook: (typeof needed | typeof hooks)[number]): unknown => (behaviour as typeof rest)[hook];
  for (const hook of needed) {
    if (typeof member(hook) !== 'function') refuse(`behaviour.${hook}`, 'a function', member(hook));
  }
  for (const hook of hooks) {
    const given = member(hook);
    if (given !== undefined && typeof given !== 'function') refuse(`behaviour.${hook}`, 'a function', given);
  }

  if (stopChildren !== undefined && stopChildren !== 'together' && stopChildren !== 'one-by-one') {
    refuse('behaviour.stopChildren', "'together' or 'one-by-one'", stopChildren);
  }

  if (typeof name !== 'string') refuse('name', 'a text', name);
  duration.parse(shutdownMs, 'shutdownMs');
}

/** Checks what `initial` or `receive` has returned. Throws INVALID_BEHAVIOUR. */
export function checkStep(made: unknown, hook: 'initial' | 'receive'): Step<unknown, unknown> {
  ignoreRejection(made);
  if (Array.isArray(made) && made.length === 2 && Array.isArray(made[1]))
    return made as unknown as Step<unknown, unknown>;
  throw invalidBehaviour(
    `${hook} must return a pair of state and a list of effects, [state, effects]; ${described(made)}`,
  );
}

function described(made: unknown): string {
  if (!Array.isArray(made)) return `it returned ${show(made)}`;
  if (made.length !== 2) return `it returned a list of ${made.length}`;
  return `its effects were ${show(made[1])}`;
}

export function invalidBehaviour(message: string): KinactError {
  return new KinactError('INVALID_BEHAVIOUR', message);
}
