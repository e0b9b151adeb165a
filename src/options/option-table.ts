// The machinery of the option tables: one row holds the type, default, bound, text and example of an option. Used by
// consumer-table.ts, source-options.ts and everything else that checks what a user passes in. docs/options.md and the
// declarations in folders named generated come from the same rows. `defaulting` makes of one value both the default that
// applies (`fallback`) and the one that people read (`shown`). With `optional` they are given apart: keep them equal.
import { KinactError } from '../api/errors.js';
import { unknownName } from '../core/nearest-name.js';

declare const given: unique symbol;

/** What values an option takes: `T` is the value as it is used, `Given` what may be written for it. */
export interface Kind<T, Given = T> {
  /** As people read it: `integer >= 1`. Also what an error says was expected. */
  readonly expected: string;
  /** `Given`, as a declaration writes it. test/types proves that it is the same type. */
  readonly type: TypeText;
  /** What of `expected` the type does not say. */
  readonly bound?: string;
  /** The value as it is used from then on; a KinactError where `value` is not of this kind. */
  readonly parse: (value: unknown, path: string) => T;
  /** Never there: it carries `Given` to `OptionsOf`. */
  readonly [given]?: Given;
}

/** A type in words of TypeScript: a text, an object with the members of a table, or a union of such. */
export type TypeText = string | NestedTable | readonly TypeText[];

interface NestedTable {
  readonly rows: Rows;
  /** Of the interface that is generated of it; without one the members stand where the type is used. */
  readonly name?: string | undefined;
}

/** One option. `T` is what it resolves to when given, `D` when it is not. */
export interface Row<T = unknown, D = unknown, Given = unknown> extends Kind<T, Given> {
  /** Made for each consumer; absent for a required option. */
  readonly fallback?: () => D;
  /** The default as people read it. */
  readonly shown: string;
  /** Plain sentences, Markdown. */
  readonly doc: string;
  /** A value as an application writes it. */
  readonly example?: string | undefined;
}

export type Rows = Readonly<Record<string, Row>>;

type RequiredNames<Table> = {
  [Name in keyof Table]: Table[Name] extends Row<unknown, infer D> ? ([D] extends [never] ? Name : never) : never;
}[keyof Table];

type GivenOf<Each> = Each extends { readonly [given]?: infer Given } ? Given : never;

type Flat<Members> = { [Name in keyof Members]: Members[Name] };

/** What a table resolves to: every option, with its default where it was not given. */
export type Resolved<Table> = {
  readonly [Name in keyof Table]: Table[Name] extends Row<infer T, infer D> ? T | D : never;
};

/** What an application may write, by a table. */
export type OptionsOf<Table> = Flat<
  { readonly [Name in RequiredNames<Table>]: GivenOf<Table[Name]> } & {
    readonly [Name in Exclude<keyof Table, RequiredNames<Table>>]?: GivenOf<Table[Name]> | undefined;
  }
>;

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

/** Accepts a value for which `accepts` holds, as it is. */
export const kind = <T>(
  expected: string,
  accepts: (value: unknown) => boolean,
  type: TypeText = 'unknown',
): Kind<T> => ({
  expected,
  type,
  parse: (value, path) => (accepts(value) ? (value as T) : refuse(path, expected, value)),
});

/** The longest delay that Node's timers take. */
export const LONGEST_MS = 2_147_483_647;

/** Numbers within bounds that their type cannot say. */
export const bounded = (expected: string, accepts: (value: number) => boolean): Kind<number> => ({
  ...kind(expected, (value) => typeof value === 'number' && accepts(value), 'number'),
  bound: expected,
});

export const integer = (min: number, max: number = Number.MAX_SAFE_INTEGER): Kind<number> =>
  bounded(
    max === Number.MAX_SAFE_INTEGER ? `integer >= ${min}` : `integer, ${min} to ${max}`,
    (value) => Number.isSafeInteger(value) && value >= min && value <= max,
  );

export const milliseconds = (min: number, max: number = LONGEST_MS): Kind<number> =>
  bounded(`milliseconds, ${min} to ${max}`, (value) => value >= min && value <= max);

/** As the runtime's own timers take it, of any length. */
export const duration: Kind<number> = bounded('milliseconds, 0 or more', (value) => value >= 0);

export const finite: Kind<number> = kind('a number', (value) => Number.isFinite(value), 'number');

/** How often: 0 or more, also without end. */
export const times: Kind<number> = bounded(
  'how often, 0 or more',
  (value) => value === Infinity || (Number.isSafeInteger(value) && value >= 0),
);

export const text = (expected: string, pattern: RegExp, bound = expected): Kind<string> => ({
  ...kind(expected, (value) => typeof value === 'string' && pattern.test(value), 'string'),
  bound,
});

export const flag: Kind<boolean> = kind('true or false', (value) => typeof value === 'boolean', 'boolean');

export const callback = <F, Given = F>(type = 'unknown'): Kind<F, Given> =>
  kind<never>('function', (value) => typeof value === 'function', type);

export const anything: Kind<unknown> = kind('anything', () => true);

export const oneOf = <const Choice extends string>(...choices: readonly Choice[]): Kind<Choice> =>
  kind(
    choices.map((choice) => `'${choice}'`).join(', '),
    (value) => (choices as readonly unknown[]).includes(value),
    choices.map((choice) => `'${choice}'`),
  );

/** An object that has these members; `isFunction` says of which type they must be. */
export function shaped<T>(expected: string, members: readonly string[], type = 'unknown', isFunction = true): Kind<T> {
  const accepts = (value: unknown): boolean => {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
    try {
      return members.every((name) => {
        const member = (value as Record<string, unknown>)[name];
        return isFunction ? typeof member === 'function' : member !== undefined;
      });
    } catch {
      return false;
    }
  };
  return kind(expected, accepts, type);
}

/** What a row says beside its kind and its text. */
interface Shown<D> {
  readonly shown?: string;
  readonly fallback?: () => D;
  readonly example?: string;
}

/** Makes a row that may be left out. */
export function optional<T, D = undefined, Given = T>(
  base: Kind<T, Given>,
  doc: string,
  { shown = 'none', fallback, example }: Shown<D> = {},
): Row<T, D, Given> {
  return { ...base, doc, shown, example, fallback: fallback ?? ((): D => undefined as D) };
}

/** Makes a row with a default that is a plain value. */
export const defaulting = <T>(
  base: Kind<T>,
  value: T & (string | number | boolean),
  doc: string,
  example?: string,
): Row<T, T, T> => ({
  ...base,
  doc,
  example,
  shown: typeof value === 'number' ? value.toLocaleString('en-US') : `\`${show(value)}\``,
  fallback: () => value,
});

/** Makes a row that must be given. */
export const required = <T, Given>(base: Kind<T, Given>, doc: string, example?: string): Row<T, never, Given> => ({
  ...base,
  doc,
  example,
  shown: 'required',
});

/** An object with the members of a table. `name`: of the interface that is generated of it. */
export const members = <Table extends Rows>(rows: Table, name?: string): Kind<Resolved<Table>, OptionsOf<Table>> => ({
  expected: 'object',
  type: { rows, name },
  parse: (value, path) => resolveTable(rows, value, path),
});

/** Makes a row of rows that all may be left out. */
export function group<Table extends Rows>(
  rows: Table,
  doc: string,
  { name, example }: { readonly name?: string; readonly example?: string } = {},
): Row<Resolved<Table>, Resolved<Table>, OptionsOf<Table>> {
  const base = members(rows, name);
  return { ...base, fallback: () => base.parse({}, ''), shown: 'see below', doc, example };
}

/**
 * Resolves an object by a table: unknown names are refused, `undefined` means the default, every other value (0, false and
 * '' included) is validated. The result is complete and frozen.
 *
 * @throws KinactError INVALID_OPTION naming path, expected and got.
 */
export function resolveTable<Table extends Rows>(rows: Table, value: unknown, path: string): Resolved<Table> {
  const given = membersOf(value, path);
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(rows, name)) refuseName(under(path, name), unknownName('option', name, Object.keys(rows)));
  }
  const resolved: Record<string, unknown> = {};
  for (const [name, row] of Object.entries(rows)) {
    const got = given[name];
    if (got !== undefined) {
      resolved[name] = row.parse(got, under(path, name));
    } else if (row.fallback === undefined) refuse(under(path, name), row.expected, got);
    else resolved[name] = row.fallback();
  }
  return Object.freeze(resolved) as Resolved<Table>;
}

function refuseName(option: string, complaint: string): never {
  throw new KinactError('INVALID_OPTION', `${option}: ${complaint}`, { data: { option } });
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
    throw new KinactError(
      'INVALID_OPTION',
      `${path || 'options'}: expected readable members, got an error when they were read`,
      {
        cause,
        data: { option: path || 'options' },
      },
    );
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
    if (!Object.hasOwn(kinds, name)) refuseName(under(path, name), unknownName('member', name, Object.keys(kinds)));
  }
  for (const [name, each] of Object.entries(kinds)) {
    const given = (value as Readonly<Record<string, unknown>>)[name];
    if (given !== undefined || needed.includes(name)) each.parse(given, under(path, name));
  }
}
