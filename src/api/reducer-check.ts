// Checks the definition of a reducer: its shape, the kinds of its members, and which members fit together. `defineReducer` and the
// option `reducer` call it. It knows members by name only, because the definition may come from JavaScript.
import { isFailurePolicy } from './failure-policy.js';
import { unknownName } from '../core/nearest-name.js';
import { checkPlainObject, maxTimerMs } from './plain-object.js';
import { refuse, refuseName } from './refusal.js';

const plainObject = 'a plain object with init and reduce, init and behaviour, or process';

type Members = Readonly<Record<string, unknown>>;

const kinds: Readonly<Record<string, readonly string[]>> = {
  init: ['function', 'undefined'],
  reduce: ['function', 'undefined'],
  flush: ['function', 'undefined'],
  behaviour: ['function', 'undefined'],
  process: ['function', 'undefined'],
  batch: ['object', 'undefined'],
  acknowledge: ['string', 'undefined'],
  stateBy: ['string', 'undefined'],
  collectsOnly: ['boolean', 'undefined'],
  concurrency: ['number', 'undefined'],
  timeoutMs: ['number', 'undefined'],
};

/** The members that name the kind of a reducer, each with those that do not go with it. */
const alone: Readonly<Record<string, readonly string[]>> = {
  behaviour: ['flush', 'batch', 'acknowledge', 'stateBy', 'collectsOnly'],
  process: ['init', 'flush', 'acknowledge', 'stateBy', 'collectsOnly'],
};

/** Throws INVALID_OPTION, naming the member, expected and got. */
export function checkReducer(reducer: object): void {
  checkReducerShape(reducer, 'reducer');
  const definition = reducer as Members;
  refuseOther(definition);
  for (const name of Object.keys(definition)) {
    const expected = kinds[name];
    const got = definition[name];
    if (expected === undefined) refuseName(`reducer.${name}`, unknownName('member', name, Object.keys(kinds)));
    else if (!expected.includes(typeof got) || got === null) refuse(`reducer.${name}`, expected.join(' or '), got);
  }

  const given = ['reduce', 'behaviour', 'process'].filter((name) => definition[name] !== undefined);
  if (given.length !== 1) {
    const got = given.length === 0 ? 'none' : given.join(' and ');
    refuseName('reducer', `expected exactly one of reduce, behaviour and process, got ${got}`);
  }
  if (definition['process'] === undefined) checkInit(definition['init']);
  for (const [kind, others] of Object.entries(alone)) {
    if (definition[kind] === undefined) continue;
    for (const name of others)
      if (definition[name] !== undefined) refuseName(`reducer.${name}`, `${allowedOnly(name)}, got ${kind}`);
  }

  oneOf('reducer.acknowledge', definition['acknowledge'], ['auto', 'manual']);
  oneOf('reducer.stateBy', definition['stateBy'], ['reducer', 'shard']);
  const { concurrency, timeoutMs } = definition;
  if (timeoutMs !== undefined && !((timeoutMs as number) >= 1 && (timeoutMs as number) <= maxTimerMs))
    refuse('reducer.timeoutMs', `a number of milliseconds, 1 to ${maxTimerMs}`, timeoutMs);
  if (concurrency !== undefined) {
    if (definition['process'] === undefined)
      refuseName('reducer.concurrency', `allowed only with process, got ${given.join()}`);
    if (!Number.isSafeInteger(concurrency) || (concurrency as number) < 1)
      refuse('reducer.concurrency', 'an integer >= 1', concurrency);
  }
  if (definition['collectsOnly'] === true) {
    if (definition['flush'] === undefined) refuse('reducer.flush', 'a function with collectsOnly', undefined);
    if (definition['acknowledge'] === 'manual') refuse('reducer.acknowledge', "'auto' with collectsOnly", 'manual');
  }
  if (definition['batch'] !== undefined) checkBatch(definition['batch'] as Members);
}

/** Which kinds of reducers may have this member. */
function allowedOnly(name: string): string {
  const kindsWith = ['reduce', 'behaviour', 'process'].filter((kind) => alone[kind]?.includes(name) !== true);
  return `allowed only with ${kindsWith.join(' or ')}`;
}

function checkInit(init: unknown): void {
  if (typeof init !== 'function') refuse('reducer.init', 'a function', init);
  if (Object.prototype.toString.call(init) === '[object AsyncFunction]')
    refuseName('reducer.init', 'expected a synchronous function that returns the state, got an async function');
}

/** Refuses an object that is something else of kinact's, or that holds a reducer, and says what to write. */
function refuseOther(definition: Members): void {
  const names = Object.keys(definition);
  if (names.length === 0 || names.some((name) => kinds[name] !== undefined)) return;
  if (Array.isArray(definition['nodes']))
    refuseName('reducer', `expected ${plainObject}, got a pipe: it belongs to the option pipe`);
  const holder = names.find((name) => isLikeReducer(definition[name]));
  if (holder !== undefined)
    refuseName('reducer', `expected ${plainObject}, got an object that holds one: did you mean its member ${holder}?`);
  if (typeof definition['open'] === 'function' && 'openLeases' in definition)
    refuseName('reducer', `expected ${plainObject}, got a source: it belongs to the option source`);
  if (isFailurePolicy(definition))
    refuseName('reducer', `expected ${plainObject}, got a failure policy: it belongs to the option onFailure`);
}

function isLikeReducer(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return ['reduce', 'behaviour', 'process'].some((name) => typeof (value as Members)[name] === 'function');
}

export function checkReducerShape(definition: unknown, path: string): void {
  if (Array.isArray(definition))
    refuseName(
      path,
      `expected ${plainObject}, got an array: a consumer has one reducer, and \`reducers\` says how many run`,
    );
  checkPlainObject(definition, path, plainObject);
}

function checkBatch({ size, intervalMs, ...others }: Members): void {
  for (const name of Object.keys(others))
    refuseName(`reducer.batch.${name}`, unknownName('member', name, ['size', 'intervalMs']));
  if (size !== undefined && !(Number.isSafeInteger(size) && (size as number) >= 1))
    refuse('reducer.batch.size', 'an integer >= 1', size);
  if (intervalMs !== undefined && !(Number.isFinite(intervalMs) && (intervalMs as number) >= 1))
    refuse('reducer.batch.intervalMs', 'a number of milliseconds >= 1', intervalMs);
}

function oneOf(option: string, got: unknown, allowed: readonly string[]): void {
  if (got !== undefined && !allowed.includes(got as string))
    refuse(option, allowed.map((value) => `'${value}'`).join(' or '), got);
}
