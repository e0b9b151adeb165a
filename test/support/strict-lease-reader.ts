// A second, strict reader of the rows that kinact leaves in a lease table. It is written from KCL clause 1.1 alone, and shares no code
// with the library. It reports everything that the KCL's own reader might not accept. Run it after integration tests.
import { ScanCommand, type AttributeValue, type DynamoDBClient } from '@aws-sdk/client-dynamodb';

type Row = Record<string, AttributeValue>;

/** The rows of a table at one moment, by lease key. */
export type TableSnapshot = ReadonlyMap<string, Row>;

export interface StrictReading {
  /** Every worker has stopped cleanly, so no lease may have an owner, except those at SHARD_END. */
  readonly afterCleanStop?: boolean;
  /** Workers that have been killed: a lease of theirs stands until it expires, and may have been handed over to them afterwards. */
  readonly killed?: readonly string[];
  /** Every lease row has been written by kinact at least once. */
  readonly expectKinact?: boolean;
  /** The table contains rows of older libraries that are not back-filled yet. */
  readonly allowMissingHashRange?: boolean;
  /** The table before: its foreign attributes and foreign rows must still be there, unchanged. */
  readonly before?: TableSnapshot;
}

/** Attribute → its only type, of a KCL lease row and of ours. */
const types: Readonly<Record<string, 'S' | 'N' | 'SS' | 'B'>> = {
  leaseKey: 'S',
  leaseOwner: 'S',
  leaseCounter: 'N',
  ownerSwitchesSinceCheckpoint: 'N',
  checkpoint: 'S',
  checkpointSubSequenceNumber: 'N',
  parentShardId: 'SS',
  childShardIds: 'SS',
  pendingCheckpoint: 'S',
  pendingCheckpointSubSequenceNumber: 'N',
  pendingCheckpointState: 'B',
  startingHashKey: 'S',
  endingHashKey: 'S',
  throughputKBps: 'N',
  checkpointOwner: 'S',
  entityType: 'S',
  streamName: 'S',
  shardId: 'S',
  kinactLatestAt: 'N',
  kinactAutoAt: 'N',
  kinactWriter: 'S',
  kinactFailover: 'S',
  kinactWish: 'S',
  kinactAnswer: 'S',
};
const needed = [
  'leaseKey',
  'leaseCounter',
  'ownerSwitchesSinceCheckpoint',
  'checkpoint',
  'checkpointSubSequenceNumber',
];
const words = ['TRIM_HORIZON', 'LATEST', 'AT_TIMESTAMP', 'SHARD_END'];

/** Reads the whole table, strongly consistent. */
export async function snapshotTable(client: DynamoDBClient, tableName: string): Promise<TableSnapshot> {
  const rows = new Map<string, Row>();
  let from: Row | undefined;
  do {
    const page = await client.send(
      new ScanCommand({
        TableName: tableName,
        ConsistentRead: true,
        ...(from === undefined ? {} : { ExclusiveStartKey: from }),
      }),
    );
    for (const item of page.Items ?? []) rows.set(item['leaseKey']?.S ?? JSON.stringify(item['leaseKey']), item);
    from = page.LastEvaluatedKey;
  } while (from !== undefined);
  return rows;
}

/** Scans the table and throws an error that lists every violation. Returns what it read. */
export async function readStrictly(
  client: DynamoDBClient,
  tableName: string,
  reading: StrictReading = {},
): Promise<TableSnapshot> {
  const rows = await snapshotTable(client, tableName);
  const violations = violationsOf(rows, reading);
  if (violations.length > 0)
    throw new Error(`table ${tableName} violates KCL clause 1.1:\n  ${violations.join('\n  ')}`);
  return rows;
}

/** Every violation as `<lease key>: <rule>`; empty if there is none. */
export function violationsOf(rows: TableSnapshot, reading: StrictReading = {}): readonly string[] {
  const found: string[] = [];
  for (const [key, row] of rows) {
    if (row['entityType'] !== undefined && row['entityType'].S !== 'LEASE') continue;
    const complain = (what: string): void => void found.push(`${key}: ${what}`);
    checkTypes(row, complain);
    checkValues(row, complain);
    checkRange(row, reading, complain);
    checkLineage(key, row, rows, complain);
    checkOwners(row, reading, complain);
  }
  if (reading.before !== undefined) checkForeign(reading.before, rows, found);
  return found;
}

type Complain = (what: string) => void;

function checkTypes(row: Row, complain: Complain): void {
  for (const name of needed) if (row[name] === undefined) complain(`${name} is missing`);
  for (const [name, type] of Object.entries(types)) {
    const value = row[name];
    if (value === undefined) continue;
    const actual = Object.keys(value).join();
    if (actual !== type) {
      complain(
        actual === 'NULL' ? `${name} is NULL where it should be absent` : `${name} has type ${actual}, not ${type}`,
      );
      continue;
    }
    if (type === 'S' && value.S === '') complain(`${name} is empty where it should be absent`);
    if (type === 'SS' && (value.SS?.length === 0 || value.SS?.includes('') === true))
      complain(`${name} is an empty set or has an empty member`);
    if (type === 'N' && name !== 'throughputKBps' && !/^(0|[1-9][0-9]*)$/.test(value.N ?? ''))
      complain(`${name} is not a whole number`);
  }
}

function checkValues(row: Row, complain: Complain): void {
  const checkpoint = row['checkpoint']?.S ?? '';
  const isWord = words.includes(checkpoint);
  if (!isWord && !/^(0|[1-9][0-9]*)$/.test(checkpoint))
    complain(`checkpoint '${checkpoint}' is neither a number nor a sentinel`);
  if (isWord && row['checkpointSubSequenceNumber']?.N !== '0')
    complain('a sentinel checkpoint has a sub-sequence number other than 0');
  const prepared = row['pendingCheckpoint'] !== undefined;
  if (prepared !== (row['pendingCheckpointSubSequenceNumber'] !== undefined)) complain('half a pending checkpoint');
  if (!prepared && row['pendingCheckpointState'] !== undefined)
    complain('the state of a pending checkpoint without one');
  const stream = row['streamName']?.S;
  if ((stream === undefined) !== (row['shardId'] === undefined)) complain('only one of streamName and shardId');
  const shard = row['shardId']?.S;
  if (stream !== undefined && shard !== undefined && row['leaseKey']?.S !== `${stream}:${shard}`) {
    complain('leaseKey is not streamName:shardId');
  }
}

function checkRange(row: Row, reading: StrictReading, complain: Complain): void {
  const start = row['startingHashKey']?.S;
  const end = row['endingHashKey']?.S;
  if (start === undefined && end === undefined && reading.allowMissingHashRange === true) return;
  if (start === undefined || end === undefined) {
    complain('startingHashKey and endingHashKey are not both there');
    return;
  }
  const top = 2n ** 128n - 1n;
  const valid = [start, end].every((text) => /^(0|[1-9][0-9]{0,38})$/.test(text) && BigInt(text) <= top);
  if (!valid) complain(`hash range ${start}..${end} is not decimal below 2^128`);
  else if (BigInt(start) >= BigInt(end)) complain(`startingHashKey ${start} is not below endingHashKey ${end}`);
}

function checkLineage(key: string, row: Row, rows: TableSnapshot, complain: Complain): void {
  const parents = row['parentShardId']?.SS ?? [];
  if (parents.length > 2) complain(`${parents.length} parents`);
  const self = row['shardId']?.S ?? key;
  if (parents.includes(self)) complain('is its own parent');
  const children = row['childShardIds']?.SS ?? [];
  if (children.length > 2) complain(`${children.length} children`);
  if (row['checkpoint']?.S !== 'SHARD_END') return;
  const stream = row['streamName']?.S;
  for (const child of children) {
    const childRow = rows.get(stream === undefined ? child : `${stream}:${child}`);
    if (childRow !== undefined && childRow['parentShardId']?.SS?.includes(self) !== true)
      complain(`its child ${child} does not name it as a parent`);
  }
}

function checkOwners(row: Row, reading: StrictReading, complain: Complain): void {
  if (reading.afterCleanStop === true) {
    const isEnded = row['checkpoint']?.S === 'SHARD_END';
    const owner = row['leaseOwner']?.S;
    if (owner !== undefined && !isEnded && reading.killed?.includes(owner) !== true)
      complain(`is owned by ${owner} after a clean stop`);
    if (row['checkpointOwner'] !== undefined) complain('has a handoff pending after a clean stop');
    for (const name of ['kinactWish', 'kinactAnswer'])
      if (row[name] !== undefined) complain(`${name} is left after a clean stop`);
  }
  if (row['checkpoint']?.S === 'SHARD_END' && row['pendingCheckpoint'] !== undefined)
    complain('a pending checkpoint behind SHARD_END');
  if (reading.expectKinact === true && row['kinactWriter'] === undefined) complain('kinactWriter is missing');
}

/** Rows of other entities must not change. A lease row may be removed (clean-up), but until then must keep its foreign attributes. */
function checkForeign(before: TableSnapshot, after: TableSnapshot, found: string[]): void {
  for (const [key, was] of before) {
    const is = after.get(key);
    const foreignRow = was['entityType'] !== undefined && was['entityType'].S !== 'LEASE';
    if (is === undefined) {
      if (foreignRow) found.push(`${key}: the row of another entity is gone`);
      continue;
    }
    for (const [name, value] of Object.entries(was)) {
      const foreign = foreignRow || types[name] === undefined || name === 'throughputKBps';
      if (foreign && JSON.stringify(is[name]) !== JSON.stringify(value))
        found.push(`${key}: the foreign attribute ${name} was changed`);
    }
  }
}
