// Rules that only this repository needs; .oxlintrc.json loads them under the name `kinact`.
import { ambientRule } from './ambient.mjs';
import { wallsRule } from './walls.mjs';

const noEnumRule = {
  create: (context) => ({
    TSEnumDeclaration: (node) => context.report({ node, message: 'No enums: write a union of string literals.' }),
  }),
};

// oxlint requires a default export here. No other file may have one.
export default { meta: { name: 'kinact' }, rules: { walls: wallsRule, ambient: ambientRule, 'no-enum': noEnumRule } };
