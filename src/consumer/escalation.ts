// Decides when failures end a consumer: if its pipeline or coordinators fail more often than `restart` allows, or if one record
// keeps failing. A consumer also ends if the application stops the parent that the consumer runs under. consumer.ts handles one
// more case, the failure of the last source.
import type { Ending } from '../../actors/protocol/actor.js';
import { createPoisonWatch, noteFailedRecord } from '../core/poison.js';
import { excerpt } from '../core/visible.js';
import { isKinactError, KinactError } from '../api/errors.js';

export interface Escalation {
  /** Notes a failure of the pipeline. Returns the error to end with if the same record has now failed too often. */
  noteFailure(error: Error): KinactError | undefined;
  pipelineEnded(ending: Ending): void;
  rootEnded(ending: Ending): void;
}

export function createEscalation(intensity: number, end: (error: Error) => void): Escalation {
  const watch = createPoisonWatch();
  let reason: Error | undefined;

  const endOnce = (error: Error): void => {
    if (reason !== undefined) return;
    reason = error;
    end(error);
  };
  const noteFailure = (error: Error): KinactError | undefined => {
    const failed = failedRecord(error);
    const times = noteFailedRecord(watch, failed === undefined ? undefined : identityOf(failed));
    return failed !== undefined && times > intensity ? poison(failed, times) : undefined;
  };

  return {
    noteFailure,
    pipelineEnded: ({ reason: how, error }) => {
      // A pipeline that was stopped, with the tree or for a restart of the coordinators, needs no decision here.
      if (how !== 'crash' || error === undefined) return;
      const isOverIntensity = isKinactError(error) && error.code === 'RESTART_INTENSITY';
      const last = isOverIntensity && error.cause instanceof Error ? noteFailure(error.cause) : undefined;
      endOnce(last ?? error);
    },
    rootEnded: ({ error }) => {
      if (error !== undefined) endOnce(error);
    },
  };
}

/** Finds the error of the failed record, however often supervisors have wrapped it. */
function failedRecord(error: Error): KinactError | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (isKinactError(at) && (at.code === 'PROCESSING_FAILED' || at.code === 'UNDECODABLE_RECORD')) return at;
  }
  return undefined;
}

function identityOf({ data }: KinactError): {
  shardId: string;
  sequenceNumber: string;
  subSequenceNumber?: number | undefined;
} {
  const { source = '', shardId = '', sequenceNumber = '', subSequenceNumber } = data;
  return { shardId: `${source}/${shardId}`, sequenceNumber, subSequenceNumber };
}

/** The longest partition key has 256 characters. A key from `extract` may be longer, and is cut. */
const maxKeyCharacters = 256;

function poison(failed: KinactError, times: number): KinactError {
  const { shardId, sequenceNumber, key } = failed.data;
  const at = key === undefined ? '' : `, key '${excerpt(key, maxKeyCharacters)}'`;
  const text = `Record ${sequenceNumber} of ${shardId}${at} failed ${times} times in a row, across pipeline restarts, and will fail wherever it is read next. Choose an onFailure policy or fix the failure.`;
  return new KinactError('POISON_RECORD', text, { cause: failed, data: failed.data });
}

/**
 * The error of the coordinator itself. Its supervisor allows no crash: it escalates at once, with an error of its own around this one.
 */
export function coordinatorError(error: Error): Error {
  return isKinactError(error) && error.code === 'RESTART_INTENSITY' && error.cause instanceof Error
    ? error.cause
    : error;
}
