// The laws of subscriptions. I61: a continuation number only resubscribes. I62: SubscribeToShard is called once a second at most, and
// after a take-over only once a renewal that began later has succeeded. I63: no process keeps a subscription for a lease that it has
// lost, or after its stop. They look at requests as they leave, and at answers and events as they arrive.
import { writeMs } from './takes.js';
import type { Written } from './oracle.js';

export interface SubscriptionLawsOptions {
  /** World time. */
  readonly now: () => number;
  readonly rowOf: (leaseKey: string) => { readonly leaseOwner?: string | undefined } | undefined;
  /** How long this process may take to notice a lost lease, without the time of a write. */
  readonly noticeMsOf: (process: string) => number;
  /** Changes when a call of this process is harmed, its mail is held up, or it stands still. */
  readonly troublesOf: (process: string) => string;
  /** Whether it stands still, or its mail is held up. */
  readonly isHeldUp: (process: string) => boolean;
  readonly violate: (invariant: string, text: string) => void;
}

/** One reader's shard: the process and the oracle's name of the lease. `at`: world time as the process sees it. */
export interface Where {
  readonly process: string;
  readonly leaseKey: string;
  readonly at: number;
}

export interface OpenSubscription {
  readonly process: string;
  readonly leaseKey: string;
  /** Its process has not aborted it. */
  readonly isKept: () => boolean;
}

export interface SubscriptionLaws {
  /** SubscribeToShard leaves. `number`: the sequence number of the position, if it has one. */
  subscribes(where: Where, consumerArn: string, number: string | undefined): void;
  /** GetShardIterator leaves. */
  polls(where: Where, number: string | undefined): void;
  /** GetRecords was answered: with records up to this one. */
  polled(where: Where, newest: string): void;
  /** The service gives this number out. */
  givesOut(continuation: string): void;
  /** An event has reached its reader. */
  arrived(where: Where, continuation: string | undefined): void;
  takenOver(where: Where): void;
  /** A new tenure begins, with a reader that knows nothing of earlier ones. */
  granted(process: string, leaseKey: string): void;
  wrote(written: Written): void;
  opened(subscription: OpenSubscription): void;
  closed(subscription: OpenSubscription): void;
  /** Looks at all open subscriptions. */
  look(): void;
  /** The leases that this process is subscribed for. */
  of(process: string): readonly string[];
}

/** A second, by a clock that drifts by a thousandth. */
const secondMs = 998;

interface Reader {
  /** The number of the last event, until something later is polled. */
  continuation: string | undefined;
  readonly calledAt: Map<string, number>;
  takenOverAt: number | undefined;
}

interface Foreign {
  at: number;
  troubles: string;
}

export function createSubscriptionLaws(options: SubscriptionLawsOptions): SubscriptionLaws {
  const { now, rowOf, noticeMsOf, troublesOf, isHeldUp, violate } = options;
  const continuations = new Set<string>();
  const readers = new Map<string, Reader>();
  const open = new Map<OpenSubscription, Foreign | undefined>();

  /** A reader may outlive its stream, and ask a new one of the same name: so the name has no generation. */
  const nameOf = (process: string, leaseKey: string): string => `${process} ${leaseKey.replace(/@\d+/, '')}`;
  const readerOf = ({ process, leaseKey }: Pick<Where, 'process' | 'leaseKey'>): Reader => {
    const name = nameOf(process, leaseKey);
    const known = readers.get(name) ?? { continuation: undefined, calledAt: new Map(), takenOverAt: undefined };
    readers.set(name, known);
    return known;
  };

  const lookAt = (subscription: OpenSubscription): void => {
    const { process, leaseKey, isKept } = subscription;
    const row = rowOf(leaseKey);
    // A row that was deleted by hand is created again.
    const isForeign = isKept() && row !== undefined && row.leaseOwner !== process;
    const since = open.get(subscription);
    const troubles = troublesOf(process);
    if (!isForeign) open.set(subscription, undefined);
    else if (since === undefined || since.troubles !== troubles || isHeldUp(process))
      open.set(subscription, { at: now(), troubles });
    else if (now() - since.at > noticeMsOf(process) + writeMs) {
      open.delete(subscription);
      const ms = Math.round(now() - since.at);
      violate('I63', `${process} is subscribed for ${leaseKey}, which has been ${row?.leaseOwner}'s for ${ms} ms`);
    }
  };

  return {
    subscribes: (where, consumerArn, number) => {
      const { process, leaseKey, at } = where;
      const reader = readerOf(where);
      const gapMs = at - (reader.calledAt.get(consumerArn) ?? -Infinity);
      if (gapMs < secondMs)
        violate('I62', `${process} subscribes to ${leaseKey} ${Math.round(gapMs)} ms after its last call`);
      reader.calledAt.set(consumerArn, at);
      if (reader.takenOverAt !== undefined)
        violate(
          'I62',
          `${process} subscribes to ${leaseKey} ${Math.round(at - reader.takenOverAt)} ms after a take-over, without a renewal since`,
        );
      reader.takenOverAt = undefined;
      if (number !== undefined && continuations.has(number) && number !== reader.continuation)
        violate('I61', `${process} subscribes to ${leaseKey} after ${number}, and has polled or begun again since`);
    },
    polls: ({ process, leaseKey }, number) => {
      if (number !== undefined && continuations.has(number))
        violate('I61', `${process} polls ${leaseKey} from ${number}, which is no record's number`);
    },
    polled: (where, newest) => {
      const reader = readerOf(where);
      if (reader.continuation !== undefined && BigInt(newest) > BigInt(reader.continuation))
        reader.continuation = undefined;
    },
    givesOut: (continuation) => void continuations.add(continuation),
    arrived: (where, continuation) => void (readerOf(where).continuation = continuation),
    takenOver: (where) => void (readerOf(where).takenOverAt = where.at),
    granted: (process, leaseKey) => void readers.delete(nameOf(process, leaseKey)),
    wrote: ({ process, leaseKey, after, sentAt }) => {
      if (after !== undefined && continuations.has(after.checkpoint))
        violate('I61', `${process} has written ${after.checkpoint} to ${leaseKey}, which is no record's number`);
      const reader = readers.get(nameOf(process, leaseKey));
      if (reader?.takenOverAt === undefined || after?.leaseOwner !== process) return;
      if (sentAt >= reader.takenOverAt) reader.takenOverAt = undefined;
    },
    opened: (subscription) => void open.set(subscription, undefined),
    closed: (subscription) => void open.delete(subscription),
    look: () => {
      for (const subscription of [...open.keys()]) lookAt(subscription);
    },
    of: (process) =>
      [...open.keys()].filter((each) => each.process === process && each.isKept()).map(({ leaseKey }) => leaseKey),
  };
}
