// The machinery of the option tables: one row holds what validates an option and what documents it, so that the two
// cannot differ. Used by consumer-table.ts, source-options.ts and everything else that checks what a user passes in.
// docs/options.md is generated from the same rows.
import { KinactError } from '../api/errors.js';
import { nearestName } from '../core/nearest-name.js';

/** What values an option takes. */
export interface Kind<T> {
  /** As people read it: `integer >= 1`. Also what an error says was expected. */
  readonly expected: string;
  /** The value as it is used from then on; a KinactError where `value` is not of this kind. */
  readonly parse: (value: unknown, path: string) => T;
}

/** One option. `T` is what it resolves to when given, `D` when it is not. */
export interface Row<T = unknown, D = unknown> extends Kind<T> {
  /** Made for each consumer; absent for a required option. */
  readonly fallback?: () => D;
  /** The default as people read it. */
  readonly shown: string;
  /** Plain sentences, Markdown. */
  readonly doc: string;
  /** The rows of a nested table. */
  readonly rows?: Rows;
}

export type Rows = Readonly<Record<string, Row>>;

export type Resolved<Table> = {
  readonly [Name in keyof Table]: Table[Name] extends Row<infer T, infer D> ? T | D : never;
};

/** Shows any value in an error, shortened. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 57)}...` : value}'`;
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return value instanceof Date ? 'a Date' : 'an object';
  return typeof value === 'function' ? 'a function' : String(value);
}

export function refuse(path: string, expected: string, got: unknown): never {
  throw new KinactError('INVALID_OPTION', `${path}: expected ${expected}, got ${show(got)}`, {
    data: { option: path },
  });
}

/** For values that the contract promises and this version does not have. */
export function notBuilt(path: string, got: unknown, instead: string): never {
  throw new KinactError('NOT_BUILT', `${path}: ${show(got)} is not built in this version; ${instead}`, {
    data: { option: path },
  });
}

/** Accepts a value for which `accepts` holds, as it is. */
export const kind = <T>(expected: string, accepts: (value: unknown) => boolean): Kind<T> => ({
  expected,
  parse: (value, path) => (accepts(value) ? (value as T) : refuse(path, expected, value)),
});

/** The longest delay that Node's timers take. */
export const LONGEST_MS = 2_147_483_647;

export const integer = (min: number): Kind<number> =>
  kind(`integer >= ${min}`, (value) => Number.isSafeInteger(value) && (value as number) >= min);

export const milliseconds = (min: number, max: number = LONGEST_MS): Kind<number> =>
  kind(`milliseconds, ${min} to ${max}`, (value) => typeof value === 'number' && value >= min && value <= max);

/** As the runtime's own timers take it, of any length. */
export const duration: Kind<number> = kind(
  'milliseconds, 0 or more',
  (value) => typeof value === 'number' && value >= 0,
);

export const finite: Kind<number> = kind('a number', (value) => Number.isFinite(value));

/** How often: 0 or more, also without end. */
export const times: Kind<number> = kind(
  'how often, 0 or more',
  (value) => value === Infinity || (Number.isSafeInteger(value) && (value as number) >= 0),
);

export const text = (expected: string, pattern: RegExp): Kind<string> =>
  kind(expected, (value) => typeof value === 'string' && pattern.test(value));

export const flag: Kind<boolean> = kind('true or false', (value) => typeof value === 'boolean');

export const callback = <F>(): Kind<F> => kind('function', (value) => typeof value === 'function');

export const anything: Kind<unknown> = kind('anything', () => true);

export const oneOf = <const Choice extends string>(...choices: readonly Choice[]): Kind<Choice> =>
  kind(choices.map((choice) => `'${choice}'`).join(', '), (value) => (choices as readonly unknown[]).includes(value));

/** An object that has these members; `isFunction` says of which type they must be. */
export function shaped<T>(expected: string, members: readonly string[], isFunction = true): Kind<T> {
  return kind(expected, (value) => {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
    try {
      return members.every((name) => {
        const member = (value as Record<string, unknown>)[name];
        return isFunction ? typeof member === 'function' : member !== undefined;
      });
    } catch {
      return false;
    }
  });
}

/** A kind that knows values that are promised but not built. */
export const exceptNotBuilt = <T>(
  base: Kind<T>,
  isPromised: (value: unknown) => boolean,
  instead: string,
): Kind<T> => ({
  expected: base.expected,
  parse: (value, path) => (isPromised(value) ? notBuilt(path, value, instead) : base.parse(value, path)),
});

/** Makes a row that may be left out. */
export function optional<T, D = undefined>(base: Kind<T>, doc: string, shown = 'none', fallback?: () => D): Row<T, D> {
  return { ...base, doc, shown, fallback: fallback ?? ((): D => undefined as D) };
}

/** Makes a row with a default that is a plain value. */
export const defaulting = <T>(base: Kind<T>, value: T & (string | number | boolean), doc: string): Row<T, T> =>
  optional(base, doc, typeof value === 'number' ? value.toLocaleString('en-US') : `\`${show(value)}\``, () => value);

/** Makes a row that must be given. */
export const required = <T>(base: Kind<T>, doc: string): Row<T, never> => ({ ...base, doc, shown: 'required' });

/** Makes a row of rows. */
export function group<Table extends Rows>(rows: Table, doc: string): Row<Resolved<Table>, Resolved<Table>> {
  const parse = (value: unknown, path: string): Resolved<Table> => resolveTable(rows, value, path);
  return { expected: 'object', parse, fallback: () => parse({}, ''), shown: 'see below', doc, rows };
}

/**
 * Resolves an object by a table: unknown names are refused, `undefined` means the default, every other value (0, false and
 * '' included) is validated. The result is complete and frozen.
 *
 * @throws KinactError INVALID_OPTION or NOT_BUILT, naming path, expected and got.
 */
export function resolveTable<Table extends Rows>(rows: Table, value: unknown, path: string): Resolved<Table> {
  const given = membersOf(value, path);
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(rows, name))
      refuse(under(path, name), unknownName('option', name, Object.keys(rows)), given[name]);
  }
  const resolved: Record<string, unknown> = {};
  for (const [name, row] of Object.entries(rows)) {
    const got = given[name];
    if (got !== undefined) resolved[name] = row.parse(got, under(path, name));
    else if (row.fallback === undefined) refuse(under(path, name), row.expected, got);
    else resolved[name] = row.fallback();
  }
  return Object.freeze(resolved) as Resolved<Table>;
}

/** The name that was meant, where one is near, is worth more than all of them. */
function unknownName(what: 'option' | 'member', name: string, names: readonly string[]): string {
  const nearest = nearestName(name, names);
  return `no such ${what} (${nearest === undefined ? `known: ${names.join(', ')}` : `did you mean ${nearest}?`})`;
}

function under(path: string, name: string): string {
  if (!/^[\w$]+$/.test(name)) return `${path || 'options'}[${show(name)}]`;
  return path === '' ? name : `${path}.${name}`;
}

/** A plain copy, so that an object whose getters lie or throw is looked at once. */
export function membersOf(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(path || 'options', 'object', value);
  try {
    // No prototype: `toString` is an unknown option and `constructor` is not given.
    return Object.assign(Object.create(null) as Record<string, unknown>, value);
  } catch (cause) {
    throw new KinactError('INVALID_OPTION', `${path || 'options'}: its members could not be read`, {
      cause,
      data: { option: path || 'options' },
    });
  }
}

/**
 * Checks the members of an object as it is. `undefined` stands for the default; a name that does not exist would change
 * nothing, silently, and is refused.
 *
 * @throws KinactError INVALID_OPTION, naming path, expected and got.
 */
export function checkMembers(
  kinds: Readonly<Record<string, Kind<unknown>>>,
  value: unknown,
  needed: readonly string[] = [],
  path = '',
): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    refuse(path || 'options', 'an object', value);
  for (const name of Object.keys(value)) {
    if (!Object.hasOwn(kinds, name)) {
      refuse(under(path, name), unknownName('member', name, Object.keys(kinds)), name);
    }
  }
  for (const [name, each] of Object.entries(kinds)) {
    const given = (value as Readonly<Record<string, unknown>>)[name];
    if (given !== undefined || needed.includes(name)) each.parse(given, under(path, name));
  }
}
