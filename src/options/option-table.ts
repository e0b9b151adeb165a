// The machinery of the option tables: one row holds the type, default, bound, text and example of an option. All code that checks
// a user's input uses this file, for example consumer-option-table.ts. docs/options.md and the declarations in folders named
// generated come from the same rows. `defaulting` derives from one value both the default that applies (`fallback`) and its text
// for readers (`shown`). `optional` takes them as two arguments: keep them equal.
import { KinactError } from '../api/errors.js';
import { refuse, refuseName, show } from '../api/refusal.js';
import { unknownName } from '../core/nearest-name.js';

export { refuse, show } from '../api/refusal.js';

declare const given: unique symbol;

/** The kind of values that an option accepts: users write a `Given`, and the code uses a `T`. */
export interface Kind<T, Given = T> {
  /** A text for readers and for error messages: `integer >= 1`. */
  readonly expected: string;
  /** `Given`, as a declaration writes it. test/types proves that both types are equal. */
  readonly type: TypeText;
  /** The part of `expected` that the type does not express. */
  readonly bound?: string;
  /** Returns the value that the code uses; throws a KinactError if `value` is not of this kind. */
  readonly parse: (value: unknown, path: string) => T;
  /** Never present at run time: carries the type `Given` to `OptionsOf`. */
  readonly [given]?: Given;
}

/** A TypeScript type: its source text, an object with the members of a table, or a union of these. */
export type TypeText = string | NestedTable | readonly TypeText[];

interface NestedTable {
  readonly rows: Rows;
  /** The name of the generated interface. Without a name, the members are written where the type is used. */
  readonly name?: string | undefined;
}

/** One option. A given value resolves to a `T`, a missing one to a `D`. */
export interface Row<T = unknown, D = unknown, Given = unknown> extends Kind<T, Given> {
  /** Returns the default, called once per consumer; absent for a required option. */
  readonly fallback?: () => D;
  /** The text of the default for readers. */
  readonly shown: string;
  /** Plain sentences in Markdown. */
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

/** The result of resolving a table: every option, with its default if it was not given. */
export type Resolved<Table> = {
  readonly [Name in keyof Table]: Table[Name] extends Row<infer T, infer D> ? T | D : never;
};

/** The options that an application may write for a table. */
export type OptionsOf<Table> = Flat<
  { readonly [Name in RequiredNames<Table>]: GivenOf<Table[Name]> } & {
    readonly [Name in Exclude<keyof Table, RequiredNames<Table>>]?: GivenOf<Table[Name]> | undefined;
  }
>;

/** Accepts a value, unchanged, if `accepts` returns true for it. */
export const kind = <T>(
  expected: string,
  accepts: (value: unknown) => boolean,
  type: TypeText = 'unknown',
): Kind<T> => ({
  expected,
  type,
  parse: (value, path) => (accepts(value) ? (value as T) : refuse(path, expected, value)),
});

/** The longest delay that Node's timers accept. */
export const maxTimerMs = 2_147_483_647;

/** Numbers within bounds that the TypeScript type cannot express. */
export const bounded = (expected: string, accepts: (value: number) => boolean): Kind<number> => ({
  ...kind(expected, (value) => typeof value === 'number' && accepts(value), 'number'),
  bound: expected,
});

export const integer = (min: number, max: number = Number.MAX_SAFE_INTEGER): Kind<number> =>
  bounded(
    max === Number.MAX_SAFE_INTEGER ? `integer >= ${min}` : `integer, ${min} to ${max}`,
    (value) => Number.isSafeInteger(value) && value >= min && value <= max,
  );

export const milliseconds = (min: number, max: number = maxTimerMs): Kind<number> =>
  bounded(`milliseconds, ${min} to ${max}`, (value) => value >= min && value <= max);

/** Milliseconds without an upper bound, as the timers of `kinact/supervision` accept them. */
export const duration: Kind<number> = bounded('milliseconds, 0 or more', (value) => value >= 0);

export const finite: Kind<number> = kind('a number', (value) => Number.isFinite(value), 'number');

/** How often: 0 or more, or Infinity. */
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

/** An object that has these members. With `isFunction` each must be a function; otherwise it must only be defined. */
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

/** The parts of a row besides its kind and its text. */
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

/** An object with the members of a table. `name` is the name of the interface that is generated for it. */
export const members = <Table extends Rows>(rows: Table, name?: string): Kind<Resolved<Table>, OptionsOf<Table>> => ({
  expected: 'object',
  type: { rows, name },
  parse: (value, path) => resolveTable(rows, value, path),
});

/** Makes a row with an object of options that may all be left out. */
export function group<Table extends Rows>(
  rows: Table,
  doc: string,
  { name, example }: { readonly name?: string; readonly example?: string } = {},
): Row<Resolved<Table>, Resolved<Table>, OptionsOf<Table>> {
  const base = members(rows, name);
  return { ...base, fallback: () => base.parse({}, ''), shown: 'see below', doc, example };
}

/**
 * Resolves an object by a table. Unknown names are refused, `undefined` means the default, and every other value (0, false and
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

function under(path: string, name: string): string {
  if (!/^[\w$]+$/.test(name)) return `${path || 'options'}[${show(name)}]`;
  return path === '' ? name : `${path}.${name}`;
}

/** Makes a plain copy, because getters may throw or return a different value the next time. */
export function membersOf(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(path || 'options', 'object', value);
  try {
    // Without a prototype, `toString` is an unknown option and `constructor` is not given.
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
 * Checks the members of an object without copying it. `undefined` stands for the default. An unknown name is refused, because it
 * would silently have no effect.
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
