// Shows openapi.json: every operation with what it takes and replies, and the schemas they refer to.

const element = (id) => document.getElementById(id);

function make(name, text = "", properties = {}) {
  return Object.assign(document.createElement(name), { textContent: text }, properties);
}

function fold(summary, ...content) {
  const details = make("details");
  const head = make("summary");
  head.append(...summary);
  details.append(head, ...content);
  return details;
}

function contents(title, content = {}) {
  const parts = [make("h3", title)];
  for (const [mediaType, { schema }] of Object.entries(content)) {
    parts.push(make("p", mediaType), make("pre", JSON.stringify(schema, null, 2), { tabIndex: 0 }));
  }
  return parts;
}

function operation(path, method, described, shared) {
  const summary = [make("span", method.toUpperCase(), { className: "method" }), make("code", path), ` ${described.summary}`];
  const parts = [];
  for (const parameter of [...shared, ...(described.parameters ?? [])]) {
    parts.push(make("p", `${parameter.in} ${parameter.name}: ${parameter.description}`));
  }
  if (described.requestBody) parts.push(...contents("Takes", described.requestBody.content));
  for (const [status, reply] of Object.entries(described.responses)) {
    parts.push(...contents(status === "default" ? "Replies otherwise" : `Replies ${status}`, reply.content));
  }
  return fold(summary, ...parts);
}

async function start() {
  const response = await fetch("openapi.json");
  const api = await response.json();
  if (!response.ok) throw new Error(api.detail ?? api.title);
  document.title = `${api.info.title} API`;
  element("title").textContent = `${api.info.title} ${api.info.version}`;
  for (const [path, { parameters = [], ...methods }] of Object.entries(api.paths)) {
    for (const [method, described] of Object.entries(methods)) {
      element("operations").append(operation(path, method, described, parameters));
    }
  }
  for (const [name, schema] of Object.entries(api.components.schemas)) {
    element("schemas").append(fold([make("code", name)], make("pre", JSON.stringify(schema, null, 2), { tabIndex: 0 })));
  }
}

start().catch((error) => {
  element("status").textContent = error.message;
  element("status").classList.add("wrong");
});
