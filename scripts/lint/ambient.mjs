// `src/core` and `actors` are deterministic: time, timers and randomness come in through the ports of `src/api/ports.ts`. This
// rule reports uses of the ambient ones, also through `globalThis`, destructured, or passed on without a call.
const WORDS = new Set([
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'performance',
  'process',
  'crypto',
  'globalThis',
]);
const MEMBERS = { Date: new Set(['now']), Math: new Set(['random']) };

const isName = (node) => {
  const { parent } = node;
  if (parent === null || parent === undefined) return false;
  const isKey = (parent.key === node && !parent.computed && !parent.shorthand) || parent.type.startsWith('TS');
  const isProperty = parent.type === 'MemberExpression' && parent.property === node && !parent.computed;
  return isKey || isProperty;
};

export const ambientRule = {
  create(context) {
    const report = (node, word) =>
      context.report({
        node,
        message: `${word} is ambient: inject it through a port of src/api/ports.ts (docs/design.md section 1)`,
      });
    const isBareDate = (node) => node.callee.type === 'Identifier' && node.callee.name === 'Date';
    return {
      Identifier(node) {
        if (WORDS.has(node.name) && !isName(node)) report(node, node.name);
      },
      MemberExpression(node) {
        const name = node.computed ? node.property.value : node.property.name;
        if (node.object.type === 'Identifier' && MEMBERS[node.object.name]?.has(name))
          report(node, `${node.object.name}.${name}`);
      },
      VariableDeclarator(node) {
        if (node.id.type !== 'ObjectPattern' || node.init?.type !== 'Identifier') return;
        for (const property of node.id.properties) {
          const name = property.key?.name;
          if (MEMBERS[node.init.name]?.has(name)) report(property, `${node.init.name}.${name}`);
        }
      },
      NewExpression(node) {
        if (isBareDate(node) && node.arguments.length === 0) report(node, 'new Date()');
      },
      CallExpression(node) {
        if (isBareDate(node)) report(node, 'Date()');
      },
    };
  },
};
