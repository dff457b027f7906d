// The page that shows /openapi.json. Everything from the document goes in as text.
'use strict';

let doc;

function make(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) e.setAttribute(name, value);
  e.append(...children.filter((c) => c));
  return e;
}

function resolve(schema) {
  return schema && schema.$ref ? schema.$ref.slice(2).split('/').reduce((at, key) => at[key], doc) : schema;
}

function nameOf(schema) {
  return schema.$ref ? schema.$ref.split('/').pop().replace(/-in$/, '') : '';
}

function kindOf(schema) {
  if (schema.$ref) return nameOf(schema);
  if (schema.type === 'array') return 'list of ' + kindOf(schema.items || {});
  if (schema.additionalProperties) return 'map of ' + kindOf(schema.additionalProperties);
  const limits = ['minLength', 'maxLength', 'minimum', 'maximum', 'minItems', 'maxItems', 'pattern']
    .filter((key) => schema[key] !== undefined && !(schema.format && key !== 'pattern'))
    .map((key) => `${key} ${schema[key]}`);
  return [schema.anyOf ? 'number' : schema.type || 'any', schema.format || schema.contentEncoding, ...limits].filter((t) => t).join(', ');
}

// What a value is made of: the schema with fields of its own, or null.
function inner(schema) {
  if (schema.type === 'array') return inner(schema.items || {});
  if (schema.additionalProperties) return inner(schema.additionalProperties);
  const it = resolve(schema);
  return it && (it.properties || it.enum) ? it : null;
}

function field(name, schema, must, text) {
  const line = make('span', {}, make('code', {}, name), ' ', make('span', { class: 'kind' }, kindOf(schema)),
    must ? make('span', { class: 'must' }, ' required') : '');
  const about = text ? make('p', {}, text) : '';
  const it = inner(schema);
  if (!it) return make('li', {}, line, about);
  const more = make('details', {}, make('summary', {}, line));
  more.addEventListener('toggle', () => { // when first opened: messages may be inside themselves
    if (more.open && more.children.length === 1) more.append(schemaList(it));
  });
  return make('li', {}, more, about);
}

function schemaList(schema) {
  const list = make('ul', { class: 'fields' });
  for (const value of schema.enum || []) list.append(make('li', {}, make('code', {}, value)));
  for (const [name, s] of Object.entries(schema.properties || {}))
    list.append(field(name, s, (schema.required || []).includes(name), s.description));
  return list.children.length ? list : make('p', { class: 'note' }, 'No fields.');
}

function schemaOf(content) {
  const [media, of] = Object.entries(content || {})[0] || [];
  return media ? [media, of.schema] : ['', {}];
}

function sample(verb, path, op) {
  const url = location.origin + path;
  if (verb === 'get') return `curl '${url}'`;
  const body = op.requestBody ? ` -H 'Content-Type: application/json' -d '{}'` : '';
  return `curl${verb === 'post' ? '' : ' -X ' + verb.toUpperCase()}${body} '${url}'`;
}

function operationBody(verb, path, op) {
  const parts = [op.description ? make('p', {}, op.description) : '', make('pre', {}, sample(verb, path, op))];
  if (op.parameters) {
    const list = make('ul', { class: 'fields' });
    for (const p of op.parameters) list.append(field(p.name, p.schema, p.required, p.description));
    parts.push(make('h3', {}, 'Parameters'), list);
  }
  if (op.requestBody) {
    const schema = schemaOf(op.requestBody.content)[1];
    parts.push(make('h3', {}, 'Body ', make('small', {}, nameOf(schema))), schemaList(resolve(schema)));
  }
  const [media, answer] = schemaOf(op.responses['200'].content);
  parts.push(make('h3', {}, 'Answer ', make('small', {}, `${nameOf(answer)} ${media}`)), schemaList(resolve(answer)));
  return parts;
}

function operation(verb, path, op) {
  const details = make('details', { class: 'op' }, make('summary', {}, make('b', {}, verb.toUpperCase()),
    make('code', op.deprecated ? { class: 'gone' } : {}, path), make('small', {}, op.summary || '')));
  details.addEventListener('toggle', () => {
    if (details.open && details.children.length === 1) details.append(...operationBody(verb, path, op).filter((p) => p));
  });
  return details;
}

function show() {
  const words = document.getElementById('filter').value.toLowerCase();
  const services = new Map(doc.tags.map((tag) => [tag.name, []]));
  for (const [path, item] of Object.entries(doc.paths))
    for (const [verb, op] of Object.entries(item))
      if (`${verb} ${path} ${op.operationId}`.toLowerCase().includes(words)) services.get(op.tags[0]).push(operation(verb, path, op));
  const out = document.getElementById('services');
  out.replaceChildren();
  for (const tag of doc.tags)
    if (services.get(tag.name).length)
      out.append(make('h2', {}, tag.name), tag.description ? make('p', { class: 'note' }, tag.description) : '', ...services.get(tag.name));
}

fetch('/openapi.json').then((r) => r.json()).then((d) => {
  doc = d;
  document.getElementById('filter').addEventListener('input', show);
  show();
}).catch((e) => {
  document.getElementById('services').textContent = `The document cannot be read: ${e.message}`;
});
