// The reasons for which a consumer ends by itself. Only the first one counts.
import { expect } from 'chai';
import { createEscalation } from '../../src/consumer/escalation.js';
import { KinactError } from '../../src/api/errors.js';

describe('the escalation of a consumer', () => {
  const failedAt = (sequenceNumber: string, source = 's'): KinactError =>
    new KinactError('PROCESSING_FAILED', 'for the test', { data: { source, shardId: 'shard', sequenceNumber } });
  const wrapped = (cause: Error): KinactError =>
    new KinactError('RESTART_INTENSITY', 'a shard worker', { cause: new Error('between', { cause }) });
  const gaveUp = (cause: Error) =>
    ({ reason: 'crash', error: new KinactError('RESTART_INTENSITY', 'the pipeline', { cause }), orphans: [] }) as const;
  const escalation = (intensity: number) => {
    const ends: Error[] = [];
    return { ends, ...createEscalation(intensity, (error) => ends.push(error)) };
  };

  it('answers POISON_RECORD if one record fails more often than `intensity` in a row, however wrapped', () => {
    const { noteFailure } = escalation(2);
    expect(noteFailure(failedAt('1'))).to.equal(undefined);
    expect(noteFailure(wrapped(failedAt('1')))).to.equal(undefined);
    expect(noteFailure(new Error('something else'))).to.equal(undefined);
    expect(noteFailure(failedAt('1'))).to.equal(undefined);
    expect(noteFailure(failedAt('2'))).to.equal(undefined);
    expect(noteFailure(failedAt('1'))).to.equal(undefined);
    expect(noteFailure(failedAt('1'))).to.equal(undefined);
    expect(noteFailure(wrapped(failedAt('1')))).to.include({ code: 'POISON_RECORD' });
  });

  it('counts records of two sources apart, even if shard and number are the same', () => {
    const { noteFailure } = escalation(1);
    expect(noteFailure(failedAt('1', 'orders'))).to.equal(undefined);
    expect(noteFailure(failedAt('1', 'clicks'))).to.equal(undefined);
    expect(noteFailure(failedAt('1', 'clicks'))).to.include({ code: 'POISON_RECORD' });
  });

  it('ends the consumer when its pipeline gives up: with POISON_RECORD for a repeated record, else with its error', () => {
    const same = escalation(1);
    same.noteFailure(failedAt('1'));
    same.pipelineEnded(gaveUp(failedAt('1')));
    expect(same.ends.map((error) => (error as KinactError).code)).to.deep.equal(['POISON_RECORD']);
    const other = escalation(1);
    other.noteFailure(failedAt('1'));
    const end = gaveUp(failedAt('2'));
    other.pipelineEnded(end);
    expect(other.ends).to.deep.equal([end.error]);
  });

  it('ends the consumer after a stop only if its root was stopped with an error', () => {
    const { ends, pipelineEnded, rootEnded } = escalation(1);
    const error = new KinactError('PARENT_STOPPED', 'for the test');
    for (const reason of ['shutdown', 'normal'] as const) pipelineEnded({ reason, error, orphans: [] });
    pipelineEnded({ reason: 'shutdown', orphans: [] });
    rootEnded({ reason: 'shutdown', orphans: [] });
    expect(ends).to.deep.equal([]);
    rootEnded({ reason: 'shutdown', error, orphans: [] });
    expect(ends).to.deep.equal([error]);
  });

  it('ends the consumer once, for the first reason', () => {
    const { ends, pipelineEnded, rootEnded } = escalation(0);
    const first = new Error('the first');
    pipelineEnded({ reason: 'crash', error: first, orphans: [] });
    rootEnded({ reason: 'crash', error: new Error('the second'), orphans: [] });
    pipelineEnded(gaveUp(failedAt('1')));
    expect(ends).to.deep.equal([first]);
  });
});
