// One per lease that this process holds or tries to take: every write to its row, one at a time; the home of its frontier.
import type { Ref, ReplyTo } from './actor.js';
import type { Frontier, TenureGranted, WorkerEnd } from './tenure.js';

/** What a keeper tells the worker that delivers under its tenure. */
export type WorkerControl =
  /** The tenure is over: deliver nothing more, drop what is queued, end. */
  | { readonly type: 'revoked'; readonly fence: number; readonly reason: string }
  /** Fetch nothing more, flush, wait until everything is settled, report `workerEnded { drained }`. */
  | { readonly type: 'drain'; readonly fence: number; readonly deadlineMs: number };

export type KeeperMessage =
  /** A worker's first question. The keeper renews once; the counter that write returns is the fence. */
  | {
      readonly type: 'beginTenure';
      readonly worker: number;
      readonly control: Ref<WorkerControl>;
      readonly replyTo: ReplyTo<TenureGranted>;
    }
  /** Everything up to here is settled; durable with the next renewal. A stale fence is counted and dropped. */
  | { readonly type: 'frontier'; readonly frontier: Frontier }
  /** A worker ended normally. One that crashed or was stopped is noticed by death watch. */
  | { readonly type: 'workerEnded'; readonly worker: number; readonly fence: number; readonly how: WorkerEnd }
  /** Give the lease up: drain the worker, at most `deadlineMs`, then one write that checkpoints and releases. */
  | { readonly type: 'release'; readonly reason: string; readonly deadlineMs: number };
