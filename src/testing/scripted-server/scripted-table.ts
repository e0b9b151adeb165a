// One table of the scripted tables: its keys, its items, and what CreateTable and DescribeTable say of it. Called by scripted-tables.ts.
import { AwsAnswerError } from './answer-errors.js';
import { validation, type ScriptedItem } from './item-values.js';
import { deleteItem, type ItemChange, type KeySchema, type ScriptedItems, type WriteInput } from './scripted-items.js';
import { keySchemaOf, type ScriptedTableStream, type ScriptedView } from './scripted-table-streams.js';

/** The settings that `createTable` takes. */
export interface ScriptedTableSettings {
  /** The partition key, and the sort key if there is one, with their types. Default: `id`, a text. */
  readonly keys?: KeySchema;
  /** What the stream's records show, or `none` for a table without a stream. Default `NEW_AND_OLD_IMAGES`. */
  readonly view?: ScriptedView | 'none';
  /** How many shards a stream of the table has at first. Default 1. */
  readonly shards?: number;
}

/** A table of the model. `createTable` makes it. */
export interface ScriptedTable {
  /** The table's name. */
  readonly name: string;
  /** The attributes of its primary key. */
  readonly keys: KeySchema;
  /** What its first stream shows. */
  readonly view: ScriptedView | 'none';
  /** How many shards a stream of the table has at first. */
  readonly shards: number;
  /** When it was created, milliseconds since the epoch. */
  readonly createdAt: number;
  /** The items, by a text of their keys. */
  readonly items: ScriptedItems;
  /** The ARN of its newest stream, disabled or not. */
  latestStream?: string;
  /** Takes an item out. */
  remove(key: ScriptedItem): ItemChange;
}

const nameForm = /^[\w.-]{3,255}$/;

export function newTable(
  tables: ReadonlyMap<string, ScriptedTable>,
  name: string,
  settings: ScriptedTableSettings,
  now: number,
): ScriptedTable {
  if (tables.has(name)) throw new AwsAnswerError('ResourceInUseException', `Table already exists: ${name}`);
  if (!nameForm.test(name))
    throw validation(
      'TableName must be at least 3 characters long and at most 255 characters long: letters, digits, _ - and .',
    );

  const { keys = [{ name: 'id', type: 'S' }], view = 'NEW_AND_OLD_IMAGES', shards = 1 } = settings;
  const items: ScriptedItems = new Map();
  return {
    name,
    keys,
    view,
    shards,
    items,
    createdAt: now,
    remove: (key) => deleteItem(keys, items, { Key: key }),
  };
}

/** The settings in a CreateTable request. Without a StreamSpecification, the table has no stream. */
export function tableSettingsIn(input: WriteInput): ScriptedTableSettings {
  const schema = input['KeySchema'] as readonly { AttributeName: string; KeyType: string }[] | undefined;
  const types = input['AttributeDefinitions'] as
    | readonly { AttributeName: string; AttributeType: string }[]
    | undefined;
  const keys = (schema ?? [])
    .toSorted((a, b) => (a.KeyType < b.KeyType ? -1 : 1))
    .map(({ AttributeName: name }) => {
      const type = types?.find((each) => each.AttributeName === name)?.AttributeType;
      if (type === undefined)
        throw validation(
          `One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: [${name}]`,
        );
      return { name, type };
    });
  if (keys.length === 0) throw validation('No KeySchema is given');

  return { keys, view: viewIn(input) ?? 'none' };
}

const views: readonly string[] = ['KEYS_ONLY', 'NEW_IMAGE', 'OLD_IMAGE', 'NEW_AND_OLD_IMAGES'];

/** The view in a StreamSpecification; undefined if it enables no stream. */
export function viewIn(input: WriteInput): ScriptedView | undefined {
  const specification = input['StreamSpecification'] as
    | { StreamEnabled?: boolean; StreamViewType?: string }
    | undefined;
  const { StreamEnabled: enabled = false, StreamViewType: view } = specification ?? {};
  if (!enabled) {
    if (view === undefined) return undefined;
    throw validation('StreamViewType is not allowed where StreamEnabled is false');
  }
  if (view !== undefined && views.includes(view)) return view as ScriptedView;
  throw validation(`StreamViewType must be one of ${views.join(', ')}`);
}

/** TableDescription. A disabled stream leaves its ARN, but no StreamSpecification. */
export function describeTable(
  table: ScriptedTable,
  stream: ScriptedTableStream | undefined,
  { region, accountId }: { readonly region: string; readonly accountId: string },
): object {
  const { name, keys, createdAt, items } = table;
  const isEnabled = stream !== undefined && stream.disabledAt === undefined;
  return {
    TableName: name,
    TableArn: `arn:aws:dynamodb:${region}:${accountId}:table/${name}`,
    TableStatus: 'ACTIVE',
    KeySchema: keySchemaOf(keys),
    AttributeDefinitions: keys.map((each) => ({ AttributeName: each.name, AttributeType: each.type })),
    CreationDateTime: createdAt / 1_000,
    ItemCount: items.size,
    TableSizeBytes: 0,
    BillingModeSummary: { BillingMode: 'PAY_PER_REQUEST' },
    ...(stream === undefined ? {} : { LatestStreamArn: stream.arn, LatestStreamLabel: stream.label }),
    ...(isEnabled ? { StreamSpecification: { StreamEnabled: true, StreamViewType: stream.view } } : {}),
  };
}
