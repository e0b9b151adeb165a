// What a move costs in DynamoDB calls: every call of every worker is noted where its SDK client sends it, and those that there
// would be without the move (renewals at their time, scans) are left out. Told by the requests alone.
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { localClientConfig } from '../src/testing/local-servers.js';
import type { MoveKind } from './handover-judge.js';

export type CallKind =
  | 'wish'
  | 'withdrawal'
  | 'look'
  | 'answer'
  | 'hand-over'
  | 'release'
  | 'take'
  | 'renewal'
  | 'other';

export interface TableCall {
  readonly worker: string;
  /** Undefined for calls that are about no single row. */
  readonly leaseKey: string | undefined;
  readonly kind: CallKind;
  /** Whom the write makes the owner. */
  readonly owner?: string | undefined;
  /** When it was answered, on the clock of the notes. */
  readonly at: number;
  readonly accepted: boolean;
}

interface Request {
  readonly Key?: Record<string, AttributeValue>;
  readonly UpdateExpression?: string;
  readonly ExpressionAttributeValues?: Record<string, AttributeValue>;
}

/** A client as kinact makes its own, that notes each call when it has been answered. */
export function notingClient(endpoint: string, worker: string, calls: TableCall[]): DynamoDBClient {
  const client = new DynamoDBClient({ ...localClientConfig(endpoint), maxAttempts: 1 });
  client.middlewareStack.add(
    (next, { commandName = '' }) =>
      async (args) => {
        const called = describe(worker, commandName.replace('Command', ''), args.input as Request);
        try {
          const result = await next(args);
          calls.push({ ...called, at: performance.now(), accepted: true });
          return result;
        } catch (error) {
          calls.push({ ...called, at: performance.now(), accepted: false });
          throw error;
        }
      },
    { step: 'initialize', name: 'noteCalls' },
  );
  return client;
}

/** What a request is for. Attributes stand in expressions as `#name`. */
export function describe(worker: string, operation: string, request: Request): Omit<TableCall, 'accepted' | 'at'> {
  const leaseKey = request.Key?.['leaseKey']?.S;
  if (operation === 'GetItem') return { worker, leaseKey, kind: 'look' };
  if (operation !== 'UpdateItem') return { worker, leaseKey, kind: 'other' };
  const expression = request.UpdateExpression ?? '';
  const [, set = ''] = /SET (.*?)(?= REMOVE | ADD |$)/.exec(expression) ?? [];
  const valueOf = (name: string): string | undefined => {
    const [, placeholder] = new RegExp(`#${name} = (:\\w+)`).exec(set) ?? [];
    return placeholder === undefined ? undefined : request.ExpressionAttributeValues?.[placeholder]?.S;
  };
  if (!set.includes('#leaseCounter')) {
    if (set.includes('#kinactWish')) return { worker, leaseKey, kind: 'wish' };
    return { worker, leaseKey, kind: expression.includes('#kinactWish') ? 'withdrawal' : 'other' };
  }
  const owner = valueOf('leaseOwner');
  if (owner !== undefined) return { worker, leaseKey, kind: owner === worker ? 'take' : 'hand-over', owner };
  if (/REMOVE .*#leaseOwner/.test(expression)) return { worker, leaseKey, kind: 'release' };
  return { worker, leaseKey, kind: set.includes('#kinactAnswer') ? 'answer' : 'renewal' };
}

/** What one kind of move has cost. */
export interface MoveCost {
  readonly moves: number;
  /** Name of a call → how many there were of it. */
  readonly calls: ReadonlyMap<string, number>;
}

interface Row {
  owner: string | undefined;
  /** The owner before that one, and whether it has just been refused: its read of the row comes of that. */
  before: string | undefined;
  late: boolean;
  /** Taken, and not renewed yet: that renewal is the fence, and there would be none without the take. */
  fenceDue: boolean;
  /** How the present owner came to it; undefined: as the first. */
  kind: MoveKind | undefined;
  released: boolean;
  /** Calls for the next move. */
  open: string[];
}

function newRow(): Row {
  return {
    owner: undefined,
    before: undefined,
    late: false,
    fenceDue: false,
    kind: undefined,
    released: false,
    open: [],
  };
}

/**
 * Calls in the order of their answers; counted are those from `since` on. A row's first take is no move; whatever was asked in
 * vain is paid by the row's next move.
 */
export function costOf(calls: readonly TableCall[], since: number): ReadonlyMap<MoveKind, MoveCost> {
  const costs = { steal: { moves: 0, calls: new Map() }, leave: { moves: 0, calls: new Map() } };
  const charge = (kind: MoveKind | undefined, names: readonly string[]): void => {
    if (kind === undefined) return;
    for (const name of names) costs[kind].calls.set(name, ((costs[kind].calls.get(name) as number) ?? 0) + 1);
  };
  const rows = new Map<string, Row>();
  for (const call of calls) {
    if (call.leaseKey === undefined || call.kind === 'other') continue;
    const row = rows.get(call.leaseKey) ?? newRow();
    rows.set(call.leaseKey, row);
    const name = nameOf(call, row);
    if (name === undefined) continue;
    row.late = call.worker === row.before && (name === 'renewal, refused' || (name === 'look' && row.late));
    const counts = call.at >= since;
    if (counts && (row.late || name === 'fence')) charge(row.kind, [name]);
    else if (counts) row.open.push(name);
    if (name === 'release') row.released = true;
    if (name !== 'take') continue;
    row.kind = row.owner === undefined ? undefined : row.released ? 'leave' : 'steal';
    if (row.kind !== undefined && counts) costs[row.kind].moves += 1;
    charge(row.kind, row.open);
    Object.assign(row, { before: row.owner, owner: call.worker, fenceDue: true, released: false, open: [] });
  }
  return new Map(Object.entries(costs) as [MoveKind, MoveCost][]);
}

/** Undefined: there would have been this call without a move. */
function nameOf({ kind, worker, accepted }: TableCall, row: Row): string | undefined {
  if (kind === 'look') return kind;
  if (!accepted) return `${kind}, refused`;
  if (kind !== 'renewal') return kind;
  if (worker !== row.owner || !row.fenceDue) return undefined;
  row.fenceDue = false;
  return 'fence';
}
