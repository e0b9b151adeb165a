// DynamoDB's condition and update expressions, as far as lease tables use them, and as strict as the service. An unused or undefined
// placeholder, a path that is written twice, and a value of the wrong type are refused. Each text is parsed once.
import type { AttributeValue } from '@aws-sdk/client-dynamodb';

export type Item = Readonly<Record<string, AttributeValue>>;

/** The names and values that a request gives for its expressions. */
export interface Placeholders {
  readonly ExpressionAttributeNames?: Readonly<Record<string, string>> | undefined;
  readonly ExpressionAttributeValues?: Readonly<Record<string, AttributeValue>> | undefined;
}

/** The service would not carry out this request. */
export class InvalidExpression extends Error {}

type Operand = { readonly path: string } | { readonly value: string };

type Condition =
  | { readonly type: 'and' | 'or'; readonly left: Condition; readonly right: Condition }
  | { readonly type: 'not'; readonly inner: Condition }
  | { readonly type: 'exists'; readonly path: string; readonly wanted: boolean }
  | { readonly type: 'beginsWith'; readonly path: string; readonly prefix: Operand }
  | { readonly type: 'compare'; readonly left: Operand; readonly operator: string; readonly right: Operand };

type Source =
  | { readonly type: 'operand'; readonly operand: Operand }
  | { readonly type: 'ifNotExists'; readonly path: string; readonly otherwise: Operand }
  | { readonly type: 'sum'; readonly left: Source; readonly right: Source; readonly sign: 1 | -1 };

interface Update {
  readonly set: readonly { readonly path: string; readonly source: Source }[];
  readonly remove: readonly string[];
  readonly add: readonly { readonly path: string; readonly value: Operand }[];
}

interface Parsed<T> {
  readonly tree: T;
  readonly used: ReadonlySet<string>;
}

const lexeme = /\s*([#:]?[A-Za-z_][\w.]*|[#:]\w+|<>|<=|>=|[=<>(),+-])/y;

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  lexeme.lastIndex = 0;
  while (text.slice(lexeme.lastIndex).trim() !== '') {
    const match = lexeme.exec(text);
    if (match === null) throw new InvalidExpression(`Syntax error in expression: ${text}`);
    tokens.push(match[1] as string);
  }
  return tokens;
}

/** Reads tokens one by one, and notes the placeholders among them. */
class Reader {
  readonly used = new Set<string>();
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  get next(): string | undefined {
    return this.#tokens[this.#at];
  }

  take(expected?: string): string {
    const token = this.#tokens[this.#at];
    if (token === undefined || (expected !== undefined && token.toUpperCase() !== expected))
      throw new InvalidExpression(`Syntax error: expected ${expected ?? 'more'}, got ${token ?? 'the end'}`);
    this.#at += 1;
    if (token.startsWith('#') || token.startsWith(':')) this.used.add(token);
    return token;
  }

  accept(...words: readonly string[]): string | undefined {
    const word = this.next?.toUpperCase();
    return word !== undefined && words.includes(word) ? this.take().toUpperCase() : undefined;
  }

  operand(): Operand {
    const token = this.take();
    return token.startsWith(':') ? { value: token } : { path: token };
  }

  end(): void {
    if (this.next !== undefined) throw new InvalidExpression(`Syntax error at ${this.next}`);
  }
}

function readOr(reader: Reader): Condition {
  let left = readAnd(reader);
  while (reader.accept('OR') !== undefined) left = { type: 'or', left, right: readAnd(reader) };
  return left;
}

function readAnd(reader: Reader): Condition {
  let left = readNot(reader);
  while (reader.accept('AND') !== undefined) left = { type: 'and', left, right: readNot(reader) };
  return left;
}

function readNot(reader: Reader): Condition {
  if (reader.accept('NOT') !== undefined) return { type: 'not', inner: readNot(reader) };
  if (reader.accept('(') !== undefined) {
    const inner = readOr(reader);
    reader.take(')');
    return inner;
  }
  const call = reader.accept('ATTRIBUTE_EXISTS', 'ATTRIBUTE_NOT_EXISTS', 'BEGINS_WITH');
  if (call !== undefined) {
    reader.take('(');
    const path = reader.take();
    const made: Condition =
      call === 'BEGINS_WITH'
        ? { type: 'beginsWith', path, prefix: (reader.take(','), reader.operand()) }
        : { type: 'exists', path, wanted: call === 'ATTRIBUTE_EXISTS' };
    reader.take(')');
    return made;
  }
  const left = reader.operand();
  const operator = reader.take();
  if (!['=', '<>', '<', '<=', '>', '>='].includes(operator))
    throw new InvalidExpression(`Syntax error: no operator ${operator}`);
  return { type: 'compare', left, operator, right: reader.operand() };
}

function readSource(reader: Reader): Source {
  const term = (): Source => {
    if (reader.accept('IF_NOT_EXISTS') === undefined) return { type: 'operand', operand: reader.operand() };
    reader.take('(');
    const path = reader.take();
    reader.take(',');
    const otherwise = reader.operand();
    reader.take(')');
    return { type: 'ifNotExists', path, otherwise };
  };
  let left = term();
  for (let sign = reader.accept('+', '-'); sign !== undefined; sign = reader.accept('+', '-'))
    left = { type: 'sum', left, right: term(), sign: sign === '+' ? 1 : -1 };
  return left;
}

function readUpdate(reader: Reader): Update {
  const update = {
    set: [] as Update['set'][number][],
    remove: [] as string[],
    add: [] as Update['add'][number][],
  };
  const list = (one: () => void): void => {
    do one();
    while (reader.accept(',') !== undefined);
  };
  while (reader.next !== undefined) {
    const section = reader.accept('SET', 'REMOVE', 'ADD');
    if (section === 'SET') {
      list(() => {
        const path = reader.take();
        reader.take('=');
        update.set.push({ path, source: readSource(reader) });
      });
    } else if (section === 'REMOVE') list(() => void update.remove.push(reader.take()));
    else if (section === 'ADD') list(() => void update.add.push({ path: reader.take(), value: reader.operand() }));
    else throw new InvalidExpression(`Syntax error: no section ${reader.next}`);
  }
  return update;
}

const conditions = new Map<string, Parsed<Condition>>();
const updates = new Map<string, Parsed<Update>>();

function parsed<T>(known: Map<string, Parsed<T>>, text: string, read: (reader: Reader) => T): Parsed<T> {
  const before = known.get(text);
  if (before !== undefined) return before;
  const reader = new Reader(text);
  const tree = read(reader);
  reader.end();
  const made = { tree, used: reader.used };
  known.set(text, made);
  return made;
}

/** Resolves the placeholders of one request. */
class Scope {
  readonly #given: Placeholders;

  constructor(given: Placeholders) {
    this.#given = given;
  }

  name(path: string): string {
    if (!path.startsWith('#')) return path;
    const name = this.#given.ExpressionAttributeNames?.[path];
    if (name === undefined) throw new InvalidExpression(`An expression attribute name is not defined: ${path}`);
    return name;
  }

  valueOf(operand: Operand, item: Item): AttributeValue | undefined {
    if ('path' in operand) return item[this.name(operand.path)];
    const value = this.#given.ExpressionAttributeValues?.[operand.value];
    if (value === undefined)
      throw new InvalidExpression(`An expression attribute value is not defined: ${operand.value}`);
    return value;
  }
}

function holds(condition: Condition, item: Item, scope: Scope): boolean {
  switch (condition.type) {
    case 'and':
      return holds(condition.left, item, scope) && holds(condition.right, item, scope);
    case 'or':
      return holds(condition.left, item, scope) || holds(condition.right, item, scope);
    case 'not':
      return !holds(condition.inner, item, scope);
    case 'exists':
      return (item[scope.name(condition.path)] !== undefined) === condition.wanted;
    case 'beginsWith': {
      const prefix = scope.valueOf(condition.prefix, item)?.S ?? '';
      return item[scope.name(condition.path)]?.S?.startsWith(prefix) === true;
    }
    case 'compare': {
      const left = scope.valueOf(condition.left, item);
      const right = scope.valueOf(condition.right, item);
      return left !== undefined && right !== undefined && compares(left, condition.operator, right);
    }
  }
}

function compares(left: AttributeValue, operator: string, right: AttributeValue): boolean {
  const same = JSON.stringify(left) === JSON.stringify(right);
  if (operator === '=') return same;
  if (operator === '<>') return !same;
  if (left.N === undefined || right.N === undefined) {
    if (left.S === undefined || right.S === undefined) return false;
    return order(left.S < right.S ? -1 : left.S > right.S ? 1 : 0, operator);
  }
  return order(Number(left.N) - Number(right.N), operator);
}

function order(difference: number, operator: string): boolean {
  switch (operator) {
    case '<':
      return difference < 0;
    case '<=':
      return difference <= 0;
    case '>':
      return difference > 0;
    default:
      return difference >= 0;
  }
}

function computed(source: Source, item: Item, scope: Scope): AttributeValue {
  switch (source.type) {
    case 'operand': {
      const value = scope.valueOf(source.operand, item);
      if (value === undefined) throw new InvalidExpression('An operand refers to an attribute that does not exist');
      return value;
    }
    case 'ifNotExists': {
      const value = item[scope.name(source.path)] ?? scope.valueOf(source.otherwise, item);
      if (value === undefined) throw new InvalidExpression('An operand refers to an attribute that does not exist');
      return value;
    }
    case 'sum': {
      const left = computed(source.left, item, scope).N;
      const right = computed(source.right, item, scope).N;
      if (left === undefined || right === undefined)
        throw new InvalidExpression('An operand in the update expression has an incorrect data type');
      return { N: String(Number(left) + source.sign * Number(right)) };
    }
  }
}

function storable(value: AttributeValue): AttributeValue {
  if (value.SS !== undefined && new Set(value.SS).size !== Math.max(1, value.SS.length))
    throw new InvalidExpression('An string set may not be empty or have duplicates');
  if (value.N !== undefined && !Number.isFinite(Number(value.N)))
    throw new InvalidExpression('The parameter cannot be converted to a numeric value');
  return value;
}

/** Checks every attribute of an item that is put. */
export function checkItem(item: Item): void {
  for (const value of Object.values(item)) storable(value);
}

/** Checks that one of the request's expressions uses each given placeholder. */
export function checkPlaceholders(
  given: Placeholders,
  texts: { readonly condition?: string; readonly update?: string },
): void {
  const used = new Set<string>();
  if (texts.condition !== undefined)
    for (const name of parsed(conditions, texts.condition, readOr).used) used.add(name);
  if (texts.update !== undefined) for (const name of parsed(updates, texts.update, readUpdate).used) used.add(name);
  const all = [
    ...Object.keys(given.ExpressionAttributeNames ?? {}),
    ...Object.keys(given.ExpressionAttributeValues ?? {}),
  ];
  for (const name of all)
    if (!used.has(name))
      throw new InvalidExpression(`Value provided in ExpressionAttribute… unused in expressions: ${name}`);
}

/** Whether a condition holds for an item. A missing item counts as an empty one. */
export function conditionHolds(text: string, given: Placeholders, item: Item | undefined): boolean {
  return holds(parsed(conditions, text, readOr).tree, item ?? {}, new Scope(given));
}

/** The item that an update makes. */
export function updatedItem(text: string, given: Placeholders, item: Item): Item {
  const { set, remove, add } = parsed(updates, text, readUpdate).tree;
  const scope = new Scope(given);
  const next: Record<string, AttributeValue> = { ...item };
  const written = new Set<string>();
  const target = (path: string): string => {
    const name = scope.name(path);
    if (written.has(name)) throw new InvalidExpression(`Two document paths overlap with each other: ${name}`);
    written.add(name);
    return name;
  };
  for (const { path, source } of set) next[target(path)] = storable(computed(source, item, scope));
  for (const path of remove) delete next[target(path)];
  for (const { path, value } of add) {
    const name = target(path);
    const by = scope.valueOf(value, item)?.N;
    const before = item[name];
    if (by === undefined || (before !== undefined && before.N === undefined))
      throw new InvalidExpression('Type mismatch for attribute to update');
    next[name] = { N: String(Number(before?.N ?? 0) + Number(by)) };
  }
  return next;
}
