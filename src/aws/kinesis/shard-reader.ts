// Reads one shard, ahead of its shard worker within bounds, until the shard ends: by subscriptions while there are any to be had, by
// polling otherwise. Invariant: both ways continue from one position, so changing over neither repeats nor leaves out a record. Only
// polling proves the end of a shard. The source opens one reader per shard worker.
import { isKinactError } from '../../api/errors.js';
import type { ShardReader } from '../../api/ports.js';
import { classifyAwsError } from '../aws-errors.js';
import { followSubscription } from './fan-out/subscription-follower.js';
import { createRetrieval } from './fan-out/retrieval.js';
import { joinIdleReads, leaveIdle } from './idle-reads.js';
import type { Opening, ReaderContext, ReaderDeps } from './polled-service.js';
import { pollOnce } from './polling-step.js';
import { createPrefetchBuffer, stoppedError } from './prefetch-buffer.js';
import { createReadAllowance } from './read-allowance.js';
import { fullQuota } from './read-quota.js';
import { progressFrom } from './reading-progress.js';

/** Opens a reader. It sends no request before the first `read`. */
export function openShardReader(deps: ReaderDeps, opening: Opening): ShardReader {
  const { shardId, lease } = opening;
  const closing = new AbortController();
  const buffer = createPrefetchBuffer(deps.prefetch, lease?.bytes);
  const allowance = createReadAllowance(lease?.bytes, deps.sizes, deps.maxRecords);
  const idle = joinIdleReads(deps.clock);

  let started = false;
  const begin = async (): Promise<void> => {
    try {
      await readShard({ ...deps, ...opening, buffer, allowance, idle, signal: closing.signal });
    } catch (thrown) {
      if (closing.signal.aborted) return;
      buffer.finish(
        isKinactError(thrown)
          ? thrown
          : classifyAwsError(thrown, { service: deps.service.name, operation: 'GetRecords', shardId }).error,
      );
    } finally {
      leaveIdle(idle);
    }
  };

  return {
    read(signal) {
      if (!started && !closing.signal.aborted) {
        started = true;
        void begin();
      }
      return buffer.read(signal);
    },
    hold: (isHeld) => buffer.hold(isHeld),
    close() {
      closing.abort();
      buffer.clear();
      buffer.finish(stoppedError());
    },
  };
}

async function readShard(reader: ReaderContext): Promise<void> {
  const { clock, signal, subscriptions } = reader;
  const quota = fullQuota(clock.now(), reader.service.bytesPerSecond);
  const progress = progressFrom(reader.start, reader.service);
  const retrieval = subscriptions && createRetrieval(reader, subscriptions);

  for (;;) {
    await reader.buffer.whenRoom(signal);
    const consumerArn = retrieval?.chooseRetrieval(progress);
    if (retrieval !== undefined && consumerArn !== undefined) {
      leaveIdle(reader.idle);
      await followSubscription(reader, progress, retrieval, consumerArn);
    } else if ((await pollOnce(reader, progress, quota)) === 'over') return;
  }
}
