// Requests to the server that gave out this page; paths are relative, behind its token.

export class Refusal extends Error {}

async function answer(response) {
  if (response.ok) return response;
  let message = `${response.status} ${response.statusText}`;
  const text = await response.text();
  try {
    message = JSON.parse(text).message ?? message;
  } catch {
    message = text || message;
  }
  const refusal = new Refusal(message.trim());
  refusal.status = response.status;
  throw refusal;
}

function url(name, query) {
  const found = new URL(`api/${name}`, document.baseURI);
  for (const [key, value] of Object.entries(query ?? {})) found.searchParams.set(key, value);
  return found;
}

export async function ask(name, query, signal) {
  return answer(await fetch(url(name, query), { signal }));
}

export async function askJson(name, query) {
  return (await ask(name, query)).json();
}

export async function askImage(name, query, signal) {
  return createImageBitmap(await (await ask(name, query, signal)).blob());
}

export async function tell(name, body) {
  const headers = { "Content-Type": "application/json" };
  return (await answer(await fetch(url(name), { method: "POST", headers, body: JSON.stringify(body) }))).json();
}

export async function upload(kind, file) {
  const headers = { "Content-Type": "application/octet-stream" };
  return (await answer(await fetch(url("upload", { kind }), { method: "POST", headers, body: file }))).json();
}

export function address(name, query) {
  return url(name, query).href;
}
