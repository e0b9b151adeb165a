// What a target of `kinact parked replay` does: a stream or a module. parked-replay.ts picks the items and keeps the progress.
import type { ParkedEntry } from '../parking/parked-entries.js';
import type { StoredItem } from '../parking/stored-item.js';
import type { CommandIo } from './command.js';

/** Entries that are replayed in one go: those of one record, or one alone. The first one stands for all. */
export type ReplayGroup = readonly ParkedEntry[];

/** Where items are replayed. */
export interface ReplayTarget {
  /** For messages: "stream 'orders'". */
  readonly name: string;
  /** What the progress file says about an item that went here. */
  readonly into: object;
  /** Whether all items of a record come again with it. */
  readonly takesRecords: boolean;
  /** What an operator has to know before --yes. */
  readonly consequences: readonly string[];
  /** Checks what can be checked before anything is replayed. */
  check(io: CommandIo): Promise<void>;
  /** After `check`: why it will not even try to replay this entry; undefined if it will. */
  refusalOf(stored: StoredItem): string | undefined;
  /**
   * Replays the groups in order, until `io.signal` aborts. `done` resolves when the progress is durable; until then nothing more is
   * replayed. `failed` is told what is not replayed, and why.
   */
  replay(groups: readonly ReplayGroup[], reports: ReplayReports, io: CommandIo): Promise<void>;
  close(): Promise<void>;
}

export interface ReplayReports {
  done(groups: readonly ReplayGroup[]): Promise<void>;
  /** As `done`, for a group of which the target has made no items, so nothing ran. */
  madeNothing(group: ReplayGroup): Promise<void>;
  failed(group: ReplayGroup, reason: string): void;
}
