// Symptom: Node printed MaxListenersExceededWarning when a stream was scaled, and spoke of a memory leak. Cause: every question about
// the end of a shard hung a listener on one signal of its stream, and Node warns of the eleventh.
import { expect } from 'chai';
import { idOf, ReshardingScene } from '../support/resharding-scene.js';
import { virtualClock } from '../support/virtual.js';

describe('forty shards of a process that end at once', () => {
  it('cause no warning of Node', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on('warning', note);
    try {
      using clock = virtualClock();
      const scene = new ReshardingScene(clock, { shards: 40 });
      await scene.start('only');
      await scene.write(12_000, 50);
      for (let index = 0; index < 40; index += 1) scene.split(idOf(index));
      await scene.settled();
      await clock.advance(1_000);
      expect(scene.heard('shardEnded')).to.have.length(40);
      await scene.stop();
    } finally {
      // Warnings are emitted in the next tick of the host.
      await new Promise((resolve) => setImmediate(resolve));
      process.off('warning', note);
    }
    expect(warnings.map(({ name }) => name)).to.deep.equal([]);
  });
});
