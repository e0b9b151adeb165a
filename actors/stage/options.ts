// The options of a stage.
import type { FailureOptions } from '../protocol/pending-failures.js';
import type { ItemParts, UserRecord } from '../../src/api/ports.js';
import type { ExtractFunction } from '../../src/api/reducer.js';

export interface StageOptions extends FailureOptions {
  readonly reducers: number;
  readonly extract?: ExtractFunction | undefined;
  readonly key?: ((record: UserRecord) => string) | undefined;
  readonly opaqueOf: (source: string) => unknown;
  /** What the source makes of a record if there is no `extract`; undefined if it leaves that to the stage. */
  readonly itemOf?: ((source: string, record: UserRecord) => ItemParts | undefined) | undefined;
  readonly maxPending: number;
  readonly flushIntervalMs: number;
}
