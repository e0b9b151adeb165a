// The identity of the stream that a lease row belongs to: its ARN and creation time. The ARN alone would not do, because a stream
// that is deleted and created again keeps it. Rows carry both as `kinactStream`, which is compared before a shard is read,
// restarted or ended.

/** What identifies a stream. `creationEpochSeconds` is 0 where the service has no creation time. */
export interface IdentifiedStream {
  readonly streamArn: string;
  readonly creationEpochSeconds: number;
}

const separator = '#';

/** The text that a row carries: `<arn>#<creation epoch seconds>`, or `<arn>` where the service has no creation time. */
export function streamIdentityOf({ streamArn, creationEpochSeconds }: IdentifiedStream): string {
  return creationEpochSeconds === 0 ? streamArn : `${streamArn}${separator}${creationEpochSeconds}`;
}

/** True when both texts name the same stream. The ARN decides alone where one of them has no creation time. */
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

/** An identity as people read it: `<arn> (created <time>)`. */
export function readableIdentity(identity: string): string {
  const created = createdAt(identity);
  return created === undefined ? identity : `${arnOf(identity)} (created ${created})`;
}

/** The creation time in an identity as people read it, to the second; undefined where it has none. */
export function createdAt(identity: string): string | undefined {
  const text = identity.split(separator)[1] ?? '';
  // A row may hold anything.
  if (!/^\d{1,12}$/.test(text)) return undefined;
  return new Date(Number(text) * 1_000).toISOString().replace('.000Z', 'Z');
}
