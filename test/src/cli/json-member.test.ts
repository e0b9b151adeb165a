// The key of a line is the number as the line has it, with every digit.
import { expect } from 'chai';
import { numberText } from '../../../src/cli/json-member.js';

describe('the text of a number in a JSON object', () => {
  const cases: readonly (readonly [json: string, text: string])[] = [
    ['{"id":9007199254740993}', '9007199254740993'],
    ['{ "id" : -1.50e+3 , "a":1}', '-1.50e+3'],
    ['{"a":"\\"id\\":7","id":1.0}', '1.0'],
    ['{"a":{"id":7},"b":[{"id":8}],"id":9}', '9'],
    ['{"id":9,"a":{"id":7},"b":[{"id":8},"id"]}', '9'],
    ['{"id":1,"id":2}', '2'],
    ['{"id":"text","i\\u0064":3}', '3'],
    ['{"a":"id","b":"\\\\","id":\n4\n}', '4'],
  ];
  for (const [json, text] of cases) {
    it(`is as it is written: ${json.replaceAll('\n', ' ')}`, () => {
      expect(numberText(json, 'id')).to.equal(text);
      expect(Number(text)).to.equal((JSON.parse(json) as { readonly id: number }).id);
    });
  }

  it('is found in one pass, in a line of 10 MiB, too', () => {
    const json = `{"a":"${'\\"'.repeat(5_000_000)}","id":5}`;
    expect(numberText(json, 'id')).to.equal('5');
  });
});
