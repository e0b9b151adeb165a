// Counts the DynamoDB calls that the move of a lease costs. The SDK client of each worker records its calls. Calls that would also
// happen without a move (regular renewals, scans) do not count. The requests alone decide what a call is for.
import { DynamoDBClient, type AttributeValue } from '@aws-sdk/client-dynamodb';
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
  /** Undefined for a call that is not about a single row. */
  readonly leaseKey: string | undefined;
  readonly kind: CallKind;
  /** The owner that the write sets. */
  readonly owner?: string | undefined;
  /** When the call was answered, on the clock of `Notes`. */
  readonly at: number;
  readonly accepted: boolean;
}

interface Request {
  readonly Key?: Record<string, AttributeValue>;
  readonly UpdateExpression?: string;
  readonly ExpressionAttributeValues?: Record<string, AttributeValue>;
}

/** Makes a client like kinact's own that records each call when it is answered. */
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

/** Derives what a request is for. In expressions, an attribute is written as `#name`. */
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

/** The cost of all moves of one kind. */
export interface MoveCost {
  readonly moves: number;
  /** Name of a call → number of these calls. */
  readonly calls: ReadonlyMap<string, number>;
}

interface Row {
  owner: string | undefined;
  /** The previous owner. `late`: its last call was a refused renewal, or a read of the row after one. */
  before: string | undefined;
  late: boolean;
  /** The lease is taken and not renewed yet. The first renewal makes the fence, and would not happen without the take. */
  fenceDue: boolean;
  /** How the current owner got the lease; undefined for the first owner. */
  kind: MoveKind | undefined;
  released: boolean;
  /** Calls that count for the next move. */
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
 * `calls` are in the order of their answers. Only calls from `since` on count. A row's first take is no move. Requests without
 * success count for the row's next move.
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

/** The name under which a call counts; undefined if the call would also happen without a move. */
function nameOf({ kind, worker, accepted }: TableCall, row: Row): string | undefined {
  if (kind === 'look') return kind;
  if (!accepted) return `${kind}, refused`;
  if (kind !== 'renewal') return kind;
  if (worker !== row.owner || !row.fenceDue) return undefined;
  row.fenceDue = false;
  return 'fence';
}
