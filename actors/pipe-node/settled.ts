// Collects the items that a node has settled, until the end of its turn.
import type { Ref } from '../protocol/actor.js';
import type { Disposed } from '../protocol/disposition.js';
import type { ItemReferences } from '../protocol/pipe-message.js';
import type { SettledItems } from '../protocol/pipe-messages.js';
import type { Tenure } from '../protocol/tenure.js';
import { settleReferences } from '../../src/core/references.js';

export interface Settled {
  byTenure: Map<Tenure, SettledItems[]>;
}

export function createSettled(): Settled {
  return { byTenure: new Map() };
}

/** Settles references. Undefined: the message stands for nothing. */
export function settle(settled: Settled, references: ItemReferences | undefined): void {
  if (references === undefined) return;
  settleReferences(references, (tenure, stage, ordinal, index) => {
    const items = itemsOf(settled, tenure, stage);
    items.ordinals.push(ordinal);
    items.items.push(index);
  });
}

function itemsOf({ byTenure }: Settled, tenure: Tenure, stage: Ref<Disposed>): SettledItems {
  let ofTenure = byTenure.get(tenure);
  if (ofTenure === undefined) byTenure.set(tenure, (ofTenure = []));
  let items = ofTenure.find((each) => each.stage === stage);
  if (items === undefined) ofTenure.push((items = { tenure, stage, ordinals: [], items: [] }));
  return items;
}

/** Returns what was collected. */
export function takeSettled(settled: Settled): readonly SettledItems[] {
  if (settled.byTenure.size === 0) return [];
  const taken = [...settled.byTenure.values()].flat();
  settled.byTenure = new Map();
  return taken;
}
