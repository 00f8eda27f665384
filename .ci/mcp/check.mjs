// Tries a capd with the MCP conformance suite and with the clients that people have. It prints a line for each thing
// that it tries, and ends with status 1 if one of them failed. Usage: node check.mjs CAPD REPOSITORY
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { writeCatalogue } from './catalogue.mjs';
import { clients, script, tools, user } from './clients.mjs';
import { each, listen, run, serve } from './process.mjs';

const [capd, repository] = process.argv.slice(2);
const fixture = join(repository, 'testdata/mcp/conformance.yaml');
const shipped = join(repository, 'capabilities');
const published = join(repository, '../shared/corpus/specs');
const home = mkdtempSync(join(tmpdir(), 'capd-mcp-')); // the clients write what they remember there
process.env.HOME = home;

let failures = 0;

// attempt runs work, and prints what it gives or why it failed.
async function attempt(name, work) {
  const start = performance.now();
  try {
    const text = await work();
    console.log(`ok    ${name}${text ? `: ${text}` : ''} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failures++;
    console.log(`FAIL  ${name}: ${error.message}`);
  }
}

// conformance runs what a revision of the protocol requires of servers. Only the status tells: the suite also counts
// what passes on a server that is not there.
async function conformance(url, revision) {
  const expected = join(repository, `.ci/mcp/expected-failures-${revision}.yaml`);
  const args = [script('@modelcontextprotocol/conformance', 'conformance'), 'server', '--url', url, '--requirements', revision, '-o', join(home, revision)];
  if (existsSync(expected)) args.push('--expected-failures', expected);
  const { code, out } = await run(process.execPath, args);
  if (code !== 0) throw new Error(`status ${code}\n${out.slice(Math.max(0, out.indexOf('=== SUMMARY')))}`);
  return /Total: .*/.exec(out)?.[0];
}

// inspector runs the Inspector, and gives what it printed. target is a URL, or a command and its arguments.
async function inspector(target, era, ...args) {
  const at = typeof target === 'string' ? ['--server-url', target, '--transport', 'http'] : [];
  const command = typeof target === 'string' ? [] : ['--', ...target];
  const program = script('@modelcontextprotocol/inspector', 'mcp-inspector');
  const { code, out } = await run(process.execPath, [program, '--cli', ...at, '--protocol-era', era, ...args, ...command]);
  if (code !== 0) throw new Error(`status ${code}\n${out.slice(-2000)}`);
  return out;
}

// inspect lists the tools as the Inspector does, which then judges their schemas.
const inspect = (target, era) => inspector(target, era, '--method', 'tools/list', '--strict');

// inspectFixture uses what the fixture has.
async function inspectFixture(target, era) {
  assert.match(await inspector(target, era, '--method', 'tools/call', '--tool-name', 'test_simple_text'), /simple text response/);
  assert.match(await inspector(target, era, '--method', 'resources/read', '--uri', 'test://template/7/data'), /Data for ID: 7/);
  assert.match(await inspector(target, era, '--method', 'prompts/get', '--prompt-name', 'test_prompt_with_arguments', '--prompt-args', 'arg1=one', 'arg2=two'), /one.*two/);
}

// converse lists and calls what the fixture has.
async function converse(connecting, wanted) {
  const { client, version } = await connecting;
  try {
    assert.equal(version, wanted);
    const names = (await tools(client)).map((tool) => tool.name);
    assert.ok(names.includes('test_simple_text'), `no test_simple_text in ${names}`);
    const answer = await client.callTool({ name: 'test_simple_text', arguments: {} });
    assert.match(answer.content[0].text, /simple text response/);
    const asked = await client.callTool({ name: 'test_elicitation', arguments: { message: 'Who are you?' } });
    assert.match(asked.content[0].text, new RegExp(`${user.username}, ${user.email}`));
    const { resources } = await client.listResources();
    assert.ok(resources.some((r) => r.uri === 'test://static-text'));
    const read = await client.readResource({ uri: 'test://template/7/data' });
    assert.equal(JSON.parse(read.contents[0].text).id, '7');
    const { prompts } = await client.listPrompts();
    assert.ok(prompts.some((p) => p.name === 'test_prompt_with_arguments'));
    const prompt = await client.getPrompt({ name: 'test_prompt_with_arguments', arguments: { arg1: 'one', arg2: 'two' } });
    assert.match(prompt.messages[0].content.text, /one.*two/);
    const { completion } = await client.complete({ ref: { type: 'ref/prompt', name: 'test_prompt_with_arguments' }, argument: { name: 'arg1', value: 'park' } });
    assert.deepEqual(completion.values, ['park']);
    return `${version}, ${names.length} tools`;
  } finally {
    await client.close();
  }
}

// sample makes a value that fits a schema well enough to be sent.
function sample(schema = {}) {
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  switch (schema.type) {
    case 'integer':
    case 'number':
      return schema.minimum ?? 1;
    case 'boolean':
      return true;
    case 'array':
      return [sample(schema.items)];
    case 'object':
      return Object.fromEntries((schema.required ?? []).map((key) => [key, sample(schema.properties?.[key])]));
    default:
      return 'x';
  }
}

// exercise lists the tools of an endpoint and calls each, and tells count of each answer. A client checks answers
// against the schemas that it was given, so a call that comes back is one whose answer fits.
async function exercise(connecting, count) {
  const { client } = await connecting;
  try {
    for (const tool of await tools(client)) {
      try {
        count(await client.callTool({ name: tool.name, arguments: sample(tool.inputSchema) }));
      } catch (error) {
        throw new Error(`${tool.name}: ${error.message}`);
      }
    }
  } finally {
    await client.close();
  }
}

// exerciseAll does so at every endpoint. Most calls must succeed, or their answers would show nothing.
async function exerciseAll(urls, client) {
  let calls = 0;
  let failed = 0;
  const faults = [];
  const count = (answer) => {
    calls++;
    if (answer.isError) failed++;
  };
  await each(urls, (url) => exercise(client.http(url), count).catch((error) => faults.push(`${url}: ${error.message}`)));
  if (faults.length > 0) throw new Error(`${faults.length} of ${urls.length} endpoints\n${faults.slice(0, 10).join('\n')}`);
  if (failed * 10 > calls) throw new Error(`${failed} of ${calls} calls failed`);
  return `${calls} tools at ${urls.length} endpoints, ${failed} calls failed`;
}

async function inspectAll(urls, era) {
  const faults = [];
  await each(urls, (url) => inspect(url, era).catch((error) => faults.push(`${url}: ${error.message}`)));
  if (faults.length > 0) throw new Error(`${faults.length} of ${urls.length} endpoints\n${faults.join('\n')}`);
  return `${urls.length} endpoints`;
}

// endpoints gives the URL of each MCP adapter that has tools.
function endpoints(documents) {
  return documents.flatMap((d) => (d.adapters ?? []).filter((a) => a.kind === 'mcp' && a.tools > 0).map((a) => a.url));
}

// spread gives n of all, evenly spread, always the same.
function spread(all, n) {
  return all.length <= n ? all : Array.from({ length: n }, (_, i) => all[Math.floor((i * all.length) / n)]);
}

// findTool uses one of very many tools as a model would: it looks for it by words, reads what it takes, and calls it.
async function findTool(connecting) {
  const { client } = await connecting;
  try {
    const listed = await tools(client);
    assert.deepEqual(listed.map((tool) => tool.name).sort(), ['call_tool', 'describe_tool', 'search_tools']);
    const name = 'harbour-17__archive_crane_area_3';
    const search = await client.callTool({ name: 'search_tools', arguments: { query: 'archive crane records of area 3 in harbour 17' } });
    assert.equal(search.structuredContent.tools[0].name, name);
    const described = await client.callTool({ name: 'describe_tool', arguments: { name } });
    assert.deepEqual(described.structuredContent.tools[0].inputSchema.required, ['id']);
    const called = await client.callTool({ name: 'call_tool', arguments: { name, arguments: { id: 'c-7' } } });
    assert.equal(called.structuredContent.request.url, 'https://harbour-17.example.com/crane/c-7');
    return `it reads ${JSON.stringify(listed).length} bytes to list, ${JSON.stringify(search).length} to search`;
  } finally {
    await client.close();
  }
}

// change counts up the version of the tools or of the prompts in the fixture, so that their list is another one.
function change(file, what) {
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace(new RegExp(`version (\\d+) of the ${what}`), (_, n) => `version ${Number(n) + 1} of the ${what}`));
}

async function withServer(args, work) {
  const server = await serve(capd, args);
  try {
    await work(server);
  } finally {
    await attempt('capd stops', server.stop);
  }
}

await attempt('capd validates the fixture', async () => {
  const { code, out } = await run(capd, ['validate', '--fail-on', 'warning', fixture]);
  if (code !== 0) throw new Error(`status ${code}\n${out}`);
});

// Two tools of the fixture have its lists changed: their upstream changes the file, and has capd read it again.
const served = join(home, 'conformance.yaml');
copyFileSync(fixture, served);
let reload;
const changer = await listen((path) => {
  change(served, path.slice(1));
  return reload();
});

await withServer([served, '--upstream', changer.url, '--watch', 'off'], async (server) => {
  reload = server.reload;
  const endpoint = server.url('conformance');
  for (const revision of ['2025-11-25', '2026-07-28']) {
    await attempt(`conformance suite, ${revision}`, () => conformance(endpoint, revision));
  }
  for (const client of clients) {
    await attempt(`${client.name}, HTTP`, () => converse(client.http(endpoint), client.version));
    if (client.stdio) await attempt(`${client.name}, stdio`, () => converse(client.stdio(capd, ['mcp', fixture]), client.version));
  }
  await attempt('Inspector, HTTP', () => inspectFixture(endpoint, 'modern'));
  await attempt('Inspector, stdio', () => inspectFixture([capd, 'mcp', fixture], 'modern'));
});
changer.close();

await withServer([shipped, '--stub'], async ({ documents }) => {
  const urls = endpoints(documents);
  const files = readdirSync(shipped).filter((f) => /\.ya?ml$/.test(f));
  await attempt('every shipped capability has tools', () => assert.deepEqual(urls.map((u) => `${basename(u)}.yaml`).sort(), files.sort()));
  for (const era of ['legacy', 'modern']) await attempt(`Inspector --strict, shipped capabilities, ${era}`, () => inspectAll(urls, era));
  for (const client of clients) await attempt(`${client.name} calls every tool of the shipped capabilities`, () => exerciseAll(urls, client));
});

const harbours = join(home, 'harbours');
mkdirSync(harbours);
writeCatalogue(harbours, 40, 500);
await withServer([harbours, '--stub', '--mcp-combined'], async ({ address }) => {
  for (const client of clients) await attempt(`${client.name} finds one of 20000 tools`, () => findTool(client.http(`${address}/mcp`)));
});

if (existsSync(published)) {
  await withServer([published, '--stub'], async ({ documents }) => {
    const urls = endpoints(documents);
    await attempt('Inspector --strict, published specs', () => inspectAll(spread(urls, 50), 'modern'));
    for (const client of clients.slice(0, 3)) await attempt(`${client.name} calls every tool of the published specs`, () => exerciseAll(urls, client));
  });
} else {
  console.log('not run: published specs, since ../shared is not here');
}

rmSync(home, { recursive: true, force: true });
process.exit(failures > 0 ? 1 : 0);
