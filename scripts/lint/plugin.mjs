// Rules that only this repository needs; .oxlintrc.json loads them under the name `kinact`.
import { ambientRule } from './ambient.mjs';
import { wallsRule } from './walls.mjs';

const noEnumRule = {
  create: (context) => ({
    TSEnumDeclaration: (node) => context.report({ node, message: 'No enums: write a union of string literals.' }),
  }),
};

// oxlint asks for a default export here; nowhere else is one allowed.
export default { meta: { name: 'kinact' }, rules: { walls: wallsRule, ambient: ambientRule, 'no-enum': noEnumRule } };
