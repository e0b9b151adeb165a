// The initial state of a stream. The coordinator makes one for each source, at its start or when the source is added.
import type { CoordinatorSource } from '../../protocol/lease-messages.js';
import type { Stream } from '../state.js';
import { createTokenBucket } from '../../../src/core/token-bucket.js';

/** How often evidence for ends of shards is gathered: quickly at first, because a change of the shards ends many, then twice a second. */
const gatheringRate = { capacity: 40, perSecond: 2 };

/** The initial state of a stream. */
export function newStream(sourceOptions: CoordinatorSource, index: number): Stream {
  return {
    index,
    sourceOptions,
    history: sourceOptions.history ?? { worked: false, failure: undefined },
    joining: [],
    leaving: undefined,
    calls: { running: new Set(), haveEnded: false },
    opened: false,
    opening: { attempt: 0, error: undefined, missing: undefined },
    keyPrefix: undefined,
    idempotencyPrefix: '',
    rowStamp: '',
    placement: undefined,
    ranges: new Map(),
    sync: {
      running: false,
      dueAt: 0,
      attempt: 0,
      done: false,
      mayCreateRowsAt: undefined,
      postponed: false,
      progress: { created: 0, toCreate: 0, at: undefined },
      stamping: false,
    },
    audit: { dueAt: 0, holes: new Map(), describing: false, lateChildren: 0 },
    cleanUp: { running: false, dueAt: 0 },
    shardEnds: {
      questions: [],
      gathering: false,
      gatherDueAt: 0,
      gatherings: createTokenBucket(gatheringRate, 0),
      absences: new Map(),
    },
    contradictions: new Map(),
    reads: { failures: 0, againAt: 0 },
  };
}
