// The identity of the stream that a lease row belongs to: its ARN and creation time. The ARN alone is not enough, because a stream that is
// deleted and created again keeps its ARN. Rows carry both as `kinactStream` (a row is *stamped* once it has them), and kinact compares
// them before it reads, restarts or ends a shard.

/** What identifies a stream. `creationEpochSeconds` is 0 if the service has no creation time. */
export interface IdentifiedStream {
  readonly streamArn: string;
  readonly creationEpochSeconds: number;
}

const separator = '#';

/** The ARN of a stream of a DynamoDB table. */
export const tableStreamArn = /^arn:[\w-]+:dynamodb:[\w-]+:\d{12}:table\/[\w.-]{3,255}\/stream\/[\w.:-]{1,64}$/;

/** Whether an identity, or an ARN, is that of a stream of a DynamoDB table, and not of Kinesis. */
export const isTableStream = (identity: string): boolean => tableStreamArn.test(arnOf(identity));

/** What stays the same if a stream is made again: the ARN of a Kinesis stream, and the table of a table's stream. */
export function originOf(identity: string): string {
  return isTableStream(identity) ? identity.slice(0, identity.indexOf('/stream/')) : arnOf(identity);
}

/** The text that a row carries: `<arn>#<creation epoch seconds>`, or `<arn>` if the service has no creation time. */
export function streamIdentityOf({ streamArn, creationEpochSeconds }: IdentifiedStream): string {
  return creationEpochSeconds === 0 ? streamArn : `${streamArn}${separator}${creationEpochSeconds}`;
}

/** True if both texts name the same stream. If one of them has no creation time, the ARN alone decides. */
export function isSameStream(one: string, other: string): boolean {
  if (one === other) return true;
  const [arn, created] = one.split(separator);
  const [otherArn, otherCreated] = other.split(separator);
  return arn === otherArn && (created === undefined || otherCreated === undefined);
}

/** The ARN in an identity. */
export function arnOf(identity: string): string {
  return identity.split(separator)[0]!;
}

/** An identity as text for people: `<arn> (created <time>)`. */
export function readableIdentity(identity: string): string {
  const created = createdAt(identity);
  return created === undefined ? identity : `${arnOf(identity)} (created ${created})`;
}

/** The creation time in an identity as text for people, to the second; undefined if it has none. */
export function createdAt(identity: string): string | undefined {
  const text = identity.split(separator)[1] ?? '';
  // The identity may come from a row, which may hold any text.
  if (!/^\d{1,12}$/.test(text)) return undefined;
  return new Date(Number(text) * 1_000).toISOString().replace('.000Z', 'Z');
}
