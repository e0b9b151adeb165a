// The items of one scripted table, and the writes to them: PutItem, UpdateItem, DeleteItem, and their conditions. Every write says
// what it changed; the table's stream makes a record of it. Called by scripted-tables.ts.
import { AwsAnswerError } from './answer-errors.js';
import { normalItem, normalValue, textOf, validation, type ScriptedItem, type ScriptedValue } from './item-values.js';

/** An attribute of the primary key. */
export interface ScriptedKeyAttribute {
  /** The attribute's name. */
  readonly name: string;
  /** `S`, `N` or `B`. */
  readonly type: string;
}

/** An item before and after a write. A write that changes nothing makes no record. */
export interface ItemChange {
  /** The item's primary key. */
  readonly keys: ScriptedItem;
  /** Undefined if the item is new. */
  readonly before: ScriptedItem | undefined;
  /** Undefined if the item is gone. */
  readonly after: ScriptedItem | undefined;
}

/** The body of a write. */
export type WriteInput = Readonly<Record<string, unknown>>;

/** The partition key first, then the sort key, if there is one. */
export type KeySchema = readonly ScriptedKeyAttribute[];

/** The items of a table by the text of their keys. */
export type ScriptedItems = Map<string, ScriptedItem>;

/** Whether a write needs a record in the stream. */
export function isChange({ before, after }: ItemChange): boolean {
  return textOf(before ?? null) !== textOf(after ?? null);
}

/** The key in an item, or in a `Key`, which has no other attributes. */
export function keyOf(schema: KeySchema, item: ScriptedItem, alone: boolean): ScriptedItem {
  if (alone && Object.keys(item).length !== schema.length)
    throw validation('The provided key element does not match the schema');

  const parts = schema.map(({ name, type }): [string, ScriptedValue] => {
    const value = item[name];
    if (value === undefined)
      throw validation(
        alone
          ? 'The provided key element does not match the schema'
          : `One or more parameter values were invalid: Missing the key ${name} in the item`,
      );
    if (value[type] === undefined)
      throw validation(`One or more parameter values were invalid: Type mismatch for key ${name} expected: ${type}`);
    if (value[type] === '')
      throw validation(
        `One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: ${name}`,
      );
    return [name, normalValue(value)];
  });

  return Object.fromEntries(parts);
}

export function putItem(schema: KeySchema, items: ScriptedItems, input: WriteInput): ItemChange {
  const after = normalItem((input['Item'] ?? {}) as ScriptedItem);
  const keys = keyOf(schema, after, false);
  const before = items.get(textOf(keys));
  checkCondition(input, before);
  items.set(textOf(keys), after);
  return { keys, before, after };
}

export function deleteItem(schema: KeySchema, items: ScriptedItems, input: WriteInput): ItemChange {
  const keys = keyOf(schema, (input['Key'] ?? {}) as ScriptedItem, true);
  const before = items.get(textOf(keys));
  checkCondition(input, before);
  items.delete(textOf(keys));
  return { keys, before, after: undefined };
}

/** An update, and the names of the attributes that it is about. */
export interface ItemUpdate extends ItemChange {
  readonly touched: readonly string[];
}

/** Only `SET name = :value` and `REMOVE name` of whole attributes; anything else is refused. */
export function updateItem(schema: KeySchema, items: ScriptedItems, input: WriteInput): ItemUpdate {
  const keys = keyOf(schema, (input['Key'] ?? {}) as ScriptedItem, true);
  const before = items.get(textOf(keys));
  checkCondition(input, before);

  const changes = changesIn(input);
  const touched = changes.map(([name]) => name);
  const inKey = touched.find((name) => schema.some((each) => each.name === name));
  if (inKey !== undefined)
    throw validation(
      `One or more parameter values were invalid: Cannot update attribute ${inKey}. This attribute is part of the key`,
    );

  const attributes = new Map(Object.entries(before ?? keys));
  for (const [name, value] of changes) {
    if (value === undefined) attributes.delete(name);
    else attributes.set(name, value);
  }

  const after = normalItem(Object.fromEntries(attributes));
  items.set(textOf(keys), after);
  return { keys, before, after, touched };
}

/** What `ReturnValues` asks for. */
export function returned({ before, after, touched }: ItemUpdate, wanted: unknown): object {
  const some = (item: ScriptedItem | undefined): object =>
    Object.fromEntries(Object.entries(item ?? {}).filter(([name]) => touched.includes(name)));
  switch (wanted) {
    case undefined:
    case 'NONE':
      return {};
    case 'ALL_OLD':
      return before === undefined ? {} : { Attributes: before };
    case 'UPDATED_OLD':
      return before === undefined ? {} : { Attributes: some(before) };
    case 'ALL_NEW':
      return { Attributes: after };
    case 'UPDATED_NEW':
      return { Attributes: some(after) };
    default:
      throw validation(`ReturnValues: ${String(wanted)} is not known`);
  }
}

const settingForm = /^(#\w+|[A-Za-z_]\w*)\s*=\s*(:\w+)$/;
const nameOnly = /^(#\w+|[A-Za-z_]\w*)$/;

/** The new value of each attribute in UpdateExpression; undefined for one to remove. */
function changesIn(input: WriteInput): [string, ScriptedValue | undefined][] {
  const changes: [string, ScriptedValue | undefined][] = [];
  for (const { verb, terms } of clausesOf(String(input['UpdateExpression'] ?? ''))) {
    for (const term of terms.join(' ').split(',')) {
      const form = verb === 'SET' ? settingForm : nameOnly;
      const [, name, value] = form.exec(term.trim()) ?? [];
      if (name === undefined) throw unsupported(input['UpdateExpression']);
      changes.push([nameIn(input, name), value === undefined ? undefined : valueIn(input, value)]);
    }
  }
  return changes;
}

/** The clauses of an expression, each with the words behind its verb. */
function clausesOf(expression: string): readonly { readonly verb: string; readonly terms: readonly string[] }[] {
  const clauses: { verb: string; terms: string[] }[] = [];
  for (const word of expression.trim().split(/\s+/)) {
    const verb = word.toUpperCase();
    const clause = clauses.at(-1);
    if (verb === 'SET' || verb === 'REMOVE') clauses.push({ verb, terms: [] });
    else if (clause !== undefined) clause.terms.push(word);
    else if (word !== '') throw unsupported(expression);
  }
  return clauses;
}

const unsupported = (expression: unknown): AwsAnswerError =>
  validation(`the scripted tables do not know the expression ${String(expression)}`);

function nameIn(input: WriteInput, name: string): string {
  if (!name.startsWith('#')) return name;
  const found = (input['ExpressionAttributeNames'] as Record<string, string> | undefined)?.[name];
  if (found === undefined) throw validation(`An expression attribute name used in expression is not defined: ${name}`);
  return found;
}

function valueIn(input: WriteInput, value: string): ScriptedValue {
  const found = (input['ExpressionAttributeValues'] as ScriptedItem | undefined)?.[value];
  if (found === undefined)
    throw validation(`An expression attribute value used in expression is not defined: ${value}`);
  return normalValue(found);
}

const existsForm = /^(attribute_exists|attribute_not_exists)\s*\(\s*(#\w+|[A-Za-z_]\w*)\s*\)$/;

/** Conditions may say `attribute_exists`, `attribute_not_exists` and `name = :value`, joined by AND. */
function checkCondition(input: WriteInput, item: ScriptedItem | undefined): void {
  const condition = input['ConditionExpression'];
  if (condition === undefined) return;

  const holds = String(condition)
    .split(/\s/)
    .join(' ')
    .split(/ AND /i)
    .every((each) => {
      const [, call, named] = existsForm.exec(each.trim()) ?? [];
      if (named !== undefined) return (item?.[nameIn(input, named)] !== undefined) === (call === 'attribute_exists');
      const [, name, value] = settingForm.exec(each.trim()) ?? [];
      if (name === undefined || value === undefined) throw unsupported(condition);
      return textOf(item?.[nameIn(input, name)]) === textOf(valueIn(input, value));
    });
  if (holds) return;

  const showsItem = input['ReturnValuesOnConditionCheckFailure'] === 'ALL_OLD' && item !== undefined;
  throw new AwsAnswerError(
    'ConditionalCheckFailedException',
    'The conditional request failed',
    400,
    showsItem ? { Item: item } : {},
  );
}
