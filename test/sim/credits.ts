// I13, conservation of credit, checked in the mail: all credit that a reducer has granted to a stage is either under way (sent and not
// returned) or free in the stage's queue. And I11 for mailboxes: no more messages wait for a reducer than its bound allows.
import type { Ref } from '../../actors/protocol/actor.js';
import type { Delivery } from '../../supervision/intercept.js';
import { createFlushLaw } from './pipes/flush-law.js';
import { cellOf } from '../../supervision/cell.js';

export interface Credits {
  /** A message leaves its sender. */
  passed(delivery: Delivery): void;
  /** The credit that this reducer has granted this stage, and how much is under way; undefined before the reducer has joined. */
  between(stage: string, reducer: string): { readonly granted: number; readonly underWay: number } | undefined;
}

interface Grant {
  readonly granted: number;
  underWay: number;
}

/** How many messages without items may wait for a reducer: per worker a punctuation and the news of its end, and a few beats. */
const messagesPerShardWorker = 2;
const beats = 8;

export interface Load {
  /** Workers that live now, or did a moment ago: the news of each one's end goes to every reducer. */
  readonly shardWorkers: number;
  /** How many calls of one reducer may end at once. */
  readonly calls: number;
  /** How often one message may arrive. */
  readonly repeats: number;
}

export function createCredits(violate: (invariant: string, text: string) => void, load: () => Load): Credits {
  const flushes = createFlushLaw(violate);
  const grants = new Map<string, Grant>();
  const nameOf = (stage: string, reducer: string): string => `${stage}>${reducer}`;
  /** Each message with items uses credit. */
  const sentTo = (to: Ref<never>): void => {
    const unread = cellOf(to)?.queued ?? 0;
    if (unread <= beats || !to.path.startsWith('reducer/')) return;
    let most = beats;
    for (const [name, { granted }] of grants) if (name.endsWith(`>${to.path}`)) most += granted;
    const { shardWorkers, repeats, calls } = load();
    most = repeats * (most + messagesPerShardWorker * shardWorkers) + calls;
    if (unread > most) violate('I11', `${unread} messages wait at ${to.path}, which may have ${most}`);
  };
  return {
    between: (stage, reducer) => grants.get(nameOf(stage, reducer)),
    passed: (delivery) => {
      const { from, to, message } = delivery;
      if (from === undefined) return;
      flushes.passed(delivery);
      sentTo(to);
      const { type, items, credit } = (message ?? {}) as {
        readonly type?: string;
        readonly items?: readonly unknown[];
        readonly credit?: number;
      };
      if (type === 'join') grants.set(nameOf(to.path, from.path), { granted: credit ?? 0, underWay: 0 });
      else if (type === 'items') {
        const grant = grants.get(nameOf(from.path, to.path));
        if (grant === undefined)
          return violate('I13', `${from.path} sent items to ${to.path}, which has granted nothing`);
        grant.underWay += items?.length ?? 0;
        if (grant.underWay > grant.granted)
          violate(
            'I13',
            `${grant.underWay} items are under way from ${from.path} to ${to.path}, which has granted ${grant.granted}`,
          );
      } else if (type === 'disposed') {
        const grant = grants.get(nameOf(to.path, from.path));
        if (grant === undefined) return;
        grant.underWay -= credit ?? 0;
        if (grant.underWay < 0)
          violate('I13', `${from.path} has returned ${-grant.underWay} more than ${to.path} has sent it`);
      }
    },
  };
}
