// The reasons for which a consumer ends by itself. Only the first one counts.
import { expect } from 'chai';
import { createEscalation } from '../../../src/consumer/escalation.js';
import { KinactError } from '../../../src/api/errors.js';

describe('the escalation of a consumer', () => {
  const failedAt = (sequenceNumber: string, source = 's'): KinactError =>
    new KinactError('PROCESSING_FAILED', 'for the test', { data: { source, shardId: 'shard', sequenceNumber } });
  const wrapped = (cause: Error): KinactError =>
    new KinactError('RESTART_INTENSITY', 'a shard worker', { cause: new Error('between', { cause }) });
  const escalation = (intensity: number) => {
    const ends: Error[] = [];
    const progress = { settled: 0 };
    const clock = { time: 0, now: () => clock.time };
    const made = createEscalation({
      ...{ restart: { intensity, periodMs: 10_000 }, maxDelayMs: 60_000, clock, random: { next: () => 1 } },
      ...{ settled: () => progress.settled, end: (error: Error) => ends.push(error) },
    });
    const codeOf = (error: Error): string | undefined => made.noteFailureAndDecide(error).end?.code;
    return { ...made, ends, progress, clock, codeOf };
  };

  it('answers POISON_RECORD if one record fails more often than `intensity` in a row and others succeed, however wrapped', () => {
    const { codeOf, progress } = escalation(2);
    const failures = [failedAt('1'), wrapped(failedAt('1')), new Error('something else'), failedAt('1'), failedAt('2')];
    for (const failure of failures) {
      progress.settled += 1;
      expect(codeOf(failure)).to.equal(undefined);
    }
    const codes = [failedAt('1'), failedAt('1'), wrapped(failedAt('1'))].map((failure) => {
      progress.settled += 1;
      return codeOf(failure);
    });
    expect(codes).to.deep.equal([undefined, undefined, 'POISON_RECORD']);
  });

  it('counts records of two sources apart, even if shard and number are the same', () => {
    const { codeOf, progress } = escalation(1);
    expect(codeOf(failedAt('1', 'orders'))).to.equal(undefined);
    expect(codeOf(failedAt('1', 'clicks'))).to.equal(undefined);
    progress.settled += 1;
    expect(codeOf(failedAt('1', 'clicks'))).to.equal('POISON_RECORD');
  });

  it('counts a pipe that a callback has ended as a failure of user code, and of no record', () => {
    const { noteFailureAndDecide, progress } = escalation(0);
    const exited = wrapped(new KinactError('PIPE_EXITED', 'for the test'));
    for (let nth = 1; nth <= 8; nth += 1) {
      progress.settled += 1;
      const { end, delayMs } = noteFailureAndDecide(exited);
      expect(end, `exit ${nth}`).to.equal(undefined);
      expect(delayMs).to.be.greaterThan(0);
    }
    expect(noteFailureAndDecide(exited).end).to.include({ code: 'TOO_MANY_FAILURES' });
  });

  it('answers TOO_MANY_FAILURES, with the cause, after more than eight failures of user code in five minutes', () => {
    const { noteFailureAndDecide, clock } = escalation(0);
    for (let time = 0; time < 8; time += 1) {
      expect(noteFailureAndDecide(failedAt('1')).end).to.equal(undefined);
      clock.time += 1_000;
    }
    const { end } = noteFailureAndDecide(failedAt('1'));
    expect(end).to.include({ code: 'TOO_MANY_FAILURES' });
    expect(end?.message).to.include('for the test');
    clock.time += 300_001;
    expect(noteFailureAndDecide(failedAt('1')).end).to.equal(undefined);
  });

  it('answers RESTART_INTENSITY if other crashes come more often than `restart` allows', () => {
    const { codeOf, clock } = escalation(2);
    const crash = new Error('a bug');
    expect([codeOf(crash), codeOf(crash), codeOf(crash)]).to.deep.equal([undefined, undefined, 'RESTART_INTENSITY']);
    clock.time += 10_001;
    expect(codeOf(crash)).to.equal(undefined);
  });

  it('delays restarts after failures of user code by 0.5 s, doubled up to 30 s, until a minute without one has settled something', () => {
    const { noteFailureAndDecide, progress, clock } = escalation(20);
    const delays = Array.from({ length: 8 }, () => noteFailureAndDecide(failedAt('1')).delayMs);
    expect(delays).to.deep.equal([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    clock.time += 301_000;
    expect(noteFailureAndDecide(failedAt('2')).delayMs, 'without progress').to.equal(30_000);
    clock.time += 60_000;
    progress.settled += 1;
    expect(noteFailureAndDecide(failedAt('3')).delayMs).to.equal(500);
    expect(noteFailureAndDecide(new Error('a bug')).delayMs, 'no failure of user code').to.equal(0);
  });

  it('ends the consumer with the error of its pipeline', () => {
    const { ends, pipelineEnded } = escalation(1);
    const error = new KinactError('POISON_RECORD', 'for the test');
    pipelineEnded({ reason: 'crash', error, orphans: [] });
    expect(ends).to.deep.equal([error]);
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
    pipelineEnded({ reason: 'crash', error: failedAt('1'), orphans: [] });
    expect(ends).to.deep.equal([first]);
  });
});
