// The keys of lease rows (KCL clause 1.2). In a single-stream table a key is the shard id. In a multi-stream table it is
// `<account>:<stream>:<creation epoch>:<shard>`. In both tables, a row names parents and children by shard id alone.

/**
 * The name of a stream in multi-stream keys. A stream that is deleted and created again under its old name gets a new one. Without a
 * creation time (0) the epoch is 1, as the Java adapter for DynamoDB Streams writes it.
 */
export function streamIdentifier(stream: {
  readonly accountId: string;
  readonly streamName: string;
  readonly creationEpochSeconds: number;
}): string {
  return `${stream.accountId}:${stream.streamName}:${stream.creationEpochSeconds || 1}`;
}

/** The key of a shard's row. `keyPrefix` is undefined in a single-stream table. */
export function leaseKeyOf(keyPrefix: string | undefined, shardId: string): string {
  return keyPrefix === undefined ? shardId : `${keyPrefix}:${shardId}`;
}

/**
 * The shard id of a row whose key begins with `keyPrefix`; undefined for a row of another stream. In a single-stream table
 * (`keyPrefix` undefined) every key without a colon belongs to the stream.
 */
export function shardIdOf(keyPrefix: string | undefined, leaseKey: string): string | undefined {
  if (keyPrefix === undefined) return leaseKey.includes(':') ? undefined : leaseKey;
  return leaseKey.startsWith(`${keyPrefix}:`) ? leaseKey.slice(keyPrefix.length + 1) : undefined;
}

/**
 * The shard id of a multi-stream row with the account and stream of `keyPrefix` but another epoch; undefined for every other
 * row. Either the row is of a deleted stream with the same name, or a worker with a configured epoch created the row.
 */
export function otherEpochShardId(keyPrefix: string, leaseKey: string): string | undefined {
  const upToEpoch = keyPrefix.slice(0, keyPrefix.lastIndexOf(':') + 1);
  if (!leaseKey.startsWith(upToEpoch) || leaseKey.startsWith(`${keyPrefix}:`)) return undefined;
  const rest = leaseKey.slice(upToEpoch.length);
  const end = rest.indexOf(':');
  return end > 0 && /^\d+$/.test(rest.slice(0, end)) && end + 1 < rest.length ? rest.slice(end + 1) : undefined;
}

/** Whether a key names its stream, as in a multi-stream table; false for the key of a single-stream table. */
export function namesItsStream(leaseKey: string): boolean {
  return leaseKey.includes(':');
}

/**
 * Whether a key that names its stream names that of a DynamoDB table: `<region>$<account>$<table>$<label>`. The name of a Kinesis
 * stream has no `$`.
 */
export function isKeyOfTableStream(leaseKey: string): boolean {
  return /^[^:]*:[^:]*\$/.test(leaseKey);
}
