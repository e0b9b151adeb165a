// The lines of `kinact tail --table`: one change of an item as JSON. A number that JavaScript cannot hold unchanged is text, so that a
// line never shows another value than the table has. Called by tail-origin.ts.
import { readNumber } from '../aws/dynamodb-streams/number-text.js';
import { visible } from '../core/visible.js';
import type { ChangedAttribute, ChangeRecord } from '../api/change.js';
import { timeText } from './record-lines.js';

type Attributes = Readonly<Record<string, ChangedAttribute>>;

/** The line of a change, with its newline. The members and their order are a contract. */
export function changeLine(record: ChangeRecord, shardId: string): string {
  const { eventName, dynamodb, userIdentity } = record.raw;
  const { Keys: keys, NewImage: newImage, OldImage: oldImage } = dynamodb ?? {};
  const shown = {
    shardId,
    sequenceNumber: record.sequenceNumber,
    eventName,
    at: timeText(record.arrivedAt),
    keys: plainItem(keys ?? {}),
    ...(newImage === undefined ? {} : { newImage: plainItem(newImage) }),
    ...(oldImage === undefined ? {} : { oldImage: plainItem(oldImage) }),
    ...(userIdentity === undefined ? {} : { principalId: userIdentity.PrincipalId ?? null }),
  };
  return `${visible(JSON.stringify(shown))}\n`;
}

const plainItem = (item: Attributes): object =>
  Object.fromEntries(Object.entries(item).map(([name, value]) => [name, plainValue(value)]));

/** Sets are arrays, binary is base64. */
function plainValue({ S, N, B, SS, NS, BS, M, L, BOOL }: ChangedAttribute): unknown {
  if (N !== undefined) return plainNumber(N);
  if (B !== undefined) return base64(B);
  if (NS !== undefined) return NS.map(plainNumber);
  if (BS !== undefined) return BS.map(base64);
  if (M !== undefined) return plainItem(M);
  if (L !== undefined) return L.map(plainValue);
  return S ?? SS ?? BOOL ?? null;
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

function plainNumber(text: string): number | string {
  try {
    return Number(readNumber(text, 'number'));
  } catch (error) {
    if (error instanceof RangeError) return text;
    throw error;
  }
}
