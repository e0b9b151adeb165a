// The consumer as its owner sees it, in virtual time: life under a parent, crash and restart, escalation, stop.
import { expect } from 'chai';
import * as nact from 'nact';
import { isKinactError, type KinactError } from '../../src/index.js';
import { fakeStream, type FakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { gate } from '../support/gate.js';
import { textOf } from '../support/consumer-harness.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer, type VirtualConsumer } from '../support/virtual-consumer.js';

const shardId = 'shardId-000000000000';

async function rejection(promise: Promise<unknown>): Promise<KinactError> {
  const thrown = await promise.then(
    () => new Error('expected a rejection'),
    (error: unknown) => error,
  );
  if (!isKinactError(thrown)) throw thrown;
  return thrown;
}

function owners(stream: FakeStream, table = 'orders'): readonly (string | undefined)[] {
  return [...(stream.leases.get(table)?.rows.values() ?? [])].map(({ leaseOwner }) => leaseOwner);
}

describe('a consumer', () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock();
    clock.install();
  });
  afterEach(() => clock.uninstall());

  const put = (stream: FakeStream, ...ids: readonly string[]): void =>
    void stream.put(...ids.map((id) => ({ partitionKey: id, data: id })));
  const ids = (from: number, count: number): string[] => Array.from({ length: count }, (_, index) => `${from + index}`);
  const seen = ({ seen: items }: VirtualConsumer): readonly string[] => items.map(textOf);

  describe("under an application's own nact system", () => {
    it('runs beside another consumer without a collision, and both read every record', async () => {
      const system = nact.start();
      const parent = nact.spawn(system, () => undefined, 'app') as object;
      const stream = fakeStream({ shards: 2, clock });
      const two = ['one', 'two'].map((application) => virtualConsumer(clock, { stream, application, parent }));
      put(stream, ...ids(0, 100));
      for (const { consumer } of two) await inVirtualTime(clock, consumer.start());
      await clock.advance(2_000);
      for (const each of two) expect(new Set(seen(each)).size).to.equal(100);
      for (const { consumer } of two) expect((await inVirtualTime(clock, consumer.stop())).drained).to.equal(true);
      nact.stop(system);
    });

    it('ends with PARENT_STOPPED and delivers nothing more when that system is stopped without consumer.stop()', async () => {
      const system = nact.start();
      const parent = nact.spawn(system, () => undefined, 'app') as object;
      const stream = fakeStream({ shards: 2, clock });
      const two = ['one', 'two'].map((application) => virtualConsumer(clock, { stream, application, parent }));
      for (const { consumer } of two) await inVirtualTime(clock, consumer.start());
      await clock.advance(2_000);
      nact.stop(system);
      for (const { consumer } of two) {
        expect(await inVirtualTime(clock, rejection(consumer.closed))).to.have.property('code', 'PARENT_STOPPED');
        expect(consumer.status().tree).to.deep.equal([]);
        expect(consumer.live().ok).to.equal(false);
      }
      const before = two.map((each) => seen(each).length);
      put(stream, ...ids(0, 50));
      await clock.advance(60_000);
      expect(
        two.map((each) => seen(each).length),
        'nothing is delivered any more',
      ).to.deep.equal(before);
    });
  });

  it('shows path, record and age of a hanging call in status()', async () => {
    const only = virtualConsumer(clock, {
      onItem: (item) => (textOf(item) === '7' ? new Promise(() => {}) : undefined),
      reducers: 3,
    });
    put(only.stream, ...ids(0, 20));
    await inVirtualTime(clock, only.consumer.start());
    await clock.advance(30_000);
    const wedged = only.seen.find((item) => textOf(item) === '7');
    const [shard] = only.consumer.status().shards;
    expect(shard?.oldestOpen).to.include({ sequenceNumber: wedged?.sequenceNumber, doing: 'running' });
    expect(shard?.oldestOpen?.actor).to.match(/^reducer\/[012]#\d+$/);
    expect(shard?.oldestOpen?.forMs).to.be.within(28_000, 31_000);
    expect(shard?.oldestOpen?.ageMs).to.be.within(28_000, 31_000);
    expect(shard?.openRecords).to.be.at.least(1);
    const stopping = only.consumer.stop({ deadlineMs: 1_000 });
    const { leases, drained } = await inVirtualTime(clock, stopping);
    expect(drained).to.equal(false);
    expect(leases[0]?.recordsLeft).to.be.at.least(1);
    expect(owners(only.stream)).to.deep.equal([undefined]);
  });

  describe('whose reducer crashes', () => {
    it('replays from the frontier after the calls of the old incarnation have ended', async () => {
      const saving = gate();
      const happened: string[] = [];
      let crashes = 1;
      const only = virtualConsumer(clock, {
        onItem: async (item) => {
          const id = textOf(item);
          happened.push(`begin ${id}`);
          if (id === '10' && crashes > 0) await saving.opened;
          if (id === '11' && crashes-- > 0) throw new Error('a bug');
          happened.push(`end ${id}`);
        },
        // The keys 10 and 11 belong to different reducers.
        reducers: 2,
      });
      put(only.stream, ...ids(0, 10));
      await inVirtualTime(clock, only.consumer.start());
      await clock.advance(5_000);
      expect(seen(only).toSorted()).to.deep.equal(ids(0, 10).toSorted());

      put(only.stream, '10');
      await clock.advance(1_000);
      put(only.stream, '11');
      await clock.advance(5_000);
      expect(happened.slice(-2)).to.deep.equal(['begin 10', 'begin 11']);
      expect(only.consumer.status().restarts).to.equal(1);
      const waiting = happened.length;
      await clock.advance(10_000);
      expect(happened.slice(waiting), 'nothing begins while the old save runs').to.deep.equal([]);
      saving.open();
      await clock.advance(5_000);
      expect(happened.slice(waiting)[0]).to.equal('end 10');
      expect(happened.filter((what) => what === 'begin 10')).to.have.length(2);
      for (const id of ids(0, 10)) expect(happened.filter((what) => what === `begin ${id}`)).to.have.length(1);
      expect(only.heard('pipelineRestarted')).to.have.length(1);
      expect(owners(only.stream)).to.deep.equal(['virtual']);
      expect((await inVirtualTime(clock, only.consumer.stop())).drained).to.equal(true);
    });

    it('waits for the old call when stopped during a restart, then releases, and begins no new call', async () => {
      const saving = gate();
      const begun: string[] = [];
      const only = virtualConsumer(clock, {
        onItem: async (item) => {
          begun.push(textOf(item));
          if (textOf(item) === '10') await saving.opened;
          if (textOf(item) === '11') throw new Error('a bug');
        },
        // The keys 10 and 11 belong to different reducers.
        reducers: 2,
      });
      await inVirtualTime(clock, only.consumer.start());
      put(only.stream, '10');
      await clock.advance(1_000);
      put(only.stream, '11');
      await clock.advance(1_000);
      expect(begun).to.deep.equal(['10', '11']);
      const stopping = only.consumer.stop();
      await clock.advance(5_000);
      expect(owners(only.stream), 'the call still runs').to.deep.equal(['virtual']);
      saving.open();
      await clock.advance(1_000);
      expect(owners(only.stream)).to.deep.equal([undefined]);
      const { drained, leases } = await inVirtualTime(clock, stopping);
      expect(drained).to.equal(false);
      expect(leases).to.have.length(1);
      expect(leases[0]).to.include({ released: true, recordsLeft: -1 });
      expect(begun).to.deep.equal(['10', '11']);
      expect(only.heard('orphaned')).to.deep.equal([]);
    });

    it('waits three quarters of the deadline for the old call when stopped during a restart, then releases', async () => {
      const only = virtualConsumer(clock, {
        onItem: (item) => {
          if (textOf(item) === '10') return new Promise(() => {});
          if (textOf(item) === '11') throw new Error('a bug');
          return undefined;
        },
        reducers: 2,
      });
      await inVirtualTime(clock, only.consumer.start());
      put(only.stream, '10');
      await clock.advance(1_000);
      put(only.stream, '11');
      await clock.advance(1_000);
      const stopping = only.consumer.stop({ deadlineMs: 20_000 });
      await clock.advance(14_500);
      expect(owners(only.stream)).to.deep.equal(['virtual']);
      await clock.advance(1_500);
      expect(owners(only.stream)).to.deep.equal([undefined]);
      expect((await inVirtualTime(clock, stopping)).drained).to.equal(false);
      expect(only.heard('orphaned')).to.have.length(1);
    });

    it('names a call that outlives callDeadlineMs in status() and in an event, and continues without it', async () => {
      let hangs = true;
      const only = virtualConsumer(clock, {
        callDeadlineMs: 2_000,
        onItem: (item) => {
          if (textOf(item) === 'bad' && hangs) throw new Error('a bug');
          if (textOf(item) === 'slow' && hangs) return new Promise(() => {});
          return undefined;
        },
        key: ({ partitionKey }) => (partitionKey === 'bad' ? 'a' : 'b'),
        reducers: 8,
      });
      await inVirtualTime(clock, only.consumer.start());
      put(only.stream, 'slow');
      await clock.advance(1_000);
      put(only.stream, 'bad');
      await clock.advance(500);
      hangs = false;
      await clock.advance(5_000);
      const [orphaned] = only.heard('orphaned');
      expect(orphaned?.actor).to.match(/^reducer\/\d#\d+$/);
      expect(only.consumer.status().orphans).to.have.length(1);
      expect(only.consumer.status().orphans[0]).to.include(orphaned?.actor);
      expect(seen(only).filter((id) => id === 'slow')).to.have.length(2);
      await inVirtualTime(clock, only.consumer.stop());
    });

    /** Puts a good record every second until the consumer has ended. */
    async function endBesideOthers(only: ReturnType<typeof virtualConsumer>): Promise<KinactError> {
      let error: KinactError | undefined;
      void rejection(only.consumer.closed).then((thrown) => (error = thrown));
      for (let second = 0; second < 300 && error === undefined; second += 1) {
        put(only.stream, `fine ${second}`);
        await clock.advance(1_000);
      }
      return error!;
    }

    it('ends with POISON_RECORD and names the record after intensity + 1 failures, and releases its leases', async () => {
      const only = virtualConsumer(clock, {
        streamOptions: { shards: 2 },
        onItem: (item) => {
          if (textOf(item) === 'poison') throw new Error('a bug');
        },
      });
      put(only.stream, 'poison');
      await inVirtualTime(clock, only.consumer.start());
      const error = await endBesideOthers(only);
      expect(error.code).to.equal('POISON_RECORD');
      const [poison] = only.seen.filter((item) => textOf(item) === 'poison');
      expect(error.data).to.include({
        shardId: poison?.shardId,
        sequenceNumber: poison?.sequenceNumber,
        key: 'poison',
      });
      expect(seen(only).filter((id) => id === 'poison')).to.have.length(3);
      expect(owners(only.stream)).to.deep.equal([undefined, undefined]);
      expect(only.consumer.live()).to.have.property('ok', false);
      expect(only.heard('closed')).to.deep.equal([{ error }]);
      expect(only.consumer.status().tree).to.deep.equal([]);
    });

    it('ends with POISON_RECORD however far apart the failures of the record are', async () => {
      const only = virtualConsumer(clock, {
        reducers: 4,
        onItem: (item, signal) => {
          if (textOf(item) !== 'poison') return undefined;
          return new Promise((_, reject) => {
            const timer = setTimeout(() => reject(new Error('a slow bug')), 20_000);
            signal.addEventListener('abort', () => (clearTimeout(timer), reject(new Error('aborted'))));
          });
        },
      });
      put(only.stream, 'poison');
      await inVirtualTime(clock, only.consumer.start());
      expect((await endBesideOthers(only)).code).to.equal('POISON_RECORD');
    });

    it('ends with TOO_MANY_FAILURES, with the cause, when calls keep failing and none succeeds, and releases its leases', async () => {
      const only = virtualConsumer(clock, {
        onItem: () => {
          throw new Error('connect ECONNREFUSED');
        },
        reducers: 1,
      });
      put(only.stream, ...ids(0, 10));
      await inVirtualTime(clock, only.consumer.start());
      const error = await inVirtualTime(clock, rejection(only.consumer.closed), 300_000);
      expect(error.code).to.equal('TOO_MANY_FAILURES');
      expect(error.message).to.include('connect ECONNREFUSED');
      expect(only.consumer.status().restarts).to.equal(9);
      expect(owners(only.stream)).to.deep.equal([undefined]);
    });

    it('waits before each restart after a failure of its calls, and says so in `ready()`', async () => {
      let isDown = true;
      const only = virtualConsumer(clock, {
        onItem: () => {
          if (isDown) throw new Error('down');
        },
        reducers: 1,
      });
      put(only.stream, '0');
      await inVirtualTime(clock, only.consumer.start());
      await clock.advance(20_000);
      expect(only.consumer.ready().reasons).to.include('the pipeline has crashed, and waits before it restarts');
      expect(only.consumer.status().restarts).to.be.within(4, 6);
      isDown = false;
      await clock.advance(60_000);
      expect(only.consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
      expect(only.heard('leaseUnread')).to.deep.equal([]);
      await inVirtualTime(clock, only.consumer.stop());
    });

    it('stops at once while a restart is delayed', async () => {
      const only = virtualConsumer(clock, {
        onItem: () => {
          throw new Error('down');
        },
        reducers: 1,
      });
      put(only.stream, '0');
      await inVirtualTime(clock, only.consumer.start());
      await clock.advance(20_000);
      const before = clock.now();
      const { drained, leases } = await inVirtualTime(clock, only.consumer.stop());
      expect(clock.now() - before).to.be.below(2_000);
      expect(drained).to.equal(false);
      expect(leases.map(({ released }) => released)).to.deep.equal([true]);
    });
  });

  describe('that is stopped', () => {
    it('rejects start() with STOPPED during its start, resolves stop(), and leaves nothing behind', async () => {
      const stream = fakeStream({ shards: 1, clock });
      const describing = gate();
      const hanging = {
        ...stream.port,
        describe: () => describing.opened.then(() => stream.port.describe(new AbortController().signal)),
      };
      const only = virtualConsumer(clock, { stream: { ...stream, source: { ...stream.source, open: () => hanging } } });
      const starting = rejection(only.consumer.start());
      await clock.advance(1_000);
      const stopping = only.consumer.stop();
      expect(await inVirtualTime(clock, starting)).to.have.property('code', 'STOPPED');
      expect(await inVirtualTime(clock, stopping)).to.deep.equal({ leases: [], drained: true, waiting: [] });
      await only.consumer.closed;
      describing.open();
      await clock.advance(60_000);
      expect(only.consumer.status()).to.deep.include({ state: 'closed', tree: [] });
      expect(owners(stream).filter((owner) => owner !== undefined)).to.deep.equal([]);
    });

    it('rejects a later start() with STOPPED', async () => {
      const only = virtualConsumer(clock);
      await inVirtualTime(clock, only.consumer.stop());
      expect(await rejection(only.consumer.start())).to.have.property('code', 'STOPPED');
    });

    it('gives the promise of its start again, and does not start again', async () => {
      const only = virtualConsumer(clock);
      const started = only.consumer.start();
      await inVirtualTime(clock, started);
      await inVirtualTime(clock, only.consumer.stop());
      expect(only.consumer.start()).to.equal(started);
      expect(only.consumer.status().state).to.equal('closed');
    });

    it('gives the same report for a second stop(), and resolves closed', async () => {
      const only = virtualConsumer(clock);
      put(only.stream, ...ids(0, 10));
      await inVirtualTime(clock, only.consumer.start());
      await clock.advance(1_000);
      const [first, second] = [only.consumer.stop(), only.consumer.stop({ deadlineMs: 1 })];
      expect(await inVirtualTime(clock, second)).to.equal(await inVirtualTime(clock, first));
      await only.consumer.closed;
      expect(only.consumer.ready().ok).to.equal(false);
      expect(only.consumer.live().ok).to.equal(true);
      const [lease] = (await first).leases;
      expect(lease).to.deep.include({ shardId, released: true, recordsLeft: 0 });
      expect(lease?.checkpoint).to.equal(only.stream.recordsOf(shardId).at(-1)?.sequenceNumber);
    });

    it('releases its leases at the end of an await using block', async () => {
      const stream = fakeStream({ shards: 1, clock });
      const using = async (): Promise<void> => {
        await using consumer = virtualConsumer(clock, { stream }).consumer;
        await consumer.start();
        expect(owners(stream)).to.have.length(1);
      };
      await inVirtualTime(clock, using());
      expect(owners(stream)).to.deep.equal([undefined]);
    });
  });
});
