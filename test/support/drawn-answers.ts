// Draws answers that the services' models allow but that no client expects. A draw walks a true answer along the schema that the SDK's
// client has of the operation. It leaves out members, makes them null or empty, puts holes into lists, and uses words that do not exist
// yet. The rest of the answer stays true: kinact must cope with a service that reports little, but cannot cope with one that lies.

/** The SDK's static schemas: `[kind, namespace, name, traits, …]`, or a number for a simple type. */
export type Schema = number | readonly unknown[] | (() => Schema);

export interface Draws {
  /** In [0, 1). */
  next(): number;
}

export interface DrawnOptions {
  /** Whether required members are broken as well, now and then. Default true. */
  readonly breakRequired?: boolean;
  /** Names of members that stay as they are. */
  readonly keep?: readonly string[];
}

const [listKind, mapKind, structKind, unionKind, operationKind] = [1, 2, 3, 4, 9];
/** Members for which a service may have new words. */
const wordsOfTomorrow = ['EncryptionType', 'StreamMode', 'StreamStatus', 'RecordDistributionStrategy', 'TableStatus'];
/** Members that may be added, because nothing in a true answer contradicts them. */
const additions: Readonly<Record<string, unknown>> = {
  EncryptionType: 'TOMORROW',
  KeyId: '',
  ConsumerCount: 0,
  ChannelCount: 0,
  WarmThroughput: {},
  ConsumedCapacity: { TableName: null, CapacityUnits: 0.5 },
};

/** Draws a version of `answer`. `operation` is the SDK's schema of the operation, for example `GetRecords$`. */
export function drawAnswer(operation: Schema, answer: object, draws: Draws, options: DrawnOptions = {}): object {
  const schema = resolve(operation);
  if (!Array.isArray(schema) || schema[0] !== operationKind) throw new TypeError('no schema of an operation');
  return draw(schema[5] as Schema, answer, draws, options) as object;
}

function resolve(schema: Schema): Schema {
  let found = typeof schema === 'function' ? schema() : schema;
  // `[schema, traits]`: the traits only describe the encoding.
  while (Array.isArray(found) && typeof found[0] !== 'number') {
    found = found[0] as Schema;
    if (typeof found === 'function') found = found();
  }
  return found;
}

function draw(given: Schema, value: unknown, draws: Draws, options: DrawnOptions): unknown {
  const schema = resolve(given);
  if (!Array.isArray(schema) || value === null || value === undefined) return value;
  switch (schema[0]) {
    case structKind:
      return drawStruct(schema, value as Readonly<Record<string, unknown>>, draws, options);
    case listKind: {
      const drawn = (value as readonly unknown[]).map((each) => draw(schema[4] as Schema, each, draws, options));
      return options.breakRequired !== false && draws.next() < 0.02 ? [...drawn, null] : drawn;
    }
    case mapKind:
    case unionKind:
      return value;
    default:
      return value;
  }
}

function drawStruct(
  schema: readonly unknown[],
  value: Readonly<Record<string, unknown>>,
  draws: Draws,
  options: DrawnOptions,
): Record<string, unknown> {
  const names = schema[4] as readonly string[];
  const members = schema[5] as readonly Schema[];
  const required = (schema[6] as number | undefined) ?? 0;
  const drawn: Record<string, unknown> = {};
  for (const [index, name] of names.entries()) {
    const there = value[name];
    if (options.keep?.includes(name) === true) {
      if (there !== undefined) drawn[name] = there;
      continue;
    }
    if (there === undefined) {
      if (Object.hasOwn(additions, name) && draws.next() < 0.3) drawn[name] = additions[name];
      continue;
    }
    const breaks = index >= required ? 0.5 : options.breakRequired === false ? 0 : 0.04;
    const roll = draws.next() / breaks;
    if (roll < 0.5) continue;
    if (roll < 0.75) drawn[name] = null;
    else if (roll < 1) drawn[name] = emptyOf(there);
    else if (wordsOfTomorrow.includes(name) && draws.next() < 0.3) drawn[name] = 'TOMORROW';
    else drawn[name] = draw(members[index] as Schema, there, draws, options);
  }
  return drawn;
}

function emptyOf(value: unknown): unknown {
  if (Array.isArray(value)) return [];
  if (typeof value === 'string') return '';
  return typeof value === 'object' ? {} : value;
}
