// Text from outside cannot move the cursor, end a line or change the writing direction. Ordinary text of any script stays as it is.
import { expect } from 'chai';
import { excerpt, visible } from '../../../src/core/visible.js';

describe('Visible text', () => {
  it('escapes characters that move a cursor, end a line or change the writing direction', () => {
    const controls = [...Array(0x20).keys(), 0x7f, ...Array.from({ length: 0x20 }, (_, index) => 0x80 + index)];
    const bidirectional = [
      0x061c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069,
    ];
    const others = [0x2028, 0x2029, 0xfeff, 0xfff9, 0xfffb, 0x206a, 0x206f, 0xd800, 0xdfff];
    for (const code of [...controls, ...bidirectional, ...others]) {
      const shown = visible(`a${String.fromCharCode(code)}b`);
      expect(shown, `U+${code.toString(16)}`).to.match(/^a\\(u[0-9a-f]{4}|[nrt])b$/);
      expect(JSON.parse(`"${shown}"`)).to.equal(`a${String.fromCharCode(code)}b`);
    }
  });

  it('leaves ordinary text of any script as it is, with its accents, joiners and emoji', () => {
    for (const text of [
      'grüß dich',
      'Ελληνικά',
      'مرحبا',
      'שלום',
      'می\u200cخواهم',
      'क्\u200dष',
      '日本語',
      '👩\u200d🚀',
      'e\u0301',
      'C:\\path',
    ])
      expect(visible(text)).to.equal(text);
  });

  it('leaves text unchanged that is escaped already', () => {
    const once = visible('a\u001b[31m\n\u202e');
    expect(once).to.equal('a\\u001b[31m\\n\\u202e');
    expect(visible(once)).to.equal(once);
  });

  it('is cut if it is too long, and then ends with an ellipsis', () => {
    expect(excerpt('\u0007'.repeat(9), 2)).to.equal('\\u0007\\u0007…');
    expect(excerpt('ab', 2)).to.equal('ab');
  });
});
