// A large catalogue: documents with many tools, written by this script.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const verbs = { find: 'Find', create: 'Create', update: 'Change', archive: 'Archive', export: 'Export' };
const things = ['invoice', 'vessel', 'berth', 'crew', 'permit', 'cargo', 'tariff', 'pilot', 'crane', 'customs', 'weather', 'incident', 'contract', 'supplier', 'payment', 'shift', 'warehouse', 'container', 'inspection', 'voyage'];

// writeCatalogue writes n documents into folder, of as many tools each.
export function writeCatalogue(folder, n, tools) {
  for (let d = 0; d < n; d++) {
    const lines = [
      'ikanos: 1.0.0-beta5',
      `info: { display: Harbour ${d}, description: What the harbour ${d} offers }`,
      'capability:',
      '  consumes:',
      `  - type: http`,
      `    namespace: harbour`,
      `    baseUri: https://harbour-${d}.example.com`,
      '    resources:',
      "      thing: { path: '/{{kind}}/{{id}}', operations: { touch: { method: GET } } }",
      '  exposes:',
      '  - type: mcp',
      '    namespace: harbour-mcp',
      '    port: 9090',
      '    tools:',
    ];
    for (let t = 0; t < tools; t++) {
      const verb = Object.keys(verbs)[t % 5];
      const thing = things[Math.floor(t / 5) % things.length];
      const area = Math.floor(t / 100) + 1;
      lines.push(
        `      ${verb}_${thing}_area_${area}:`,
        `        description: ${verbs[verb]} the ${thing} records of area ${area} in harbour ${d}`,
        '        call: harbour.touch',
        `        with: { kind: ${thing} }`,
        '        inputParameters:',
        `          id: { type: string, description: Number of the ${thing} record }`,
      );
    }
    writeFileSync(join(folder, `harbour-${d}.yaml`), lines.join('\n') + '\n');
  }
}
