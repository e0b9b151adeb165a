// The definition of a node is checked where it is made.
import { expect } from 'chai';
import { defineNode } from '../../../src/pipes/define-node.js';
import { map } from '../../../src/pipes/single-nodes.js';

const handleMessage = (): object => ({});

describe('defineNode', () => {
  it('freezes a copy of the definition', () => {
    const definition = { name: 'mine', handleMessage };
    const node = defineNode(definition);
    expect(node).to.deep.equal(definition);
    expect(node).not.to.equal(definition);
    expect(Object.isFrozen(node)).to.equal(true);
    expect(Object.isFrozen(definition)).to.equal(false);
  });

  it('takes members that are undefined as absent', () => {
    expect(() => defineNode({ handleMessage, init: undefined, maxRoutes: undefined })).not.to.throw();
  });

  for (const [given, path, text] of [
    [{}, 'node.handleMessage', 'expected a function, got undefined'],
    [{ handleMessage, hadleFlush: 1 }, 'node.hadleFlush', 'did you mean handleFlush?'],
    [{ handleMessage, toString: 1 }, 'node.toString', 'no such member'],
    [{ handleMessage, init: 1 }, 'node.init', 'expected a function, got 1'],
    [{ handleMessage: 1 }, 'node.handleMessage', 'expected a function, got 1'],
    [{ handleMessage, handleFlush: null }, 'node.handleFlush', 'expected a function, got null'],
    [{ handleMessage, handleTimer: {} }, 'node.handleTimer', 'expected a function, got an object'],
    [{ handleMessage, terminate: '' }, 'node.terminate', "expected a function, got ''"],
    [{ handleMessage, handleLost: async () => {} }, 'node.handleLost', 'got an async function'],
    [{ handleMessage, name: '' }, 'node.name', 'a name of 1 to 100 characters'],
    [{ handleMessage, name: 'a/b' }, 'node.name', 'without a slash'],
    [{ handleMessage, name: 'a\nb' }, 'node.name', 'a name'],
    [{ handleMessage, timeoutMs: 0 }, 'node.timeoutMs', 'a number of milliseconds, 1 to 2147483647, got 0'],
    [{ handleMessage, timeoutMs: Number.NaN }, 'node.timeoutMs', 'got NaN'],
    [{ handleMessage, routeIdleMs: 2 ** 31 }, 'node.routeIdleMs', 'a number of milliseconds'],
    [{ handleMessage, maxQueueLen: 0 }, 'node.maxQueueLen', 'an integer >= 1, got 0'],
    [{ handleMessage, maxQueueBytes: 1.5 }, 'node.maxQueueBytes', 'an integer >= 1, got 1.5'],
    [{ handleMessage, maxRoutes: '7' }, 'node.maxRoutes', "an integer >= 1, got '7'"],
    [undefined, 'node', 'a plain object with handleMessage, got undefined'],
    [handleMessage, 'node', 'got a function'],
    [class Mine {}, 'node', 'got the class Mine'],
    [new (class Mine {})(), 'node', 'got an instance of Mine'],
  ] as const)
    it(`refuses ${path} that is wrong: ${text}`, () => {
      expect(() => defineNode(given as never))
        .to.throw(text)
        .with.property('code', 'INVALID_OPTION');
      expect(() => defineNode(given as never))
        .to.throw()
        .with.nested.property('data.option', path);
    });

  it('nodes of kinact take a name and bounds, and refuse the rest', () => {
    expect(map(String, { name: 'texts', maxQueueLen: 3 })).to.include({ name: 'texts', maxQueueLen: 3 });
    expect(map(String).name).to.equal('map');
    expect(map(String, { name: undefined }).name).to.equal('map');
    expect(() => map(String, { maxQueueLn: 3 } as never)).to.throw(
      'map.maxQueueLn: no such member; did you mean maxQueueLen?',
    );
    expect(() => map(7 as never)).to.throw('map: expected a function, got 7');
  });
});
